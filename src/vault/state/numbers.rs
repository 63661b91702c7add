//! Customer numbers: reserved from the vault in blocks, handed out one by one.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::customer::CustomerId;
use crate::derivation::TreeId;

/// The largest block. Blocks start at one number and double, so that a short-lived process wastes little.
const MOST: u64 = 4096;
/// Numbers older than this are wasted, so that the order of numbers is, to the hour, the order of customers: a shred by
/// age relies on it.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// The numbers that this process has reserved and not handed out. Dropped, and so wasted, whenever another process
/// might have been given them too: after a lost lease, a fork, a clock that jumped.
pub(crate) struct Numbers {
    block: Option<Block>,
    next: Option<Block>,
    /// How many to reserve next.
    size: u64,
    /// A refill is on its way.
    asked: bool,
    /// Counts the times that numbers were dropped: a block reserved before is wasted as well.
    drops: u64,
    /// All up to this number were shredded by age.
    through: u64,
}

/// Numbers as they were reserved, above all that were issued before.
#[derive(Clone)]
pub(crate) struct Reserved {
    pub(crate) numbers: Range<u64>,
    /// How many were shredded in each tree then: none of these numbers, which nobody had yet.
    pub(crate) shredded: Arc<[(TreeId, u64)]>,
}

/// A number that is to be issued, unless it was shredded since it was reserved: whoever shreds by number need not know that
/// nobody has it yet.
pub(crate) struct Taken {
    pub(crate) number: CustomerId,
    /// As in [`Reserved`].
    pub(crate) shredded: Arc<[(TreeId, u64)]>,
}

struct Block {
    numbers: Range<u64>,
    shredded: Arc<[(TreeId, u64)]>,
    reserved: u64,
    at: Moment,
}

impl Block {
    fn is_stale(&self, now: Moment) -> bool {
        now.age_since(self.at) > LIFE
    }
}

impl Numbers {
    pub(crate) fn none() -> Numbers {
        Numbers { block: None, next: None, size: 1, asked: false, drops: 0, through: 0 }
    }

    /// One number, if any is left.
    pub(crate) fn take(&mut self, now: Moment) -> Option<Taken> {
        for _ in 0..2 {
            if let Some(block) = self.block.as_mut().filter(|block| !block.is_stale(now))
                && let Some(number) = block.numbers.next()
            {
                return Some(Taken { number: CustomerId::new(number)?, shredded: block.shredded.clone() });
            }
            self.block = self.next.take();
        }
        None
    }

    /// How many to reserve now, if it is time: half the block is gone, and nothing was asked for yet.
    pub(crate) fn wants(&mut self) -> Option<u64> {
        let is_half_gone =
            self.block.as_ref().is_some_and(|block| (block.numbers.end - block.numbers.start) * 2 <= block.reserved);
        if self.asked || self.next.is_some() || !is_half_gone {
            return None;
        }
        self.asked = true;
        Some(self.size)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.block.as_ref().is_none_or(|block| block.numbers.is_empty()) && self.next.is_none()
    }

    pub(crate) fn drops(&self) -> u64 {
        self.drops
    }

    /// Takes a block that was reserved when `drops` was what it was then.
    pub(crate) fn refill(&mut self, reserved: Reserved, at: Moment, drops: u64) {
        let Reserved { numbers, shredded } = reserved;
        self.asked = false;
        if drops != self.drops || numbers.start <= self.through {
            return;
        }
        self.size = (self.size * 2).min(MOST);
        let block = Block { reserved: numbers.end - numbers.start, numbers, shredded, at };
        if self.block.as_ref().is_none_or(|block| block.numbers.is_empty()) {
            self.block = Some(block);
        } else {
            self.next = Some(block);
        }
    }

    pub(crate) fn refill_failed(&mut self) {
        self.asked = false;
    }

    /// Wastes what is left. The size of the next block stays.
    pub(crate) fn drop_all(&mut self) {
        self.block = None;
        self.next = None;
        self.drops += 1;
    }

    /// Wastes numbers that a shred by age has overtaken.
    pub(crate) fn drop_below(&mut self, shredded_through: u64) {
        let reaches = |block: &Option<Block>| block.as_ref().is_some_and(|b| b.numbers.start <= shredded_through);
        self.through = self.through.max(shredded_through);
        if reaches(&self.block) || reaches(&self.next) {
            self.drop_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { boot: seconds * 1_000_000_000, wall: seconds * 1_000_000_000 }
    }

    fn reserved(numbers: Range<u64>) -> Reserved {
        Reserved { numbers, shredded: Arc::new([]) }
    }

    fn taken(numbers: &mut Numbers, now: Moment) -> Option<u64> {
        numbers.take(now).map(|taken| taken.number.get())
    }

    #[test]
    fn blocks_start_at_one_and_double() {
        let mut numbers = Numbers::none();
        let (mut next, mut sizes, mut last) = (1, Vec::new(), 0);
        for _ in 0..20_000 {
            let number = loop {
                if let Some(number) = taken(&mut numbers, at(0)) {
                    break number;
                }
                let size = numbers.size();
                sizes.push(size);
                numbers.refill(reserved(next..next + size), at(0), 0);
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
        numbers.refill(reserved(1..9), at(0), 0);
        let asked: Vec<bool> = (0..8)
            .map(|_| {
                numbers.take(at(0));
                numbers.wants().is_some()
            })
            .collect();
        assert_eq!(asked, [false, false, false, true, false, false, false, false]);
        numbers.refill(reserved(9..25), at(0), 0);
        assert_eq!(taken(&mut numbers, at(0)), Some(9));
        numbers.drop_all();
        assert_eq!(taken(&mut numbers, at(0)), None);
    }

    #[test]
    fn a_block_reserved_before_a_drop_is_wasted() {
        let mut numbers = Numbers::none();
        let drops = numbers.drops();
        numbers.drop_all();
        numbers.refill(reserved(1..9), at(0), drops);
        assert_eq!(taken(&mut numbers, at(0)), None);
    }

    #[test]
    fn old_blocks_are_wasted() {
        let mut numbers = Numbers::none();
        numbers.refill(reserved(1..9), at(0), 0);
        assert!(numbers.take(at(3600)).is_some());
        assert_eq!(taken(&mut numbers, at(3602)), None);
    }
}
