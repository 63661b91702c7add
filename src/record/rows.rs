//! Rows with the keys of their customers: each row's own number, and those it has for other purposes.

use std::collections::VecDeque;
use std::fmt;

use crate::customer::CustomerId;
use crate::vault::{CHUNK, CustomerKeys, Opens, Reader};

/// The customer numbers of one row.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<const N: usize> {
    /// The record's own.
    pub main: CustomerId,
    /// Those declared for other purposes, in the order of declaration.
    pub others: [Option<CustomerId>; N],
}

/// The keys of one row, derived once a number.
#[derive(Debug)]
pub struct RowKeys<const N: usize> {
    /// Of the record's own number.
    pub main: CustomerKeys,
    others: [Option<CustomerKeys>; N],
}

impl<const N: usize> RowKeys<N> {
    /// Of a row alone.
    #[must_use]
    pub fn of(opens: &impl Opens, numbers: Numbers<N>) -> RowKeys<N> {
        let reader = opens.reader();
        RowKeys {
            main: reader.customer(numbers.main),
            others: numbers.others.map(|number| number.map(|number| reader.customer(number))),
        }
    }

    /// Those of one of the other numbers, if the row has it; beyond the last of these, the record's own.
    #[must_use]
    pub fn chosen(&self, which: usize) -> Option<&CustomerKeys> {
        self.others.get(which).map_or(Some(&self.main), Option::as_ref)
    }
}

/// Rows with their keys, a chunk at a time.
pub struct EachRow<I: Iterator, F, const N: usize> {
    reader: Reader,
    rows: I,
    numbers_of: F,
    ready: VecDeque<(I::Item, RowKeys<N>)>,
}

impl<I: Iterator, F: FnMut(&I::Item) -> Numbers<N>, const N: usize> EachRow<I, F, N> {
    /// Of these rows.
    pub fn new(opens: &impl Opens, rows: I, numbers_of: F) -> Self {
        EachRow { reader: opens.reader(), rows, numbers_of, ready: VecDeque::new() }
    }

    fn fill(&mut self) {
        let rows: Vec<(I::Item, Numbers<N>)> = self
            .rows
            .by_ref()
            .take(CHUNK)
            .map(|row| {
                let numbers = (self.numbers_of)(&row);
                (row, numbers)
            })
            .collect();
        let mut others: [_; N] = std::array::from_fn(|which| {
            let numbers: Vec<_> = rows.iter().map(|(_, row)| row.others.get(which).copied().flatten()).collect();
            keys_of(&self.reader, numbers).into_iter()
        });
        let main: Vec<CustomerId> = rows.iter().map(|(_, row)| row.main).collect();
        let keys = self.reader.each_customer(main, |number| *number);
        self.ready.extend(rows.into_iter().zip(keys).map(|((row, _), (_, main))| {
            let others = others.each_mut().map(|keys| keys.next().flatten());
            (row, RowKeys { main, others })
        }));
    }
}

/// Of a chunk's numbers for one purpose, in their order.
fn keys_of(reader: &Reader, numbers: Vec<Option<CustomerId>>) -> Vec<Option<CustomerKeys>> {
    let known: Vec<CustomerId> = numbers.iter().flatten().copied().collect();
    let mut keys = reader.each_customer(known, |number| *number).map(|(_, keys)| keys);
    numbers.into_iter().map(|number| number.and_then(|_| keys.next())).collect()
}

impl<I: Iterator, F: FnMut(&I::Item) -> Numbers<N>, const N: usize> Iterator for EachRow<I, F, N> {
    type Item = (I::Item, RowKeys<N>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.fill();
        }
        self.ready.pop_front()
    }
}

impl<I: Iterator, F, const N: usize> fmt::Debug for EachRow<I, F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EachRow({} rows ready)", self.ready.len())
    }
}
