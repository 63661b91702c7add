//! A commit in one step: pages, mark and record, all of it or nothing, and only under the lock.

use std::time::Duration;

use oubliette::store::{
    CopyContent, LockError, Mark, NotWritten, PAGE_BYTES, PageName, PageStore, PlaceId, Problem, RECORD_BYTES,
    RootLock, RootStore, StoredPage, WholeCommit,
};
use oubliette_postgres::PostgresStore;

use super::server::{Server, shared};
use super::support::*;

const WAIT: Duration = Duration::from_secs(20);

fn place(store: &PostgresStore) -> PlaceId {
    store.places()[0]
}

fn page(n: u16) -> StoredPage {
    let [high, low] = n.to_be_bytes();
    let mut name = [high; 16];
    name[15] = low;
    StoredPage { name: PageName(name), bytes: vec![low ^ high; PAGE_BYTES] }
}

fn mark(vault: u8, generation: u64) -> Mark {
    Mark { generation, vault: [vault; 16], proof: [vault; 32] }
}

fn write(
    lock: &mut dyn RootLock,
    store: &PostgresStore,
    record: u8,
    mark: &Mark,
    pages: &[StoredPage],
    is_last: bool,
) -> Result<(), NotWritten> {
    let record = [record; RECORD_BYTES];
    lock.write_with_pages(&WholeCommit { place: place(store), record: &record, mark, pages, is_last })
}

fn record(store: &PostgresStore) -> Option<u8> {
    match &store.read(place(store))[0].content {
        CopyContent::Intact(found) => Some(found[0]),
        CopyContent::Empty => None,
        other => panic!("{other:?}"),
    }
}

fn has(store: &PostgresStore, n: u16) -> bool {
    store.get(&page(n).name).unwrap().as_ref() == Some(&page(n).bytes)
}

#[test]
fn all_of_a_step_is_there_and_each_may_be_the_last_under_its_lock() {
    let builder = fresh(shared());
    let (store, other) = (builder.open().unwrap(), builder.open().unwrap());
    assert!(PageStore::together(&store).is_some() && store.together() == store.clone().together());
    assert!(store.together() != other.together(), "another handle's lock writes through another connection");
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    assert_eq!(lock.together(), store.together());
    assert!(matches!(lock.read_in_order(place(&store)).unwrap().copies[0].content, CopyContent::Empty));
    write(&mut *lock, &store, 1, &mark(1, 2), &[page(1), page(2)], false).unwrap();
    assert!(record(&other) == Some(1) && has(&other, 1) && has(&other, 2));
    assert_eq!(other.mark().unwrap(), mark(1, 2));
    let found = lock.read_in_order(place(&store)).unwrap().copies;
    assert!(matches!(&found[0].content, CopyContent::Intact(found) if found[0] == 1), "it is not answered from memory");
    // Not given up: more was to be done.
    assert!(matches!(other.lock(&other.places(), Duration::from_millis(50)), Err(LockError::Busy { .. })));
    // More pages than one statement takes, a mark that is not raised, and the end.
    let many: Vec<_> = (1..1200).map(page).collect();
    write(&mut *lock, &store, 2, &mark(1, 1), &many, true).unwrap();
    assert!(record(&other) == Some(2) && has(&other, 1199) && other.mark().unwrap() == mark(1, 2));
    {
        let mut theirs = other.lock(&other.places(), WAIT).expect("it was given up with the step");
        let refused = write(&mut *lock, &store, 3, &mark(1, 3), &[page(2000)], true).unwrap_err();
        assert!(matches!(refused, NotWritten::Unknown(_)), "{refused:?}");
        assert!(lock.write(place(&store), 0, &[3; RECORD_BYTES]).is_err());
        assert!(record(&other) == Some(2) && !has(&other, 2000) && other.mark().unwrap() == mark(1, 2));
        write(&mut *theirs, &other, 4, &mark(1, 3), &[], true).unwrap();
    }
    drop(lock);
    // A connection that is used again holds nothing.
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    write(&mut *lock, &store, 5, &mark(1, 4), &[page(3000)], true).unwrap();
    assert!(record(&other) == Some(5) && has(&other, 3000));
}

#[test]
fn what_cannot_be_written_leaves_the_record_as_it_was() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let store = at(&server, &schema).open().unwrap();
    let step = |record, mark: &Mark, pages: &[StoredPage]| {
        let mut lock = store.lock(&store.places(), WAIT).unwrap();
        write(&mut *lock, &store, record, mark, pages, true)
    };
    step(1, &mark(1, 5), &[page(1)]).unwrap();
    let problem = |came: Result<(), NotWritten>| match came {
        Err(NotWritten::Nothing(error)) => error.problem(),
        other => panic!("{other:?}"),
    };
    // Another vault's pages are there.
    assert_eq!(problem(step(2, &mark(2, 6), &[page(2)])), Problem::OtherVault);
    assert!(!has(&store, 2) && store.mark().unwrap() == mark(1, 5));
    // A name is taken, or is there twice.
    let taken = StoredPage { name: page(1).name, bytes: vec![9; PAGE_BYTES] };
    assert_eq!(problem(step(2, &mark(1, 6), &[page(3), taken.clone()])), Problem::PageExists);
    assert_eq!(problem(step(2, &mark(1, 6), &[page(1), taken])), Problem::PageExists);
    assert!(has(&store, 1));
    // Neither fits.
    let short = StoredPage { name: page(4).name, bytes: vec![0; 10] };
    assert_eq!(problem(step(2, &mark(1, 6), &[short])), Problem::Io);
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    let misfit = WholeCommit { place: place(&store), record: &[2], mark: &mark(1, 6), pages: &[], is_last: true };
    assert!(matches!(lock.write_with_pages(&misfit), Err(NotWritten::Nothing(_))));
    drop(lock);
    assert_eq!(record(&store), Some(1));
    // The same bytes again are fine.
    step(2, &mark(1, 6), &[page(1)]).unwrap();
    assert_eq!(record(&store), Some(2));

    // The lock is lost in the middle: by a trigger here, before the record is written.
    server.sql(&format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no room''; END';
         CREATE TRIGGER fail BEFORE UPDATE ON {schema}.root FOR EACH STATEMENT EXECUTE FUNCTION fail()"
    ));
    assert_eq!(problem(step(3, &mark(1, 7), &[page(5)])), Problem::Io);
    assert!(
        record(&store) == Some(2) && !has(&store, 5) && store.mark().unwrap() == mark(1, 6),
        "all of it or nothing"
    );
    server.sql(&format!("DROP TRIGGER fail ON {schema}.root"));

    // The connection is lost: it is not known, and nothing is there.
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    assert_eq!(server.terminate("pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"), 1);
    let lost = write(&mut *lock, &store, 3, &mark(1, 7), &[page(5)], true).unwrap_err();
    assert!(matches!(lost, NotWritten::Unknown(_)), "{lost:?}");
    drop(lock);
    assert!(record(&store) == Some(2) && !has(&store, 5));
    step(3, &mark(1, 7), &[page(5)]).unwrap();
    assert!(record(&store) == Some(3) && has(&store, 5));
}

/// Many pages take statements of their own, in one transaction with the record.
#[test]
fn nothing_of_many_pages_is_there_unless_all_of_the_step_is() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    let store = at(&server, &schema).open().unwrap();
    let other = at(&server, &schema).open().unwrap();
    let step = |record, mark: &Mark, pages: &[StoredPage]| {
        let mut lock = store.lock(&store.places(), WAIT).unwrap();
        write(&mut *lock, &store, record, mark, pages, true)
    };
    let many = || (10..210).map(page).collect::<Vec<_>>();
    let nothing_happened = || {
        let is_there = (10..210).any(|n| has(&other, n));
        assert!(!is_there && record(&other) == Some(1) && other.mark().unwrap() == mark(1, 5));
    };
    step(1, &mark(1, 5), &[page(1)]).unwrap();
    let refused = |came: Result<(), NotWritten>, problem| {
        assert!(matches!(&came, Err(NotWritten::Nothing(error)) if error.problem() == problem), "{came:?}");
        nothing_happened();
    };
    refused(step(2, &mark(2, 6), &many()), Problem::OtherVault);
    // One name of two hundred is taken, wherever it stands.
    for n in [10, 99, 209] {
        let mut pages = many();
        pages.retain(|one| one.name != page(n).name);
        pages.push(StoredPage { name: page(1).name, bytes: vec![9; PAGE_BYTES] });
        refused(step(2, &mark(1, 6), &pages), Problem::PageExists);
    }
    server.sql(&format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no room''; END';
         CREATE TRIGGER fail BEFORE UPDATE ON {schema}.root FOR EACH STATEMENT EXECUTE FUNCTION fail()"
    ));
    refused(step(2, &mark(1, 6), &many()), Problem::Io);
    server.sql(&format!("DROP TRIGGER fail ON {schema}.root"));
    // Without the lock.
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    assert_eq!(server.terminate("pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"), 1);
    assert!(matches!(write(&mut *lock, &store, 2, &mark(1, 6), &many(), true), Err(NotWritten::Unknown(_))));
    drop(lock);
    nothing_happened();
    // And all of it: the lock goes with it, and the connection is in no transaction.
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    write(&mut *lock, &store, 2, &mark(1, 6), &many(), true).unwrap();
    let mut theirs = other.lock(&other.places(), WAIT).expect("it was given up with the step");
    assert!((10..210).all(|n| has(&other, n)) && record(&other) == Some(2) && other.mark().unwrap() == mark(1, 6));
    assert!(write(&mut *lock, &store, 3, &mark(1, 7), &many(), true).is_err());
    write(&mut *theirs, &other, 4, &mark(1, 7), &[], true).unwrap();
    assert_eq!(record(&store), Some(4));
}

/// A commit that waits for others gets what they put with the lock, and its record.
#[test]
fn what_others_put_since_comes_with_the_lock() {
    let builder = fresh(shared());
    let (store, other) = (builder.open().unwrap(), builder.open().unwrap());
    let step = |generation: u8, pages: &[StoredPage]| {
        let mut lock = other.lock(&other.places(), WAIT).unwrap();
        write(&mut *lock, &other, generation, &mark(1, generation.into()), pages, true).unwrap();
    };
    step(1, &[page(1)]);
    let newer_with = |generation: u64| {
        // Somebody has the lock, and commits before it is given up.
        let mut theirs = other.lock(&other.places(), WAIT).unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let mut lock = store.lock_knowing(&store.places(), WAIT, generation).unwrap();
                let found = lock.read_in_order(place(&store)).unwrap();
                assert!(lock.read_in_order(place(&store)).unwrap().newer.is_none(), "it is read once");
                let CopyContent::Intact(record) = &found.copies[0].content else { panic!("{found:?}") };
                (record[0], found.newer.clone().expect("it was looked for"))
            });
            std::thread::sleep(Duration::from_millis(100));
            write(&mut *theirs, &other, 9, &mark(1, 9), &[page(90), page(91)], true).unwrap();
            waits.join().unwrap()
        })
    };
    let (record, newer) = newer_with(1);
    assert!(record == 9 && newer.len() == 2 && newer.iter().all(|one| [page(90), page(91)].contains(one)), "{newer:?}");
    let (_, newer) = newer_with(9);
    assert!(newer.is_empty());
    let mut lock = store.lock(&store.places(), WAIT).unwrap();
    assert!(lock.read_in_order(place(&store)).unwrap().newer.is_none(), "nothing was looked for");
}

/// Pages of later generations, the latest first, and no more than told.
#[test]
fn what_others_put_since_comes_in_one_answer() {
    let builder = fresh(shared());
    let store = builder.open().unwrap();
    for n in 1..=6 {
        store.put(&mark(1, u64::from(n)), &[page(n), page(n + 100)]).unwrap();
    }
    let numbers = |generation, most| -> Vec<PageName> {
        store.newer_than(generation, most).into_iter().map(|page| page.name).collect()
    };
    assert!(numbers(6, 10).is_empty() && numbers(0, 100).len() == 12);
    let mut last = numbers(4, 100);
    assert!(last[..2].iter().all(|name| [page(6).name, page(106).name].contains(name)), "{last:?}");
    last.sort();
    let mut all: Vec<_> = [5, 6, 105, 106].map(|n| page(n).name).into();
    all.sort();
    assert_eq!(last, all);
    assert_eq!(numbers(0, 2), numbers(5, 2));
    assert!(store.newer_than(5, 9).iter().all(|found| [page(6), page(106)].contains(found)));
}

/// Several pages come in the order of their names, however the server finds them: here it sorts both by name.
#[test]
fn several_pages_come_in_the_order_of_their_names_however_they_are_found() {
    let server = Server::start(&["-c", "enable_nestloop=off", "-c", "enable_hashjoin=off"]);
    let store = fresh(&server).open().unwrap();
    store.put(&mark(1, 1), &(1..200).map(page).collect::<Vec<_>>()).unwrap();
    let wanted: Vec<u16> = (1..220).rev().chain([7, 300, 7]).collect();
    let names: Vec<PageName> = wanted.iter().map(|n| page(*n).name).collect();
    // As it is asked first, and as it was prepared.
    for _ in 0..8 {
        let found = store.get_many(&names);
        assert_eq!(found.len(), names.len());
        for (n, found) in wanted.iter().zip(found) {
            assert!(found.unwrap() == (*n < 200).then(|| page(*n).bytes), "{n}");
        }
    }
}
