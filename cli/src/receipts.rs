//! Receipts: signed, and naming somebody, so each goes to a file that its owner alone may read.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oubliette::ReceiptContext;
use oubliette::journal::Receipt;

use crate::config::{Config, duration};
use crate::exit::{Exit, Failure};
use crate::permissions;

/// A new file for something about somebody. Made before what cannot be undone, which must not find that there is no place.
#[derive(Debug)]
pub struct PrivateFile {
    path: PathBuf,
    file: File,
}

impl PrivateFile {
    pub fn create(path: &Path) -> Result<PrivateFile, Failure> {
        let file = create(path).map_err(|error| permissions::of_io(path, &error))?;
        Ok(PrivateFile { path: path.to_owned(), file })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a text and a line's end, in place of what was written before, and makes both durable.
    pub fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.file.sync_all()?;
        sync_directory(&self.path)
    }

    /// Removes it.
    pub fn give_up(self) {
        // It is ours, and there is nothing in it worth keeping.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_directory(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    if let Some(directory) = file.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        return File::open(directory)?.sync_all();
    }
    Ok(())
}

/// What the configuration states of copies that a shred does not reach.
pub fn receipt_context(config: &Config) -> Result<ReceiptContext, Failure> {
    let mut context = ReceiptContext::new();
    if let Some(kept) = &config.root_copies_kept {
        context = context.root_copies_kept(duration(kept)?);
    }
    if let Some(kept) = &config.backups_kept {
        context = context.backups_kept(duration(kept)?);
    }
    Ok(context)
}

/// Takes the receipts that the register issues, before it forgets whose they are.
#[derive(Clone, Debug, Default)]
pub struct Receipts(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    directory: Option<PathBuf>,
    /// The customer that this command is about, by the register's own id of them.
    own: Option<String>,
    file: Option<PrivateFile>,
    has_own: bool,
    /// Where the receipt of that customer is.
    own_kept: Option<PathBuf>,
    /// Where those of others are, whose erasures were finished meanwhile.
    others: Vec<PathBuf>,
}

impl Receipts {
    /// Receipts that go to the configuration's directory.
    pub fn new(config: &Config) -> Result<Receipts, Failure> {
        let directory = config.register.receipts.clone();
        if let Some(directory) = &directory {
            let found = std::fs::metadata(directory).map_err(|error| permissions::of_io(directory, &error))?;
            if !found.is_dir() {
                let message = format!("{}: not a directory, where receipts could be kept", directory.display());
                return Err(Failure::new(Exit::Config, message));
            }
            if let Some(fault) = permissions::check(&found, 0o077, false) {
                let message = format!("{}: {}; {}", directory.display(), fault.what(), fault.advice(directory));
                return Err(Failure::new(Exit::Refused, message));
            }
        }
        Ok(Receipts(Arc::new(Mutex::new(Taken { directory, ..Taken::default() }))))
    }

    /// The receipt of this customer goes to this file; if there is neither file nor directory, to nowhere, since nobody
    /// asked for it.
    pub fn own(&self, subject: &str, file: Option<PrivateFile>) {
        let mut taken = self.lock();
        taken.own = Some(subject.to_owned());
        taken.file = file;
    }

    pub fn has_directory(&self) -> bool {
        self.lock().directory.is_some()
    }

    /// Whether the receipt of the customer that this command is about was taken.
    pub fn has_own(&self) -> bool {
        self.lock().has_own
    }

    /// Where the receipt of the customer that this command is about was written.
    pub fn own_kept(&self) -> Option<PathBuf> {
        self.lock().own_kept.clone()
    }

    /// Where those of others were written. They are nobody else's to be shown.
    pub fn of_others(&self) -> Vec<PathBuf> {
        self.lock().others.clone()
    }

    /// Removes the file that no receipt was written to.
    pub fn give_up(&self) {
        let mut taken = self.lock();
        if !taken.has_own
            && let Some(file) = taken.file.take()
        {
            file.give_up();
        }
    }

    pub fn take(&self, receipt: &Receipt) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut taken = self.lock();
        let taken = &mut *taken;
        let is_own = taken.own.as_deref() == Some(receipt.content().whose.as_str());
        if is_own && let Some(file) = &mut taken.file {
            file.write(&receipt.to_string()).map_err(|error| format!("{}: {error}", file.path().display()))?;
            taken.own_kept = Some(file.path().to_owned());
        } else if let Some(directory) = &taken.directory {
            let path = keep(directory, receipt)?;
            match is_own {
                true => taken.own_kept = Some(path),
                false => taken.others.push(path),
            }
        } else if !is_own {
            return Err(NOWHERE.into());
        }
        taken.has_own |= is_own;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub const NOWHERE: &str =
    "the receipt names a person and needs a directory; give `receipts = \"DIRECTORY\"` under [register]";

/// Under a name that says nothing of whose it is, and only once it is whole.
fn keep(directory: &Path, receipt: &Receipt) -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    let content = receipt.content();
    let path = directory.join(format!("receipt-{}-{}.json", content.generation, content.commitment));
    let unfinished = path.with_extension("unfinished");
    let written = || {
        let mut file = PrivateFile { path: unfinished.clone(), file: create(&unfinished)? };
        file.write(&receipt.to_string())?;
        std::fs::rename(&unfinished, &path)?;
        sync_directory(&path)
    };
    written().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
