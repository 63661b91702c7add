//! Customer numbers in an entry: `[5,[7,12]]`.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::Number;
use super::ranges::Ranges;

/// A set of customer numbers. An entry lists it as `[5,[7,12]]`: 5, and all from 7 to 12.
///
/// ```
/// use oubliette_journal::{Number, Numbers};
///
/// let number = Number::try_from;
/// let (some, others) = (Numbers::of([number(7)?, number(5)?, number(8)?]), Numbers::of([number(8)?, number(9)?]));
/// assert_eq!(some.or(&others).ranges().map(|(first, last)| (first.get(), last.get())).collect::<Vec<_>>(), [(5, 5), (7, 9)]);
/// assert_eq!(some.and(&others), Numbers::of([number(8)?]));
/// # Ok::<(), oubliette_journal::InvalidNumber>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Ranges);

impl Numbers {
    /// These numbers, in any order.
    pub fn of<N: Into<Number>>(numbers: impl IntoIterator<Item = N>) -> Numbers {
        Numbers(Ranges::of_numbers(numbers.into_iter().map(|number| number.into().get())))
    }

    /// The ranges, first and last of each, in order and with gaps between them.
    pub fn ranges(&self) -> impl Iterator<Item = (Number, Number)> {
        let number = |number: &u64| Number::try_from(*number).ok();
        self.0.as_slice().iter().filter_map(move |range| Some((number(range.start())?, number(range.end())?)))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.as_slice().iter().map(|range| range.end() - range.start() + 1).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this number is among them.
    #[must_use]
    pub fn contains(&self, number: impl Into<Number>) -> bool {
        let number = number.into().get();
        let ranges = self.0.as_slice();
        let at = ranges.partition_point(|range| *range.end() < number);
        ranges.get(at).is_some_and(|range| range.contains(&number))
    }

    /// The highest of them.
    #[must_use]
    pub fn highest(&self) -> Option<Number> {
        self.ranges().last().map(|(_, last)| last)
    }

    /// The numbers that are in both.
    #[must_use]
    pub fn and(&self, other: &Numbers) -> Numbers {
        Numbers(self.0.and(&other.0))
    }

    /// The numbers that are in either.
    #[must_use]
    pub fn or(&self, other: &Numbers) -> Numbers {
        Numbers(self.0.or(&other.0))
    }

    /// The set as ranges of integers.
    #[must_use]
    pub fn as_ranges(&self) -> &Ranges {
        &self.0
    }
}

impl From<Ranges> for Numbers {
    /// Number 0, and what lies above the highest number, is left out.
    fn from(ranges: Ranges) -> Numbers {
        let bounds = Number::MIN.get()..=Number::MAX.get();
        Numbers(ranges.and(&Ranges::of(vec![bounds])))
    }
}

/// Bytes that a range takes in a line, with the comma behind it.
pub(super) fn width(range: &std::ops::RangeInclusive<u64>) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    if range.start() == range.end() {
        digits(*range.start()) + 1
    } else {
        digits(*range.start()) + digits(*range.end()) + 4
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ranges = self.0.as_slice();
        let mut list = serializer.serialize_seq(Some(ranges.len()))?;
        for range in ranges {
            if range.start() == range.end() {
                list.serialize_element(range.start())?;
            } else {
                list.serialize_element(&[range.start(), range.end()])?;
            }
        }
        list.end()
    }
}

/// One element of the list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    One(u64),
    Range([u64; 2]),
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        deserializer.deserialize_seq(List)
    }
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("customer numbers such as [5,[7,12]]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        // Grows with what is there, and that is bounded by the line.
        let mut ranges = Vec::new();
        let mut least = Number::MIN.get();
        while let Some(element) = list.next_element()? {
            let (first, last) = match element {
                Element::One(number) => (number, number),
                Element::Range([first, last]) if first < last => (first, last),
                Element::Range(_) => return Err(A::Error::custom("a range whose end is not above its start")),
            };
            if first < least || last > Number::MAX.get() {
                return Err(A::Error::custom("customer numbers out of order or out of range"));
            }
            // One apart, or it would have been one range.
            least = last + 2;
            ranges.push(first..=last);
        }
        Ok(Numbers(Ranges::of(ranges)))
    }
}
