//! The plaintext of a group. FORMAT.md, section 8.2.

use std::ops::Range;

use crate::field::LABEL_BYTES;
use crate::journal::check_name;
use crate::personal::{MOST_BYTES, Padding, Plaintext, TAG_BYTES, TypeTag};

/// In the place of a type's tag, where the keys of a group are derived.
pub(crate) const GROUP: TypeTag = TypeTag::ours("obl.group");

/// The version of the encoding.
const FORMAT: u8 = 1;
/// How the tags of this crate's own types begin. It is not written: their length has this bit set instead.
const OURS: &str = "obl.";
const IS_OURS: u8 = 0x80;
/// Most fields in one group.
pub(crate) const MOST_MEMBERS: usize = 64;
/// The lengths of several values add up to one that says little of each, so the step is a short one.
pub(crate) const PADDING: Padding = Padding::steps_of(64);

/// A type's tag, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'b> {
    is_ours: bool,
    text: &'b str,
}

impl<'b> Tag<'b> {
    pub(crate) fn of(tag: &'b str) -> Tag<'b> {
        match tag.strip_prefix(OURS) {
            Some(text) => Tag { is_ours: true, text },
            None => Tag { is_ours: false, text: tag },
        }
    }

    /// Whole.
    pub(crate) fn name(self) -> String {
        format!("{}{}", if self.is_ours { OURS } else { "" }, self.text)
    }

    fn is_right(self) -> bool {
        let most = if self.is_ours { TAG_BYTES - OURS.len() } else { TAG_BYTES };
        is_name(self.text, most) && (self.is_ours || !self.text.starts_with(OURS))
    }
}

/// Nearly all names are printable ASCII, which is told at a glance, and a group has a dozen of them.
#[inline]
fn is_name(text: &str, most: usize) -> bool {
    let is_plain = text.bytes().fold(true, |all, byte| all & (0x20..0x7f).contains(&byte));
    if is_plain { (1..=most).contains(&text.len()) } else { check_name(text, most).is_ok() }
}

/// One member, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'b> {
    pub(crate) label: &'b str,
    pub(crate) tag: Tag<'b>,
    pub(crate) content: &'b [u8],
}

/// Where a member's parts are in what was read.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) label: Range<usize>,
    pub(crate) tag: Range<usize>,
    pub(crate) content: Range<usize>,
    is_ours: bool,
}

impl Places {
    /// The tag, whose text was found there.
    pub(crate) fn tag<'b>(&self, text: &'b str) -> Tag<'b> {
        Tag { is_ours: self.is_ours, text }
    }
}

impl Raw<'_> {
    /// Of a member that begins at `start`, which then is where the next one does.
    pub(crate) fn places(&self, start: &mut usize) -> Places {
        let mut part = |before: usize, bytes: usize| {
            let from = *start + before;
            *start = from + bytes;
            from..*start
        };
        let (label, tag) = (part(1, self.label.len()), part(1, self.tag.text.len()));
        Places { label, tag, content: part(3, self.content.len()), is_ours: self.tag.is_ours }
    }
}

/// Bytes that are no group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Not of the form.
    Form,
    /// Of a later form.
    Newer(u8),
}

/// The members of a group, in the order of their labels. What is written has one form, and nothing else is read: of a reader that
/// accepts two forms one can be tricked into what the other refuses.
pub(crate) fn read(bytes: &[u8]) -> Result<impl Iterator<Item = Result<Raw<'_>, Malformed>>, Malformed> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => Ok(Rest { rest, before: "", count: 0 }),
        Some((&found, _)) if found > FORMAT => Err(Malformed::Newer(found)),
        _ => Err(Malformed::Form),
    }
}

struct Rest<'b> {
    rest: &'b [u8],
    /// The label of the member before. None is empty.
    before: &'b str,
    count: usize,
}

impl<'b> Rest<'b> {
    fn take(&mut self, bytes: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn text(&mut self, bytes: u8) -> Option<&'b str> {
        std::str::from_utf8(self.take(usize::from(bytes))?).ok()
    }

    fn member(&mut self) -> Option<Raw<'b>> {
        self.count += 1;
        let length = self.byte()?;
        let label = self.text(length)?;
        let is_next = label > self.before && self.count <= MOST_MEMBERS;
        if !is_next || !is_name(label, LABEL_BYTES) {
            return None;
        }
        self.before = label;
        let length = self.byte()?;
        let tag = Tag { is_ours: length & IS_OURS != 0, text: self.text(length & !IS_OURS)? };
        if !tag.is_right() {
            return None;
        }
        let [a, b, c] = *self.take(3)?.first_chunk()?;
        let content = self.take(usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?)?;
        Some(Raw { label, tag, content })
    }
}

impl<'b> Iterator for Rest<'b> {
    type Item = Result<Raw<'b>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let member = self.member();
        if member.is_none() {
            self.rest = &[];
        }
        Some(member.ok_or(Malformed::Form))
    }
}

/// How many bytes members take.
pub(crate) fn size<'b>(members: impl Iterator<Item = Raw<'b>>) -> usize {
    let each = |member: Raw<'_>| 5 + member.label.len() + member.tag.text.len() + member.content.len();
    members.map(each).fold(1, usize::saturating_add)
}

/// Writes members, which are in the order of their labels. Whoever calls it has seen that [`size`] is not too much.
pub(crate) fn write<'b>(members: impl Iterator<Item = Raw<'b>>, out: &mut Plaintext) {
    // What is within 16 MiB together has lengths of three bytes.
    const _: () = assert!(MOST_BYTES <= 1 << 24);
    out.extend(&[FORMAT]);
    for Raw { label, tag, content } in members {
        let length = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
        out.extend(&[length(label)]);
        out.extend(label.as_bytes());
        out.extend(&[length(tag.text) | if tag.is_ours { IS_OURS } else { 0 }]);
        out.extend(tag.text.as_bytes());
        let [_, length @ ..] = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
        out.extend(&length);
        out.extend(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Raw<'_>>, Malformed> {
        read(bytes)?.collect()
    }

    fn written(members: &[Raw<'_>]) -> Vec<u8> {
        let mut out = Plaintext::with_capacity(0);
        write(members.iter().copied(), &mut out);
        assert_eq!(out.len(), size(members.iter().copied()));
        out.as_bytes().to_vec()
    }

    const EMAIL: &[u8] = b"\x05email\x85email\0\0\x03a@b";
    const RAW: &[u8] = b"\x03raw\x08shop.raw\0\0\0";

    #[test]
    fn members_are_written_as_the_format_says() {
        let members = [
            Raw { label: "email", tag: Tag::of("obl.email"), content: b"a@b" },
            Raw { label: "raw", tag: Tag::of("shop.raw"), content: b"" },
        ];
        let bytes = [b"\x01", EMAIL, RAW].concat();
        assert_eq!(written(&members), bytes);
        assert_eq!(all(&bytes).unwrap(), members);
        assert_eq!(members.map(|member| member.tag.name()), ["obl.email", "shop.raw"]);
        assert_eq!(all(b"\x01").unwrap(), [], "a group of nothing");
    }

    #[test]
    fn what_has_not_the_form_is_refused() {
        let member = |label: &[u8], tag: &[u8]| [b"\x01", label, tag, b"\0\0\0"].concat();
        let long = |first: u8, bytes: usize| [&[first][..], &vec![b'x'; bytes]].concat();
        let many: Vec<u8> = (0..65).flat_map(|n| format!("\x02{n:02}\u{1}t\0\0\0").into_bytes()).collect();
        assert_eq!(all(&[b"\x01", &many[..64 * 8]].concat()).unwrap().len(), 64);
        let good = member(b"\x01a", b"\x01t");
        assert_eq!(all(&good).unwrap().len(), 1);
        for bytes in [
            b"".to_vec(),
            b"\0".to_vec(),
            [b"\x01", RAW, EMAIL].concat(),
            [b"\x01", EMAIL, EMAIL].concat(),
            [b"\x01", &many[..]].concat(),
            [&good[..], b"\0"].concat(),
            member(b"\0", b"\x01t"),
            member(b"\x01\n", b"\x01t"),
            member(b"\x01\xff", b"\x01t"),
            member(&long(65, 65), b"\x01t"),
            member(b"\x01a", b"\0"),
            member(b"\x01a", b"\x80"),
            member(b"\x01a", b"\x01\n"),
            member(b"\x01a", b"\x01\xff"),
            member(b"\x01a", b"\x09obl.email"),
            member(b"\x01a", &long(33, 33)),
            member(b"\x01a", &long(0x80 | 29, 29)),
            b"\x01\x01a\x01t\0\0\x02b".to_vec(),
            b"\x01\x01a\x01t\xff\xff\xffb".to_vec(),
        ] {
            assert_eq!(all(&bytes), Err(Malformed::Form), "{bytes:?}");
        }
        assert!(all(&member(&long(64, 64), &long(32, 32))).is_ok());
        assert!(all(&member(b"\x01a", &long(0x80 | 28, 28))).is_ok());
        for cut in 2..good.len() {
            assert_eq!(all(&good[..cut]), Err(Malformed::Form), "{cut}");
        }
        assert_eq!(all(b"\x02"), Err(Malformed::Newer(2)));
        assert_eq!(all(b"\xff\x01"), Err(Malformed::Newer(255)));
    }

    #[test]
    fn a_glance_at_a_name_tells_what_the_rule_does() {
        for text in ["", "a", " ~", "a\n", "a\u{7f}", "é", "a\u{85}", "a\u{2028}", &"x".repeat(32), &"x".repeat(33)] {
            assert_eq!(is_name(text, 32), check_name(text, 32).is_ok(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_back_the_same(bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            proptest::collection::vec((0..3_u8, 0..3_u8, 0..3_u8), 0..4).prop_map(|parts| {
                let parts = parts.into_iter().flat_map(|(a, b, c)| [1, b'a' + a, 1, b't' + b, 0, 0, c, 9, 9].into_iter().take(7 + usize::from(c)));
                std::iter::once(1).chain(parts).collect::<Vec<u8>>()
            }),
        ]) {
            if let Ok(members) = all(&bytes) {
                prop_assert_eq!(written(&members), bytes);
            }
        }
    }
}
