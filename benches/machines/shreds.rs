//! Shreds a second, beside rows deleted from a plain table by the same server.

use std::time::{Duration, Instant};

use crate::common::ours::{customer, some};
use crate::common::race::heading;
use crate::server::Server;
use crate::shared::{Other, Plain, Target, at_least, fill_table, heed, key, make, on, say};

const CUSTOMERS: i64 = 1_000_000;
const BATCH: usize = 1000;
const PROCESSES: usize = 8;
const LONG: Duration = Duration::from_secs(4);

pub fn run(server: &Server, targets: &mut Vec<Target>) {
    let address = server.address("postgres");
    let vault = make(server, "shreds", CUSTOMERS, 50_000);
    fill_table(server, "keys", CUSTOMERS);
    let plain = Plain::connect(&address);
    let delete = plain.prepare("DELETE FROM keys WHERE customer = $1");
    let delete_all = plain.prepare("DELETE FROM keys WHERE customer = ANY ($1)");
    let mut left = some(CUSTOMERS, 100_000);
    let mut take = |count: usize| left.split_off(left.len() - count);

    // In turns, so that a slow spell of the machine meets both.
    let (mut ours, mut theirs) = (Rate::default(), Rate::default());
    for _ in 0..8 {
        ours.of(50, || take(50).into_iter().for_each(|one| drop(vault.shred([one]).unwrap())));
        theirs.of(50, || {
            take(50).into_iter().for_each(|one| {
                plain.delete(&delete, one.into());
            })
        });
    }
    let (mut ours_batched, mut theirs_batched) = (Rate::default(), Rate::default());
    for _ in 0..12 {
        ours_batched.of(BATCH, || drop(vault.shred(take(BATCH)).unwrap()));
        let them: Vec<i64> = take(BATCH).into_iter().map(i64::from).collect();
        theirs_batched.of(BATCH, || {
            plain.delete_all(&delete_all, &them);
        });
    }
    vault.close().unwrap();
    let ours_by_many = by_many("shreds", &address);
    let theirs_by_many = by_many("rows", &address);

    heading("A second, in a vault of a million customers", &["", "shreds", "rows of keys deleted", "ratio"]);
    let rows = [
        ("one by one".to_owned(), ours.a_second(), theirs.a_second()),
        (format!("{BATCH} a call"), ours_batched.a_second(), theirs_batched.a_second()),
        (format!("one by one, by {PROCESSES} processes"), ours_by_many, theirs_by_many),
    ];
    for (how, ours, theirs) in &rows {
        println!("| {how} | {ours:.0} | {theirs:.0} | {:.2} |", ours / theirs);
        if how.contains("a call") {
            targets.push(at_least(format!("shreds / rows deleted, {how}"), ours / theirs, 1.0));
        }
    }
    println!();
}

#[derive(Default)]
struct Rate {
    count: usize,
    time: Duration,
}

impl Rate {
    fn of(&mut self, count: usize, work: impl FnOnce()) {
        let begun = Instant::now();
        work();
        self.time += begun.elapsed();
        self.count += count;
    }

    fn a_second(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64()
    }
}

/// All of them at once, each as fast as it can.
fn by_many(role: &str, address: &str) -> f64 {
    let mut others: Vec<Other> = (0..PROCESSES).map(|nth| Other::start(role, &[address, &nth.to_string()])).collect();
    others.iter_mut().for_each(|other| assert_eq!(other.numbers(), [0.0], "it is ready"));
    others.iter_mut().for_each(|other| other.tell("go"));
    let done: f64 = others.iter_mut().map(|other| other.numbers()[0]).sum();
    others.into_iter().for_each(Other::end);
    done
}

/// Every eighth number, so that no two processes want the same.
fn theirs(told: &[String]) -> impl Iterator<Item = i64> {
    let nth: i64 = told[1].parse().unwrap();
    // 7 919 is prime: they are spread over the whole vault.
    (0..).map(move |n: i64| (n * 8 + nth) * 7919 % CUSTOMERS + 1)
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
