use std::time::{Duration, Instant};

use super::{Check, Failure, ensure, record};
use crate::store::{Change, CopyContent, RECORD_BYTES, Refusal, RootCopy, RootStore, UpdateError};

type Again<'a, S> = &'a mut dyn FnMut(&S) -> S;

const WAIT: Duration = Duration::from_secs(30);

pub(super) fn checks<S: RootStore>() -> [(&'static str, Check<S>); 9] {
    [
        ("a new store has no record", new_store_is_empty),
        ("a record is in every copy, and survives a reopen", every_copy),
        ("an old record cannot be read any more", the_old_one_is_gone),
        ("Keep changes nothing", keep_changes_nothing),
        ("a refusal writes nothing", a_refusal_writes_nothing),
        ("a change that does not fit is refused", misfits_are_refused),
        ("a change sees what is there", a_change_sees_what_is_there),
        ("an update waits for another, no longer than told", an_update_excludes),
        ("concurrent updates lose nothing", nothing_is_lost),
    ]
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

fn highest(copies: &[RootCopy]) -> Option<(usize, u64)> {
    numbers(copies).into_iter().enumerate().filter_map(|(at, n)| Some((at, n?))).max_by_key(|(_, n)| *n)
}

fn write<S: RootStore>(store: &S, n: u64) -> Result<(), Failure> {
    let newest = |copies: &[RootCopy]| highest(copies).map(|(at, _)| at);
    store
        .update(WAIT, &mut |copies| Ok(Change::Write { record: record(n), newest: newest(copies) }))
        .map_err(|error| Failure::new("the update to succeed", error))
}

fn all_hold<S: RootStore>(store: &S, n: u64) -> Result<(), Failure> {
    let copies = store.read()?;
    ensure(!copies.is_empty(), "a copy at least", &copies)?;
    ensure(numbers(&copies).iter().all(|found| *found == Some(n)), "the record in every copy", numbers(&copies))
}

fn new_store_is_empty<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    let copies = store.read()?;
    let empty = copies.iter().all(|copy| matches!(copy.content, CopyContent::Empty));
    ensure(empty, "no record", copies.len())?;
    let mut seen = None;
    let kept = store.update(WAIT, &mut |copies| {
        seen = Some(copies.iter().all(|copy| matches!(copy.content, CopyContent::Empty)));
        Ok(Change::Keep)
    });
    ensure(kept.is_ok() && seen == Some(true), "a change that sees no record", (kept, seen))
}

fn every_copy<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    all_hold(&store, 1)?;
    let places = store.places();
    let copies = store.read()?;
    let known = copies.iter().all(|copy| places.contains(&copy.place) && !copy.location.is_empty());
    ensure(known, "copies in the places named, each with a location", (&copies, &places))?;
    let covered = places.iter().all(|place| copies.iter().any(|copy| copy.place == *place));
    ensure(covered, "a copy in every place", (&copies, &places))?;
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
        let (first, second) = (order(store.read()?), order(store.read()?));
        ensure(first == second, "the same order every time", (first, second))?;
    }
    Ok(())
}

fn keep_changes_nothing<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    let kept = store.update(WAIT, &mut |_| Ok(Change::Keep));
    ensure(kept.is_ok(), "Keep to succeed", kept)?;
    all_hold(&store, 1)
}

fn a_refusal_writes_nothing<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    let refused = store.update(WAIT, &mut |_| Err(Refusal));
    ensure(matches!(refused, Err(UpdateError::Refused)), "Refused", refused)?;
    all_hold(&store, 1)?;
    // And nothing is left locked.
    write(&store, 2)?;
    all_hold(&store, 2)
}

fn misfits_are_refused<S: RootStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    write(&store, 1)?;
    for (bytes, newest) in [(RECORD_BYTES - 1, None), (RECORD_BYTES + 1, None), (RECORD_BYTES, Some(usize::MAX))] {
        let refused = store.update(WAIT, &mut |_| Ok(Change::Write { record: vec![0; bytes], newest }));
        ensure(matches!(refused, Err(UpdateError::NotWritten(_))), "NotWritten", (bytes, newest, refused))?;
        all_hold(&store, 1)?;
    }
    Ok(())
}

fn a_change_sees_what_is_there<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let other = again(&store);
    write(&store, 1)?;
    let mut seen = Vec::new();
    let kept = other.update(WAIT, &mut |copies| {
        seen = numbers(copies);
        // A reader does not wait for the update, the change's own included.
        Ok(if store.read().is_ok() { Change::Keep } else { Change::Write { record: Vec::new(), newest: None } })
    });
    ensure(kept.is_ok(), "to read while an update is under way", kept)?;
    let all = !seen.is_empty() && seen.iter().all(|found| *found == Some(1));
    ensure(all, "the record that another handle wrote", seen)
}

fn an_update_excludes<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let other = again(&store);
    write(&store, 1)?;
    let wait = Duration::from_millis(100);
    let (mut result, mut entered, mut taken) = (None, false, Duration::ZERO);
    let outer = store.update(WAIT, &mut |_| {
        let start = Instant::now();
        let inner = other.update(wait, &mut |_| {
            entered = true;
            Ok(Change::Keep)
        });
        (result, taken) = (Some(inner), start.elapsed());
        Ok(Change::Write { record: record(2), newest: Some(0) })
    });
    ensure(outer.is_ok(), "the first update to succeed", outer)?;
    ensure(!entered && matches!(result, Some(Err(UpdateError::Busy { .. }))), "Busy", (entered, result))?;
    ensure(taken >= wait && taken < wait * 50, "to wait as long as told", taken)?;
    all_hold(&other, 2)?;
    write(&other, 3)
}

fn nothing_is_lost<S: RootStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 10;
    write(&store, 0)?;
    let handles: Vec<S> = (0..THREADS).map(|_| again(&store)).collect();
    let count = |handle: &S| -> Result<(), UpdateError> {
        for _ in 0..ROUNDS {
            handle.update(WAIT, &mut |copies| {
                let (at, n) = highest(copies).ok_or(Refusal)?;
                Ok(Change::Write { record: record(n + 1), newest: Some(at) })
            })?;
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
    ensure(failed.is_none(), "every update to succeed", failed)?;
    all_hold(&store, THREADS * ROUNDS)
}
