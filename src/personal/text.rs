//! Text of any kind.

use std::str::FromStr;

use super::secret_text::{SecretText, deserializes_from_text, exposes_text, serializes_exposed_text};
use super::{Canonical, CanonicalForm, Invalid, MOST_BYTES, Padding, PersonalData, Plaintext, TypeTag};

/// Text of any kind: notes, messages, numbers of documents.
///
/// Kept exactly as given, and it may be empty: only more than [`MOST_BYTES`] is refused.
///
/// The canonical form ignores the choice of Unicode normal form and the kind of line ends, nothing else: a text may be
/// a code in which case and spaces matter.
///
/// Padding: steps of 256 bytes.
///
///
/// ```
/// use oubliette::personal::Text;
/// let note: Text = "leave it with the neighbour".parse()?;
/// assert_eq!(note.expose_personal_data(), "leave it with the neighbour");
/// assert!(!format!("{note:?}").contains("neighbour"));
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
#[doc = include_str!("folding/text.md")]
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    text: SecretText,
}

/// The empty text.
impl Default for Text {
    fn default() -> Text {
        Text { text: SecretText::with_capacity(0) }
    }
}

exposes_text!(Text);
serializes_exposed_text!(Text);
deserializes_from_text!(Text, "a text, as a string");

const TOO_LONG: Invalid = Invalid::TooLong("the text has more than 16 MiB; store it in pieces");

impl FromStr for Text {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Text, Invalid> {
        if text.len() > MOST_BYTES {
            return Err(TOO_LONG);
        }
        Ok(Text { text: SecretText::copy_of(text) })
    }
}

/// Takes the string over without a copy; it is wiped on drop, or at once if it is refused.
impl TryFrom<String> for Text {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Text, Invalid> {
        let text = SecretText::taking(text);
        if text.as_str().len() > MOST_BYTES { Err(TOO_LONG) } else { Ok(Text { text }) }
    }
}

impl PersonalData for Text {
    const TAG: TypeTag = TypeTag::ours("obl.text");
    const PADDING: Padding = Padding::steps_of(256);

    fn size_hint(&self) -> usize {
        self.text.as_str().len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.text.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Text, Invalid> {
        std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or(Invalid::Content)
    }
}

impl Canonical for Text {
    fn canonical_form(&self) -> CanonicalForm {
        let normal = SecretText::nfc(self.text.as_str());
        let mut form = SecretText::with_capacity(normal.as_str().len());
        let mut chars = normal.as_str().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                // The line feed stands for both.
                '\r' if chars.peek() == Some(&'\n') => {}
                '\r' => form.push('\n'),
                _ => form.push(c),
            }
        }
        CanonicalForm::of_text(form.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_it_is() {
        for text in ["", " two\r\nlines ", "nul \0 and \u{202e}", "e\u{301}"] {
            assert_eq!(text.parse::<Text>().unwrap().expose_personal_data(), text);
        }
        assert!(Text::default() == "".parse().unwrap());
        assert_eq!(Text::try_from("x".repeat(MOST_BYTES + 1)), Err(TOO_LONG));
        assert!(Text::try_from("x".repeat(MOST_BYTES)).is_ok());
        assert_eq!("x".repeat(MOST_BYTES + 1).parse::<Text>(), Err(TOO_LONG));
        assert_eq!(Text::decode(&vec![b'x'; MOST_BYTES + 1]), Err(Invalid::Content));
    }

    #[test]
    fn the_canonical_form_folds_normal_form_and_line_ends_only() {
        let form = |text: &str| text.parse::<Text>().unwrap().canonical_form();
        assert_eq!(form("e\u{301}\r\nb\r\n"), form("é\nb\n"));
        assert_eq!(form("a\r\r\nb\r").expose_personal_data(), b"a\n\nb\n");
        assert_ne!(form("AB 12"), form("ab 12"));
        assert_ne!(form("AB 12"), form("AB12"));
        assert_eq!(form("").expose_personal_data(), b"");
    }
}
