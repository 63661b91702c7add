//! Real threads: readers, handles, bulk runs and shreds overlap; after a shred returned, nobody here opens that customer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oubliette::personal::Text;
use oubliette::{CustomerId, Field, OpenError, Purpose, RootKey, Sealed, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");
const CUSTOMERS: usize = 1500;
const LENGTH: Duration = Duration::from_secs(3);
/// On a slow disk it goes on until there were enough.
const SHREDS: usize = 40;
const AT_MOST: Duration = Duration::from_secs(60);

struct Customer {
    id: CustomerId,
    sealed: Sealed<Text>,
    asked: AtomicBool,
    gone: AtomicBool,
}

impl Customer {
    /// True if it opened. What was known before the call decides what it may answer.
    fn check(&self, open: impl FnOnce() -> Result<Text, OpenError>) -> bool {
        let was_gone = self.gone.load(Ordering::SeqCst);
        match open() {
            Ok(_) => assert!(!was_gone, "customer {} opened after the shred returned", self.id),
            Err(OpenError::Shredded { .. }) => {
                assert!(self.asked.load(Ordering::SeqCst), "customer {} was never shredded", self.id);
                return false;
            }
            Err(error) => panic!("{error:?}"),
        }
        true
    }
}

#[test]
fn after_a_shred_returned_nobody_opens() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::at(dir.path().join("vault")).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap();
    let customers: Vec<Customer> = (0..CUSTOMERS)
        .map(|_| {
            let id = vault.enroll().unwrap();
            let sealed = vault.seal(id, NOTE, &"a note".parse().unwrap()).unwrap();
            Customer { id, sealed, asked: AtomicBool::new(false), gone: AtomicBool::new(false) }
        })
        .collect();
    let (customers, vault) = (&customers[..], &vault);
    let (opened, shredded, unwiped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Instant::now();
    let (all_opened, all_shredded) = (&opened, &shredded);
    let is_over = move || {
        let enough = all_shredded.load(Ordering::Relaxed) >= SHREDS && start.elapsed() >= LENGTH;
        enough || start.elapsed() >= AT_MOST
    };
    let count = move |opens: bool| all_opened.fetch_add(usize::from(opens), Ordering::Relaxed);
    std::thread::scope(|scope| {
        for turn in 0..2 {
            scope.spawn(move || {
                for customer in customers.iter().cycle().skip(turn * 700) {
                    if is_over() {
                        break;
                    }
                    count(customer.check(|| vault.open(customer.id, NOTE, &customer.sealed)));
                }
            });
            scope.spawn(move || {
                // Handles that outlive many commits.
                let held: Vec<_> = customers.iter().map(|customer| vault.customer(customer.id)).collect();
                for (customer, keys) in customers.iter().zip(&held).cycle().skip(turn * 300) {
                    if is_over() {
                        break;
                    }
                    count(customer.check(|| keys.open(NOTE, &customer.sealed)));
                }
            });
            // From both ends, so that commits of two threads are shared.
            let (shredded, unwiped) = (all_shredded, &unwiped);
            scope.spawn(move || {
                for step in 0..CUSTOMERS / 2 {
                    if is_over() {
                        break;
                    }
                    // Two of three; the others survive.
                    if step % 3 == 0 {
                        continue;
                    }
                    let customer = &customers[if turn == 0 { step } else { CUSTOMERS - 1 - step }];
                    customer.asked.store(true, Ordering::SeqCst);
                    let done = vault.shred([customer.id]).unwrap();
                    customer.gone.store(true, Ordering::SeqCst);
                    shredded.fetch_add(1, Ordering::Relaxed);
                    unwiped.fetch_add(usize::from(!done.commit().is_wiped_here()), Ordering::Relaxed);
                    assert!(!customer.check(|| vault.open(customer.id, NOTE, &customer.sealed)));
                }
            });
        }
        scope.spawn(move || {
            while !is_over() {
                for (customer, keys) in vault.each_customer(customers, |customer| customer.id) {
                    count(customer.check(|| keys.open(NOTE, &customer.sealed)));
                }
            }
        });
    });
    let (opened, shredded) = (opened.into_inner(), shredded.into_inner());
    println!("{opened} opened, {shredded} shredded");
    assert!(opened > 1000 && shredded >= SHREDS, "too little overlapped: {opened} opened, {shredded} shredded");
    assert_eq!(unwiped.into_inner(), 0, "readers held a snapshot for longer than the patience");
    for customer in customers {
        let opens = customer.check(|| vault.open(customer.id, NOTE, &customer.sealed));
        assert_eq!(opens, !customer.gone.load(Ordering::SeqCst));
    }
}
