//! Another process shreds: what changed is read, and nothing else; and whatever the store does, the shred is obeyed at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oubliette::personal::Email;
use oubliette::store::{
    LockError, Mark, Memory, PageName, PageStore, PlaceId, RootCopy, RootLock, RootStore, StoreError, StoreName,
    StoredPage, Usage,
};
use oubliette::{CustomerId, CustomerKeys, KeyStoreError, OpenError, Sealed, Vault};

use super::support::*;

/// Pages that are counted as they are read, and hang while the gate is locked.
#[derive(Clone)]
pub(super) struct Watched {
    together: StoreName,
    inner: Memory,
    pub(super) reads: Arc<AtomicU64>,
    pub(super) rounds: Arc<AtomicU64>,
    gate: Arc<Mutex<()>>,
}

impl Watched {
    pub(super) fn over(memory: &Memory) -> Watched {
        Watched {
            inner: memory.clone(),
            together: StoreName::new(),
            reads: Arc::default(),
            rounds: Arc::default(),
            gate: Arc::default(),
        }
    }
}

impl PageStore for Watched {
    fn together(&self) -> Option<StoreName> {
        Some(self.together)
    }

    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.inner.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_many(&[*name]).remove(0)
    }

    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        self.reads.fetch_add(names.len() as u64, Ordering::Relaxed);
        self.rounds.fetch_add(1, Ordering::Relaxed);
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.get_many(names)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.inner.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.inner.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.inner.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.inner.usage()
    }
}

/// A record that tells nobody when it changes: it is read when somebody says so.
struct Quiet(Memory);

impl RootStore for Quiet {
    fn places(&self) -> Vec<PlaceId> {
        self.0.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        self.0.lock(places, wait)
    }
}

type Row = (CustomerId, Sealed<Email>);

/// Two processes, as far as a vault can tell: one shreds, the other has everything in memory, and its reads are counted. Nobody reads the record
/// but who is told to.
struct Pair {
    shreds: Vault,
    vault: Vault,
    pages: Watched,
    memory: Memory,
    /// In forty leaves, three each.
    rows: Vec<Row>,
    handles: Vec<CustomerKeys>,
}

impl Pair {
    fn new() -> Pair {
        let pair = Pair::with(Duration::from_secs(60));
        pair.open_all(&[]);
        pair
    }

    fn with(lease: Duration) -> Pair {
        let memory = Memory::new();
        let pages = Watched::over(&memory);
        let builder = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).lease(lease);
        let shreds = builder.create(key()).unwrap();
        let all: Vec<_> = (0..256 * 40).map(|_| shreds.enroll().unwrap()).collect();
        let _ = shreds.shred(all.iter().skip(200).step_by(256).copied()).unwrap();
        let nearly = all.chunks(256).flat_map(|leaf| leaf.iter().skip(1).take(3));
        let rows: Vec<Row> = nearly.map(|id| (*id, seal(&shreds, *id))).collect();
        let vault = Vault::on(pages.clone(), Quiet(memory.clone())).purposes([ORDERS]).unlock(key()).unwrap();
        vault.preload(rows.iter().map(|row| row.0)).unwrap();
        let handles: Vec<_> = rows.iter().map(|row| vault.customer(row.0)).collect();
        Pair { shreds, vault, pages, memory, rows, handles }
    }

    fn reads(&self) -> u64 {
        self.pages.reads.swap(0, Ordering::Relaxed)
    }

    /// Opens everybody's, in both ways.
    fn open_all(&self, gone: &[usize]) {
        for (nth, (row, handle)) in self.rows.iter().zip(&self.handles).enumerate() {
            for opened in [self.vault.open(row.0, EMAIL, &row.1), handle.open(EMAIL, &row.1)] {
                match opened {
                    Ok(_) => assert!(!gone.contains(&nth), "{nth} was shredded"),
                    Err(error) => {
                        assert!(gone.contains(&nth) && matches!(error, OpenError::Shredded { .. }), "{nth}: {error:?}");
                    }
                }
            }
        }
    }
}

impl Pair {
    /// Shreds elsewhere, looks at the record here, and opens everybody's: how many pages were read by the look, in how many rounds, and how many by
    /// those who opened.
    fn see(&self, gone: &mut Vec<usize>, shredded: &[usize]) -> (u64, u64, u64) {
        let _ = self.shreds.shred(shredded.iter().map(|nth| self.rows[*nth].0)).unwrap();
        gone.extend(shredded);
        self.reads();
        self.pages.rounds.store(0, Ordering::Relaxed);
        self.vault.refresh().unwrap();
        let (by_look, rounds) = (self.reads(), self.pages.rounds.load(Ordering::Relaxed));
        self.open_all(gone);
        (by_look, rounds, self.reads())
    }
}

/// One shred costs a path of five pages, in as many rounds; then nobody who opens reads any. It was 44 pages, each read by the first who needed it.
///
/// On a machine that has much to do pages may come too late, and are then read by those who need them: not each time.
#[test]
fn only_what_another_process_changed_is_read() {
    let pair = Pair::new();
    let in_memory = pair.vault.status().unwrap().resident_pages;
    assert!(in_memory >= 44, "{in_memory}");
    let mut gone = Vec::new();
    let mut seen = Vec::new();
    for nth in 0..30 {
        seen.push(pair.see(&mut gone, &[nth]));
        assert_eq!(pair.vault.status().unwrap().resident_pages, in_memory, "nothing is kept twice");
    }
    assert!(seen.iter().filter(|seen| **seen == (5, 5, 0)).count() >= 3, "{seen:?}");
    // The thirty leaves that are left, at once: the pages of a level come together.
    let mut seen = Vec::new();
    for way in 0..3 {
        let shredded: Vec<usize> = (10..40).map(|leaf| leaf * 3 + way).collect();
        seen.push(pair.see(&mut gone, &shredded));
    }
    assert!(seen.contains(&(34, 5, 0)), "{seen:?}");
}

/// The same if it is noticed by a commit of one's own, and whoever is shredded there.
#[test]
fn a_commit_of_its_own_keeps_what_others_left() {
    let pair = Pair::new();
    let mut gone = Vec::new();
    let mut seen = Vec::new();
    for nth in 0..10 {
        let _ = pair.shreds.shred([pair.rows[nth].0]).unwrap();
        pair.reads();
        assert!(pair.vault.shred([pair.rows[60 + nth].0]).unwrap().commit().is_wiped_here());
        gone.extend([nth, 60 + nth]);
        let by_commit = pair.reads();
        pair.open_all(&gone);
        seen.push((by_commit, pair.reads()));
    }
    // Both paths, of which four pages are the same, and one more of those that changed.
    assert!(seen.iter().any(|(by_commit, later)| *by_commit <= 7 && *later == 0), "{seen:?}");
    // Numbers were reserved, and no tree changed.
    for _ in 0..5000 {
        pair.shreds.enroll().unwrap();
    }
    pair.reads();
    pair.vault.refresh().unwrap();
    pair.open_all(&gone);
    assert_eq!(pair.reads(), 0);
}

/// The pages hang. The shred is obeyed all the same, as soon as it is seen, and what hangs is not asked again and again.
#[test]
fn pages_that_hang_do_not_delay_a_shred() {
    let pair = Pair::new();
    let (victim, survivor) = (&pair.rows[0], &pair.rows[100]);
    let stays = pair.vault.customer(survivor.0);
    std::thread::scope(|scope| {
        let hung = pair.pages.gate.lock().unwrap();
        let _ = pair.shreds.shred([victim.0]).unwrap();
        let begun = Instant::now();
        pair.vault.refresh().unwrap();
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(2), "{taken:?}");
        let opens: Vec<_> = [0, 1]
            .map(|way| {
                let (vault, handle) = (&pair.vault, &pair.handles[0]);
                scope.spawn(move || match way {
                    0 => vault.open(victim.0, EMAIL, &victim.1),
                    _ => handle.open(EMAIL, &victim.1),
                })
            })
            .into();
        std::thread::sleep(Duration::from_millis(100));
        assert!(opens.iter().all(|thread| !thread.is_finished()), "nothing of the old tree is left to open them with");
        // A second one is seen no later, and nobody waits in vain again.
        let _ = pair.shreds.shred([pair.rows[1].0]).unwrap();
        pair.vault.refresh().unwrap();
        drop(hung);
        for opened in opens {
            let opened = opened.join().unwrap();
            assert!(matches!(opened, Err(OpenError::Shredded { .. })), "{opened:?}");
        }
    });
    assert!(stays.open(EMAIL, &survivor.1).is_ok());
    pair.open_all(&[0, 1]);
    let mut gone = vec![0, 1];
    eventually("once the store answers, the next shred takes nothing away", || {
        let nth = gone.len();
        let _ = pair.shreds.shred([pair.rows[nth].0]).unwrap();
        gone.push(nth);
        pair.vault.refresh().unwrap();
        pair.reads();
        pair.open_all(&gone);
        pair.reads() == 0
    });
}

/// Of a short lease they take a sixteenth, so that it does not run out over them.
#[test]
fn pages_that_hang_take_a_part_of_a_short_lease() {
    let pair = Pair::with(Duration::from_millis(256));
    let mut taken: Vec<Duration> = (0..15)
        .map(|nth| {
            let hung = pair.pages.gate.lock().unwrap();
            let _ = pair.shreds.shred([pair.rows[nth].0]).unwrap();
            let begun = Instant::now();
            // On a machine that has much to do the lease runs out all the same now and then.
            let _ = pair.vault.refresh();
            let taken = begun.elapsed();
            drop(hung);
            std::thread::sleep(Duration::from_millis(20));
            taken
        })
        .collect();
    taken.sort();
    assert!(taken[7] < Duration::from_millis(40), "{taken:?}");
}

/// Each page of the changed path is lost or damaged in turn. The shred is obeyed, others are missed rather than opened by the old page, and it goes on when
/// the page is there again.
#[test]
fn a_page_of_the_changed_path_that_is_damaged_shreds_all_the_same() {
    for nth in 0..5 {
        for lost in [true, false] {
            let pair = Pair::new();
            let before: HashSet<PageName> = pair.memory.page_names().into_iter().collect();
            let _ = pair.shreds.shred([pair.rows[0].0]).unwrap();
            let whole = pair.memory.snapshot();
            let mut new: Vec<_> = pair.memory.page_names().into_iter().filter(|name| !before.contains(name)).collect();
            new.sort();
            assert_eq!(new.len(), 5);
            match lost {
                true => assert!(pair.memory.lose_page(&new[nth])),
                false => assert!(pair.memory.tamper_page(&new[nth], |bytes| bytes[4000] ^= 1)),
            }
            pair.vault.refresh().unwrap();
            let mut missed = 0;
            for (row, handle) in pair.rows.iter().zip(&pair.handles) {
                for opened in [pair.vault.open(row.0, EMAIL, &row.1), handle.open(EMAIL, &row.1)] {
                    match opened {
                        Ok(_) => assert_ne!(row.0, pair.rows[0].0),
                        Err(OpenError::Shredded { .. }) => assert_eq!(row.0, pair.rows[0].0),
                        Err(OpenError::KeyStore(KeyStoreError::PageDamaged { .. })) => missed += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
            // The leaf's neighbours alone, or all.
            assert!(missed == 6 || missed == pair.rows.len() * 2, "{missed}");
            pair.memory.restore(&whole);
            pair.open_all(&[0]);
        }
    }
}

/// Everybody is shredded elsewhere: the pages that are gone are let go of.
#[test]
fn pages_that_are_gone_are_let_go() {
    let pair = Pair::new();
    let _ = pair.shreds.shredding(..=pair.rows.last().unwrap().0).run().unwrap();
    pair.vault.refresh().unwrap();
    pair.open_all(&(0..pair.rows.len()).collect::<Vec<_>>());
    assert!(pair.vault.status().unwrap().resident_pages <= 5);
}
