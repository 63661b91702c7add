//! Curves over the size of a field, for one design beside another: `cargo bench -p oubliette-benches --bench fields`.
//!
//! It measures CPU time of the thread, as `ratios` does, which compares the same designs, prints one table and checks
//! the targets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::hint::black_box;

use common::baseline;
use common::ours::{self, Padded, some};
use common::race::cpu_nanos;
use common::stored_key;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oubliette::{CustomerId, Sealed, Vault};

const CUSTOMERS: i64 = 100_000;
const MET: usize = 4096;

struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        cpu_nanos()
    }

    fn end(&self, start: u64) -> u64 {
        cpu_nanos() - start
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, nanos: &u64) -> f64 {
        *nanos as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

struct Setup {
    vault: Vault,
    here: Vec<CustomerId>,
    db: rusqlite::Connection,
}

fn size<const N: usize>(c: &mut Criterion<CpuTime>, setup: &Setup) {
    let Setup { vault, here, db } = setup;
    let (text, value, master) = ([b'x'; N], Padded::<N>::new(), [8; 32]);
    let cipher = baseline::cipher(&[9; 32]);
    let keys = vault.customer(ours::customer(CUSTOMERS / 2));
    let mut next = {
        let mut turn = here.iter().cycle();
        move || *turn.next().unwrap()
    };
    let mut select = stored_key::select(db);

    let mut seal = c.benchmark_group("seal");
    seal.throughput(Throughput::Bytes(N as u64));
    let id = |name| BenchmarkId::new(name, N);
    seal.bench_function(id("raw aes-gcm"), |b| b.iter(|| baseline::seal(&cipher, &[], &text)));
    seal.bench_function(id("ours, same customer"), |b| b.iter(|| keys.seal(Padded::FIELD, &value).unwrap()));
    seal.bench_function(id("hand-written"), |b| {
        b.iter(|| baseline::seal(&baseline::derived(&master, next().into()), &[], &text));
    });
    seal.bench_function(id("ours, new customer"), |b| b.iter(|| vault.seal(next(), Padded::FIELD, &value).unwrap()));
    seal.bench_function(id("stored key"), |b| {
        b.iter(|| baseline::seal(&stored_key::cipher(&mut select, next().into()), &[], &text));
    });
    seal.finish();

    let raw = baseline::seal(&cipher, &[], &text);
    let kept = keys.seal(Padded::FIELD, &value).unwrap();
    let met: Vec<Met<N>> = here.iter().map(|one| Met::of(*one, vault, &mut select, &master, &value)).collect();
    let mut turn = met.iter().cycle();
    let mut next = || turn.next().unwrap();
    let mut open = c.benchmark_group("open");
    open.throughput(Throughput::Bytes(N as u64));
    open.bench_function(id("raw aes-gcm"), |b| b.iter(|| baseline::open(&cipher, &[], &raw)));
    open.bench_function(id("ours, same customer"), |b| b.iter(|| keys.open(Padded::FIELD, &kept).unwrap()));
    open.bench_function(id("hand-written"), |b| {
        b.iter(|| {
            let met = next();
            baseline::open(&baseline::derived(&master, met.customer.into()), &[], &met.by_hand)
        });
    });
    open.bench_function(id("ours, new customer"), |b| {
        b.iter(|| {
            let met = next();
            black_box(vault.open(met.customer, Padded::FIELD, &met.ours).unwrap())
        });
    });
    open.bench_function(id("stored key"), |b| {
        b.iter(|| {
            let met = next();
            baseline::open(&stored_key::cipher(&mut select, met.customer.into()), &[], &met.stored)
        });
    });
    open.finish();
}

/// One customer's field, sealed in each way.
struct Met<const N: usize> {
    customer: CustomerId,
    ours: Sealed<Padded<N>>,
    by_hand: Vec<u8>,
    stored: Vec<u8>,
}

impl<const N: usize> Met<N> {
    fn of(
        customer: CustomerId,
        vault: &Vault,
        select: &mut rusqlite::CachedStatement<'_>,
        master: &[u8; 32],
        value: &Padded<N>,
    ) -> Met<N> {
        let text = [b'x'; N];
        Met {
            customer,
            ours: vault.seal(customer, Padded::FIELD, value).unwrap(),
            by_hand: baseline::seal(&baseline::derived(master, customer.into()), &[], &text),
            stored: baseline::seal(&stored_key::cipher(select, customer.into()), &[], &text),
        }
    }
}

fn fields(c: &mut Criterion<CpuTime>) {
    let dir = tempfile::tempdir().unwrap();
    let vault = ours::vault(&dir.path().join("vault"), CUSTOMERS);
    let setup =
        Setup { vault, here: some(CUSTOMERS, MET), db: stored_key::fill(&dir.path().join("keys.db"), CUSTOMERS) };
    size::<16>(c, &setup);
    size::<64>(c, &setup);
    size::<256>(c, &setup);
    size::<4096>(c, &setup);
}

criterion_group! {
    name = curves;
    config = Criterion::default().with_measurement(CpuTime);
    targets = fields
}
criterion_main!(curves);
