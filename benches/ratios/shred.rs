//! The first seal after a shred, beside one of a customer never seen before while nothing changes.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use oubliette::{CustomerId, Vault};

use crate::common::ours::{self, CUSTOMERS, Padded};
use crate::common::race::{cpu_nanos, heading, median};

const SHREDS: usize = 300;
/// Seals of other customers between two shreds, after which one counts as cold and no more.
const BETWEEN: usize = 50;

/// As long as a shred has its caller wait for the disk: the processor's caches are others' meanwhile.
const PAUSE: Duration = Duration::from_millis(2);

/// Medians of single calls: the first after a shred, that of a kept handle, one after a pause in which nothing was shredded, and a cold one
/// among others. In nanoseconds of thread CPU time, without what reading the clock takes.
pub struct AfterShred {
    pub first: f64,
    pub kept: f64,
    pub paused: f64,
    pub cold: f64,
}

pub fn after_shred(vault: &Vault, others: &[CustomerId]) -> AfterShred {
    let value = Padded::<64>::new();
    let mut clock = Vec::new();
    let [mut first, mut kept, mut paused, mut cold] = [const { Vec::new() }; 4];
    let mut others = others.iter().cycle();
    let mut next = || *others.next().unwrap();
    let handle = vault.customer(next());
    let gone = ours::some(CUSTOMERS, 2 * SHREDS);
    for (turn, customer) in gone.into_iter().enumerate() {
        if handle.customer() == customer {
            continue;
        }
        let _ = vault.shred([customer]).unwrap();
        let one = next();
        // In turns, since either is the first.
        if turn % 2 == 0 {
            first.push(time(|| vault.seal(one, Padded::FIELD, &value)));
        } else {
            kept.push(time(|| handle.seal(Padded::FIELD, &value)));
        }
        for _ in 0..BETWEEN {
            let _ = black_box(vault.seal(next(), Padded::FIELD, &value));
        }
        let one = next();
        cold.push(time(|| vault.seal(one, Padded::FIELD, &value)));
        clock.push(time(|| ()));
        thread::sleep(PAUSE);
        let one = next();
        paused.push(time(|| vault.seal(one, Padded::FIELD, &value)));
    }
    let clock = median(clock);
    let [first, kept, paused, cold] = [first, kept, paused, cold].map(|samples| median(samples) - clock);
    AfterShred { first, kept, paused, cold }
}

fn time<R>(call: impl FnOnce() -> R) -> f64 {
    let begun = cpu_nanos();
    let made = black_box(call());
    let took = cpu_nanos() - begun;
    drop(made);
    took as f64
}

pub fn show(title: &str, found: &AfterShred) {
    heading(title, &["one seal of 64 bytes", "ns"]);
    println!("| a customer never seen before | {:.0} |", found.cold);
    println!("| the same, after a pause of 2 ms | {:.0} |", found.paused);
    println!("| the same, first after a shred of another | {:.0} |", found.first);
    println!("| a kept handle, first after a shred of another | {:.0} |\n", found.kept);
}
