//! What an error says where only `Debug` is printed.
//!
//! A `main` that returns an error prints its `Debug`, and so do `unwrap`, `expect` and a test that fails. The advice lies in the
//! message. So every public error of these packages has its message, with its causes, as `Debug`.

use std::error::Error;

/// The message of an error and those of its causes, each said once.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        cause = error.source();
    }
    said
}

/// Gives errors their message as `Debug`.
#[macro_export]
#[doc(hidden)]
macro_rules! __debug_as_message {
    ($($error:ty),+ $(,)?) => {$(
        impl ::core::fmt::Debug for $error {
            /// The message with its causes, as a `main` that returns this error prints it.
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(&$crate::message::chain(self))
            }
        }
    )+};
}

pub use crate::__debug_as_message as debug_as_message;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::JournalError;

    /// What a `main` prints that returns this error: what is wrong, what to do, and why.
    #[test]
    fn debug_is_the_message_with_its_causes() {
        let cause = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "not yours");
        let error = JournalError::Io { path: "privacy.journal".into(), source: Arc::new(cause) };
        let said = "privacy.journal could not be read or written; look at the cause, then try again: not yours";
        assert_eq!(format!("{error:?}"), said);
        let boxed: Box<dyn std::error::Error> = error.into();
        assert_eq!(format!("{boxed:?}"), said);
    }

    /// A cause that the message has already is not repeated.
    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] std::fmt::Error);
        let said = super::chain(&Outer(std::fmt::Error));
        assert_eq!(said, format!("outer: {}", std::fmt::Error));
    }
}
