//! Fixed layouts, most significant byte first: what is not used is zero, and that is checked.

use super::error::RecordError;

pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// `out` must have room for all that is written: growing would leave a copy of secrets behind.
    pub(super) fn new(out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { out }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn u16(&mut self, number: u16) {
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    /// Bytes, then zeros up to `size` in all.
    pub(super) fn padded(&mut self, bytes: &[u8], size: usize) {
        let end = self.out.len().saturating_add(size);
        self.bytes(bytes);
        self.zeros(end);
    }

    /// Zeros up to a total length.
    pub(super) fn zeros(&mut self, end: usize) {
        self.out.resize(end.max(self.out.len()), 0);
    }

    /// One byte of count, then `most` places of `size` bytes.
    pub(super) fn list<T>(&mut self, items: &[T], most: usize, size: usize, write: impl Fn(&mut Writer<'_>, &T)) {
        self.bytes(&[u8::try_from(items.len()).unwrap_or(u8::MAX)]);
        let end = self.out.len().saturating_add(most.saturating_mul(size));
        for item in items {
            write(self, item);
        }
        self.zeros(end);
    }
}

pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { rest: bytes }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(RecordError::Malformed)?;
        self.rest = rest;
        Ok(*array)
    }

    /// Into a place of the caller's, for secrets that should not pass over the stack.
    pub(super) fn copy_to(&mut self, out: &mut [u8; 32]) -> Result<(), RecordError> {
        let (bytes, rest) = self.rest.split_first_chunk::<32>().ok_or(RecordError::Malformed)?;
        out.copy_from_slice(bytes);
        self.rest = rest;
        Ok(())
    }

    pub(super) fn u16(&mut self) -> Result<u16, RecordError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// `length` bytes out of `size`; the rest must be zero.
    pub(super) fn padded(&mut self, length: usize, size: usize) -> Result<&'b [u8], RecordError> {
        let (field, rest) = self.rest.split_at_checked(size).ok_or(RecordError::Malformed)?;
        let (bytes, zeros) = field.split_at_checked(length).ok_or(RecordError::Malformed)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(RecordError::Malformed);
        }
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn list<T>(
        &mut self,
        most: usize,
        size: usize,
        read: impl Fn(&mut Reader<'b>) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let [count] = self.array()?;
        let count = usize::from(count);
        let used = count.checked_mul(size).filter(|_| count <= most).ok_or(RecordError::Malformed)?;
        let mut items = Reader::new(self.padded(used, most.saturating_mul(size))?);
        (0..count).map(|_| read(&mut items)).collect()
    }

    /// Whatever is left must be zero.
    pub(super) fn finish(self) -> Result<(), RecordError> {
        if self.rest.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(RecordError::Malformed) }
    }
}
