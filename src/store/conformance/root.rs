use std::time::{Duration, Instant};

use super::{Check, Failure, ensure, record};
use crate::store::{
    CopyContent, LockError, OrderedRead, PlaceId, RECORD_BYTES, RootCopy, RootLock, RootStore, StoreError,
};

type Again<'a, S> = &'a mut dyn FnMut(&S) -> S;

const WAIT: Duration = Duration::from_secs(30);

pub(super) fn checks<S: RootStore>() -> [(&'static str, Check<S>); 8] {
    [
        ("a new store has no record", new_store_is_empty),
        ("a record is in every slot, and survives a reopen", every_slot),
        ("an old record cannot be read any more", the_old_one_is_gone),
        ("a write changes one slot alone", one_slot_alone),
        ("what does not fit is refused", misfits_are_refused),
        ("who has the lock sees what is there", a_lock_sees_what_is_there),
        ("a lock waits for another, no longer than told", a_lock_excludes),
        ("concurrent commits lose nothing", nothing_is_lost),
    ]
}

fn read_all<S: RootStore>(store: &S) -> Vec<RootCopy> {
    store.places().into_iter().flat_map(|place| store.read(place)).collect()
}

/// The number in each copy.
fn numbers(copies: &[RootCopy]) -> Vec<Option<u64>> {
    let one = |copy: &RootCopy| match &copy.content {
        CopyContent::Intact(found) => {
            let n = u64::from_be_bytes(*found.first_chunk()?);
            (*found == record(n)).then_some(n)
        }
        _ => None,
    };
    copies.iter().map(one).collect()
}

fn take<S: RootStore>(store: &S) -> Result<Box<dyn RootLock + '_>, Failure> {
    store.lock(&store.places(), WAIT).map_err(|error| Failure::new("the lock", error))
}

/// Each slot of each place, in order.
fn slots<S: RootStore>(store: &S) -> Vec<(PlaceId, usize)> {
    let of_place = |place| (0..store.read(place).len()).map(move |slot| (place, slot));
    store.places().into_iter().flat_map(of_place).collect()
}

fn write_all<S: RootStore>(store: &S, lock: &mut dyn RootLock, n: u64) -> Result<(), StoreError> {
    slots(store).into_iter().try_for_each(|(place, slot)| lock.write(place, slot, &record(n)))
}

fn write<S: RootStore>(store: &S, n: u64) -> Result<(), Failure> {
    Ok(write_all(store, &mut *take(store)?, n)?)
}

fn all_hold<S: RootStore>(store: &S, n: u64) -> Result<(), Failure> {
    let copies = read_all(store);
    ensure(!copies.is_empty(), "a copy at least", &copies)?;
    ensure(numbers(&copies).iter().all(|found| *found == Some(n)), "the record in every copy", numbers(&copies))
}

fn new_store_is_empty<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    let copies = read_all(&store);
    let empty = copies.iter().all(|copy| matches!(copy.content, CopyContent::Empty));
    ensure(empty && !copies.is_empty(), "no record", copies.len())
}

fn every_slot<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    all_hold(&store, 1)?;
    let places = store.places();
    for place in &places {
        let copies = store.read(*place);
        let known = copies.iter().all(|copy| copy.place == *place && !copy.location.is_empty());
        ensure(known && !copies.is_empty(), "copies of the place asked for, each with a location", &copies)?;
    }
    let reopened = again(&store);
    drop(store);
    all_hold(&reopened, 1)?;
    let same = reopened.places();
    ensure(same == places, "the same places after a reopen", same)
}

fn the_old_one_is_gone<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    for n in 1..=5 {
        write(&store, n)?;
        all_hold(&store, n)?;
        all_hold(&again(&store), n)?;
        let order = |copies: Vec<RootCopy>| copies.into_iter().map(|copy| copy.location.clone()).collect::<Vec<_>>();
        let (first, second) = (order(read_all(&store)), order(read_all(&store)));
        ensure(first == second, "the same order every time", (first, second))?;
    }
    Ok(())
}

fn one_slot_alone<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    let all = slots(&store);
    for (written, (place, slot)) in (1..).zip(&all) {
        take(&store)?.write(*place, *slot, &record(2))?;
        let expected: Vec<_> = (0..all.len()).map(|at| Some(if at < written { 2 } else { 1 })).collect();
        let found = numbers(&read_all(&store));
        ensure(found == expected, "that slot to hold it, and no other one changed", (place, slot, found))?;
    }
    Ok(())
}

fn misfits_are_refused<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    let place = store.places().first().copied().ok_or_else(|| Failure::new("a place", "none"))?;
    let unknown = PlaceId(place.0.map(|byte| !byte));
    let refused = store.lock(&[place, unknown], WAIT);
    ensure(matches!(refused, Err(LockError::Store(_))), "no lock of an unknown place", refused.is_ok())?;
    drop(refused);
    let slots = store.read(place).len();
    let (right, short, long) = (RECORD_BYTES, RECORD_BYTES - 1, RECORD_BYTES + 1);
    for (place, slot, bytes) in [(place, 0, short), (place, 0, long), (place, slots, right), (unknown, 0, right)] {
        let refused = take(&store)?.write(place, slot, &vec![0; bytes]);
        ensure(refused.is_err(), "an error", (place, slot, bytes))?;
        all_hold(&store, 1)?;
    }
    Ok(())
}

fn a_lock_sees_what_is_there<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let other = again(&store);
    write(&store, 1)?;
    // What a handle saw before, it does not answer from memory.
    all_hold(&other, 1)?;
    write(&store, 2)?;
    let mut lock = take(&other)?;
    for place in other.places() {
        if let Some(OrderedRead { copies: found, .. }) = lock.read_in_order(place) {
            ensure(numbers(&found).iter().all(|found| *found == Some(2)), "what is there", numbers(&found))?;
            ensure(lock.settle().is_ok(), "it to be made durable", place)?;
        }
    }
    // A reader does not wait for a commit, neither here nor elsewhere.
    all_hold(&other, 2)?;
    all_hold(&store, 2)?;
    drop(lock);
    Ok(())
}

fn a_lock_excludes<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let other = again(&store);
    write(&store, 1)?;
    let wait = Duration::from_millis(100);
    let mut held = take(&store)?;
    let start = Instant::now();
    let refused = other.lock(&other.places(), wait);
    let taken = start.elapsed();
    ensure(matches!(refused, Err(LockError::Busy { .. })), "Busy", refused.is_ok())?;
    drop(refused);
    ensure(taken >= wait && taken < wait * 50, "to wait as long as told", taken)?;
    write_all(&store, &mut *held, 2)?;
    drop(held);
    all_hold(&other, 2)?;
    // And nothing is left locked.
    write(&other, 3)?;
    all_hold(&store, 3)
}

fn nothing_is_lost<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 10;
    write(&store, 0)?;
    let handles: Vec<S> = (0..THREADS).map(|_| again(&store)).collect();
    let count = |handle: &S| -> Result<(), Failure> {
        for _ in 0..ROUNDS {
            let mut lock = take(handle)?;
            let n = numbers(&read_all(handle)).into_iter().flatten().max();
            let n = n.ok_or_else(|| Failure::new("a record", "none"))?;
            write_all(handle, &mut *lock, n + 1)?;
        }
        Ok(())
    };
    let failed = std::thread::scope(|scope| {
        let threads: Vec<_> = handles.iter().map(|handle| scope.spawn(|| count(handle))).collect();
        threads.into_iter().find_map(|thread| match thread.join() {
            Ok(done) => done.err().map(|error| format!("{error:?}")),
            Err(_) => Some("a panic".to_owned()),
        })
    });
    ensure(failed.is_none(), "every commit to succeed", failed)?;
    all_hold(&store, THREADS * ROUNDS)
}
