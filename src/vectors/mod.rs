//! Known answers: every step of every derivation, each value whole, and what must be refused.
//!
//! The files in tests/vectors are for those who write a decoder from FORMAT.md, and hold this crate to what it once
//! wrote: a file that differs from what is computed here, is missing, or is not computed here fails the test. After a
//! change of the format that is meant, `WRITE_VECTORS=1 cargo test --lib vectors` writes them anew, and fails once.

use std::collections::BTreeMap;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use sha2::Sha256;

mod canonical;
mod derivation;
mod group;
mod index;
mod page;
mod personal;
mod record;
mod sealed;
mod signer;
mod vault;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// A file's name, and what it must hold.
type File = (&'static str, fn() -> Node);

const FILES: [File; 12] = [
    ("canonical-address.json", canonical::addresses),
    ("canonical-email.json", canonical::emails),
    ("canonical-name.json", canonical::names),
    ("derivation.json", derivation::vectors),
    ("group.json", group::vectors),
    ("index.json", index::vectors),
    ("page.json", page::vectors),
    ("personal.json", personal::vectors),
    ("record.json", record::vectors),
    ("sealed.json", sealed::vectors),
    ("signer.json", signer::vectors),
    ("vault.json", vault::vectors),
];

/// oubliette-journal computes and checks its own, journal/tests/vectors.
const JOURNAL: &str = "journal.json";

#[test]
fn the_committed_files_are_what_is_computed() {
    let text = |compute: fn() -> Node| {
        serde_json::to_string_pretty(&compute()).unwrap()
            + "
"
    };
    let computed: BTreeMap<String, String> =
        FILES.into_iter().map(|(name, compute)| (name.to_owned(), text(compute))).collect();
    if std::env::var_os("WRITE_VECTORS").is_some() {
        for (name, text) in &computed {
            std::fs::write(Path::new(DIRECTORY).join(name), text).unwrap();
        }
        panic!("written; look at what changed, and run the test without WRITE_VECTORS");
    }
    let committed: BTreeMap<String, String> = std::fs::read_dir(DIRECTORY)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect();
    assert_eq!(committed.keys().collect::<Vec<_>>(), computed.keys().collect::<Vec<_>>());
    for (name, text) in &computed {
        let differs = committed[name].lines().zip(text.lines()).position(|(committed, computed)| committed != computed);
        assert_eq!(differs.map(|line| line + 1), None, "{name} differs in this line");
        assert!(committed[name] == *text, "{name} differs in length or line ends");
    }
}

#[test]
fn the_description_names_every_file() {
    let format = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/FORMAT.md")).unwrap();
    for name in FILES.map(|(name, _)| name).into_iter().chain([JOURNAL]) {
        assert!(format.contains(&format!("`{name}`")), "{name}");
    }
}

/// JSON whose names stay in the order given.
pub(super) enum Node {
    Null,
    Number(u64),
    Text(String),
    List(Vec<Node>),
    Named(Vec<(&'static str, Node)>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Null => serializer.serialize_none(),
            Node::Number(number) => serializer.serialize_u64(*number),
            Node::Text(text) => serializer.serialize_str(text),
            Node::List(nodes) => serializer.collect_seq(nodes),
            Node::Named(nodes) => serializer.collect_map(nodes.iter().map(|(name, node)| (name, node))),
        }
    }
}

impl From<u64> for Node {
    fn from(number: u64) -> Node {
        Node::Number(number)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Node {
        Node::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Node {
        Node::Text(text)
    }
}

impl From<Vec<Node>> for Node {
    fn from(nodes: Vec<Node>) -> Node {
        Node::List(nodes)
    }
}

impl<T: Into<Node>> From<Option<T>> for Node {
    fn from(node: Option<T>) -> Node {
        node.map_or(Node::Null, Into::into)
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> Node {
    Node::Text(hex::encode(bytes))
}

/// `N` bytes that count up: inputs that are easy to type, and in which a swapped byte shows.
const fn run<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = first.wrapping_add(at as u8);
        at += 1;
    }
    bytes
}

/// HMAC-SHA256 without the crate's own derivations, to hold them to FORMAT.md.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// HKDF-Expand as RFC 5869 spells it.
fn expand(key: &[u8; 32], info: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block = Vec::new();
    for count in 1u8.. {
        if out.len() >= length {
            break;
        }
        block = hmac(key, &[&block, info, &[count]]).to_vec();
        out.extend_from_slice(&block);
    }
    out.truncate(length);
    out
}
