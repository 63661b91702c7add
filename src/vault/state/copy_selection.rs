//! Which copy of the root record counts.
//!
//! The newest does, if it authenticates; never an older one because the newest does not. The others must be the same
//! record or proven ancestors of it. Nothing is written before that is known.

use std::cmp::Reverse;

use zeroize::Zeroizing;

use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::root_key::Recipe;
use crate::root_record::{Clear, Record};
use crate::store::{CopyContent, PlaceId, Problem, RootCopy, StoreError};
use crate::vault::state::{Keyring, NOT_LISTED, Opened, Scope, describe};
use crate::witness::Witness;

/// The record that counts.
pub(crate) struct Chosen {
    pub(crate) record: Record,
    /// What it is encrypted under.
    pub(crate) secret: RootSecret,
    /// As stored.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// The newest generation that is proven to be durable: its own if every copy in every listed place shows it, since a place's
    /// second slot is written only once the first one is synced; otherwise the one that it names as settled.
    pub(crate) durable: u64,
    /// Some copy is torn or older: a commit was interrupted.
    pub(crate) needs_repair: bool,
    /// What the place shows that decides.
    pub(crate) first: First,
}

/// Whether the first place of the newest record's list shows that record itself. R5: only then may a reader rely upon it.
pub(crate) enum First {
    Shows,
    /// It was read, and shows something older, or nothing good.
    Behind(PlaceId),
    /// It could not be read.
    Away(PlaceId, StoreError),
}

impl First {
    fn of(record: &Record, scope: &Scope, copies: &[RootCopy], bytes: &[u8]) -> Result<First, KeyStoreError> {
        let place = scope.first(&record.places).ok_or(KeyStoreError::Bug("a record without a place"))?;
        let mut theirs = copies.iter().filter(|copy| copy.place == place).peekable();
        if theirs.peek().is_none() {
            return Ok(First::Away(place, StoreError::new(Problem::UnknownPlace, format!("place {place}"))));
        }
        let mut away = None;
        for copy in theirs {
            match &copy.content {
                CopyContent::Intact(found) if **found == *bytes => return Ok(First::Shows),
                CopyContent::Unreachable(error) => away = Some(error.clone()),
                _ => {}
            }
        }
        Ok(away.map_or(First::Behind(place), |error| First::Away(place, error)))
    }

    /// R5.
    pub(crate) fn check(self) -> Result<(), KeyStoreError> {
        match self {
            First::Shows => Ok(()),
            First::Behind(place) => Err(KeyStoreError::FirstPlaceBehind { place }),
            First::Away(place, error) => Err(KeyStoreError::FirstPlaceAway { place, source: error.into() }),
        }
    }
}

/// True when every copy there is, in all of these places, is intact and has these bytes: nothing changed.
pub(crate) fn all_are(copies: &[RootCopy], places: &[PlaceId], bytes: &[u8]) -> bool {
    let is_it = |copy: &RootCopy| matches!(&copy.content, CopyContent::Intact(found) if found == bytes);
    copies.iter().all(is_it) && places.iter().all(|place| copies.iter().any(|copy| copy.place == *place))
}

/// True when no record was ever written whole: all copies are empty, but for one that the very first write may have
/// torn. It then lies beside an empty one of its place, and nowhere is a record.
pub(crate) fn never_written(copies: &[RootCopy]) -> bool {
    let mut torn = copies.iter().filter(|copy| !matches!(copy.content, CopyContent::Empty));
    let Some(first) = torn.next() else { return true };
    let beside_empty =
        || copies.iter().any(|copy| copy.place == first.place && matches!(copy.content, CopyContent::Empty));
    torn.next().is_none() && matches!(first.content, CopyContent::Damaged) && beside_empty()
}

/// Chooses, authenticates and compares. `None`: no vault was ever created here.
pub(crate) fn choose(
    copies: &[RootCopy],
    keyring: &mut Keyring,
    scope: &Scope,
) -> Result<Option<Box<Chosen>>, KeyStoreError> {
    let mut intact = Vec::new();
    for copy in copies {
        if let CopyContent::Intact(bytes) = &copy.content {
            let clear = Clear::read(bytes).map_err(|error| describe(error, &copy.location))?;
            intact.push((copy, bytes, clear));
        }
        // It may well be the newest: an older copy must not stand in for it.
        if let CopyContent::Unreachable(error) = &copy.content
            && error.problem() == Problem::NewerFormat
        {
            return Err(KeyStoreError::NewerFormat { location: error.location().to_owned() });
        }
    }
    intact.sort_by_key(|(_, _, clear)| Reverse(clear.generation));
    let Some(((copy, bytes, clear), others)) = intact.split_first() else {
        return if never_written(copies) { Ok(None) } else { Err(unreadable(copies)) };
    };
    // Before any key is tried: a directory of another vault that was put in a place's stead says nothing about keys.
    if let Some(foreign) = intact.iter().find(|(_, _, other)| scope.vault.unwrap_or(clear.vault) != other.vault) {
        let (one, other) = ("the vault that was opened".to_owned(), foreign.0.location.clone());
        return Err(KeyStoreError::Diverged { one, other });
    }
    let Opened { record, secret } = match keyring.open(bytes, clear, &copy.location) {
        // The first place is written first: if it does not show this, it is no record that this vault moved to.
        // Of copies of one generation, its own comes first.
        Err(KeyStoreError::WrongRootKey) if scope.list.first().is_some_and(|first| *first != copy.place) => {
            return Err(KeyStoreError::NotAuthentic { location: copy.location.clone() });
        }
        opened => opened?,
    };
    if !record.places.contains(&copy.place) {
        return Err(KeyStoreError::PlaceMissing { place: copy.place, problem: NOT_LISTED });
    }
    let mut all_show = true;
    for (other, other_bytes, other_clear) in others {
        let witness = Witness { generation: other_clear.generation, id: other_clear.id.short() };
        let is_same = other_clear.id == clear.id && other_bytes == bytes;
        // A recovery begins the ring anew; killed half-way, it leaves copies of the record that it followed.
        let is_proven = other_clear.id == record.clear.parent || record.descends_from(witness) == Some(true);
        let is_ancestor = witness.generation < clear.generation && is_proven;
        let counts = record.places.contains(&other.place);
        // It cannot be authenticated, and need not be: whatever it is, its key is gone or superseded.
        let is_destroyed =
            witness.generation < clear.generation && is_older_version(&record.clear.recipe, &other_clear.recipe);
        let is_of_here =
            is_same || is_ancestor || is_destroyed || !counts && may_be_left_behind(&record, other_clear, witness);
        if !is_of_here {
            let (one, other) = (copy.location.clone(), other.location.clone());
            return Err(KeyStoreError::Diverged { one, other });
        }
        // A place that was detached is written no more, and holds nothing back.
        all_show &= is_same || !counts;
    }
    let of_place = |place| copies.iter().filter(move |copy| copy.place == place);
    let all_read = record.places.iter().all(|place| {
        let is_intact = |copy: &RootCopy| matches!(copy.content, CopyContent::Intact(_));
        of_place(*place).next().is_some() && of_place(*place).all(is_intact)
    });
    let is_whole = all_read && all_show;
    let durable = if is_whole { record.clear.generation } else { record.settled };
    let bytes = Zeroizing::new((*bytes).clone());
    let first = First::of(&record, scope, copies, &bytes)?;
    Ok(Some(Box::new(Chosen { durable, needs_repair: !is_whole, first, bytes, record, secret })))
}

/// Whether the second recipe names a version before that of the first, of the same series.
fn is_older_version(newest: &Recipe, other: &Recipe) -> bool {
    match (newest, other) {
        (Recipe::Version(new), Recipe::Version(old)) => {
            newest.is_of_the_series_of(other) && old.version.number < new.version.number
        }
        _ => false,
    }
}

/// R11: whether a place that the record does not list may hold this. It is not compared with the record if it is too old to tell, or is the
/// one commit that was under way there when the place was given up: nobody was answered, since the others lack it. Anything
/// further on there is a history of its own, in which somebody may have been shredded.
fn may_be_left_behind(record: &Record, other: &Clear, witness: Witness) -> bool {
    if witness.generation >= record.clear.generation {
        return false;
    }
    // A promotion, which was under way there, skips a generation.
    let is_parent = |back: u64| {
        let generation = other.generation.saturating_sub(back);
        record.descends_from(Witness { generation, id: other.parent.short() }) == Some(true)
    };
    record.descends_from(witness).is_none() || is_parent(1) || is_parent(2)
}

fn unreadable(copies: &[RootCopy]) -> KeyStoreError {
    let unreachable = copies.iter().find_map(|copy| match &copy.content {
        CopyContent::Unreachable(error) => Some(error),
        _ => None,
    });
    match unreachable {
        Some(error) => error.clone().into(),
        None => {
            let locations: Vec<&str> = copies.iter().map(|copy| copy.location.as_str()).collect();
            KeyStoreError::RecordDamaged { location: locations.join(", ") }
        }
    }
}
