//! How sealing and opening scale over threads: operations a second by the clock, with 1, 2, 4 and 8 threads, beside raw AES-GCM with as many.
//!
//! With more threads than cores the sum should stay what it was. What is shared and written to shows as a sum that falls, and as processor time that an
//! operation takes by two threads and not by one.

mod common;

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::baseline;
use common::ours::{self, CUSTOMERS, Padded};
use common::race::cpu_nanos;
use oubliette::{CustomerId, Sealed, Vault};

const FOR: Duration = Duration::from_millis(400);
const ROUNDS: usize = 5;
const THREADS: [usize; 4] = [1, 2, 4, 8];

/// Does an operation, the i-th of one thread.
type Work<'w> = Box<dyn FnMut(usize) + Send + 'w>;
/// What makes it, for each thread.
type Lane<'w> = (&'static str, Box<dyn Fn(usize) -> Work<'w> + 'w>);

/// Millions of operations a second of all threads together, and nanoseconds of processor time an operation.
fn measured<'w>(threads: usize, work_of: &dyn Fn(usize) -> Work<'w>) -> (f64, f64) {
    let (start, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads)
            .map(|thread| {
                let mut work = work_of(thread);
                let (start, stop) = (&start, &stop);
                scope.spawn(move || {
                    (0..100).for_each(&mut work);
                    start.wait();
                    let (mut done, began, cpu) = (0, Instant::now(), cpu_nanos());
                    while !stop.load(Ordering::Relaxed) {
                        (done..done + 64).for_each(&mut work);
                        done += 64;
                    }
                    (done as f64 / began.elapsed().as_secs_f64() / 1e6, (cpu_nanos() - cpu) as f64 / done as f64)
                })
            })
            .collect();
        start.wait();
        std::thread::sleep(FOR);
        stop.store(true, Ordering::Relaxed);
        let each: Vec<(f64, f64)> = working.into_iter().map(|thread| thread.join().unwrap()).collect();
        (each.iter().map(|(rate, _)| rate).sum(), each.iter().map(|(_, cpu)| cpu).sum::<f64>() / threads as f64)
    })
}

struct Row {
    vault: Vault,
    alice: CustomerId,
    here: Vec<(CustomerId, Sealed<Padded<64>>)>,
    in_order: Vec<(CustomerId, Sealed<Padded<64>>)>,
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let vault = ours::vault(&dir.path().join("v"), CUSTOMERS);
    let value = Padded::<64>::new();
    let here = ours::some(CUSTOMERS, 8192);
    let here = here.into_iter().map(|id| (id, vault.seal(id, Padded::FIELD, &value).unwrap())).collect();
    let in_order = (1..=8192).map(ours::customer);
    let in_order = in_order.map(|id| (id, vault.seal(id, Padded::FIELD, &value).unwrap())).collect();
    let row = Row { alice: ours::customer(CUSTOMERS / 2), vault, here, in_order };
    let shared = row.vault.customer(row.alice);
    let generations: [_; 2] = std::array::from_fn(|_| {
        // A value tells what its process held one lease ago; one of the first lease tells nothing.
        let _ = row.vault.shred([row.vault.enroll().unwrap()]).unwrap();
        std::thread::sleep(Duration::from_millis(2500));
        shared.seal(Padded::<64>::FIELD, &value).unwrap()
    });
    let kept = shared.seal(Padded::<64>::FIELD, &value).unwrap();
    let cipher = baseline::cipher(&[9; 32]);
    let raw = baseline::seal(&cipher, &[], &[b'x'; 64]);

    let lanes: [Lane<'_>; 8] = [
        ("raw aes-gcm: open", Box::new(|_| Box::new(|_| drop(black_box(baseline::open(&cipher, &[], &raw)))))),
        (
            "a handle for all threads: open",
            Box::new(|_| Box::new(|_| drop(black_box(shared.open(Padded::<64>::FIELD, &kept).unwrap())))),
        ),
        (
            "a handle for all threads: seal",
            Box::new(|_| {
                let value = Padded::<64>::new();
                let shared = &shared;
                Box::new(move |_| drop(black_box(shared.seal(Padded::<64>::FIELD, &value).unwrap())))
            }),
        ),
        (
            "a handle for each thread: open",
            Box::new(|_| {
                let (keys, kept) = (row.vault.customer(row.alice), &kept);
                Box::new(move |_| drop(black_box(keys.open(Padded::<64>::FIELD, kept).unwrap())))
            }),
        ),
        (
            "the same, values of two generations in turn: open",
            Box::new(|_| {
                let (keys, generations) = (row.vault.customer(row.alice), &generations);
                Box::new(move |nth| drop(black_box(keys.open(Padded::<64>::FIELD, &generations[nth % 2]).unwrap())))
            }),
        ),
        (
            "bulk, 32 rows in order: open a row",
            Box::new(|thread| {
                let row = &row;
                let mut first = thread * 1000;
                Box::new(move |nth| {
                    // As many at once as are counted one by one.
                    if nth % 32 == 0 {
                        let rows = (first..first + 32).map(|at| &row.in_order[at % row.in_order.len()]);
                        for ((_, sealed), keys) in row.vault.each_customer(rows, |(id, _)| *id) {
                            drop(black_box(keys.open(Padded::<64>::FIELD, sealed).unwrap()));
                        }
                        first += 32;
                    }
                })
            }),
        ),
        (
            "a handle for each operation: open",
            Box::new(|thread| {
                let row = &row;
                Box::new(move |nth| {
                    let (id, sealed) = &row.here[(nth + thread * 1000) % row.here.len()];
                    drop(black_box(row.vault.customer(*id).open(Padded::<64>::FIELD, sealed).unwrap()));
                })
            }),
        ),
        (
            "a customer never seen before: open",
            Box::new(|thread| {
                let row = &row;
                Box::new(move |nth| {
                    let (id, sealed) = &row.here[(nth + thread * 1000) % row.here.len()];
                    drop(black_box(row.vault.open(*id, Padded::<64>::FIELD, sealed).unwrap()));
                })
            }),
        ),
    ];
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    println!(
        "Millions of operations a second, of all threads together, and in brackets nanoseconds of processor time an operation, on {cores} cores; medians of {ROUNDS} rounds of {} ms.\n",
        FOR.as_millis()
    );
    println!("| operation, 64 bytes | 1 thread | 2 | 4 | 8 |\n|---|---|---|---|---|");
    for (name, work_of) in &lanes {
        let cells: Vec<String> = THREADS
            .iter()
            .map(|threads| {
                let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| measured(*threads, &**work_of)).collect();
                rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
                let (rate, cpu) = rounds[ROUNDS / 2];
                format!("{rate:.2} ({cpu:.0})")
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    drop(lanes);
    row.vault.close().unwrap();
}
