//! Whose files they are, and who may read them.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// What is wrong with who may do what with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Others may read or write it; the mode that would be right.
    TooOpen { mode: u32, right: u32 },
    /// It is another user's.
    Foreign { owner: u32, me: u32 },
}

impl Fault {
    pub fn what(&self) -> String {
        match self {
            Fault::TooOpen { mode, .. } => format!("its mode is {mode:03o}: other users may use it"),
            Fault::Foreign { owner, me } => format!("it belongs to user {owner}, but this is user {me}"),
        }
    }

    pub fn advice(&self, path: &Path) -> String {
        match self {
            Fault::TooOpen { right, .. } => format!("chmod {right:03o} {}", path.display()),
            Fault::Foreign { owner, me } => {
                format!("run as user {owner}, or `chown {me} {}`", path.display())
            }
        }
    }
}

/// Checks that nobody but the owner has any of the permissions in `forbidden`, and that the owner is this user, or the
/// superuser where that is said to be fine.
#[cfg(unix)]
pub fn check(found: &Metadata, forbidden: u32, root_may_own: bool) -> Option<Fault> {
    use std::os::unix::fs::MetadataExt;
    let (mode, owner, me) = (found.mode() & 0o7777, found.uid(), rustix::process::geteuid().as_raw());
    if owner != me && !(root_may_own && owner == 0) {
        return Some(Fault::Foreign { owner, me });
    }
    (mode & forbidden != 0).then_some(Fault::TooOpen { mode: mode & 0o777, right: mode & 0o777 & !forbidden })
}

/// Elsewhere access lists are the administrator's business.
#[cfg(not(unix))]
pub fn check(_: &Metadata, _: u32, _: bool) -> Option<Fault> {
    None
}

/// Opens a file that holds a secret; refuses one that others may read.
pub fn open_secret(path: &Path) -> Result<File, Failure> {
    // A pipe, too: who writes into it may be a person who is asked for a passphrase.
    let file = File::open(path).map_err(|error| of_io(path, &error))?;
    let found = file.metadata().map_err(|error| of_io(path, &error))?;
    match check(&found, 0o077, true) {
        None => Ok(file),
        Some(fault) => {
            let advice = fault.advice(path);
            Err(Failure::new(Exit::Refused, format!("{}: {}; {advice}", path.display(), fault.what())))
        }
    }
}

/// Opens a file to read it. To open a pipe by its name would wait for whoever writes into it, perhaps for ever.
pub fn open(path: &Path) -> Result<File, Failure> {
    no_pipe(path)?;
    File::open(path).map_err(|error| of_io(path, &error))
}

/// Refuses what has a name, and waits for a writer when it is opened. One that a shell has opened already (`<(..)`,
/// `/dev/stdin`) does not wait.
pub fn no_pipe(path: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let is_open = ["/dev/fd", "/dev/stdin", "/proc"].iter().any(|open| path.starts_with(open));
        let waits = |found: Metadata| found.file_type().is_fifo() || found.file_type().is_socket();
        if !is_open && std::fs::metadata(path).is_ok_and(waits) {
            let message = format!("{}: it is a pipe or a socket, and a file is needed", path.display());
            return Err(Failure::new(Exit::Refused, message));
        }
    }
    Ok(())
}

/// A whole file, if it is no longer than `most`.
pub fn read_bounded(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_all(open(path)?, path, most)
}

/// What is left of a file, in one allocation: a growing one would leave copies of a secret behind.
pub fn read_all(file: File, path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or_default().saturating_add(64)));
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| of_io(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(Failure::new(Exit::Refused, format!("{}: more than {most} bytes", path.display())));
    }
    Ok(bytes)
}

/// A failure of a file operation, sorted.
pub fn of_io(path: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let exit = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Exit::Missing,
        ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => Exit::Refused,
        _ => Exit::TryAgain,
    };
    Failure::new(exit, format!("{}: {error}", path.display()))
}
