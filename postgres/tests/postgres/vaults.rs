//! A vault on the store: its life, and that of two at once.

use std::time::{Duration, Instant};

use super::server::shared;
use super::support::*;

#[test]
fn a_vault_is_created_used_and_unlocked_by_another_process() {
    let builder = fresh(shared());
    let vault = create(&builder, LEASE);
    let (alice, bob) = (customer(&vault), customer(&vault));
    let other = unlock(&builder);
    assert!(opens(&other, &alice) && opens(&other, &bob));
    let begun = Instant::now();
    vault.shred([alice.0]).unwrap();
    assert!(!opens(&vault, &alice));
    wait_for("the other to hear of it", || !opens(&other, &alice));
    assert!(begun.elapsed() < LEASE * 2);
    assert!(opens(&vault, &bob) && opens(&other, &bob));
    vault.close().unwrap();
    other.shred([bob.0]).unwrap();
    other.sweep().unwrap();
    drop(other);
    let last = unlock(&builder);
    assert!(!opens(&last, &alice) && !opens(&last, &bob));
    assert!(opens(&last, &customer(&last)));
    assert!(last.status().unwrap().pages.pages > 0);
}

/// Each waits for the other's commit, and bases its own on it.
#[test]
fn two_instances_shred_at_once() {
    let builder = fresh(shared());
    let vault = create(&builder, LEASE);
    let customers: Vec<_> = (0..40).map(|_| customer(&vault)).collect();
    let other = unlock(&builder);
    let (left, right) = customers.split_at(20);
    std::thread::scope(|scope| {
        for (vault, customers) in [(&vault, left), (&other, right)] {
            scope.spawn(move || {
                for (customer, _) in customers {
                    vault.shred([*customer]).unwrap();
                }
            });
        }
    });
    for vault in [&vault, &other, &unlock(&builder)] {
        vault.refresh().unwrap();
        assert!(customers.iter().all(|customer| !opens(vault, customer)));
    }
}

/// More pages than one statement takes, swept when nothing needs them any more.
#[test]
fn many_are_shredded_in_one_commit() {
    let builder = fresh(shared());
    let store = builder.open().unwrap();
    let vault = oubliette::Vault::on(store.clone(), store)
        .purposes([ORDERS])
        .lease(Duration::from_millis(500))
        .keep_superseded(Duration::ZERO)
        .create(root_key())
        .unwrap();
    let customers: Vec<_> = (0..3000).map(|_| vault.enroll().unwrap()).collect();
    let kept = customer(&vault);
    vault.shred(customers.iter().copied()).unwrap();
    vault.shred([customer(&vault).0]).unwrap();
    // They are kept for two leases at least.
    wait_for("superseded pages to be swept", || {
        std::thread::sleep(Duration::from_millis(200));
        vault.sweep().unwrap().pages > 0
    });
    assert!(opens(&unlock(&builder), &kept));
}

/// The application's threads may be those of a runtime, on which no other runtime may be waited for.
#[test]
fn it_is_used_from_within_a_runtime() {
    let builder = fresh(shared());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let vault = create(&builder, LEASE);
        let alice = customer(&vault);
        assert!(opens(&unlock(&builder), &alice));
        vault.shred([alice.0]).unwrap();
        assert!(!opens(&unlock(&builder), &alice));
    });
}
