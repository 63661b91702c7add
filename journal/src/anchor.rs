//! An entry, pinned.

use std::fmt;
use std::str::FromStr;

use super::ids::Hash;
use super::text::InvalidText;

/// An entry of the journal, pinned: its number, and the hash of its line.
///
/// With an anchor anybody can check later that the journal still has that entry, and every entry before it. A receipt
/// has two anchors. The root record has the newest. Anybody may write one down: as text it is `12:` and the hash in
/// base64url.
///
/// ```
/// use oubliette_journal::{Anchor, Hash};
///
/// let anchor = Anchor::new(12, Hash::from_bytes([7; 32])).ok_or("0 is no entry")?;
/// let written_down = anchor.to_string();
/// assert_eq!(written_down, "12:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
/// assert_eq!(written_down.parse::<Anchor>()?, anchor);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// From 1 on.
    pub(crate) n: u64,
    pub(crate) hash: Hash,
}

impl Anchor {
    /// What stands for the entry before the first.
    pub(crate) const START: Anchor = Anchor { n: 0, hash: Hash::NONE };

    /// The anchor of the entry with this number and this hash. `None` for number 0: the first entry is number 1.
    #[must_use]
    pub const fn new(n: u64, hash: Hash) -> Option<Anchor> {
        if n == 0 { None } else { Some(Anchor { n, hash }) }
    }

    /// The entry's number, from 1 on.
    #[must_use]
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// The SHA-256 of the entry's line, without its line feed.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Anchor, InvalidText> {
        const WHAT: InvalidText = InvalidText("an anchor such as 12:hash");
        let (n, hash) = text.split_once(':').ok_or(WHAT)?;
        let anchor = Anchor::new(n.parse().map_err(|_| WHAT)?, hash.parse().map_err(|_| WHAT)?).ok_or(WHAT)?;
        if anchor.to_string() == text { Ok(anchor) } else { Err(WHAT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_have_one_text() {
        let anchor = Anchor::new(12, Hash::from_bytes([7; 32])).unwrap();
        assert_eq!(Anchor::new(0, anchor.hash()), None);
        let text = anchor.to_string();
        assert_eq!(text.parse(), Ok(anchor));
        for text in [text.replace("12:", "012:"), text.replace("12:", "0:"), text.replace(':', ""), text.clone() + "A"]
        {
            assert!(text.parse::<Anchor>().is_err(), "{text}");
        }
        // The last of 43 characters has two bits that mean nothing, and must be zero.
        let last = text.chars().last().unwrap() as u8;
        assert!((text[..text.len() - 1].to_owned() + &char::from(last + 1).to_string()).parse::<Anchor>().is_err());
    }
}
