//! The stack that a vault's work uses is overwritten as deep as the primitives were seen to go, and half as much again for the frames above them.
//! Whether that is enough is seen by looking at the work itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Vault;
use crate::cipher::Width;
use crate::clock::{Clock, ManualClock};
use crate::customer::CustomerId;
use crate::field::{Field, Purpose};
use crate::index::{Index, bits};
use crate::personal::{Email, Text};
use crate::rehearsal;
use crate::root_key::RootKey;
use crate::stack::{Work, probe};
use crate::store::Memory;

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const NOTE: Field<Text> = ORDERS.field("note");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

/// All of it on this thread.
fn use_a_vault() {
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    let builder = || {
        let mut builder =
            Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).journal(dir.path().join("journal"));
        builder.clock = Clock::Manual(ManualClock::new(Duration::from_millis(1)));
        builder.threaded = false;
        builder
    };
    let vault = builder().create(RootKey::bytes([7; 32])).unwrap();
    let ids: Vec<CustomerId> = (0..300).map(|_| vault.enroll().unwrap()).collect();
    let email: Email = "alice@example.com".parse().unwrap();
    let notes: [Text; 3] = [1, 1000, 5000].map(|length| "x".repeat(length).parse().unwrap());
    for round in [0, 1] {
        let keys = vault.customer(ids[20 + round]);
        for note in &notes {
            // With a key that is derived for it, with one that is kept for a longer or a shorter one, and within a context.
            let sealed = vault.seal(ids[round], NOTE, note).unwrap();
            vault.open(ids[round], NOTE, &sealed).unwrap();
            let sealed = keys.seal(NOTE, note).unwrap();
            keys.open(NOTE, &sealed).unwrap();
            let sealed = keys.seal(NOTE.within(&[1; 100]), note).unwrap();
            keys.open(NOTE.within(&[1; 100]), &sealed).unwrap();
            let other = vault.customer(ids[40 + round]);
            other.open(NOTE, &other.seal(NOTE, note).unwrap()).unwrap();
            other.seal(EMAIL, &email).unwrap();
        }
        let rows: Vec<_> = ids[60..120].iter().map(|id| (*id, vault.seal(*id, EMAIL, &email).unwrap())).collect();
        for ((_, sealed), keys) in vault.each_customer(&rows, |row| row.0) {
            keys.open(EMAIL, sealed).unwrap();
            keys.seal(NOTE, &notes[1]).unwrap();
        }
        vault.tokens(BY_EMAIL, &email).unwrap();
        vault.begin_epoch(BY_EMAIL).unwrap();
        let _ = vault.shred([ids[200 + round], ids[290 + round]]).unwrap();
        vault.preload(ids.iter().copied()).unwrap();
    }
    vault.rotate_purpose(ORDERS).unwrap();
    vault.rotate_root_key(RootKey::bytes([8; 32])).unwrap();
    vault.sweep().unwrap();
    vault.close().unwrap();
    let vault = builder().unlock(RootKey::bytes([8; 32])).unwrap();
    vault.open(ids[100], EMAIL, &vault.seal(ids[100], EMAIL, &email).unwrap()).unwrap();
}

#[test]
fn all_work_stays_above_what_is_overwritten() {
    rehearsal::measured();
    let mut deepest: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for (kind, depth) in probe::watch(use_a_vault) {
        let (most, _, times) = deepest.entry(format!("{kind:?}")).or_insert((0, kind.overwritten(), 0));
        (*most, *times) = (depth.max(*most), *times + 1);
    }
    println!("{deepest:?}");
    let mut kinds = vec![Work::Derivation, Work::Signature];
    if Width::for_text(1) == Width::Narrow {
        kinds.extend([Work::KeptCipher, Work::ShortText]);
    }
    for kind in kinds {
        let (depth, overwritten, _) = deepest[&format!("{kind:?}")];
        assert!(depth > 0 && depth <= overwritten, "{kind:?}: {depth} bytes deep, {overwritten} are overwritten");
    }
}
