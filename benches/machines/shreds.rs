//! Shreds a second, beside rows deleted from a plain table by the same server.
//!
//! Both lanes do the same in one durable transaction: a customer, or so many. Each pair runs in turns within one sitting, so that a slow spell of
//! the machine meets both. A third lane puts as many bare pages into a table of its own as a batch writes: what pages of this size cost this server at least.

use std::time::{Duration, Instant};

use oubliette::CustomerId;
use rand::RngExt;

use crate::common::ours::{customer, some};
use crate::common::race::heading;
use crate::server::Server;
use crate::shared::{Other, Plain, Target, at_least, fill_table, heed, key, make, on, say};

const CUSTOMERS: i64 = 1_000_000;
/// As many customers a transaction, and how they lie: at random over all, or side by side, as those who signed up at one time do.
const BATCHES: [(usize, Lie); 5] =
    [(10, Lie::AtRandom), (100, Lie::AtRandom), (1000, Lie::AtRandom), (100, Lie::Neighbours), (1000, Lie::Neighbours)];
const TURNS: usize = 6;
const PROCESSES: [usize; 4] = [1, 2, 4, 8];
const LONG: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    AtRandom,
    Neighbours,
}

/// Those who are left to be shredded.
struct Left {
    at_random: Vec<CustomerId>,
    /// Where the next ones side by side begin: among the last fifth of all, which the others leave alone.
    next: i64,
}

impl Left {
    fn take(&mut self, count: usize, lie: Lie) -> Vec<CustomerId> {
        match lie {
            Lie::AtRandom => self.at_random.split_off(self.at_random.len() - count),
            Lie::Neighbours => {
                let first = self.next;
                self.next += i64::try_from(count).unwrap();
                assert!(self.next <= CUSTOMERS);
                (first..self.next).map(customer).collect()
            }
        }
    }
}

pub fn run(server: &Server, targets: &mut Vec<Target>) {
    let address = server.address("postgres");
    let vault = make(server, "shreds", CUSTOMERS, 50_000);
    // As one that has been running for a while.
    assert!(vault.load_pages(|_| std::ops::ControlFlow::Continue(())).unwrap().is_complete());
    fill_table(server, "keys", CUSTOMERS);
    server.sql(
        "CREATE TABLE bare (name bytea PRIMARY KEY, bytes bytea NOT NULL);
         ALTER TABLE bare ALTER COLUMN bytes SET STORAGE EXTERNAL",
    );
    let plain = Plain::connect(&address);
    let delete = plain.prepare("DELETE FROM keys WHERE customer = $1");
    let delete_all = plain.prepare("DELETE FROM keys WHERE customer = ANY ($1)");
    let put = plain.prepare("INSERT INTO bare SELECT * FROM unnest($1::bytea[], $2::bytea[])");
    let mut left = Left { at_random: some(CUSTOMERS / 5 * 4, 60_000), next: CUSTOMERS / 5 * 4 + 1 };
    let pages = || server.sql("SELECT count(*) FROM shreds.pages").parse::<usize>().unwrap();

    let (mut ours, mut theirs) = (Rate::of(server), Rate::of(server));
    let before = pages();
    for _ in 0..TURNS {
        ours.add(50, 50, || left.take(50, Lie::AtRandom).into_iter().for_each(|one| drop(vault.shred([one]).unwrap())));
        theirs.add(50, 50, || {
            left.take(50, Lie::AtRandom).into_iter().for_each(|one| {
                plain.delete(&delete, one.into());
            })
        });
    }
    let mut rows = vec![("1 a transaction".to_owned(), [ours, theirs], (pages() - before) / TURNS / 50)];
    let mut bare = Rate::of(server);
    for (is_after_checkpoint, (batch, lie)) in
        BATCHES.into_iter().map(|batch| (false, batch)).chain([(true, (1000, Lie::AtRandom))])
    {
        let [mut ours, mut theirs] = [(); 2].map(|()| Rate::of(server));
        let before = pages();
        for _ in 0..TURNS {
            let (us, them) = (left.take(batch, lie), left.take(batch, lie));
            let them: Vec<i64> = them.into_iter().map(i64::from).collect();
            if is_after_checkpoint {
                server.sql("CHECKPOINT");
            }
            ours.add(batch, 1, || drop(vault.shred(us).unwrap()));
            theirs.add(batch, 1, || {
                plain.delete_all(&delete_all, &them);
            });
        }
        let written = (pages() - before) / TURNS;
        if (batch, lie, is_after_checkpoint) == (1000, Lie::AtRandom, false) {
            for _ in 0..TURNS {
                let pages: Vec<_> = (0..written).map(|_| random_page()).collect();
                bare.add(batch, 1, || plain.put(&put, &pages));
            }
        }
        let how = match (lie, is_after_checkpoint) {
            (Lie::AtRandom, false) => format!("{batch} a transaction, at random"),
            (Lie::AtRandom, true) => format!("{batch}, at random, the first after a checkpoint"),
            (Lie::Neighbours, _) => format!("{batch} a transaction, side by side"),
        };
        rows.push((how, [ours, theirs], written));
    }
    vault.close().unwrap();

    heading(
        "In a vault of a million customers, 5 % shredded: as many customers in a durable transaction",
        &["", "shreds a second", "rows deleted a second", "ratio", "pages", "KB of WAL: a shred", "a row"],
    );
    for (how, [ours, theirs], pages) in &rows {
        let ratio = ours.a_second() / theirs.a_second();
        let (wal, their_wal) = (ours.wal_each(), theirs.wal_each());
        println!(
            "| {how} | {:.0} | {:.0} | {ratio:.2} | {pages} | {wal:.1} | {their_wal:.1} |",
            ours.a_second(),
            theirs.a_second()
        );
        if how.starts_with("1000") {
            targets.push(at_least(format!("shreds / rows deleted, {how}"), ratio, 1.0));
        }
        if how == "1000 a transaction, at random" {
            targets.push(at_least(
                format!("shreds, {how} / as many bare pages put"),
                ours.a_second() / bare.a_second(),
                0.5,
            ));
        }
    }
    let (rate, wal) = (bare.a_second(), bare.wal_each());
    println!("| as many bare pages as 1000 at random write, put | {rate:.0} | | | | {wal:.1} | |\n");

    heading(
        "Where the time of a transaction goes: ms of the clock, and of processors",
        &["", "shreds: clock", "this process", "the server", "rows: clock", "this process", "the server"],
    );
    for (how, [ours, theirs], _) in &rows {
        println!("| {how} | {} | {} |", ours.times(), theirs.times());
    }
    println!("| as many bare pages as 1000 at random write, put | {} | | | |\n", bare.times());
}

/// The vault and the table are there already, if the other part ran before.
pub fn by_processes(server: &Server, targets: &mut Vec<Target>) {
    let address = server.address("postgres");
    if server.sql("SELECT to_regclass('keys') IS NULL") == "t" {
        make(server, "shreds", CUSTOMERS, 50_000).close().unwrap();
        fill_table(server, "keys", CUSTOMERS);
    }
    heading(
        "One customer a durable transaction, by processes at once",
        &[
            "a flush takes",
            "",
            "one",
            "two",
            "four",
            "eight",
            "eight / one",
            "ms of processors each, by one",
            "by eight",
        ],
    );
    // As the disk is; and as one in a cloud, or a standby elsewhere: the server waits so long before each.
    for delay in [0, 5] {
        server.set("commit_siblings", "0");
        server.set("commit_delay", &(delay * 1000).to_string());
        let lanes = ["shreds", "rows"].map(|role| {
            let mut rates = PROCESSES.map(|_| Vec::new());
            for _ in 0..TURNS / 2 {
                for (rates, count) in rates.iter_mut().zip(PROCESSES) {
                    rates.push(at_once(server, role, &address, count));
                }
            }
            rates.map(|rates| {
                let mean = |of: fn(&Many) -> f64| rates.iter().map(of).sum::<f64>() / rates.len() as f64;
                Many { a_second: mean(|many| many.a_second), work: mean(|many| many.work) }
            })
        });
        let how = if delay == 0 { "as long as the disk".to_owned() } else { format!("{delay} ms more") };
        for (what, [one, two, four, eight]) in ["shreds", "rows deleted"].iter().zip(&lanes) {
            let [one_each, eight_each] = [one.work, eight.work];
            let [one, two, four, eight] = [one, two, four, eight].map(|many| many.a_second);
            println!(
                "| {how} | {what} a second | {one:.0} | {two:.0} | {four:.0} | {eight:.0} | {:.2} | {one_each:.2} | {eight_each:.2} |",
                eight / one
            );
        }
        let [[one, .., eight], [their_one, .., their_eight]] = &lanes;
        let ratio = |ours: &Many, theirs: &Many| ours.a_second / theirs.a_second;
        println!("| {how} | ratio | {:.2} | | | {:.2} | | | |", ratio(one, their_one), ratio(eight, their_eight));
        targets.push(at_least(format!("shreds by eight processes / by one, a flush {how}"), ratio(eight, one), 1.0));
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
    /// Of processors, by this process and by the server's.
    work: [Duration; 2],
}

impl Rate<'_> {
    fn of(server: &Server) -> Rate<'_> {
        Rate { server, count: 0, transactions: 0, time: Duration::ZERO, wal: 0.0, work: [Duration::ZERO; 2] }
    }

    fn add(&mut self, count: usize, transactions: usize, work: impl FnOnce()) {
        let written = || self.server.sql("SELECT pg_current_wal_insert_lsn() - '0/0'").parse::<f64>().unwrap();
        let before = written();
        let (servers, own) = (server_work(self.server), own_work());
        let begun = Instant::now();
        work();
        self.time += begun.elapsed();
        let [own_sum, servers_sum] = &mut self.work;
        *own_sum += own_work().saturating_sub(own);
        *servers_sum += work_since(self.server, &servers);
        self.wal += written() - before;
        self.count += count;
        self.transactions += transactions;
    }

    fn a_second(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64()
    }

    /// Kilobytes a customer.
    fn wal_each(&self) -> f64 {
        self.wal / self.count as f64 / 1e3
    }

    fn times(&self) -> String {
        let each = |time: Duration| time.as_secs_f64() * 1e3 / self.transactions as f64;
        let [own, theirs] = self.work;
        format!("{:.2} | {:.2} | {:.2}", each(self.time), each(own), each(theirs))
    }
}

fn own_work() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap()
}

/// Nanoseconds on a processor, by each process of the server.
fn server_work(server: &Server) -> Vec<(String, u64)> {
    let first = std::fs::read_to_string(server.directory().join("data/postmaster.pid")).unwrap();
    let first = first.lines().next().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
    let spent = |process: &str| {
        let spent = std::fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
        Some((process.to_owned(), spent.split(' ').next()?.parse().ok()?))
    };
    children.split_whitespace().filter_map(spent).collect()
}

/// Since then, by those that were there then and are there still: those that served `psql` come and go.
fn work_since(server: &Server, before: &[(String, u64)]) -> Duration {
    let since = server_work(server).into_iter().filter_map(|(process, spent)| {
        let (_, before) = before.iter().find(|(other, _)| *other == process)?;
        Some(spent.saturating_sub(*before))
    });
    Duration::from_nanos(since.sum())
}

/// What so many processes did.
struct Many {
    a_second: f64,
    /// Milliseconds of processors for each, by all these processes and the server.
    work: f64,
}

/// So many processes at once, each as fast as it can, one customer a transaction.
fn at_once(server: &Server, role: &str, address: &str, processes: usize) -> Many {
    // Each time others.
    static ROUND: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let round = ROUND.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    let start = |nth: usize| Other::start(role, &[address, &nth.to_string(), &round]);
    let mut others: Vec<Other> = (0..processes).map(start).collect();
    others.iter_mut().for_each(|other| assert_eq!(other.numbers(), [0.0], "it is ready"));
    let before = server_work(server);
    others.iter_mut().for_each(|other| other.tell("go"));
    let told: Vec<[f64; 3]> = others.iter_mut().map(|other| other.numbers().try_into().unwrap()).collect();
    let server_work = work_since(server, &before).as_secs_f64() * 1e3;
    others.into_iter().for_each(Other::end);
    let sum = |nth: usize| told.iter().map(|told| told[nth]).sum::<f64>();
    Many { a_second: sum(0), work: (sum(1) + server_work) / sum(2) }
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
    let (begun, worked) = (Instant::now(), own_work());
    let mut count = 0;
    while begun.elapsed() < LONG {
        work();
        count += 1;
    }
    let work = own_work().saturating_sub(worked).as_secs_f64() * 1e3;
    say(&[f64::from(count) / begun.elapsed().as_secs_f64(), work, f64::from(count)]);
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
