//! The buffer that a value is encoded into and encrypted in.

use std::fmt;

use crate::secret;

/// Where [`PersonalData::encode`](crate::personal::PersonalData::encode) writes a value's bytes.
///
/// It wipes what it held when it grows and when it is dropped.
///
/// [`PersonalData`](crate::personal::PersonalData) has an example.
pub struct Plaintext {
    // What precedes the value (a sealed value's header) shares the allocation, so that sealing makes only one.
    bytes: Vec<u8>,
    start: usize,
}

impl Plaintext {
    /// An empty buffer with room for `content` bytes.
    #[must_use]
    pub fn with_capacity(content: usize) -> Plaintext {
        Plaintext { bytes: Vec::with_capacity(content), start: 0 }
    }

    /// Nothing, in no allocation.
    #[inline]
    pub(crate) fn empty() -> Plaintext {
        Plaintext { bytes: Vec::new(), start: 0 }
    }

    /// Starts anew in an allocation of `room` bytes or more, and leaves room for a header.
    ///
    /// Where it is: a buffer that is moved right after it was made stalls the processor.
    #[inline]
    pub(crate) fn begin(&mut self, header: usize, room: usize) {
        secret::wipe_all(&mut self.bytes);
        self.bytes = Vec::with_capacity(room);
        self.bytes.resize(header, 0);
        self.start = header;
    }

    /// Appends bytes.
    pub fn extend(&mut self, more: &[u8]) {
        let wanted = self.bytes.len().saturating_add(more.len());
        self.reserve(wanted);
        self.bytes.extend_from_slice(more);
    }

    /// The bytes written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The number of bytes written so far.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// True while nothing was written.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the padding: one byte 0x80, then zeros up to `padded` bytes of content; keeps room for `more` after it.
    pub(crate) fn pad(&mut self, padded: usize, more: usize) {
        let end = self.start.saturating_add(padded);
        self.reserve(end.saturating_add(more));
        self.bytes.push(0x80);
        let end = end.max(self.bytes.len());
        self.bytes.resize(end, 0);
    }

    /// The content, for encryption in place.
    pub(crate) fn content_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// The room for a header.
    #[inline]
    pub(crate) fn header_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.start).unwrap_or_default()
    }

    /// The whole allocation, once its content is no longer secret.
    pub(crate) fn take_encrypted(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    #[inline]
    fn reserve(&mut self, wanted: usize) {
        if wanted > self.bytes.capacity() {
            self.grow(wanted);
        }
    }

    // `Vec`'s own growth would leave the old bytes in freed memory.
    #[cold]
    fn grow(&mut self, wanted: usize) {
        let mut grown = Vec::with_capacity(wanted.max(self.bytes.capacity().saturating_mul(2)));
        grown.extend_from_slice(&self.bytes);
        secret::wipe_all(&mut self.bytes);
        self.bytes = grown;
    }
}

impl Drop for Plaintext {
    #[inline]
    fn drop(&mut self) {
        secret::wipe_all(&mut self.bytes);
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_pads_after_a_header() {
        let mut plain = Plaintext::empty();
        plain.begin(4, 4);
        plain.extend(b"con");
        plain.extend(b"tent");
        assert_eq!(plain.as_bytes(), b"content");
        plain.pad(16, 16);
        assert_eq!(plain.as_bytes(), b"content\x80\0\0\0\0\0\0\0\0");
        let before = plain.bytes.as_ptr();
        plain.extend(&[7; 16]);
        assert_eq!(before, plain.bytes.as_ptr(), "the tag must not move the allocation");
        plain.header_mut().copy_from_slice(b"head");
        assert_eq!(&plain.take_encrypted()[..11], b"headcontent");
    }
}
