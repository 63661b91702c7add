//! Shreds a second, beside rows deleted from a plain table by the same server.
//!
//! Both lanes do the same in one durable transaction: a customer, or so many. Each pair runs in turns within one sitting, so that a slow spell of
//! the machine meets both. A third lane puts as many bare pages into a table of its own as a batch writes: what pages of this size cost this server at least.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::common::ours::{customer, some};
use crate::common::race::heading;
use crate::server::Server;
use crate::shared::{Other, Plain, Target, at_least, fill_table, heed, key, make, on, say};

const CUSTOMERS: i64 = 1_000_000;
const BATCHES: [usize; 3] = [10, 100, 1000];
const TURNS: usize = 6;
const PROCESSES: usize = 8;
const LONG: Duration = Duration::from_secs(2);

pub fn run(server: &Server, targets: &mut Vec<Target>) {
    let address = server.address("postgres");
    let vault = make(server, "shreds", CUSTOMERS, 50_000);
    fill_table(server, "keys", CUSTOMERS);
    server.sql(
        "CREATE TABLE bare (name bytea PRIMARY KEY, bytes bytea NOT NULL);
         ALTER TABLE bare ALTER COLUMN bytes SET STORAGE EXTERNAL",
    );
    let plain = Plain::connect(&address);
    let delete = plain.prepare("DELETE FROM keys WHERE customer = $1");
    let delete_all = plain.prepare("DELETE FROM keys WHERE customer = ANY ($1)");
    let put = plain.prepare("INSERT INTO bare SELECT * FROM unnest($1::bytea[], $2::bytea[])");
    let mut left = some(CUSTOMERS, 100_000);
    let mut take = |count: usize| left.split_off(left.len() - count);
    let pages = || server.sql("SELECT count(*) FROM shreds.pages").parse::<usize>().unwrap();

    let (mut ours, mut theirs) = (Rate::of(server), Rate::of(server));
    for _ in 0..TURNS {
        ours.add(50, || take(50).into_iter().for_each(|one| drop(vault.shred([one]).unwrap())));
        theirs.add(50, || {
            take(50).into_iter().for_each(|one| {
                plain.delete(&delete, one.into());
            })
        });
    }
    let mut rows = vec![("one a transaction".to_owned(), [ours, theirs], 0)];
    let mut bare = Rate::of(server);
    for batch in BATCHES {
        let [mut ours, mut theirs] = [(); 2].map(|()| Rate::of(server));
        let before = pages();
        for _ in 0..TURNS {
            ours.add(batch, || drop(vault.shred(take(batch)).unwrap()));
            let them: Vec<i64> = take(batch).into_iter().map(i64::from).collect();
            theirs.add(batch, || {
                plain.delete_all(&delete_all, &them);
            });
        }
        let written = (pages() - before) / TURNS;
        if batch == 1000 {
            for _ in 0..TURNS {
                let pages: Vec<_> = (0..written).map(|_| random_page()).collect();
                bare.add(batch, || plain.put(&put, &pages));
            }
        }
        rows.push((format!("{batch} a transaction"), [ours, theirs], written));
    }
    vault.close().unwrap();

    heading(
        "In a vault of a million customers, 5 % shredded: as many customers in a durable transaction",
        &["", "shreds a second", "rows deleted a second", "ratio", "pages", "KB of WAL: shreds", "rows"],
    );
    for (how, [ours, theirs], pages) in &rows {
        let ratio = ours.a_second() / theirs.a_second();
        let (wal, their_wal) = (ours.wal_each(), theirs.wal_each());
        println!(
            "| {how} | {:.0} | {:.0} | {ratio:.2} | {pages} | {wal:.1} | {their_wal:.1} |",
            ours.a_second(),
            theirs.a_second()
        );
        if how.starts_with("1000 ") {
            targets.push(at_least(format!("shreds / rows deleted, {how}"), ratio, 1.0));
            targets.push(at_least(
                format!("shreds, {how} / as many bare pages put"),
                ours.a_second() / bare.a_second(),
                0.5,
            ));
        }
    }
    let (rate, wal) = (bare.a_second(), bare.wal_each());
    println!("| as many bare pages as 1000 write, put | {rate:.0} | | | | {wal:.1} | |\n");

    heading(
        "One customer a durable transaction, by processes at once",
        &["a flush takes", "", "one", "eight", "eight / one"],
    );
    // As the disk is; and as one in a cloud, or a standby elsewhere: the server waits so long before each.
    for delay in [0, 5] {
        server.set("commit_siblings", "0");
        server.set("commit_delay", &(delay * 1000).to_string());
        let lanes = ["shreds", "rows"].map(|role| {
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..TURNS / 2 {
                for (rates, count) in rates.iter_mut().zip([1, PROCESSES]) {
                    rates.push(at_once(role, &address, count));
                }
            }
            rates.map(|rates| rates.iter().sum::<f64>() / rates.len() as f64)
        });
        let how = if delay == 0 { "as long as the disk".to_owned() } else { format!("{delay} ms more") };
        for (what, [one, many]) in ["shreds", "rows deleted"].iter().zip(&lanes) {
            println!("| {how} | {what} a second | {one:.0} | {many:.0} | {:.2} |", many / one);
        }
        let [[one, many], [their_one, their_many]] = lanes;
        println!("| {how} | ratio | {:.2} | {:.2} | |", one / their_one, many / their_many);
        targets.push(at_least(format!("shreds by {PROCESSES} processes / by one, a flush {how}"), many / one, 1.0));
    }
    println!();
    server.set("commit_delay", "0");
}

fn random_page() -> (Vec<u8>, Vec<u8>) {
    // As random to the server as an encrypted one.
    let mut bytes = vec![0; oubliette::store::PAGE_BYTES];
    rand::rng().fill(&mut bytes[..]);
    (bytes[..16].to_vec(), bytes)
}

struct Rate<'s> {
    server: &'s Server,
    count: usize,
    transactions: usize,
    time: Duration,
    wal: f64,
}

impl Rate<'_> {
    fn of(server: &Server) -> Rate<'_> {
        Rate { server, count: 0, transactions: 0, time: Duration::ZERO, wal: 0.0 }
    }

    fn add(&mut self, count: usize, work: impl FnOnce()) {
        let written = || self.server.sql("SELECT pg_current_wal_insert_lsn() - '0/0'").parse::<f64>().unwrap();
        let before = written();
        let begun = Instant::now();
        work();
        self.time += begun.elapsed();
        self.wal += written() - before;
        self.count += count;
        self.transactions += 1;
    }

    fn a_second(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64()
    }

    /// Kilobytes a customer.
    fn wal_each(&self) -> f64 {
        self.wal / self.count as f64 / 1e3
    }
}

/// So many processes at once, each as fast as it can, one customer a transaction.
fn at_once(role: &str, address: &str, processes: usize) -> f64 {
    // Each time others.
    static ROUND: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    let start = |nth: usize| Other::start(role, &[address, &nth.to_string(), &round]);
    let mut others: Vec<Other> = (0..processes).map(start).collect();
    others.iter_mut().for_each(|other| assert_eq!(other.numbers(), [0.0], "it is ready"));
    others.iter_mut().for_each(|other| other.tell("go"));
    let done: f64 = others.iter_mut().map(|other| other.numbers()[0]).sum();
    others.into_iter().for_each(Other::end);
    done
}

/// Every eighth number, so that no two processes want the same, and in each round others.
fn theirs(told: &[String]) -> impl Iterator<Item = i64> {
    let nth: i64 = told[1].parse().unwrap();
    let round: i64 = told[2].parse().unwrap();
    // 7 919 is prime: they are spread over the whole vault.
    (0..).map(move |n: i64| ((round * 10_000 + n) * 8 + nth) * 7919 % CUSTOMERS + 1)
}

fn as_fast_as_it_can(work: &mut dyn FnMut()) {
    say(&[0.0]);
    heed();
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < LONG {
        work();
        count += 1;
    }
    say(&[f64::from(count) / begun.elapsed().as_secs_f64()]);
}

pub fn child(told: &[String]) {
    let vault = on(&told[0], "shreds").unlock(key()).unwrap();
    // As one that has been running for a while.
    assert!(vault.load_pages(|_| std::ops::ControlFlow::Continue(())).unwrap().is_complete());
    let mut them = theirs(told);
    as_fast_as_it_can(&mut || drop(vault.shred([customer(them.next().unwrap())]).unwrap()));
    vault.close().unwrap();
}

pub fn rows_child(told: &[String]) {
    let plain = Plain::connect(&told[0]);
    let delete = plain.prepare("DELETE FROM keys WHERE customer = $1");
    let mut them = theirs(told);
    as_fast_as_it_can(&mut || {
        plain.delete(&delete, them.next().unwrap());
    });
}
