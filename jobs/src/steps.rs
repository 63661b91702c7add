//! The steps: seal, reseal, relabel, index, forget tokens.

use oubliette::personal::PersonalData;
use oubliette::{
    CustomerId, Index, KeyStoreError, OpenError, Purpose, Token, Vault,
    search::{Epoch, Epochs},
};

use super::cell::{Cell, Column, Row};
use super::error::{Cause, Fault, JobError};
use super::groups::AtGroup;
use super::step::{At, Form, Hand, Held, Parse, Step, parse, parsed};

/// Plaintext becomes a sealed value: in its place, or in another column.
pub(super) struct Seal<T> {
    pub(super) from: Column,
    pub(super) to: Column,
    pub(super) at: At<T>,
    pub(super) parse: Parse<T>,
}

impl<T: PersonalData> Step for Seal<T> {
    fn looks_for(&self) -> &'static str {
        "plaintext"
    }

    fn column(&self) -> Column {
        self.from
    }

    fn purpose(&self) -> Purpose {
        self.at.field.purpose()
    }

    /// The plaintext of a shredded customer is what must not be overlooked.
    fn concerns_shredded(&self) -> bool {
        true
    }

    fn puts_into(&self) -> Option<Column> {
        Some(self.to)
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<T>::number(row, self.to)
    }

    fn guess(&self, row: &Row) -> Option<(Column, &'static str)> {
        let cell = row.cell(self.from);
        let is_plaintext = matches!(Held::<T>::of(cell), Held::Plaintext);
        let parsed = is_plaintext.then(|| parsed(cell, &self.parse)).and_then(Result::ok)?;
        parsed.guess.map(|guess| (self.from, guess))
    }

    fn is_due(&self, row: &Row, _: &Hand<'_>) -> Result<bool, Fault> {
        match Held::<T>::of(row.cell(self.from)) {
            Held::Plaintext => Ok(true),
            Held::Unreadable(error) => Err(Cause::from(error).into()),
            Held::Nothing | Held::Sealed(..) => Ok(false),
        }
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        hand.keys()?;
        let value = parse(row.cell(self.from), &self.parse)?;
        let sealed = self.at.seal(row, &value, hand)?;
        if self.from == self.to {
            row.set(self.to, Form::Text.cell(sealed));
        } else {
            row.set(self.to, Form::Bytes.cell(sealed));
            row.set(self.from, Cell::Null);
        }
        Ok(())
    }
}

/// A value under a replaced key tree moves to the newest.
pub(super) struct Reseal<T> {
    pub(super) column: Column,
    pub(super) at: At<T>,
}

impl<T: PersonalData> Step for Reseal<T> {
    fn looks_for(&self) -> &'static str {
        "under a replaced key tree"
    }

    fn column(&self) -> Column {
        self.column
    }

    fn purpose(&self) -> Purpose {
        self.at.field.purpose()
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<T>::number(row, self.column)
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        match Held::<T>::of(row.cell(self.column)) {
            Held::Sealed(sealed, _) => Ok(hand.vault.needs_reseal(&sealed)?),
            _ => Ok(false),
        }
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let Some((sealed, form)) = Held::<T>::of(row.cell(self.column)).sealed()? else { return Ok(()) };
        let value = self.at.open(row, &sealed, hand)?;
        let sealed = self.at.seal(row, &value, hand)?;
        row.set(self.column, form.cell(sealed));
        Ok(())
    }
}

type Conversion<Old, New> = Box<dyn Fn(&Old) -> Result<New, String> + Send + Sync>;

/// A value of one field becomes one of another.
pub(super) struct Relabel<Old, New> {
    pub(super) column: Column,
    pub(super) old: At<Old>,
    pub(super) new: At<New>,
    pub(super) convert: Conversion<Old, New>,
}

impl<Old: PersonalData, New: PersonalData> Step for Relabel<Old, New> {
    fn looks_for(&self) -> &'static str {
        "sealed as the old field"
    }

    fn column(&self) -> Column {
        self.column
    }

    fn purpose(&self) -> Purpose {
        self.new.field.purpose()
    }

    fn puts_into(&self) -> Option<Column> {
        Some(self.column)
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<New>::number(row, self.column)
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        let Some((sealed, _)) = Held::<New>::of(row.cell(self.column)).sealed()? else { return Ok(false) };
        match self.new.open(row, &sealed, hand) {
            Ok(_) => Ok(false),
            // Its context, type, label or purpose is another: the old field's, or nobody's. Opening it as that tells.
            Err(Fault::Row(Cause::Open(OpenError::NotAuthentic { .. } | OpenError::OtherPurpose { .. }))) => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let Some((sealed, form)) = Held::<Old>::of(row.cell(self.column)).sealed()? else { return Ok(()) };
        let old = self.old.open(row, &sealed, hand)?;
        let new = (self.convert)(&old).map_err(|rule| Cause::NotConverted { rule })?;
        let sealed = self.new.seal(row, &new, hand)?;
        row.set(self.column, form.cell(sealed));
        Ok(())
    }
}

/// The epoch of a token, if it can be of this index: one of another number of bits is found by nobody, and counts as missing.
fn epoch_of<T: PersonalData>(cell: &Cell, index: Index<T>) -> Option<Epoch> {
    let token = cell.content().and_then(|bytes| Token::<T>::from_bytes(bytes).ok());
    token.filter(|token| index.fits(token)).map(|token| token.epoch())
}

/// A column of tokens follows a column of sealed values.
pub(super) struct Tokens<T> {
    /// One column, or two, for even and odd epochs.
    pub(super) columns: Vec<Column>,
    pub(super) from: Column,
    pub(super) source: Source<T>,
    pub(super) index: Index<T>,
}

/// Where the values are that tokens are made of.
pub(super) enum Source<T> {
    /// In a column of their own; and what reads those that are still in plaintext, if that is wanted.
    Column(At<T>, Option<Parse<T>>),
    /// In a group.
    Group(AtGroup),
}

impl<T: PersonalData> Tokens<T> {
    /// The epoch whose token belongs into each column.
    fn wanted(&self, epochs: &Epochs) -> Result<Vec<Option<Epoch>>, JobError> {
        if let [_] = self.columns.as_slice() {
            return Ok(vec![Some(epochs.current)]);
        }
        let mut wanted = vec![None; self.columns.len()];
        for epoch in &epochs.live {
            match wanted.get_mut(usize::from(epoch.number() % 2)) {
                Some(place @ None) => *place = Some(*epoch),
                _ => return Err(JobError::TooManyEpochs { live: epochs.live.clone() }),
            }
        }
        Ok(wanted)
    }

    fn value(&self, row: &Row, hand: &Hand<'_>) -> Result<Option<T>, Fault> {
        let cell = row.cell(self.from);
        let (at, of) = match &self.source {
            Source::Column(at, of) => (at, of),
            Source::Group(group) => return group.value(row, self.index.field(), hand),
        };
        match (Held::<T>::of(cell), of) {
            (Held::Plaintext, Some(of)) => Ok(Some(parse(cell, of)?)),
            (held, _) => match held.sealed()? {
                Some((sealed, _)) => Ok(Some(at.open(row, &sealed, hand)?)),
                None => Ok(None),
            },
        }
    }

    /// What belongs into each column.
    fn made(&self, row: &Row, hand: &Hand<'_>) -> Result<Vec<Cell>, Fault> {
        let wanted = self.wanted_for(row, hand)?;
        let tokens = match &self.value(row, hand)? {
            Some(value) if self.columns.len() == 1 => vec![hand.vault.token(self.index, value)?],
            Some(value) => hand.vault.tokens(self.index, value)?,
            None => Vec::new(),
        };
        let made = wanted.into_iter().enumerate().map(|(at, wanted)| {
            // In one column, the current epoch's as of now: another may have begun since the batch did.
            let token = match self.columns.len() {
                1 => tokens.first(),
                _ => tokens.iter().find(|token| usize::from(token.epoch().number() % 2) == at && wanted.is_some()),
            };
            token.map_or(Cell::Null, |token| Cell::bytes(token.as_bytes().to_vec()))
        });
        Ok(made.collect())
    }

    fn wanted_for(&self, row: &Row, hand: &Hand<'_>) -> Result<Vec<Option<Epoch>>, Fault> {
        if row.cell(self.from).is_null() {
            return Ok(vec![None; self.columns.len()]);
        }
        let epochs = hand.epochs.ok_or(Fault::Job(KeyStoreError::Bug("a step without its epochs").into()))?;
        Ok(self.wanted(epochs)?)
    }
}

impl<T: PersonalData> Step for Tokens<T> {
    fn looks_for(&self) -> &'static str {
        "without its token of the current epoch"
    }

    fn column(&self) -> Column {
        self.columns.first().copied().unwrap_or(self.from)
    }

    fn purpose(&self) -> Purpose {
        self.index.field().purpose()
    }

    fn follows(&self) -> Option<Column> {
        Some(self.from)
    }

    fn tokens(&self) -> &[Column] {
        &self.columns
    }

    fn epochs(&self, vault: &Vault) -> Result<Option<Epochs>, JobError> {
        let epochs = vault.epochs(self.index)?;
        self.wanted(&epochs)?;
        Ok(Some(epochs))
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<T>::number(row, self.from)
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        // Whoever writes plaintext may know no tokens: only making it anew tells whether it is the value's.
        let reads_plaintext = matches!(self.source, Source::Column(_, Some(_)));
        let is_plaintext = reads_plaintext && matches!(Held::<T>::of(row.cell(self.from)), Held::Plaintext);
        if hand.verifies || is_plaintext {
            let made = self.made(row, hand)?;
            return Ok(self.columns.iter().zip(&made).any(|(column, made)| !row.cell(*column).is(made)));
        }
        let mut wanted = self.wanted_for(row, hand)?;
        // Whether a group has the value shows only when it is opened.
        if matches!(self.source, Source::Group(_)) && self.value(row, hand)?.is_none() {
            wanted.fill(None);
        }
        let mut pairs = self.columns.iter().zip(wanted);
        Ok(pairs.any(|(column, wanted)| {
            let cell = row.cell(*column);
            // A cell that holds anything but a token is not NULL, and must become it.
            epoch_of(cell, self.index) != wanted || (wanted.is_none() && !cell.is_null())
        }))
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let made = self.made(row, hand)?;
        for (column, cell) in self.columns.iter().zip(made) {
            row.set(*column, cell);
        }
        Ok(())
    }
}

/// The tokens of shredded customers become NULL.
pub(super) struct ForgetTokens {
    pub(super) column: Column,
    pub(super) purpose: Purpose,
}

impl Step for ForgetTokens {
    fn looks_for(&self) -> &'static str {
        "a token of a shredded customer"
    }

    fn column(&self) -> Column {
        self.column
    }

    fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn concerns_shredded(&self) -> bool {
        true
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        Ok(hand.shredded && !row.cell(self.column).is_null())
    }

    fn apply(&self, row: &mut Row, _: &Hand<'_>) -> Result<(), Fault> {
        row.set(self.column, Cell::Null);
        Ok(())
    }
}
