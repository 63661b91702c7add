//! Keys: from a tree's seed to a customer, from a customer to a field, of pages and records, from a passphrase.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Node, expand, hex, run};
use crate::customer::CustomerId;
use crate::derivation::{self, PageKey, RootSecret, Seed, TreeId};
use crate::field::{FieldId, Purpose};
use crate::journal::VaultName;
use crate::key_tree::{Found, Resident, Tree, Walker};
use crate::personal::TypeTag;
use crate::root_key::{PassphraseCost, Recipe, RootKey};
use crate::secret::Secret32;
use crate::vectors::vault::Shelf;

pub(super) fn vectors() -> Node {
    Node::Named(vec![
        ("about", "FORMAT.md, section 3. Byte strings are in hexadecimal; info is what HKDF-Expand is given.".into()),
        ("trees", vec![tree(run(0x00), run(0xa0)), tree([0xff; 32], [0; 8])].into()),
        ("fields", fields().into()),
        ("pages", [run(0x40), [0; 32]].map(page).into_iter().collect::<Vec<_>>().into()),
        ("records", vec![record(run(0x60), run(0x80), run(0x10))].into()),
        ("marks", vec![mark(run(0x50), run(0x10), 3, false), mark(run(0x50), run(0x10), 3, true)].into()),
        ("series", vec![series(run(0x10), run(0x30)), series([0xff; 16], [0; 8])].into()),
        ("passphrases", passphrases().into()),
    ])
}

fn mark(seed: [u8; 32], vault: [u8; 16], generation: u64, is_copy: bool) -> Node {
    let info = [&b"oubliette/1/mark"[..], &vault, &generation.to_be_bytes(), &[u8::from(is_copy)]].concat();
    let mut proof = [0; 32];
    derivation::mark(&seed, VaultName::from_bytes(vault), generation, is_copy, &mut proof);
    assert_eq!(proof[..], expand(&seed, &info, 32));
    Node::Named(vec![
        ("signer", hex(seed)),
        ("vault", hex(vault)),
        ("generation", generation.into()),
        ("copy", u64::from(is_copy).into()),
        ("info", hex(info)),
        ("proof", hex(proof)),
    ])
}

fn series(vault: [u8; 16], fresh: [u8; 8]) -> Node {
    let name = derivation::series(VaultName::from_bytes(vault), fresh);
    let hash: [u8; 32] = Sha256::digest([&b"oubliette/1/series"[..], &vault, &fresh].concat()).into();
    assert_eq!(name[..], [&fresh[..], &hash[..8]].concat());
    assert!(derivation::is_series_of(VaultName::from_bytes(vault), name));
    for at in 0..16 {
        let mut other = name;
        other[at] ^= 1;
        assert!(!derivation::is_series_of(VaultName::from_bytes(vault), other), "byte {at}");
    }
    Node::Named(vec![("vault", hex(vault)), ("fresh", hex(fresh)), ("series", hex(name))])
}

fn tree(seed: [u8; 32], id: [u8; 8]) -> Node {
    let numbers = [1, 0xff, 0x100, 0x01_02_03_04_05, (1 << 40) - 1];
    let customers = numbers.map(|number| customer(&seed, id, number));
    Node::Named(vec![
        ("tree", hex(id)),
        ("seed", hex(seed)),
        ("customers", customers.into_iter().collect::<Vec<_>>().into()),
    ])
}

fn customer(seed: &[u8; 32], id: [u8; 8], number: u64) -> Node {
    let path = CustomerId::new(number).unwrap().to_path();
    let mut parent = *seed;
    let mut steps = Vec::new();
    for (level, byte) in (1u8..).zip(path) {
        let info = [&b"oubliette/1/child"[..], &id, &[level, byte]].concat();
        let mut child = [0; 32];
        derivation::child(&parent, TreeId(id), level, byte, &mut child);
        assert_eq!(child[..], expand(&parent, &info, 32));
        steps.push(Node::Named(vec![
            ("level", u64::from(level).into()),
            ("byte", u64::from(byte).into()),
            ("info", hex(info)),
            ("key", hex(child)),
        ]));
        parent = child;
    }
    assert_eq!(parent, customer_key(seed, id, number));
    Node::Named(vec![("number", number.into()), ("path", hex(path)), ("steps", steps.into())])
}

/// The key as the key tree finds it.
pub(super) fn customer_key(seed: &[u8; 32], id: [u8; 8], number: u64) -> [u8; 32] {
    let seed = Seed(Secret32::copy_of(seed));
    let tree = Tree::untouched(VaultName::from_bytes([0; 16]), TreeId(id), seed, Resident::of_pages(1));
    let mut walker = Walker::for_one();
    let found = walker.walk(&tree, CustomerId::new(number).unwrap().to_path(), &Shelf::default());
    assert!(matches!(found, Ok(Found::Key)));
    *walker.customer_key()
}

const LONGEST_LABEL: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const LONGEST_TAG: &str = "0123456789abcdef0123456789abcdef";

fn fields() -> Vec<Node> {
    let names = [
        ("email", "obl.email"),
        ("email", "obl.text"),
        ("emai", "lobl.email"),
        ("prénom", "obl.name"),
        ("備考", "店.設定"),
        ("x", "y"),
        (LONGEST_LABEL, LONGEST_TAG),
    ];
    let keys = [run(0x20), [0; 32]];
    keys.iter().flat_map(|key| names.map(|(label, tag)| field(key, label, tag))).collect()
}

fn field(customer: &[u8; 32], label: &'static str, tag: &'static str) -> Node {
    let (info, okm) = field_keys(customer, label, tag);
    Node::Named(vec![
        ("customer_key", hex(customer)),
        ("label", label.into()),
        ("type_tag", tag.into()),
        ("info", hex(info)),
        ("aes_key", hex(&okm[..32])),
        ("commitment", hex(&okm[32..])),
    ])
}

pub(super) fn field_name(label: &'static str, tag: &'static str) -> FieldId {
    FieldId { purpose: Purpose::new("orders"), label, tag: TypeTag::built_in(tag).unwrap() }
}

/// Info, and 64 bytes of key and commitment.
pub(super) fn field_keys(customer: &[u8; 32], label: &'static str, tag: &'static str) -> (Vec<u8>, [u8; 64]) {
    let info = [b"oubliette/1/field", &[label.len() as u8][..], label.as_bytes(), &[tag.len() as u8], tag.as_bytes()];
    let mut keys = Zeroizing::new([[0; 32]; 2]);
    derivation::field(customer, field_name(label, tag), &mut keys);
    let okm: [u8; 64] = keys.as_flattened().try_into().unwrap();
    assert_eq!(okm[..], expand(customer, &info.concat(), 64));
    (info.concat(), okm)
}

fn page(key: [u8; 32]) -> Node {
    let derived = derivation::page(&PageKey(Secret32::copy_of(&key)));
    let info = b"oubliette/1/page";
    assert_eq!([&derived.key.bytes()[..], &derived.other].concat(), expand(&key, info, 48));
    Node::Named(vec![
        ("page_key", hex(key)),
        ("info", hex(info)),
        ("aes_key", hex(derived.key.bytes())),
        ("name", hex(derived.other)),
    ])
}

fn record(root: [u8; 32], salt: [u8; 32], vault: [u8; 16]) -> Node {
    let derived = derivation::record(&RootSecret(Secret32::copy_of(&root)), &salt, VaultName::from_bytes(vault));
    let info = [&b"oubliette/1/record"[..], &salt, &vault].concat();
    assert_eq!([&derived.key.bytes()[..], &derived.other].concat(), expand(&root, &info, 64));
    Node::Named(vec![
        ("root_secret", hex(root)),
        ("salt", hex(salt)),
        ("vault", hex(vault)),
        ("info", hex(info)),
        ("aes_key", hex(derived.key.bytes())),
        ("commitment", hex(derived.other)),
    ])
}

fn passphrases() -> Vec<Node> {
    let least = PassphraseCost { memory_kib: 8_192, passes: 1, lanes: 1 };
    let cases = [
        ("six words from a long list", least),
        ("pâté de 鮭", PassphraseCost { memory_kib: 8_193, passes: 2, lanes: 3 }),
        ("six words from a long list", PassphraseCost::default()),
    ];
    cases.into_iter().map(|(phrase, cost)| passphrase(phrase, cost)).collect()
}

fn passphrase(phrase: &str, cost: PassphraseCost) -> Node {
    let salt = run(0xc0);
    Node::Named(vec![
        ("passphrase", phrase.into()),
        ("passphrase_bytes", hex(phrase)),
        ("salt", hex(salt)),
        ("memory_kib", u64::from(cost.memory_kib).into()),
        ("passes", u64::from(cost.passes).into()),
        ("lanes", u64::from(cost.lanes).into()),
        ("root_secret", hex(stretched(phrase, cost, salt).0.bytes())),
    ])
}

pub(super) fn stretched(phrase: &str, cost: PassphraseCost, salt: [u8; 16]) -> RootSecret {
    let recipe = Recipe::Passphrase { cost, salt };
    RootKey::passphrase(phrase).recover(&recipe, VaultName::from_bytes([0; 16]), false).unwrap().unwrap()
}
