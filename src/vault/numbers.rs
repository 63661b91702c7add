//! Customer numbers: reserved from the vault in blocks, handed out one by one.

use std::ops::Range;

use crate::customer::CustomerId;

/// The largest block. Blocks start at one number and double, so that a short-lived process wastes little.
const MOST: u64 = 4096;

/// The numbers that this process has reserved and not handed out. Dropped, and so wasted, whenever another process
/// might have been given them too: after a lost lease, a fork, a clock that jumped.
pub(crate) struct Numbers {
    block: Range<u64>,
    next: Option<Range<u64>>,
    /// How many to reserve next.
    size: u64,
    /// A refill is on its way.
    asked: bool,
}

impl Numbers {
    pub(crate) fn none() -> Numbers {
        Numbers { block: 0..0, next: None, size: 1, asked: false }
    }

    /// One number, if any is left.
    pub(crate) fn take(&mut self) -> Option<CustomerId> {
        if self.block.is_empty() {
            self.block = self.next.take()?;
        }
        self.block.next().and_then(CustomerId::new)
    }

    /// How many to reserve now, if it is time: half the block is gone, and nothing was asked for yet.
    pub(crate) fn wants(&mut self) -> Option<u64> {
        let left = self.block.end - self.block.start;
        if self.asked || self.next.is_some() || left.saturating_mul(2) > self.size / 2 {
            return None;
        }
        self.asked = true;
        Some(self.size)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.block.is_empty() && self.next.is_none()
    }

    pub(crate) fn refill(&mut self, block: Range<u64>) {
        self.asked = false;
        self.size = (self.size * 2).min(MOST);
        if self.block.is_empty() {
            self.block = block;
        } else {
            self.next = Some(block);
        }
    }

    pub(crate) fn refill_failed(&mut self) {
        self.asked = false;
    }

    /// Wastes what is left. The size of the next block stays.
    pub(crate) fn drop_all(&mut self) {
        self.block = 0..0;
        self.next = None;
    }

    /// Wastes numbers that a shred by age has overtaken.
    pub(crate) fn drop_below(&mut self, shredded_through: u64) {
        let reaches = |block: &Range<u64>| block.start <= shredded_through;
        if reaches(&self.block) || self.next.as_ref().is_some_and(reaches) {
            self.drop_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_start_at_one_and_double() {
        let mut numbers = Numbers::none();
        let (mut next, mut sizes, mut last) = (1, Vec::new(), 0);
        for _ in 0..20_000 {
            let number = loop {
                if let Some(number) = numbers.take() {
                    break number.number();
                }
                let size = numbers.size();
                sizes.push(size);
                numbers.refill(next..next + size);
                next += size;
            };
            assert!(number > last, "never twice");
            last = number;
        }
        assert_eq!(sizes[..5], [1, 2, 4, 8, 16]);
        assert_eq!(sizes.iter().max(), Some(&MOST));
    }

    #[test]
    fn a_refill_is_asked_for_once_at_half() {
        let mut numbers = Numbers::none();
        numbers.size = 8;
        numbers.refill(1..9);
        assert_eq!(numbers.size, 16);
        let mut asked = 0;
        for _ in 0..8 {
            numbers.take();
            asked += u64::from(numbers.wants().is_some());
        }
        assert_eq!(asked, 1);
        numbers.refill(9..25);
        assert_eq!(numbers.take().map(CustomerId::number), Some(9));
        numbers.drop_all();
        assert_eq!(numbers.take(), None);
    }
}
