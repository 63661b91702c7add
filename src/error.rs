//! Errors: one enum an operation, and the three outcomes they sort into.

mod any;
mod change;
mod key_store;
mod life;
mod shred;
mod values;

pub(crate) use crate::journal::Outcome;
pub use any::Error;
pub use change::{ChangeError, TokenError};
pub use key_store::KeyStoreError;
pub use life::{CreateError, RecoverError, UnlockError};
pub use shred::ShredError;
pub use values::{OpenError, SealError, UnlessShredded};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The texts of `#[error("..")]` in a source: as they are shown, without the breaks of lines.
    fn texts(source: &str) -> Vec<String> {
        let texts = source.split("#[error(").skip(1).filter_map(|part| part.split(")]").next());
        texts.map(|text| text.trim().replace("\\\n", "\n").lines().map(str::trim_start).collect()).collect()
    }

    fn look_at(directory: &Path, seen: &mut usize) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look_at(&path, seen);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for text in texts(&fs::read_to_string(&path).unwrap()) {
                    *seen += 1;
                    assert!(!text.contains("  "), "{}: a run of spaces in {text}", path.display());
                }
            }
        }
    }

    /// A line that was joined by hand keeps the indentation of the next one.
    #[test]
    fn no_message_has_a_run_of_spaces() {
        let mut seen = 0;
        look_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut seen);
        assert!(seen > 100, "{seen}");
    }
}
