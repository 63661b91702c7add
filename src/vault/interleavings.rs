//! Readers, handles and commits overlap, in interleavings that shuttle chooses:
//!
//! ```sh
//! RUSTC_WORKSPACE_WRAPPER=$PWD/.ci/rustc-shuttle cargo test --release -p oubliette --lib --features testing interleavings
//! ```
//!
//! Seen to fail: with the snapshot read before the handle's lock is taken instead of in `Handle::cipher` (by the unlucky
//! interleavings), with `handles.wipe()` left out of `publish`, with `wait_for_readers` left out of a shred, with a
//! shred that waits while it holds the snapshot that it made, and with derived nodes linked whatever the entry above them says. Of what comes in shards: with a
//! snapshot that is replaced in all of them but one, and, by the unlucky interleavings alone, with a wipe that leaves out the handles of one, or the keys that
//! other threads have in a handle.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use crate::customer::CustomerId;
use crate::error::{KeyStoreError, OpenError, SealError, ShredError};
use crate::field::{Field, Purpose};
use crate::personal::Text;
use crate::sealed::Sealed;
use crate::vault::Vault;

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");

#[derive(Clone)]
struct Customer {
    id: CustomerId,
    sealed: Sealed<Text>,
    /// A shred of theirs has returned.
    gone: Arc<AtomicBool>,
}

impl Customer {
    fn enroll(vault: &Vault) -> Customer {
        let id = vault.enroll().unwrap();
        let sealed = vault.seal(id, NOTE, &"a note".parse().unwrap()).unwrap();
        Customer { id, sealed, gone: Arc::default() }
    }

    /// Opens in whatever way; once a shred has returned, that must fail.
    fn open(&self, open: impl FnOnce() -> Result<Text, OpenError>) {
        let was_gone = self.gone.load(Ordering::SeqCst);
        match open() {
            Ok(_) => assert!(!was_gone, "opened after its shred returned"),
            Err(error) => assert!(matches!(error, OpenError::Shredded { .. }), "{error:?}"),
        }
    }

    /// Nodes of the current snapshot on the way to them that were derived and kept.
    fn kept(&self, vault: &Vault) -> Vec<Weak<dyn Any + Send + Sync>> {
        let state = vault.process().unwrap().known.snapshot().unwrap();
        let trees = state.trees.iter().filter_map(|tree| tree.tree.as_ref());
        trees.flat_map(|tree| tree.kept_towards(self.id.get())).collect()
    }

    fn shred(&self, vault: &Vault) {
        let before = vault.process().unwrap().known.snapshot().unwrap().drop_signal();
        let nodes = self.kept(vault);
        let shredded = vault.shred([self.id]).unwrap();
        assert!(shredded.commit().is_wiped_here() && before.was_dropped(), "a reader kept the old snapshot");
        assert!(
            !vault.process().unwrap().known.handles_hold_a_key_of(self.id),
            "a handle kept a key of the old snapshot"
        );
        assert!(nodes.iter().all(|node| node.strong_count() == 0), "a node of the old snapshot is left");
        assert!(self.kept(vault).is_empty(), "a node that is kept leads to them");
        self.gone.store(true, Ordering::SeqCst);
        assert!(matches!(vault.open(self.id, NOTE, &self.sealed), Err(OpenError::Shredded { .. })));
    }
}

fn overlap() {
    let test_vault = Vault::in_memory([ORDERS]);
    let vault: Vault = (*test_vault).clone();
    let [alice, bob, carol] = [(); 3].map(|()| Customer::enroll(&vault));
    let mut threads = Vec::new();
    let mut start = |work: Box<dyn FnOnce(Vault) + Send>| {
        let vault = vault.clone();
        threads.push(shuttle::thread::spawn(move || work(vault)));
    };
    for shredded in [alice.clone(), bob.clone()] {
        start(Box::new(move |vault| shredded.shred(&vault)));
    }
    let keys = vault.customer(alice.id);
    for _ in 0..2 {
        let (keys, alice) = (keys.clone(), alice.clone());
        start(Box::new(move |_| {
            alice.open(|| keys.open(NOTE, &alice.sealed));
            let was_gone = alice.gone.load(Ordering::SeqCst);
            match keys.seal(NOTE, &"another".parse().unwrap()) {
                Ok(_) => assert!(!was_gone, "sealed after the shred returned"),
                Err(error) => assert!(matches!(error, SealError::Shredded { .. }), "{error:?}"),
            }
            alice.open(|| keys.open(NOTE, &alice.sealed));
        }));
    }
    let (a, b, c) = (alice.clone(), bob.clone(), carol.clone());
    start(Box::new(move |vault| {
        a.open(|| vault.open(a.id, NOTE, &a.sealed));
        b.open(|| vault.open(b.id, NOTE, &b.sealed));
        assert!(vault.open(c.id, NOTE, &c.sealed).is_ok(), "a survivor did not open");
    }));
    let all = [alice, bob, carol.clone()];
    start(Box::new(move |vault| {
        for (customer, keys) in vault.each_customer(&all, |customer| customer.id) {
            customer.open(|| keys.open(NOTE, &customer.sealed));
        }
    }));
    drop(keys);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(vault.open(carol.id, NOTE, &carol.sealed).is_ok(), "a survivor did not open");
}

/// Another process shreds. This one reads the record at the same time, commits, and opens by pages that it had in memory; once it has read the
/// record after a shred, nobody opens.
fn overlap_elsewhere() {
    let other_vault = Vault::in_memory([ORDERS]);
    let [alice, bob, carol] = [(); 3].map(|()| Customer::enroll(&other_vault));
    // There are pages, so that some can be kept.
    let dave = Customer::enroll(&other_vault);
    dave.shred(&other_vault);
    let test_vault = other_vault.second().unwrap();
    let vault: Vault = (*test_vault).clone();
    vault.preload([alice.id, bob.id, carol.id]).unwrap();
    let mut threads = Vec::new();
    let (shreds, reads, a) = ((*other_vault).clone(), vault.clone(), alice.clone());
    threads.push(shuttle::thread::spawn(move || {
        // The other one may be committing.
        while let Err(error) = shreds.shred([a.id]) {
            let is_busy = matches!(&error, ShredError::NothingHappened(KeyStoreError::Busy { .. }));
            assert!(is_busy, "{error:?}");
            shuttle::thread::yield_now();
        }
        reads.refresh().unwrap();
        // A read that began before may still replace the snapshot, by one in which she is gone, too.
        a.gone.store(true, Ordering::SeqCst);
        assert!(!reads.process().unwrap().known.handles_hold_a_key_of(a.id), "a handle kept a key of the old snapshot");
    }));
    let (reads, b) = (vault.clone(), bob.clone());
    threads.push(shuttle::thread::spawn(move || {
        reads.refresh().unwrap();
        // The other process may commit at the same time.
        if reads.shred([b.id]).is_ok() {
            b.gone.store(true, Ordering::SeqCst);
        }
    }));
    for by_handle in [false, true] {
        let (vault, all) = (vault.clone(), [alice.clone(), bob.clone(), carol.clone()]);
        threads.push(shuttle::thread::spawn(move || {
            for customer in &all {
                match by_handle {
                    false => customer.open(|| vault.open(customer.id, NOTE, &customer.sealed)),
                    true => {
                        let keys = vault.customer(customer.id);
                        customer.open(|| keys.open(NOTE, &customer.sealed));
                        customer.open(|| keys.open(NOTE, &customer.sealed));
                    }
                }
            }
        }));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(vault.open(carol.id, NOTE, &carol.sealed).is_ok(), "a survivor did not open");
    assert!(matches!(vault.open(alice.id, NOTE, &alice.sealed), Err(OpenError::Shredded { .. })));
}

fn explore(scheduler: impl Scheduler + 'static, overlap: fn()) {
    let mut config = shuttle::Config::new();
    // The cipher alone takes a third of shuttle's usual stack, and what is overwritten after it more.
    config.stack_size = 1 << 19;
    shuttle::Runner::new(scheduler, config).run(overlap);
}

#[test]
fn random_interleavings() {
    explore(RandomScheduler::new(2000), overlap);
    explore(RandomScheduler::new(1000), overlap_elsewhere);
}

/// Few preemptions at unlucky places find what random ones seldom do.
#[test]
fn unlucky_interleavings() {
    explore(PctScheduler::new(3, 2000), overlap);
    explore(PctScheduler::new(3, 1000), overlap_elsewhere);
}
