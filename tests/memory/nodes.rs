//! Nodes that were derived are kept with the snapshot, beside pages. None that leads to a customer is left after a shred, by whichever way the old
//! snapshot was replaced.

use oubliette::{CustomerId, RootKey, Sealed, Vault, VaultBuilder};

use crate::needles::{Source, needles};
use crate::{EMAIL, Email, ORDERS, ROOT_KEY, alone, expect_found};

/// A node above the leaves has 65 536 customers.
const NODE: i64 = 1 << 16;

fn at(path: &std::path::Path) -> VaultBuilder {
    Vault::at(path).purposes([ORDERS])
}

/// Customers in three such nodes: the one who is shredded first, so that there are pages; one whose node is untouched; and their neighbours.
struct Three {
    first: CustomerId,
    victim: CustomerId,
    others: [CustomerId; 4],
}

impl Three {
    fn enroll(vault: &Vault) -> Three {
        while i64::from(vault.enroll().unwrap()) < 3 * NODE {}
        let id = |number: i64| CustomerId::from_stored(number).unwrap();
        let others = [7, NODE + 1000, NODE + 10_000, 2 * NODE + 7].map(id);
        Three { first: id(5), victim: id(NODE + 1001), others }
    }

    fn seal(&self, vault: &Vault) -> Vec<(CustomerId, Sealed<Email>)> {
        let all = self.others.iter().chain([&self.victim]);
        all.map(|id| (*id, vault.seal(*id, EMAIL, &"somebody@example.com".parse().unwrap()).unwrap())).collect()
    }

    fn check(&self, vault: &Vault, rows: &[(CustomerId, Sealed<Email>)]) {
        for (id, sealed) in rows {
            assert_eq!(vault.open(*id, EMAIL, sealed).is_ok(), *id != self.victim);
        }
    }
}

/// What lies beside the path of the first shred stays, and is what the second one must forget.
#[test]
fn of_the_process_that_shreds() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let vault = at(&path).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let three = Three::enroll(&vault);
    let rows = three.seal(&vault);
    assert!(vault.shred([three.first]).unwrap().commit().is_wiped_here());
    let needles = needles(&Source::Directory(&path), "orders", three.victim);
    // Nobody was opened since: the leaf's seed is in nothing but the node that was kept.
    expect_found(&needles, &["root page key", "level 3", "level 4"]);
    assert!(vault.shred([three.victim]).unwrap().commit().is_wiped_here());
    needles.find().expect_nothing("right after a shred");
    three.check(&vault, &rows);
    needles.find().expect_nothing("after survivors were opened");
}

/// The same of a process that hears of both.
#[test]
fn of_another_process() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let other = at(&path).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let three = Three::enroll(&other);
    let vault = at(&path).unlock(RootKey::bytes(ROOT_KEY)).unwrap();
    let rows = three.seal(&vault);
    assert!(other.shred([three.first]).unwrap().commit().is_wiped_here());
    vault.refresh().unwrap();
    let needles = needles(&Source::Directory(&path), "orders", three.victim);
    expect_found(&needles, &["root page key", "level 3", "level 4"]);
    assert!(other.shred([three.victim]).unwrap().commit().is_wiped_here());
    vault.refresh().unwrap();
    needles.find().expect_nothing("after a shred elsewhere was seen");
    three.check(&vault, &rows);
    needles.find().expect_nothing("after survivors were opened");
}

/// The old tree is kept beside the new one, and then given up.
#[test]
fn of_a_tree_that_is_given_up() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let lease = std::time::Duration::from_millis(300);
    let builder = at(&path).mirror(dir.path().join("mirror")).lease(lease);
    let vault = builder.create(RootKey::bytes(ROOT_KEY)).unwrap();
    let customer = vault.enroll().unwrap();
    let sealed = vault.seal(customer, EMAIL, &"somebody@example.com".parse().unwrap()).unwrap();
    let needles = needles(&Source::Directory(&path), "orders", customer);
    let rotated = vault.rotate_purpose(ORDERS).unwrap();
    vault.open(customer, EMAIL, &sealed).unwrap();
    expect_found(&needles, &["root seed", "level 1", "level 2", "level 3", "level 4"]);
    assert!(vault.retire_replaced(ORDERS, rotated.0).unwrap().1.is_wiped_here());
    needles.find().expect_nothing("after the tree was given up");
    vault.open(customer, EMAIL, &sealed).unwrap_err();
    needles.find().expect_nothing("after it was asked for");
}
