//! Padding: ISO/IEC 7816-4, one byte 0x80 and then zeros, up to a multiple of a stated step.

use std::num::NonZeroU16;

/// How a type hides the lengths of its values.
///
/// Sealed values of one type have lengths that are multiples of its step; a value always gets at least one byte of
/// padding.
///
/// [`PersonalData`](crate::personal::PersonalData) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    step: NonZeroU16,
}

impl Padding {
    /// Lengths are rounded up to a multiple of `bytes`. A type whose values never exceed `bytes - 1` thus has one
    /// size. 0 counts as 1.
    #[must_use]
    pub const fn steps_of(bytes: u16) -> Padding {
        match NonZeroU16::new(bytes) {
            Some(step) => Padding { step },
            None => Padding { step: NonZeroU16::MIN },
        }
    }

    /// Every length shows. For values whose length says nothing.
    #[must_use]
    pub const fn lengths_are_public() -> Padding {
        Padding::steps_of(1)
    }

    /// The length after padding of a value of `content` bytes.
    #[must_use]
    pub const fn padded(self, content: usize) -> usize {
        let step = self.step.get() as usize;
        (content / step + 1) * step
    }
}

/// The content of padded bytes, or `None` if they are not padded.
///
/// They were authenticated, so the time this takes tells only the holder of the key anything.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    let (content, rest) = padded.split_at_checked(end)?;
    (rest.first() == Some(&0x80)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_byte_of_padding() {
        let steps = Padding::steps_of(32);
        assert_eq!([0, 1, 31, 32, 63, 64].map(|n| steps.padded(n)), [32, 32, 32, 64, 64, 96]);
        assert_eq!(Padding::lengths_are_public().padded(7), 8);
        assert_eq!(Padding::steps_of(0), Padding::lengths_are_public());
    }

    #[test]
    fn unpad_takes_off_exactly_what_was_added() {
        assert_eq!(unpad(&[1, 2, 0x80, 0, 0]), Some(&[1, 2][..]));
        assert_eq!(unpad(&[0x80]), Some(&[][..]));
        assert_eq!(unpad(&[1, 0x80, 0x80, 0]), Some(&[1, 0x80][..]));
        assert_eq!(unpad(&[1, 0, 0x80]), Some(&[1, 0][..]));
        for bad in [&[][..], &[0, 0], &[1, 2], &[0x80, 1, 0]] {
            assert_eq!(unpad(bad), None);
        }
    }
}
