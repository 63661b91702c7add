use std::collections::HashSet;
use std::time::Duration;

use super::{Check, Failure, ensure, is_problem, page};
use crate::store::{Mark, PageName, PageStore, Problem, StoredPage};

type Again<'a, S> = &'a mut dyn FnMut(&S) -> S;

pub(super) fn checks<S: PageStore>() -> [(&'static str, Check<S>); 17] {
    [
        ("a new store is empty", new_store_is_empty),
        ("pages come back as they were put", pages_come_back),
        ("several pages come in the order of their names", several_come_in_order),
        ("what is said of later pages is true", later_ones_are_later),
        ("pages and mark survive a reopen", survive_a_reopen),
        ("another handle sees what was put", other_handles_see),
        ("an empty batch raises the mark", an_empty_batch),
        ("the mark only rises", the_mark_only_rises),
        ("another vault's mark is refused", another_vaults_mark),
        ("a mark is replaced when it must be", a_mark_is_replaced),
        ("the same bytes may be put again", same_bytes_again),
        ("a taken name is refused", a_taken_name),
        ("a taken name is refused through another handle", a_taken_name_elsewhere),
        ("a sweep keeps what is live", a_sweep_keeps_the_live),
        ("a sweep forgets what is superseded", a_sweep_forgets),
        ("a sweep keeps later generations", a_sweep_keeps_the_later),
        ("a sweep waits as long as it is told", a_sweep_waits),
    ]
}

/// The mark of one vault at a generation.
fn at(generation: u64) -> Mark {
    of(1, generation)
}

/// The mark of some vault at a generation. What proves it differs with each, so that a store which mixes two up is found out.
fn of(vault: u8, generation: u64) -> Mark {
    let [.., low] = generation.to_be_bytes();
    Mark { generation, vault: [vault; 16], proof: [low ^ vault; 32] }
}

/// Every page given is there; only these.
fn holds<S: PageStore>(store: &S, pages: &[StoredPage]) -> Result<(), Failure> {
    for page in pages {
        let found = store.get(&page.name)?;
        let length = found.as_ref().map(Vec::len);
        ensure(found.as_deref() == Some(&page.bytes), "the bytes that were put", length)?;
    }
    Ok(())
}

fn names(pages: &[StoredPage]) -> HashSet<PageName> {
    pages.iter().map(|page| page.name).collect()
}

fn batch(numbers: std::ops::Range<u8>) -> Vec<StoredPage> {
    numbers.map(|n| page(n, n)).collect()
}

fn new_store_is_empty<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    let (mark, usage, found) = (store.mark()?, store.usage()?, store.get(&page(1, 1).name)?);
    ensure(mark == Mark::NONE, "no mark", mark)?;
    ensure(usage.pages == 0, "no pages in use", usage)?;
    ensure(found.is_none(), "no page", found.map(|bytes| bytes.len()))
}

fn pages_come_back<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(1), &batch(0..5))?;
    store.put(&at(2), &batch(5..7))?;
    holds(&store, &batch(0..7))?;
    let (absent, usage) = (store.get(&page(9, 9).name)?, store.usage()?);
    ensure(absent.is_none(), "no page of a name never put", absent.map(|bytes| bytes.len()))?;
    ensure(usage.pages == 7 && usage.bytes >= 7 * crate::store::PAGE_BYTES as u64, "seven pages in use", usage)
}

fn several_come_in_order<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(1), &batch(0..200))?;
    // Backwards, one twice, one that is not there, none at all, and all.
    for wanted in [vec![7, 250, 3, 7, 0], vec![250], vec![], (0..200).rev().collect()] {
        let names: Vec<PageName> = wanted.iter().map(|n| PageName([*n; 16])).collect();
        let found = store.get_many(&names);
        ensure(found.len() == names.len(), "an answer for each name", found.len())?;
        for (n, found) in wanted.into_iter().zip(found) {
            let (found, expected) = (found?, (n < 200).then(|| page(n, n).bytes));
            ensure(found == expected, "what one read of that name gives", found.map(|bytes| bytes.len()))?;
        }
    }
    Ok(())
}

fn later_ones_are_later<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    for n in 1..=4 {
        store.put(&at(u64::from(n)), &[page(n, n), page(n + 10, n)])?;
    }
    for (generation, most) in [(0, 100), (2, 100), (2, 3), (0, 1), (4, 100), (9, 100)] {
        let found = store.newer_than(generation, most);
        ensure(found.len() <= most, "no more than told", found.len())?;
        let is_later = |page: &StoredPage| {
            let [n, ..] = page.name.0;
            let put = u64::from(n % 10);
            put > generation && put <= 4 && page.bytes.first().map(|byte| u64::from(*byte)) == Some(put)
        };
        ensure(found.iter().all(is_later), "pages that were put later, as they were put", found)?;
    }
    Ok(())
}

fn survive_a_reopen<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(3), &batch(0..5))?;
    let reopened = again(&store);
    drop(store);
    holds(&reopened, &batch(0..5))?;
    let mark = reopened.mark()?;
    ensure(mark == at(3), "the mark of before, 3", mark)
}

fn other_handles_see<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let other = again(&store);
    // A miss first, so that a handle that remembers misses is found out.
    let early = other.get(&page(1, 1).name)?;
    ensure(early.is_none(), "no page yet", early.map(|bytes| bytes.len()))?;
    store.put(&at(1), &batch(0..3))?;
    holds(&other, &batch(0..3))?;
    let mark = other.mark()?;
    ensure(mark == at(1), "the mark that another handle raised to 1", mark)
}

fn the_mark_only_rises<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    for (generation, expected) in [(5, 5), (4, 5), (5, 5), (9, 9), (1, 9), (u64::MAX, u64::MAX)] {
        store.put(&at(generation), &[])?;
        let (mark, other) = (store.mark()?, again(&store).mark()?);
        ensure(
            (mark, other) == (at(expected), at(expected)),
            "the highest generation ever put",
            (generation, mark, other),
        )?;
    }
    Ok(())
}

fn another_vaults_mark<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(3), &batch(0..2))?;
    for generation in [2, 3, 4] {
        let refused = again(&store).put(&of(2, generation), &batch(5..6));
        ensure(is_problem(&refused, Problem::OtherVault), "OtherVault", refused)?;
    }
    let (mark, usage) = (store.mark()?, store.usage()?);
    ensure(mark == at(3) && usage.pages == 2, "the mark and the pages of before", (mark, usage))
}

fn a_mark_is_replaced<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(9), &batch(0..2))?;
    for mark in [at(4), of(2, 3), at(5)] {
        store.replace_mark(&mark)?;
        let found = again(&store).mark()?;
        ensure(found == mark, "the mark that was to replace it", found)?;
    }
    store.put(&at(6), &[])?;
    let mark = store.mark()?;
    ensure(mark == at(6), "a mark of 6", mark)?;
    holds(&store, &batch(0..2))
}

fn an_empty_batch<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(2), &[])?;
    let (mark, usage) = (store.mark()?, store.usage()?);
    ensure(mark == at(2) && usage.pages == 0, "a mark of 2 and no page", (mark, usage))
}

fn same_bytes_again<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(1), &batch(0..3))?;
    store.put(&at(2), &batch(1..5))?;
    holds(&store, &batch(0..5))?;
    let usage = store.usage()?;
    ensure(usage.pages == 5, "five pages in use", usage)
}

fn a_taken_name<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(1), &batch(0..3))?;
    let refused = store.put(&at(2), &[page(1, 0xff)]);
    ensure(is_problem(&refused, Problem::PageExists), "PageExists", refused)?;
    let refused = store.put(&at(2), &[page(7, 7), page(7, 8)]);
    ensure(is_problem(&refused, Problem::PageExists), "PageExists within one batch", refused)?;
    holds(&store, &batch(0..3))
}

fn a_taken_name_elsewhere<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let other = again(&store);
    store.put(&at(1), &batch(0..3))?;
    let refused = other.put(&at(2), &[page(1, 0xff)]);
    ensure(is_problem(&refused, Problem::PageExists), "PageExists", refused)?;
    holds(&other, &batch(0..3))
}

fn a_sweep_keeps_the_live<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    // One live page in each batch, so that a store that keeps batches together has to take them apart.
    let mut live = Vec::new();
    for n in 0..20_u8 {
        let pages = batch(n * 5..n * 5 + 5);
        store.put(&at(u64::from(n) + 1), &pages)?;
        live.extend(pages.into_iter().take(1));
    }
    for _ in 0..3 {
        store.sweep(&names(&live), 20, Duration::ZERO)?;
        holds(&store, &live)?;
        holds(&again(&store), &live)?;
    }
    let mark = store.mark()?;
    ensure(mark == at(20), "the mark as it was, 20", mark)?;
    let gone = live.first().map(|page| page.name).into_iter().chain([page(200, 0).name]).collect();
    let refused = store.sweep(&gone, 20, Duration::ZERO);
    ensure(refused.is_err(), "an error for a live page that is missing", refused)?;
    holds(&store, &live)
}

fn a_sweep_forgets<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(1), &batch(0..5))?;
    store.put(&at(2), &batch(5..10))?;
    let swept = store.sweep(&names(&batch(5..10)), 2, Duration::ZERO)?;
    ensure(swept.pages == 5 && swept.bytes > 0, "five pages forgotten", swept)?;
    for n in 0..5 {
        let found = again(&store).get(&page(n, n).name)?;
        ensure(found.is_none(), "a superseded batch to be gone", found.map(|bytes| bytes.len()))?;
    }
    let usage = store.usage()?;
    ensure(usage.pages == 5, "five pages in use", usage)?;
    let swept = store.sweep(&HashSet::new(), 2, Duration::ZERO)?;
    let usage = store.usage()?;
    ensure(usage.pages == 0, "nothing left when nothing is live", (swept, usage))
}

fn a_sweep_keeps_the_later<S: PageStore>(store: S, _: Again<'_, S>) -> Result<(), Failure> {
    store.put(&at(7), &batch(0..5))?;
    store.put(&at(8), &batch(5..10))?;
    store.sweep(&HashSet::new(), 7, Duration::ZERO)?;
    holds(&store, &batch(5..10))
}

fn a_sweep_waits<S: PageStore>(store: S, again: Again<'_, S>) -> Result<(), Failure> {
    let keep = Duration::from_millis(300);
    store.put(&at(1), &batch(0..5))?;
    let swept = store.sweep(&HashSet::new(), 1, keep)?;
    ensure(swept.pages == 0, "nothing forgotten yet", swept)?;
    holds(&store, &batch(0..5))?;
    std::thread::sleep(keep + Duration::from_millis(100));
    let swept = again(&store).sweep(&HashSet::new(), 1, keep)?;
    ensure(swept.pages == 5, "five pages forgotten after the time", swept)
}
