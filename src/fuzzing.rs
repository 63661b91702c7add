//! With `--cfg fuzzing` alone. Doors to the parsers of stored bytes: no stable interface.
//!
//! Everything here lies under encryption, so a fuzzer that only changed stored bytes would never get past the tag.
//! These functions encrypt what the fuzzer made under fixed keys and open it again: what a bug of ours, or a holder of
//! the root key, could have written. Each panics when the parser disagrees with a second, plainer reading.

#![allow(clippy::panic, clippy::missing_panics_doc)] // a finding is a panic

use std::time::Duration;

use crate::derivation::{PageKey, RootSecret, Seed, TreeId};
use crate::journal::VaultName;
use crate::journal::{Anchor, Hash};
use crate::key_tree::{Damage, Position, content_of_page, open_page, seal_page};
use crate::root_key::Recipe;
use crate::root_record::{
    self, Clear, Finding, IndexTree, Record, RecordError, RecordId, SignerSeed, TreeRecord, TreeState,
};
use crate::secret::Secret32;
use crate::store::{PAGE_BYTES, PlaceId};

const VAULT: VaultName = VaultName::from_bytes([1; 16]);
const TREE: TreeId = TreeId([2; 8]);
const FRESH: [u8; 32] = [3; 32];

/// Bytes of a page inside its encryption: two bits a child, then 32 bytes a child.
pub const PAGE_CONTENT_BYTES: usize = 64 + 256 * 32;
/// Bytes of a root record in clear.
pub const RECORD_CLEAR_BYTES: usize = root_record::CLEAR_BYTES;
/// Bytes of a root record inside its encryption.
pub const RECORD_CONTENT_BYTES: usize = root_record::CONTENT_BYTES;

fn position(path: &[u8]) -> Position {
    path.iter().take(4).fold(Position::ROOT, |position, byte| position.child(*byte))
}

/// The content of a page as it is when it is first written down: what to begin changing from.
#[must_use]
pub fn new_page_content(path: &[u8]) -> Vec<u8> {
    content_of_page(TREE, position(path))
}

/// Opens stored bytes as a page. No key of ours made them, so nothing may come of it.
pub fn stored_page(bytes: &[u8], path: &[u8]) {
    let key = PageKey(Secret32::copy_of(&[4; 32]));
    let expected = match bytes {
        _ if bytes.len() != PAGE_BYTES => Damage::Size,
        [0 | 1, ..] => Damage::NotAuthentic,
        _ => Damage::Version,
    };
    let opened = open_page(bytes.to_vec(), &key, VAULT, TREE, position(path), u64::MAX);
    assert_eq!(opened.map(|_| ()), Err(expected));
}

/// Seals any content as a page and opens it: it is refused unless every entry is as it must be, and otherwise sealed
/// anew to the same bytes.
pub fn page_content(content: &[u8; PAGE_CONTENT_BYTES], path: &[u8], generation: u64, newest: u64) {
    let place = position(path);
    let Ok((key, stored)) = seal_page(content, &FRESH, VAULT, TREE, place, generation) else {
        panic!("any content can be sealed")
    };
    let (kinds, keys) = content.split_at(64);
    let is_right = kinds.iter().flat_map(|four| [6, 4, 2, 0].map(|shift| four >> shift & 3)).zip(keys.chunks(32)).all(
        |(kind, key)| match kind {
            0 => true,
            1 => path.len() < 4,
            2 => key.iter().all(|byte| *byte == 0),
            _ => false,
        },
    );
    match open_page(stored.bytes.clone(), &key, VAULT, TREE, place, newest) {
        Ok(opened) => {
            assert!(is_right && generation <= newest);
            let again = seal_page(&opened, &FRESH, VAULT, TREE, place, generation);
            assert!(again.is_ok_and(|(_, again)| again == stored));
        }
        Err(Damage::Newer) => assert!(generation > newest),
        Err(Damage::Kind | Damage::NotEmpty) => assert!(!is_right),
        Err(damage) => panic!("sealed here, so not {damage:?}"),
    }
}

/// A root record to begin changing from: its part in clear, and its content.
#[must_use]
pub fn example_record() -> (Vec<u8>, Vec<u8>) {
    let tree = |byte: u8, state| TreeRecord {
        id: TreeId([byte; 8]),
        purpose: "orders".to_owned(),
        active: byte != 6,
        state,
        shredded: u64::from(byte),
        made: 3,
    };
    let record = Record {
        clear: Clear {
            vault: VAULT,
            id: RecordId([7; 16]),
            parent: RecordId([8; 16]),
            generation: 9,
            recipe: Recipe::Wrapped(vec![5; 40]),
        },
        next_number: 65,
        newest_block: 33,
        lease: Duration::from_secs(1),
        shredded_through: 5,
        floor: 2,
        settled: 8,
        finding: Some(Finding::RolledBack(12)),
        places: vec![PlaceId([9; 8])],
        trees: vec![
            tree(5, TreeState::Seed(Seed(Secret32::copy_of(&[11; 32])))),
            tree(6, TreeState::Retired),
            tree(7, TreeState::Page(PageKey(Secret32::copy_of(&[12; 32])))),
        ],
        indexes: Some(IndexTree {
            id: TreeId([8; 8]),
            state: TreeState::Page(PageKey(Secret32::copy_of(&[14; 32]))),
            made: 4,
        }),
        ring: vec![[7; 3], [8; 3], [9; 3]],
        signer: SignerSeed(Secret32::copy_of(&[15; 32])),
        anchor: Anchor::new(16, Hash::from_bytes([17; 32])),
    };
    record.parts().unwrap_or_else(|_| panic!("the example fits"))
}

fn root() -> RootSecret {
    RootSecret(Secret32::copy_of(&[13; 32]))
}

/// Opens stored bytes as a root record. No root key of ours made them, so nothing may come of it.
pub fn stored_record(bytes: &[u8]) {
    assert!(Record::open(bytes, &root()).is_err());
    let _ = Clear::read(bytes);
}

/// Seals any content as a root record and opens it: if it is one, it is sealed anew to the same bytes.
pub fn record_content(clear: &[u8; RECORD_CLEAR_BYTES], content: &[u8; RECORD_CONTENT_BYTES]) {
    let Ok(stored) = root_record::encrypt(clear.to_vec(), VAULT, content, &root(), &FRESH) else {
        panic!("any content can be encrypted")
    };
    match Record::open(&stored, &root()) {
        Ok(record) => {
            assert!(record.clear.vault == VAULT && record.clear.generation > 0 && !record.ring.is_empty());
            assert_eq!(record.seal(&root(), &FRESH), Ok(stored));
        }
        // The key is bound to the vault's id, which is part of what was changed.
        Err(RecordError::WrongRootKey) => assert!(Clear::read(&stored).is_ok_and(|clear| clear.vault != VAULT)),
        Err(RecordError::NewerVersion) => assert!(clear.first().is_some_and(|version| *version > 1)),
        Err(RecordError::Malformed) => {}
        Err(RecordError::NotAuthentic) => panic!("sealed here, so authentic"),
    }
}

/// The content of padded bytes, as opening a sealed value finds it.
#[must_use]
pub fn unpad(padded: &[u8]) -> Option<&[u8]> {
    crate::personal::unpad(padded)
}

/// Reads any bytes as the members of a group: what is read is in order, and is written back to the same bytes.
pub fn group(bytes: &[u8]) {
    use crate::group::{Malformed, Raw, read, write};
    let members: Result<Vec<Raw<'_>>, Malformed> = read(bytes).and_then(Iterator::collect);
    match members {
        Ok(members) => {
            assert!(members.is_sorted_by(|one, next| one.label < next.label) && members.len() <= 64);
            let mut again = crate::personal::Plaintext::with_capacity(0);
            write(members.into_iter(), &mut again);
            assert_eq!(again.as_bytes(), bytes);
        }
        Err(Malformed::Newer(found)) => assert!(found > 1 && bytes.first() == Some(&found)),
        Err(Malformed::Form) => assert!(bytes.first().is_none_or(|first| *first < 2)),
    }
}
