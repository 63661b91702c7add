//! From a shred's return in one process until another refuses the customer.

use std::time::{Duration, Instant};

use oubliette::store::{Changed, LockError, PlaceId, RootCopy, RootLock, RootStore, StoreError};
use oubliette::{OpenError, Vault};
use oubliette_postgres::PostgresStore;

use crate::common::ours::{ORDERS, Padded, customer};
use crate::common::race::heading;
use crate::server::Server;
use crate::shared::{Target, at_most, key, make, on, store};

const ROUNDS: i64 = 400;

/// A store that nobody tells anything: it is read at each tick alone.
struct Deaf(PostgresStore);

impl RootStore for Deaf {
    fn places(&self) -> Vec<PlaceId> {
        self.0.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        self.0.lock(places, wait)
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        self.0.can_write(place)
    }

    fn watch(&self, changed: Changed) {
        drop(changed);
    }

    fn is_replicated(&self) -> bool {
        self.0.is_replicated()
    }
}

pub fn run(server: &Server, targets: &mut Vec<Target>) {
    let address = server.address("postgres");
    let shreds = make(server, "notice", 1_000_000, 50_000);
    let told = on(&address, "notice").unlock(key()).unwrap();
    let deaf = store(&address, "notice");
    let ticks = Vault::on(deaf.clone(), Deaf(deaf)).purposes([ORDERS]).unlock(key()).unwrap();
    let lease = shreds.status().unwrap().lease;
    heading(
        &format!("From a shred's return until another process refuses, a lease of {lease:?}"),
        &["", "ms: p50", "p99", "most"],
    );
    let mut next = 0;
    for (name, other, limit) in [("with notifications", &told, 50.0), ("without", &ticks, lease.as_secs_f64() * 1e3)] {
        let mut taken: Vec<f64> = Vec::new();
        while taken.len() < usize::try_from(ROUNDS).unwrap() {
            next += 1;
            // Spread over the vault; some of them are gone already.
            let victim = customer(next * 997 % 1_000_000 + 1);
            let value = Padded::<64>::new();
            let Ok(sealed) = shreds.seal(victim, Padded::<64>::FIELD, &value) else { continue };
            if other.open(victim, Padded::<64>::FIELD, &sealed).is_err() {
                continue;
            }
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| {
                    loop {
                        match other.open(victim, Padded::<64>::FIELD, &sealed) {
                            Err(OpenError::Shredded { .. }) => return Instant::now(),
                            // A lease may run out, on a machine that has much else to do.
                            Ok(_) | Err(_) => std::thread::sleep(Duration::from_micros(100)),
                        }
                    }
                });
                let shredded = shreds.shred([victim]).unwrap();
                let returned = Instant::now();
                drop(shredded);
                taken.push(waits.join().unwrap().saturating_duration_since(returned).as_secs_f64() * 1e3);
            });
            // Else each would begin just after a tick.
            std::thread::sleep(Duration::from_micros((next * 7919 % 20_000).unsigned_abs()));
        }
        taken.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
        println!("| {name} | {:.2} | {:.2} | {:.2} |", at(0.5), at(0.99), at(1.0));
        targets.push(at_most(format!("ms until another process refuses, {name}, p99"), at(0.99), limit));
    }
    println!();
    [shreds, told, ticks].iter().for_each(|vault| vault.clone().close().unwrap());
}
