//! Where a node stands in the tree, and the range of customer numbers below it.

use std::fmt;
use std::ops::RangeInclusive;

use crate::derivation::CUSTOMER_LEVEL;

/// A node above the customers: level 0 (the root) to 4, and as many leading bytes of the customer numbers below it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    level: u8,
    prefix: [u8; 4],
}

impl Position {
    pub(crate) const ROOT: Position = Position { level: 0, prefix: [0; 4] };
    /// The node whose children are the customers 0 to 255.
    pub(crate) const FIRST_LEAVES: Position = Position { level: 4, prefix: [0; 4] };

    #[cfg(test)]
    pub(crate) fn of(prefix: &[u8]) -> Position {
        prefix.iter().fold(Position::ROOT, |position, byte| position.child(*byte))
    }

    /// Whether this customer number lies below.
    #[cfg(test)]
    pub(crate) fn is_above(self, number: u64) -> bool {
        (*self.numbers_below(0).start()..=*self.numbers_below(u8::MAX).end()).contains(&number)
    }

    pub(crate) fn level(self) -> u8 {
        self.level
    }

    /// The leading bytes, then zeros.
    pub(crate) fn prefix(self) -> [u8; 4] {
        self.prefix
    }

    /// True when the children are customers.
    pub(crate) fn is_leaf(self) -> bool {
        self.level + 1 == CUSTOMER_LEVEL
    }

    /// Where child `byte` stands; not for a leaf, whose children are customers.
    pub(crate) fn child(self, byte: u8) -> Position {
        let mut child = Position { level: (self.level + 1).min(CUSTOMER_LEVEL - 1), prefix: self.prefix };
        if let Some(place) = child.prefix.get_mut(usize::from(self.level)) {
            *place = byte;
        }
        child
    }

    /// The numbers below child `byte`: for a leaf, one.
    pub(crate) fn numbers_below(self, byte: u8) -> RangeInclusive<u64> {
        let [a, b, c, d] = self.prefix;
        let start = u64::from_be_bytes([0, 0, 0, a, b, c, d, 0]);
        let shift = 8 * u32::from(CUSTOMER_LEVEL - 1 - self.level);
        let first = start | u64::from(byte) << shift;
        first..=first | ((1 << shift) - 1)
    }

    /// Which child of this node is above a number that lies below this node.
    pub(crate) fn child_towards(self, number: u64) -> u8 {
        let [_, _, _, path @ ..] = number.to_be_bytes();
        path.get(usize::from(self.level)).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = (*self.numbers_below(0).start(), *self.numbers_below(u8::MAX).end());
        write!(f, "level {}, customers {} to {}", self.level, numbers.0, numbers.1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_whom_it_concerns() {
        let text = "level 2, customers 4328521728 to 4345298943";
        assert_eq!(
            (Position::of(&[1, 2]).to_string(), format!("{:?}", Position::of(&[1, 2]))),
            (text.into(), text.into())
        );
    }

    #[test]
    fn ranges_nest() {
        assert_eq!(Position::ROOT.numbers_below(1), 1 << 32..=(2 << 32) - 1);
        assert_eq!(Position::of(&[1, 2, 3, 4]).numbers_below(5), 0x0102030405..=0x0102030405);
        assert_eq!(Position::of(&[1, 2]).numbers_below(3), 0x0102030000..=0x010203ffff);
        assert_eq!(Position::of(&[1, 2]).child_towards(0x0102030405), 3);
        assert_eq!(Position::FIRST_LEAVES.child(7), Position::FIRST_LEAVES, "the children of a leaf are customers");
        assert!(Position::of(&[0, 0, 0, 0]) == Position::FIRST_LEAVES && Position::FIRST_LEAVES.is_leaf());
    }
}
