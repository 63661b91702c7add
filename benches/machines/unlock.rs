//! From the start of a process to its first opened value, and to all pages in memory.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oubliette::store::{
    Directory, Mark, PAGE_BYTES, PageName, PageStore, RECORD_BYTES, RootStore, StoreError, StoredPage, Usage,
};
use oubliette::{CustomerId, Sealed, Vault};
use oubliette_postgres::PostgresStore;

use crate::common::ours::{self, ORDERS, Padded, customer};
use crate::common::race::{heading, median};
use crate::server::Server;
use crate::shared::{Other, Plain, Target, at_most, fill_table, key, make, millis, say, store};

const TIMES: usize = 5;

/// A store whose pages are counted as they are read.
struct Counted<S>(S, Arc<AtomicU64>);

impl<S: PageStore> PageStore for Counted<S> {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.0.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(name)
    }

    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        self.1.fetch_add(names.len() as u64, Ordering::Relaxed);
        self.0.get_many(names)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.0.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.0.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.0.usage()
    }
}

pub fn run(server: &Server, targets: &mut Vec<Target>) {
    let dir = tempfile::tempdir().unwrap();
    let address = server.address("postgres");
    heading(
        "5 % shredded; a process starts, unlocks, opens its first value, then loads all pages",
        &["customers", "on", "ms to the first open", "MB at most", "KB read", "s to load all", "MB at most", "MB read"],
    );
    for customers in [1_000_000_i64, 10_000_000] {
        let gone = usize::try_from(customers / 20).unwrap();
        let path = dir.path().join(customers.to_string());
        let on_disk = Vault::at(&path).purposes([ORDERS]).create(key()).unwrap();
        ours::enroll(&on_disk, customers);
        drop(ours::shred(&on_disk, customers, gone));
        let schema = format!("unlock{customers}");
        let shared = make(server, &schema, customers, gone);
        let table = format!("keys{customers}");
        fill_table(server, &table, customers);
        for (name, vault, engine, place) in [
            ("a directory", on_disk, "directory", path.to_str().unwrap()),
            ("PostgreSQL", shared, address.as_str(), schema.as_str()),
        ] {
            let number =
                (customers / 2..).find(|n| vault.seal(customer(*n), Padded::<64>::FIELD, &Padded::new()).is_ok());
            let number = number.unwrap();
            let sealed = vault.seal(customer(number), Padded::<64>::FIELD, &Padded::new()).unwrap();
            vault.close().unwrap();
            let runs: Vec<Vec<f64>> = (0..TIMES)
                .map(|_| {
                    let told = [engine, place, &number.to_string(), &sealed.to_string()];
                    let mut other = Other::start("unlock", &told);
                    let numbers = other.numbers();
                    other.end();
                    numbers
                })
                .collect();
            let of = |nth: usize| median(runs.iter().map(|run| run[nth]).collect());
            println!(
                "| {customers} | {name} | {:.1} | {:.1} | {:.0} | {:.2} | {:.0} | {:.0} |",
                of(0),
                of(1),
                of(2) / 1e3,
                of(3) / 1e3,
                of(4),
                of(5) / 1e6
            );
            targets.push(at_most(format!("ms to the first open, {customers} customers, {name}"), of(0), 1000.0));
        }
        let plain = median((0..TIMES).map(|_| first_row(&address, &table, customers / 2)).collect());
        println!("| {customers} | a plain table, one row | {plain:.1} | | | | | |");
    }
    println!();
}

/// Without a vault: a connection, and one row.
fn first_row(address: &str, table: &str, customer: i64) -> f64 {
    let begun = Instant::now();
    let plain = Plain::connect(address);
    let select = plain.prepare(&format!("SELECT key FROM {table} WHERE customer = $1"));
    assert_eq!(plain.key(&select, customer).len(), 32);
    millis(begun)
}

fn unlock(pages: impl PageStore, roots: impl RootStore, count: &Arc<AtomicU64>) -> Vault {
    let vault = Vault::on(Counted(pages, count.clone()), roots).purposes([ORDERS]);
    vault.most_tree_memory(1 << 30).unlock(key()).unwrap()
}

pub fn child(told: &[String]) {
    let (engine, place) = (&told[0], &told[1]);
    let (customer, sealed): (CustomerId, Sealed<Padded<64>>) = (told[2].parse().unwrap(), told[3].parse().unwrap());
    let count = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let vault = if engine == "directory" {
        let directory = Directory::at(Path::new(place)).open().unwrap();
        unlock(directory.clone(), directory, &count)
    } else {
        let store: PostgresStore = store(engine, place);
        unlock(store.clone(), store, &count)
    };
    assert!(vault.open(customer, Padded::<64>::FIELD, &sealed).is_ok());
    let first = millis(begun);
    let read = |pages: u64| (pages * PAGE_BYTES as u64 + RECORD_BYTES as u64) as f64;
    let (memory, bytes) = (most_memory(), read(count.load(Ordering::Relaxed)));
    let begun = Instant::now();
    let loaded = vault.load_pages(|_| ControlFlow::Continue(())).unwrap();
    let all = millis(begun);
    assert!(loaded.is_complete(), "{loaded:?}");
    say(&[first, memory, bytes, all, most_memory(), read(count.load(Ordering::Relaxed))]);
    vault.close().unwrap();
}

/// Megabytes of this process in memory at most, so far.
fn most_memory() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1e3
}
