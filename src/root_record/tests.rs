use super::*;
use crate::derivation::{PageKey, Seed, TreeId};
use crate::field::PURPOSE_BYTES;
use crate::journal::Hash;
use crate::secret::Secret32;

fn root(byte: u8) -> RootSecret {
    RootSecret(Secret32::copy_of(&[byte; 32]))
}

fn anchor(n: u64, hash: u8) -> Anchor {
    Anchor::new(n, Hash::from_bytes([hash; 32])).unwrap()
}

pub(crate) fn example() -> Record {
    let tree = |byte: u8, purpose: &str, active, state| TreeRecord {
        id: TreeId([byte; 8]),
        purpose: purpose.to_owned(),
        active,
        state,
        shredded: u64::from(byte),
        made: 3,
    };
    Record {
        clear: Clear {
            vault: VaultName::from_bytes([0x11; 16]),
            id: RecordId([0x22; 16]),
            parent: RecordId([0x33; 16]),
            generation: 9,
            recipe: Recipe::Passphrase {
                cost: PassphraseCost { memory_kib: 65_536, passes: 3, lanes: 4 },
                salt: [0x44; 16],
            },
        },
        next_number: 65,
        newest_block: 33,
        lease: Duration::from_secs(1),
        shredded_through: 5,
        floor: 2,
        settled: 8,
        finding: None,
        places: vec![PlaceId([0x55; 8]), PlaceId([0x56; 8])],
        trees: vec![
            tree(0x61, "orders", true, TreeState::Seed(Seed(Secret32::copy_of(&[0x71; 32])))),
            tree(0x62, "orders", false, TreeState::Retired),
            tree(0x63, "newsletter", true, TreeState::Page(PageKey(Secret32::copy_of(&[0x73; 32])))),
        ],
        indexes: None,
        ring: vec![[0x22; 3], [0x33; 3], [0x34; 3]],
        signer: SignerSeed(Secret32::copy_of(&[0x75; 32])),
        anchor: None,
    }
}

fn seed(byte: u8) -> TreeState {
    TreeState::Seed(Seed(Secret32::copy_of(&[byte; 32])))
}

#[test]
fn a_tree_of_indexes_is_kept() {
    for state in [seed(3), TreeState::Page(PageKey(Secret32::copy_of(&[4; 32])))] {
        let record = Record { indexes: Some(IndexTree { id: TreeId([0x64; 8]), state, made: 4 }), ..example() };
        let bytes = record.seal(&root(1), &[8; 32]).unwrap();
        let read = Record::open(&bytes, &root(1)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
        assert_eq!(read.seal(&root(1), &[8; 32]).unwrap(), bytes);
        let (Some(IndexTree { state: TreeState::Seed(a), .. }), Some(IndexTree { state: TreeState::Seed(b), .. })) =
            (&read.indexes, &record.indexes)
        else {
            assert!(matches!(read.indexes, Some(IndexTree { state: TreeState::Page(_), .. })));
            continue;
        };
        assert_eq!(a.0.bytes(), b.0.bytes());
    }
}

#[test]
fn what_belongs_to_the_journal_is_kept_and_not_shown() {
    for anchor in [None, Some(anchor(12, 0x76))] {
        let record = Record { anchor, ..example() };
        let bytes = record.seal(&root(1), &[8; 32]).unwrap();
        let read = Record::open(&bytes, &root(1)).unwrap();
        let next = read.without_trees().succeed(RecordId([0x77; 16]));
        for kept in [&read, &next] {
            assert_eq!(*kept.signer.0.bytes(), [0x75; 32]);
            assert_eq!(kept.anchor, anchor);
            assert!(!format!("{kept:?}").contains("117"), "the seed is shown");
        }
        assert_eq!(read.seal(&root(1), &[8; 32]).unwrap(), bytes);
    }
}

#[test]
fn opens_under_its_root_key_only_and_unchanged() {
    let bytes = example().seal(&root(1), &[8; 32]).unwrap();
    assert_eq!(bytes.len(), RECORD_BYTES);
    let record = Record::open(&bytes, &root(1)).unwrap();
    assert_eq!(format!("{record:?}"), format!("{:?}", example()));
    assert_eq!(record.seal(&root(1), &[8; 32]).unwrap(), bytes);
    assert_eq!(Record::open(&bytes, &root(2)).err(), Some(RecordError::WrongRootKey));
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = example().seal(&root(1), &[8; 32]).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x40;
        assert!(Record::open(&bad, &root(1)).is_err(), "byte {at}");
    }
    for length in [0, 1, SALT, TEXT, RECORD_BYTES - 1] {
        assert!(Record::open(&bytes[..length], &root(1)).is_err());
    }
    let mut newer = bytes;
    newer[0] = 2;
    assert_eq!(Record::open(&newer, &root(1)).err(), Some(RecordError::NewerVersion));
}

/// Rule 5: with repeated randomness, two records still have two keys.
#[test]
fn the_salt_is_bound_to_the_content() {
    let salts = [33, 34].map(|newest_block| {
        let record = Record { newest_block, ..example() };
        record.seal(&root(1), &[8; 32]).unwrap()[SALT..COMMITMENT].to_vec()
    });
    assert_ne!(salts[0], salts[1]);
}

/// Rule 16: a shred never makes the record larger, and the fullest one fits.
#[test]
fn the_fullest_record_fits_and_more_is_refused() {
    let mut record = example();
    let purpose = |n: usize| format!("{n:0>PURPOSE_BYTES$}");
    record.trees = (0..MOST_TREES)
        .map(|n| TreeRecord {
            id: TreeId([n as u8; 8]),
            purpose: purpose(n),
            active: true,
            state: TreeState::Seed(Seed(Secret32::copy_of(&[1; 32]))),
            shredded: 1 << 40,
            made: 1000,
        })
        .collect();
    record.places = (0..MOST_PLACES).map(|n| PlaceId([n as u8; 8])).collect();
    record.clear.generation = 1000;
    record.ring = vec![[0x22; 3]; RING];
    record.clear.recipe = Recipe::Wrapped(vec![7; WRAPPED_BYTES]);
    let bytes = record.seal(&root(1), &[8; 32]).unwrap();
    assert_eq!(format!("{:?}", Record::open(&bytes, &root(1)).unwrap()), format!("{record:?}"));
    for tree in &mut record.trees {
        tree.state = TreeState::Page(PageKey(Secret32::copy_of(&[2; 32])));
    }
    assert_eq!(record.seal(&root(1), &[8; 32]).unwrap().len(), RECORD_BYTES);
    record.ring.push([1; 3]);
    assert_eq!(record.seal(&root(1), &[8; 32]).err(), Some(RecordError::Malformed));
}

#[test]
fn descent_is_told_from_the_ring() {
    let record = example().succeed(RecordId([0x77; 16]));
    assert_eq!((record.clear.generation, record.clear.parent), (10, RecordId([0x22; 16])));
    let from = |generation, byte| record.descends_from(Witness { generation, id: [byte; 3] });
    assert_eq!(from(10, 0x77), Some(true));
    assert_eq!(from(9, 0x22), Some(true));
    assert_eq!(from(9, 0x23), Some(false), "another record had this generation: a fork");
    assert_eq!(from(11, 0x77), Some(false), "from the future");
    assert_eq!(from(1, 0x22), None, "too old to tell");
}

#[test]
fn a_proof_outweighs_an_alarm() {
    use Finding::{Alarm, RolledBack};
    let after = |findings: &[Finding]| {
        let mut record = example();
        findings.iter().for_each(|finding| record.add_finding(*finding));
        (record.alarm(), record.gone_back())
    };
    assert_eq!(after(&[Alarm(5), Alarm(7), Alarm(6)]), (Some(7), None));
    assert_eq!(after(&[Alarm(9), RolledBack(7), Alarm(10)]), (None, Some(7)));
    assert_eq!(after(&[RolledBack(7), RolledBack(6)]), (None, Some(7)));
}

/// Authentic nonsense, which only a bug of ours could write, is refused.
#[test]
fn authentic_nonsense_is_refused() {
    let refused = |record: Record| {
        let bytes = record.seal(&root(1), &[8; 32]).unwrap();
        assert_eq!(Record::open(&bytes, &root(1)).err(), Some(RecordError::Malformed));
    };
    refused(Record { next_number: 0, ..example() });
    refused(Record { next_number: (1 << 40) + 1, ..example() });
    refused(Record { shredded_through: 65, ..example() });
    refused(Record { newest_block: 66, ..example() });
    refused(Record { lease: Duration::ZERO, ..example() });
    refused(Record { ring: vec![[0x33; 3]], ..example() });
    refused(Record { floor: 10, ..example() });
    refused(Record { settled: 9, ..example() });
    refused(Record { finding: Some(Finding::RolledBack(0)), ..example() });
    refused(Record { places: vec![PlaceId([1; 8]), PlaceId([1; 8])], ..example() });
    refused(Record { places: Vec::new(), ..example() });
    refused(Record { ring: vec![[0x22; 3]; 10], ..example() });
    let indexes = |id, state| Some(IndexTree { id: TreeId([id; 8]), state, made: 1 });
    refused(Record { indexes: indexes(0x61, seed(1)), ..example() });
    refused(Record { indexes: indexes(0x64, TreeState::Retired), ..example() });
    refused(Record { finding: Some(Finding::Alarm(0)), ..example() });
    let with = |change: fn(&mut [TreeRecord])| {
        let mut record = example();
        change(&mut record.trees);
        record
    };
    refused(with(|trees| trees[0].purpose = "a\nb".to_owned()));
    refused(with(|trees| trees[0].id = trees[1].id));
    refused(with(|trees| trees[0].made = 0));
    refused(with(|trees| trees[0].made = 10));
    refused(Record { indexes: Some(IndexTree { id: TreeId([0x64; 8]), state: seed(1), made: 0 }), ..example() });
    refused(with(|trees| trees[2].purpose = "orders".to_owned()));
    refused(with(|trees| (trees[0].active, trees[1].active) = (false, true)));
}
