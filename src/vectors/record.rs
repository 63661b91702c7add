//! Root records, step by step, and changed ones.

use std::time::Duration;

use super::derivation::stretched;
use super::{Node, expand, hex, hmac, run};
use crate::cipher;
use crate::derivation::{PageKey, RootSecret, Seed, TreeId};
use crate::journal::VaultName;
use crate::root_key::{KeyVersion, PassphraseCost, Recipe, RootKey, RootKeyError, VersionRecipe};
use crate::root_record::{Clear, Finding, Record, RecordError, RecordId, SignerSeed, TreeRecord, TreeState};
use crate::secret::Secret32;
use crate::store::PlaceId;

pub(super) const CLEAR: usize = 600;
const ASSOCIATED: usize = 664;
const FRESH: [u8; 32] = run(0x70);
pub(super) const SECRET: [u8; 32] = run(0x60);

fn tree(id: [u8; 8], purpose: &str, active: bool, state: TreeState, shredded: u64) -> TreeRecord {
    TreeRecord { id: TreeId(id), purpose: purpose.to_owned(), active, state, shredded, made: 1 }
}

fn seed(first: u8) -> TreeState {
    TreeState::Seed(Seed(Secret32::copy_of(&run(first))))
}

fn page(first: u8) -> TreeState {
    TreeState::Page(PageKey(Secret32::copy_of(&run(first))))
}

/// The root secret, and a record under it.
pub(super) fn sealed_as_stored(record: &Record) -> ([u8; 32], Vec<u8>) {
    let bytes = record.seal(&RootSecret(Secret32::copy_of(&SECRET)), &FRESH).unwrap();
    (SECRET, bytes)
}

pub(super) fn first() -> Record {
    Record {
        clear: Clear {
            vault: VaultName::from_bytes(run(0x10)),
            id: RecordId(run(0xe0)),
            parent: RecordId([0; 16]),
            generation: 1,
            recipe: Recipe::Bytes,
        },
        next_number: 1,
        newest_block: 1,
        lease: Duration::from_secs(1),
        shredded_through: 0,
        floor: 0,
        settled: 0,
        finding: None,
        places: vec![PlaceId(run(0xd0))],
        trees: vec![tree(run(0xa0), "orders", true, seed(0x00), 0)],
        indexes: None,
        ring: vec![run(0xe0)],
        signer: SignerSeed(Secret32::copy_of(&run(0x50))),
        anchor: None,
    }
}

const COST: PassphraseCost = PassphraseCost { memory_kib: 8_192, passes: 1, lanes: 1 };

fn later() -> Record {
    let first = first();
    let recipe = Recipe::Passphrase { cost: COST, salt: run(0xc0) };
    Record {
        clear: Clear {
            id: RecordId(run(0x90)),
            parent: RecordId(run(0x91)),
            generation: 0x01_02_03,
            recipe,
            ..first.clear
        },
        next_number: 0x01_02_03_04_05,
        newest_block: 0x01_02_03_04_00,
        lease: Duration::from_millis(60_000),
        shredded_through: 0x01_02,
        floor: 3,
        settled: 0x01_02_02,
        finding: Some(Finding::RolledBack(0x0a_0b_0c_0d)),
        places: vec![PlaceId(run(0xd0)), PlaceId(run(0xd8))],
        trees: vec![
            tree(run(0xa0), "orders", false, TreeState::Retired, 7),
            TreeRecord { made: 0x01_02, ..tree(run(0xa8), "orders", true, page(0x40), 0x01_02_03) },
            TreeRecord { made: 0x01_02_03, ..tree(run(0xb0), "lettre d’été", true, seed(0x20), 0) },
        ],
        indexes: None,
        ring: vec![run(0x90), run(0x91), run(0x92), run(0x93)],
        signer: SignerSeed(Secret32::copy_of(&run(0x50))),
        anchor: None,
    }
}

/// Under a version of a series of root keys.
fn versioned() -> Record {
    let first = first();
    let version = KeyVersion { number: 0x01_02, id: run(0x30) };
    let recipe = Recipe::Version(VersionRecipe {
        series: run(0xb0),
        version,
        begun: 1_796_000_000,
        generation: 1,
        wrapped: vec![0xcd; 48],
    });
    Record { clear: Clear { recipe, ..first.clear }, ..first }
}

fn fullest() -> Record {
    let first = first();
    let purpose = |n: usize| format!("{n:032}");
    Record {
        clear: Clear { generation: (1 << 40) - 1, recipe: Recipe::Wrapped(vec![0xab; 512]), ..first.clear },
        next_number: 1 << 40,
        newest_block: 1 << 40,
        lease: Duration::from_millis(u32::MAX.into()),
        shredded_through: (1 << 40) - 1,
        floor: (1 << 40) - 1,
        settled: (1 << 40) - 2,
        finding: Some(Finding::Alarm((1 << 40) - 1)),
        places: (0..4).map(|n| PlaceId(run(n * 8))).collect(),
        trees: (0..22).map(|n| tree(run(n as u8 * 8), &purpose(n), true, page(n as u8), 1 << 40)).collect(),
        indexes: None,
        ring: (0..=255u8).map(|n| run(n.wrapping_add(0xe0))).collect(),
        signer: SignerSeed(Secret32::copy_of(&run(0x50))),
        anchor: None,
    }
}

/// By the steps of FORMAT.md, from content of any kind.
pub(super) fn sealed(clear: &[u8], body: &[u8], secret: &[u8; 32]) -> Vec<u8> {
    let salt = hmac(&FRESH, &[b"oubliette/1/new-record", clear, body]);
    let okm = expand(secret, &[&b"oubliette/1/record"[..], &salt, &clear[1..17]].concat(), 64);
    let associated = [clear, &salt, &okm[32..]].concat();
    let mut text = body.to_vec();
    let tag = cipher::seal_once(okm[..32].try_into().unwrap(), &associated, &mut text).unwrap();
    [&associated[..], &text, &tag].concat()
}

pub(super) fn body(bytes: &[u8], secret: &[u8; 32]) -> Vec<u8> {
    let okm = expand(secret, &info(bytes), 64);
    let (associated, text) = bytes[..bytes.len() - 16].split_at(ASSOCIATED);
    let mut text = text.to_vec();
    let key = okm[..32].try_into().unwrap();
    cipher::open_once(key, associated, &mut text, bytes.last_chunk().unwrap()).unwrap();
    text
}

fn info(bytes: &[u8]) -> Vec<u8> {
    [b"oubliette/1/record", &bytes[CLEAR..CLEAR + 32], &bytes[1..17]].concat()
}

pub(super) fn root(secret: &[u8; 32]) -> RootSecret {
    RootSecret(Secret32::copy_of(secret))
}

fn shown(name: &'static str, record: &Record, secret: &[u8; 32]) -> Node {
    let bytes = record.seal(&root(secret), &FRESH).unwrap();
    let body = body(&bytes, secret);
    assert!(sealed(&bytes[..CLEAR], &body, secret) == bytes, "the steps as described give what the crate writes");
    assert_eq!(format!("{:?}", Record::open(&bytes, &root(secret)).unwrap()), format!("{record:?}"));
    let okm = expand(secret, &info(&bytes), 64);
    Node::Named(vec![
        ("name", name.into()),
        ("root_secret", hex(secret)),
        ("fresh", hex(FRESH)),
        ("clear", clear(&record.clear)),
        ("content", content(record)),
        ("clear_bytes", hex(&bytes[..CLEAR])),
        ("body", hex(body)),
        ("salt", hex(&bytes[CLEAR..CLEAR + 32])),
        ("info", hex(info(&bytes))),
        ("aes_key", hex(&okm[..32])),
        ("commitment", hex(&okm[32..])),
        ("associated_data", hex(&bytes[..ASSOCIATED])),
        ("tag", hex(&bytes[bytes.len() - 16..])),
        ("record", hex(&bytes)),
    ])
}

fn clear(clear: &Clear) -> Node {
    let recipe = match &clear.recipe {
        Recipe::Bytes => vec![("kind", 0.into())],
        Recipe::Passphrase { cost, salt } => vec![
            ("kind", 1.into()),
            ("memory_kib", u64::from(cost.memory_kib).into()),
            ("passes", u64::from(cost.passes).into()),
            ("lanes", u64::from(cost.lanes).into()),
            ("salt", hex(salt)),
        ],
        Recipe::Wrapped(wrapped) => vec![("kind", 2.into()), ("wrapped", hex(wrapped))],
        Recipe::Version(VersionRecipe { series, version, begun, generation, wrapped }) => vec![
            ("kind", 3.into()),
            ("series", hex(series)),
            ("number", version.number.into()),
            ("id", hex(version.id)),
            ("begun", (*begun).into()),
            ("generation", (*generation).into()),
            ("wrapped", hex(wrapped)),
        ],
    };
    Node::Named(vec![
        ("vault", hex(clear.vault.to_bytes())),
        ("id", hex(clear.id.0)),
        ("parent", hex(clear.parent.0)),
        ("generation", clear.generation.into()),
        ("recipe", Node::Named(recipe)),
    ])
}

fn content(record: &Record) -> Node {
    let trees = record.trees.iter().map(|tree| {
        let (kind, key) = match &tree.state {
            TreeState::Seed(seed) => ("seed", hex(seed.0.bytes())),
            TreeState::Page(key) => ("page", hex(key.0.bytes())),
            TreeState::Retired => ("retired", Node::Null),
        };
        Node::Named(vec![
            ("tree", hex(tree.id.0)),
            ("active", u64::from(tree.active).into()),
            ("state", kind.into()),
            ("key", key),
            ("purpose", tree.purpose.as_str().into()),
            ("shredded", tree.shredded.into()),
            ("made", tree.made.into()),
        ])
    });
    Node::Named(vec![
        ("next_number", record.next_number.into()),
        ("newest_block", record.newest_block.into()),
        ("lease_ms", (record.lease.as_millis() as u64).into()),
        ("floor", record.floor.into()),
        ("settled", record.settled.into()),
        ("gone_back", record.gone_back().into()),
        ("alarm", record.alarm().into()),
        ("places", record.places.iter().map(|place| hex(place.0)).collect::<Vec<_>>().into()),
        ("trees", trees.collect::<Vec<_>>().into()),
        ("ring", record.ring.iter().map(hex).collect::<Vec<_>>().into()),
        ("shredded_through", record.shredded_through.into()),
        ("signer", hex(record.signer.0.bytes())),
    ])
}

fn refused(what: &'static str, secret: &[u8; 32], bytes: &[u8]) -> Node {
    let error = match Record::open(bytes, &root(secret)).expect_err(what) {
        RecordError::WrongRootKey => "wrong_root_key",
        RecordError::NotAuthentic => "not_authentic",
        RecordError::Malformed => "malformed",
        RecordError::NewerVersion => "newer_version",
    };
    Node::Named(vec![
        ("what", what.into()),
        ("root_secret", hex(secret)),
        ("record", hex(bytes)),
        ("error", error.into()),
    ])
}

fn all_refused() -> Vec<Node> {
    let good = later().seal(&root(&SECRET), &FRESH).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut nodes = vec![
        refused("another root key", &run(0x61), &good),
        refused("version 2", &SECRET, &with(0, 2)),
        refused("version 0", &SECRET, &with(0, 0)),
        refused("cut short", &SECRET, &good[..good.len() - 1]),
        refused("longer", &SECRET, &[&good[..], &[0]].concat()),
        refused("generation 2^40", &SECRET, &with(51, 1)),
        refused("generation changed", &SECRET, &with(56, 0x04)),
        refused("another vault", &SECRET, &with(16, 0)),
        refused("recipe of kind 3", &SECRET, &with(57, 3)),
        refused("recipe of kind 0 with a salt", &SECRET, &with(57, 0)),
        refused("zeros of the clear part", &SECRET, &with(599, 1)),
        refused("passes changed", &SECRET, &with(65, 2)),
        refused("salt of the record changed", &SECRET, &with(600, good[600] ^ 1)),
        refused("commitment changed", &SECRET, &with(663, good[663] ^ 1)),
        refused("body changed", &SECRET, &with(664, good[664] ^ 1)),
        refused("tag changed", &SECRET, &with(good.len() - 1, good[good.len() - 1] ^ 1)),
    ];
    let body = body(&good, &SECRET);
    // Well encrypted, and not what a writer makes.
    let nonsense: [(&str, usize, &[u8]); 20] = [
        ("next number 0", 0, &[0; 16]),
        ("next number above 2^40", 0, &[0, 0, 1, 0, 0, 0, 0, 1]),
        ("newest block above the next number", 8, &[0xff]),
        ("lease 0", 16, &[0; 4]),
        ("a finding of kind 3", 44, &[3]),
        ("gone back to a generation, but not gone back", 44, &[0]),
        ("five places", 53, &[5]),
        ("a place beyond the count", 53, &[1]),
        ("23 trees", 86, &[23]),
        ("a tree beyond the count", 86, &[2]),
        ("active 2", 95, &[2]),
        ("a tree in state 3", 96, &[3]),
        ("a purpose without a name", 97, &[0]),
        ("a control character in a purpose", 98, b"\n"),
        ("a retired tree with a key", 130, &[1]),
        ("settled at its own generation", 36, &[0, 0, 0, 0, 0, 1, 2, 3]),
        ("a tree of generation 0", 170, &[0; 8]),
        ("a tree of a later generation", 175, &[1, 2, 4]),
        ("a ring that does not begin with the record", 2091, &[0]),
        ("something after the end", body.len() - 1, &[1]),
    ];
    for (what, at, bytes) in nonsense {
        let mut body = body.clone();
        body[at..at + bytes.len()].copy_from_slice(bytes);
        nodes.push(refused(what, &SECRET, &sealed(&good[..CLEAR], &body, &SECRET)));
    }
    nodes
}

fn refused_costs() -> Vec<Node> {
    let costs = [(8_191, 1, 1), (1_048_577, 1, 1), (8_192, 0, 1), (8_192, 17, 1), (8_192, 1, 0), (8_192, 1, 17)];
    let refused = |(memory_kib, passes, lanes): (u32, u32, u32)| {
        let recipe = Recipe::Passphrase { cost: PassphraseCost { memory_kib, passes, lanes }, salt: [0; 16] };
        let recovered = RootKey::passphrase("x").recover(&recipe, VaultName::from_bytes([0; 16]), false);
        assert!(matches!(recovered, Err(RootKeyError::Cost)));
        let numbers = [("memory_kib", memory_kib), ("passes", passes), ("lanes", lanes)];
        Node::Named(numbers.map(|(name, number)| (name, u64::from(number).into())).into_iter().collect())
    };
    costs.into_iter().map(refused).collect()
}

pub(super) fn vectors() -> Node {
    let phrase = "six words from a long list";
    let stretched = *stretched(phrase, COST, run(0xc0)).0.bytes();
    Node::Named(vec![
        ("about", "FORMAT.md, section 6. `refused`: `record`, opened with `root_secret`, gives `error`.".into()),
        (
            "records",
            vec![
                shown("the first of a vault, under 32 bytes", &first(), &SECRET),
                shown("a later one, under the passphrase `six words from a long list`", &later(), &stretched),
                shown("the fullest, under a wrapped key", &fullest(), &SECRET),
                shown("under a version of a series", &versioned(), &SECRET),
            ]
            .into(),
        ),
        ("refused", all_refused().into()),
        ("refused_costs", refused_costs().into()),
    ])
}
