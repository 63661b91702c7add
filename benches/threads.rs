//! How sealing and opening scale over threads: operations a second by the clock, with 1, 2, 4 and 8 threads, beside raw AES-GCM with as many.
//!
//! With more threads than cores the sum should stay what it was. What is shared and written to shows as a sum that falls.

mod common;

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::baseline;
use common::ours::{self, CUSTOMERS, Padded};
use oubliette::{CustomerId, Sealed, Vault};

const FOR: Duration = Duration::from_millis(400);
const ROUNDS: usize = 5;
const THREADS: [usize; 4] = [1, 2, 4, 8];

/// Does an operation, the i-th of one thread.
type Work<'w> = Box<dyn FnMut(usize) + Send + 'w>;
/// What makes it, for each thread.
type Lane<'w> = (&'static str, Box<dyn Fn(usize) -> Work<'w> + 'w>);

/// Millions of operations a second of all threads together.
fn measured<'w>(threads: usize, work_of: &dyn Fn(usize) -> Work<'w>) -> f64 {
    let (start, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads)
            .map(|thread| {
                let mut work = work_of(thread);
                let (start, stop) = (&start, &stop);
                scope.spawn(move || {
                    (0..100).for_each(&mut work);
                    start.wait();
                    let (mut done, began) = (0, Instant::now());
                    while !stop.load(Ordering::Relaxed) {
                        (done..done + 64).for_each(&mut work);
                        done += 64;
                    }
                    done as f64 / began.elapsed().as_secs_f64() / 1e6
                })
            })
            .collect();
        start.wait();
        std::thread::sleep(FOR);
        stop.store(true, Ordering::Relaxed);
        working.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

struct Row {
    vault: Vault,
    alice: CustomerId,
    here: Vec<(CustomerId, Sealed<Padded<64>>)>,
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let vault = ours::vault(&dir.path().join("v"), CUSTOMERS);
    let value = Padded::<64>::new();
    let here = ours::some(CUSTOMERS, 8192);
    let here = here.into_iter().map(|id| (id, vault.seal(id, Padded::FIELD, &value).unwrap())).collect();
    let row = Row { alice: ours::customer(CUSTOMERS / 2), vault, here };
    let shared = row.vault.customer(row.alice);
    let kept = shared.seal(Padded::<64>::FIELD, &value).unwrap();
    let cipher = baseline::cipher(&[9; 32]);
    let raw = baseline::seal(&cipher, &[], &[b'x'; 64]);

    let lanes: [Lane<'_>; 6] = [
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
        "Millions of operations a second, of all threads together, on {cores} cores; medians of {ROUNDS} rounds of {} ms.\n",
        FOR.as_millis()
    );
    println!("| operation, 64 bytes | 1 thread | 2 | 4 | 8 |\n|---|---|---|---|---|");
    for (name, work_of) in &lanes {
        let cells: Vec<String> = THREADS
            .iter()
            .map(|threads| {
                let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| measured(*threads, &**work_of)).collect();
                rounds.sort_by(f64::total_cmp);
                format!("{:.2}", rounds[ROUNDS / 2])
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    drop(lanes);
    row.vault.close().unwrap();
}
