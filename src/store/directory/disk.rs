//! The one door through which anything is changed on disk, so that a test can stop the store at each step.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rand::TryRng;
use rand::rngs::SysRng;

#[cfg(any(test, feature = "testing"))]
use crate::store::{Media, Steps};
use crate::store::{Problem, StoreError};

/// Ends the names of files that are not complete yet.
pub(super) const TEMPORARY: &str = ".tmp";

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    #[cfg(any(test, feature = "testing"))]
    pub(super) steps: Option<Steps>,
    #[cfg(any(test, feature = "testing"))]
    pub(super) media: Option<Media>,
}

impl Disk {
    /// Fails if a test let this store die.
    #[cfg_attr(not(any(test, feature = "testing")), allow(clippy::unused_self, clippy::unnecessary_wraps))]
    pub(super) fn alive(&self) -> Result<(), StoreError> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(steps) = &self.steps {
            steps.alive()?;
        }
        Ok(())
    }

    #[cfg_attr(
        not(any(test, feature = "testing")),
        allow(clippy::unused_self, clippy::unnecessary_wraps, unused_variables)
    )]
    fn before(&self, what: &str, path: &Path, half: &mut dyn FnMut()) -> Result<(), StoreError> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(steps) = &self.steps {
            steps.before(what, path, half)?;
        }
        Ok(())
    }

    /// Tells the medium below, if a test keeps one.
    #[cfg(any(test, feature = "testing"))]
    fn media(&self, tell: impl FnOnce(&Media)) {
        if let Some(media) = &self.media {
            tell(media);
        }
    }

    /// Makes a directory for its owner alone, and those above it, durably. One that exists is left as it is.
    pub(super) fn make_dir(&self, path: &Path) -> Result<(), StoreError> {
        if fs::symlink_metadata(path).is_ok() {
            return Ok(());
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if above != path {
            self.make_dir(above)?;
        }
        self.before("mkdir", path, &mut || ())?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.will_name(path));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            // Another process that creates the same vault may be faster.
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(StoreError::io(path, error)),
            _ => {}
        }
        self.sync_dir(above)
    }

    /// A new file beside `path` under a name of its own; it becomes `path` by [`rename`](Disk::rename).
    pub(super) fn temporary(&self, path: &Path) -> Result<(File, PathBuf), StoreError> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{:016x}{TEMPORARY}", random(path)?));
        let temporary = path.with_file_name(name);
        self.before("create", &temporary, &mut || ())?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.will_name(&temporary));
        let file = private().write(true).create_new(true).open(&temporary);
        Ok((file.map_err(|error| StoreError::io(&temporary, error))?, temporary))
    }

    /// Writes all of `bytes` at `offset`.
    pub(super) fn write(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let put = |bytes: &[u8]| {
            let mut file = file;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytes)
        };
        self.before("write", path, &mut || {
            #[cfg(any(test, feature = "testing"))]
            self.media(|media| media.will_write(path));
            let _ = put(bytes.get(..bytes.len() / 2).unwrap_or_default());
        })?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.will_write(path));
        put(bytes).map_err(|error| StoreError::io(path, error))
    }

    pub(super) fn cut(&self, file: &File, path: &Path, length: u64) -> Result<(), StoreError> {
        self.before("cut", path, &mut || ())?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.will_write(path));
        file.set_len(length).map_err(|error| StoreError::io(path, error))
    }

    pub(super) fn sync(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        let allowed = self.before("sync", path, &mut || ());
        #[cfg(any(test, feature = "testing"))]
        if allowed.is_err() && self.alive().is_ok() {
            self.media(|media| media.failed_to_sync(path));
        }
        allowed?;
        #[cfg(any(test, feature = "testing"))]
        if let Some(media) = &self.media {
            // A test's medium takes no time.
            media.synced(path);
            return Ok(());
        }
        file.sync_all().map_err(|error| StoreError::io(path, error))
    }

    /// Makes creations, renames and removals in `dir` durable.
    pub(super) fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        self.before("sync", dir, &mut || ())?;
        #[cfg(any(test, feature = "testing"))]
        if let Some(media) = &self.media {
            media.synced_names(dir);
            return Ok(());
        }
        // Elsewhere a directory cannot be opened as a file; there the file system orders its own metadata.
        #[cfg(unix)]
        File::open(dir).and_then(|file| file.sync_all()).map_err(|error| StoreError::io(dir, error))?;
        Ok(())
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.before("rename", to, &mut || ())?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.will_name(to));
        fs::rename(from, to).map_err(|error| StoreError::io(to, error))?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.renamed(from, to));
        Ok(())
    }

    /// Removes a file; that it is gone already is no error.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.before("remove", path, &mut || ())?;
        #[cfg(any(test, feature = "testing"))]
        self.media(|media| media.will_name(path));
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path, error)),
            _ => Ok(()),
        }
    }

    /// Puts a small file in place of whatever had its name, whole or not at all. Durable once `sync_dir` was called.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let (file, temporary) = self.temporary(path)?;
        let done = self
            .write(&file, &temporary, 0, bytes)
            .and_then(|()| self.sync(&file, &temporary))
            .and_then(|()| self.rename(&temporary, path));
        if done.is_err() {
            // Only tidiness: in `pages` a sweep finds what is left here, and elsewhere nothing reads it.
            let _ = self.remove(&temporary);
        }
        done
    }
}

/// Options that make new files readable by their owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Fills `buffer` from `offset`; a file that ends before is an `UnexpectedEof`.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
    }
    #[cfg(windows)]
    {
        let (mut buffer, mut offset) = (buffer, offset);
        while !buffer.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(read..).unwrap_or_default();
            offset += read as u64;
        }
        Ok(())
    }
}

/// Eight fresh bytes; `path` is what they are for.
pub(super) fn random(path: &Path) -> Result<u64, StoreError> {
    SysRng
        .try_next_u64()
        .map_err(|error| StoreError::new(Problem::Io, path.display().to_string()).caused_by(error.to_string()))
}
