//! Rules that need a look inside.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{ReceiptContext, Recovery, Shredded, Vault};
use crate::clock::{Clock, ManualClock};
use crate::customer::CustomerId;
use crate::error::{KeyStoreError, OpenError};
use crate::field::{Field, Purpose};
use crate::journal::Ranges;
use crate::key_tree::{Found, Tree, Walker};
use crate::nonce;
use crate::personal::Email;
use crate::root_key::RootKey;
use crate::root_record::TreeState;
use crate::sealed::Sealed;
use crate::store::{CopyContent, Memory, RootCopy, RootStore};
use crate::vault::commit::{Step, new_tree, shred_tree};
use crate::vault::state::copy_selection::{Chosen, choose};
use crate::vault::state::{Keyring, LoadedTree, Scope};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const LEASE: Duration = Duration::from_secs(60);

fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

fn vault() -> (Vault, Memory, Arc<ManualClock>) {
    let (memory, clock) = (Memory::new().recording(), ManualClock::new(Duration::from_millis(1)));
    let mut builder = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).lease(LEASE);
    builder.clock = Clock::Manual(clock.clone());
    builder.threaded = false;
    (builder.create(key()).unwrap(), memory, clock)
}

fn enroll(vault: &Vault) -> (CustomerId, Sealed<Email>) {
    let customer = vault.enroll().unwrap();
    (customer, vault.seal(customer, EMAIL, &"alice@example.com".parse().unwrap()).unwrap())
}

/// Rule 7: one half of a resumed snapshot has the other's block. The lease need not have run out.
/// A sweep goes through them, and counted what is due of it twice.
#[test]
fn a_purpose_that_is_named_twice_counts_once() {
    let memory = Memory::new();
    let vault = Vault::on(memory.clone(), memory).purposes([ORDERS, ORDERS]).create(key()).unwrap();
    assert_eq!(vault.unlocked_purposes().unwrap(), [ORDERS]);
    assert_eq!(vault.status().unwrap().purposes.len(), 1);
}

#[test]
fn a_clock_that_jumps_within_the_lease_drops_the_block_of_numbers() {
    let (vault, _, clock) = vault();
    for _ in 0..5 {
        vault.enroll().unwrap();
    }
    let reserved = vault.status().unwrap().issued;
    assert!(reserved > 5);
    let wall = Clock::Manual(clock.clone()).wall();
    clock.set_wall(wall + 500_000_000);
    assert!(vault.process().unwrap().known.is_fresh());
    assert!(vault.enroll().unwrap().get() > reserved);
}

/// Rules 10 and 11: what was buffered is discarded at every refresh and with a lost lease.
#[test]
fn buffered_randomness_is_discarded() {
    let (vault, _, clock) = vault();
    let before = nonce::epoch();
    vault.refresh().unwrap();
    let refreshed = nonce::epoch();
    assert!(refreshed > before);
    clock.advance(LEASE * 2);
    vault.process().unwrap().known.revoke(KeyStoreError::Closed);
    assert!(nonce::epoch() > refreshed);
}

/// Rule 11: the nonce is mixed with the wall clock of the very seal.
#[test]
fn nonces_are_mixed_with_the_wall_clock() {
    let (vault, _, clock) = vault();
    let (alice, _) = enroll(&vault);
    // Other tests of this process discard batches.
    let hit = (0..100).any(|_| {
        clock.advance(Duration::from_nanos(12_345));
        let foreseen = nonce::foreseen(Clock::Manual(clock.clone()).wall());
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        Some(sealed.header().nonce) == foreseen.as_ref()
    });
    assert!(hit);
}

/// Rule 10: nothing is held once the lease ran out and the loss was seen.
#[test]
fn a_lost_lease_holds_nothing() {
    let (vault, _, clock) = vault();
    let (alice, a) = enroll(&vault);
    let keys = vault.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    let process = vault.process().unwrap();
    let before = Arc::downgrade(&process.known.snapshot().unwrap());
    clock.advance(LEASE * 2);
    vault.refresh().unwrap();
    assert!(before.upgrade().is_none(), "even if the next read succeeds, what was state is wiped and read anew");
    assert!(process.known.witness_to_seal() == 0, "a first lease again");
}

/// Rule 14: the purpose's active tree says who is shredded; a retired tree has an answer of its own.
#[test]
fn replaced_and_retired_trees() {
    for retire in [false, true] {
        let (vault, _, _) = vault();
        let [(alice, a), (bob, b), (carol, c)] = [(); 3].map(|()| enroll(&vault));
        let _ = vault.shred([alice]).unwrap();
        let process = vault.process().unwrap();
        let replaced = process.commit(&mut |draft| {
            let fresh = new_tree(ORDERS.name(), draft.generation)?;
            let TreeState::Seed(seed) = fresh.state else { panic!() };
            let tree = Tree::untouched(draft.record.clear.vault, fresh.id, seed, process.commits.resident().clone());
            draft.trees[0].active = false;
            if retire {
                draft.trees[0].tree = None;
            }
            let (id, purpose) = (fresh.id, fresh.purpose);
            draft.trees.push(LoadedTree { id, purpose, active: true, shredded: 0, made: fresh.made, tree: Some(tree) });
            let mut pages = Vec::new();
            // Alice from before, and Carol who was shredded in the new tree only.
            let gone = Ranges::of_numbers([alice.get(), carol.get()]);
            shred_tree(draft, 1, &gone, &mut pages)?;
            Ok(Step::Write(pages, ()))
        });
        assert!(replaced.is_ok());
        let keys = [alice, bob, carol].map(|customer| vault.customer(customer));
        for (customer, sealed, keys) in [(alice, &a, &keys[0]), (carol, &c, &keys[2])] {
            for opened in [vault.open(customer, EMAIL, sealed), keys.open(EMAIL, sealed)] {
                assert!(matches!(opened, Err(OpenError::Shredded { .. })), "{opened:?}");
            }
        }
        for opened in [vault.open(bob, EMAIL, &b), keys[1].open(EMAIL, &b)] {
            match opened {
                Ok(_) => assert!(!retire),
                Err(OpenError::Retired { .. }) => assert!(retire),
                other => panic!("{other:?}"),
            }
        }
        let sealed = vault.seal(bob, EMAIL, &"bob@example.com".parse().unwrap()).unwrap();
        assert_ne!(sealed.header().tree, b.header().tree, "sealed under the active tree");
        assert!(vault.open(bob, EMAIL, &sealed).is_ok());
    }
}

fn look(memory: &Memory, copies: &[Option<usize>]) -> Result<Chosen, KeyStoreError> {
    let (records, place) = (memory.records_written(), memory.places()[0]);
    let copies: Vec<RootCopy> = copies
        .iter()
        .map(|at| RootCopy {
            location: "a test".to_owned(),
            place,
            content: at.map_or(CopyContent::Damaged, |at| CopyContent::Intact(records[at].clone())),
        })
        .collect();
    let chosen = choose(&copies, &mut Keyring::new(vec![key()]), &Scope::default())?;
    chosen.map(|chosen| *chosen).ok_or(KeyStoreError::NoVault)
}

/// Rules 1 and 9: a value never witnesses what a crash could still take back. Durable is what every copy shows, or what the newest
/// says was settled before it was begun.
#[test]
fn what_is_durable_is_told_from_the_copies() {
    let (vault, memory, _) = vault();
    for _ in 0..3 {
        let (customer, _) = enroll(&vault);
        let _ = vault.shred([customer]).unwrap();
    }
    let durable = |copies: &[Option<usize>]| {
        let chosen = look(&memory, copies).unwrap();
        (chosen.record.clear.generation, chosen.durable, chosen.needs_repair)
    };
    assert_eq!(durable(&[Some(4), Some(4)]), (5, 5, false));
    assert_eq!(durable(&[Some(2), Some(4), Some(3)]), (5, 4, true));
    assert_eq!(durable(&[None, Some(4)]), (5, 4, true));
    assert_eq!(durable(&[Some(0), None]), (1, 0, true));
    assert!(matches!(look(&memory, &[None, None]), Err(KeyStoreError::RecordDamaged { .. })));
}

/// Rule 2: a copy that is no ancestor stops everything.
#[test]
fn a_copy_of_another_history_stops_everything() {
    let (vault, memory, _) = vault();
    enroll(&vault);
    let then = memory.snapshot();
    let _ = vault.shredding([CustomerId::MIN]).purpose(ORDERS).run().unwrap();
    let here = memory.records_written().len() - 1;
    memory.restore(&then);
    let mut builder = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]);
    builder.threaded = false;
    let other = builder.unlock(key()).unwrap();
    other.rotate_root_key(RootKey::bytes([8; 32])).unwrap();
    other.rotate_root_key(key()).unwrap();
    let newest = memory.records_written().len() - 1;
    assert!(look(&memory, &[Some(here), Some(here)]).is_ok() && look(&memory, &[Some(newest), Some(newest)]).is_ok());
    for pair in [[here, newest], [newest, here]] {
        assert!(matches!(look(&memory, &pair.map(Some)), Err(KeyStoreError::Diverged { .. })));
    }
}

fn seed_of(vault: &Vault) -> [u8; 32] {
    let state = vault.process().unwrap().state().unwrap();
    *state.facts.signer.0.bytes()
}

/// What signs is made once, and every later record has it.
#[test]
fn what_signs_is_made_once_and_kept() {
    let (vault, memory, _) = vault();
    let seed = seed_of(&vault);
    let (alice, _) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    vault.rotate_root_key(RootKey::bytes([8; 32])).unwrap();
    let seen = vault.generation().unwrap();
    vault.close().unwrap();
    let at = || Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]);
    let recovery = Recovery::beyond(seen, alice);
    let vault = at().recover(RootKey::bytes([8; 32]), recovery, RootKey::bytes([9; 32])).unwrap();
    assert_eq!(seed_of(&vault), seed);
}

/// A process that was not given the next root key: once its lease is over, the old one, which opens nothing but old copies, is gone.
#[test]
fn a_root_key_that_opens_nothing_any_more_is_wiped() {
    let (vault, memory, clock) = vault();
    let mut builder = Vault::on(memory.clone(), memory).purposes([ORDERS]);
    (builder.clock, builder.threaded) = (Clock::Manual(clock.clone()), false);
    let other = builder.unlock(key()).unwrap();
    let (alice, a) = enroll(&vault);
    other.refresh().unwrap();
    vault.rotate_root_key(RootKey::bytes([8; 32])).unwrap();
    let has_keys = |vault: &Vault| !vault.process().unwrap().commits.keyring().is_empty();
    assert!(matches!(other.refresh(), Err(KeyStoreError::WrongRootKey)) && has_keys(&other), "within its lease");
    clock.advance(LEASE);
    for _ in 0..2 {
        let refused = other.open(alice, EMAIL, &a);
        assert!(matches!(refused, Err(crate::OpenError::KeyStore(KeyStoreError::WrongRootKey))), "{refused:?}");
        assert!(!has_keys(&other));
    }
    vault.refresh().unwrap();
    assert!(vault.open(alice, EMAIL, &a).is_ok() && has_keys(&vault));
}

/// A call is still using the keys when the shred returns: the answer says so, and so does the receipt. A later one does not.
#[test]
fn keys_in_a_call_that_is_under_way_are_told() {
    let (memory, scratch) = (Memory::new(), tempfile::tempdir().unwrap());
    let builder = Vault::on(memory.clone(), memory).purposes([ORDERS]).journal(scratch.path().join("journal"));
    let vault = builder.patience(Duration::from_millis(20)).create(key()).unwrap();
    let (alice, _) = enroll(&vault);
    let receipt_of = |shredded: &Shredded| {
        let whose = crate::journal::Whose::new("customer 7").unwrap();
        vault.receipt(shredded, whose, &ReceiptContext::new()).unwrap().to_string()
    };
    let in_use = vault.process().unwrap().state().unwrap();
    let shredded = vault.shred([alice]).unwrap();
    assert!(!shredded.commit().is_wiped_here());
    assert!(receipt_of(&shredded).contains("in a call that was under way"));
    drop(in_use);
    let shredded = vault.shred([alice]).unwrap();
    assert!(shredded.commit().is_wiped_here());
    assert!(!receipt_of(&shredded).contains("under way"));
}

/// What each row of `vault/` may name, itself aside: ARCHITECTURE.md, "Layers of the vault".
const ROWS: [(&str, &[&str]); 7] = [
    ("workers", &[]),
    ("state", &[]),
    ("commit", &["state"]),
    ("journal", &["commit", "state"]),
    ("process", &["journal", "commit", "state", "workers"]),
    ("operations", &["process", "journal", "commit", "state", "workers"]),
    ("api", &["operations", "process", "journal", "commit", "state", "workers"]),
];

/// The sources of a row, and what is in them but for comments and tests.
fn sources(below: &std::path::Path) -> Vec<(std::path::PathBuf, String)> {
    let mut sources = Vec::new();
    for file in std::fs::read_dir(below).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("mod tests {").next().unwrap();
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        sources.push((path, code.collect::<Vec<_>>().join("\n")));
    }
    sources
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// `impl<T: X> Name<T> {`
fn implemented(line: &str) -> &str {
    let mut rest = line.trim_start_matches("impl");
    if rest.starts_with('<') {
        let mut open = 0;
        let end = rest.find(|c| {
            open += i32::from(c == '<') - i32::from(c == '>');
            open == 0
        });
        rest = &rest[end.unwrap() + 1..];
    }
    word(rest.trim_start())
}

/// A row knows nothing of those above, not even by name; and what it says of a type is said by the row that made it.
#[test]
fn the_rows_are_strict() {
    let vault = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault");
    // The types of each row.
    let types: Vec<(&str, Vec<String>)> = ROWS
        .iter()
        .map(|(row, _)| {
            let mut types = Vec::new();
            for (_, code) in sources(&vault.join(row)) {
                let lines = code.lines().filter(|line| !line.starts_with(' '));
                let declared =
                    lines.flat_map(|line| ["struct ", "enum "].map(|kind| line.split(kind).nth(1))).flatten();
                types.extend(declared.map(|rest| word(rest).to_owned()));
            }
            (*row, types)
        })
        .collect();
    for (row, may_name) in ROWS {
        let sources = sources(&vault.join(row));
        assert!(sources.len() > 3, "{row} was found");
        for (path, code) in sources {
            for named in code.split("vault::").skip(1) {
                let name = word(named);
                let is_below = name == row || may_name.contains(&name);
                // What the vault gives out is named by its top row alone.
                assert!(
                    is_below || row == "api",
                    "{} names vault::{}",
                    path.display(),
                    named.split(';').next().unwrap()
                );
            }
            assert!(!code.contains("super::super") || row == "api", "{}", path.display());
            for line in code.lines().filter(|line| line.starts_with("impl") && !line.contains(" for ")) {
                let mut made = types.iter().filter(|(_, types)| types.iter().any(|name| name == implemented(line)));
                let is_own = made.clone().next().is_none() || made.any(|(made, _)| *made == row);
                assert!(is_own, "{} adds to a type of another row: {line}", path.display());
            }
        }
    }
}

/// Nodes on the way to a customer that are kept in memory, in whatever tree.
fn kept(vault: &Vault, customer: CustomerId) -> Vec<Weak<dyn Any + Send + Sync>> {
    let state = vault.process().unwrap().known.snapshot().unwrap();
    state
        .trees
        .iter()
        .filter_map(|tree| tree.tree.as_ref())
        .flat_map(|tree| tree.kept_towards(customer.get()))
        .collect()
}

fn are_gone(nodes: &[Weak<dyn Any + Send + Sync>]) -> bool {
    nodes.iter().all(|node| node.strong_count() == 0)
}

/// They live and die with the snapshot: a reader that walks by them is waited for, and then they are gone.
#[test]
fn a_reader_of_derived_nodes_is_waited_for() {
    for ends_in_time in [true, false] {
        let memory = Memory::new();
        let vault = Vault::on(memory.clone(), memory).purposes([ORDERS]).create(key()).unwrap();
        let (alice, a) = enroll(&vault);
        let nodes = kept(&vault, alice);
        assert_eq!(nodes.len(), 4, "levels 0 to 3");
        let ((walks, is_walking), (done, end)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let state = vault.process().unwrap().known.snapshot().unwrap();
        let reader = std::thread::spawn(move || {
            let mut walker = Walker::for_one();
            let tree = state.trees.first().and_then(|tree| tree.tree.as_ref()).unwrap();
            let pages = crate::vault::state::Arrived::default();
            assert!(matches!(walker.walk(tree, alice.to_path(), &pages), Ok(Found::Key)));
            walks.send(()).unwrap();
            if ends_in_time {
                std::thread::sleep(Duration::from_millis(50));
            } else {
                end.recv().unwrap();
            }
            drop(walker);
            drop(state);
        });
        is_walking.recv().unwrap();
        let shredded = vault.shred([alice]).unwrap();
        assert_eq!(shredded.commit().is_wiped_here(), ends_in_time);
        assert_eq!(are_gone(&nodes), ends_in_time, "not while they are walked by");
        assert!(kept(&vault, alice).is_empty(), "none of the new snapshot's leads there");
        assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
        let _ = done.send(());
        reader.join().unwrap();
        assert!(are_gone(&nodes));
    }
}

/// A record that changed in something else keeps them; one that is read after the lease was lost, or that gives up the tree, does not.
#[test]
fn derived_nodes_stay_as_long_as_their_tree_and_snapshot() {
    let (vault, _, clock) = vault();
    let (alice, a) = enroll(&vault);
    let nodes = kept(&vault, alice);
    assert_eq!(nodes.len(), 4);
    // More numbers: other records, with the same tree.
    let generation = vault.generation().unwrap();
    (0..100).for_each(|_| assert!(vault.enroll().is_ok()));
    vault.refresh().unwrap();
    assert!(vault.generation().unwrap() > generation);
    assert!(nodes.iter().zip(kept(&vault, alice)).all(|(a, b)| a.ptr_eq(&b)), "nobody was shredded");
    // A new tree has its own, and the old one keeps what it has.
    let rotated = vault.rotate_purpose(ORDERS).unwrap();
    assert!(nodes.iter().zip(kept(&vault, alice)).all(|(a, b)| a.ptr_eq(&b)));
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    assert_eq!(kept(&vault, alice).len(), 8, "both were asked: who is shredded, and for the key");
    clock.advance(LEASE * 2);
    let _ = vault.retire_replaced(ORDERS, rotated.0).unwrap();
    assert!(are_gone(&nodes), "the tree was given up");
    let nodes = kept(&vault, alice);
    clock.advance(LEASE * 2);
    vault.refresh().unwrap();
    assert!(are_gone(&nodes), "a lease was lost in between");
    let status = vault.status().unwrap();
    assert_eq!((status.resident_pages, status.resident_bytes), (0, 0));
    let (bob, _) = enroll(&vault);
    assert_eq!(kept(&vault, bob).len(), 4);
    assert!(vault.status().unwrap().resident_bytes > 0);
}
