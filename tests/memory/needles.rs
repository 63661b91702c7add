//! Computes every secret from which one customer could be derived, from the store's bytes and the root key, by a
//! derivation of its own. In a child process, whose memory ends with it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use oubliette::CustomerId;
use oubliette::store::{CopyContent, Directory, Memory, PageName, PageStore, RootStore};
use zeroize::Zeroizing;

use crate::primitives::{self, expand, fixsliced, midstates, round_keys};
use crate::search::Needles;

/// What the child is told, through its environment.
const TOLD: [&str; 4] = ["OUBLIETTE_STORE", "OUBLIETTE_CUSTOMER", "OUBLIETTE_PURPOSE", "OUBLIETTE_OUT"];

/// As a purpose: the tree of the indexes.
pub const INDEXES: &str = "(indexes)";
/// As a purpose: the key that signs the journal.
pub const SIGNING: &str = "(signing)";
/// Of the index `BY_EMAIL`.
const INDEX_NAME: &[u8] = b"\x06orders\x05email\x09obl.email\x05exact\x00\x20";

/// An epoch of that index, as the number of a customer would be.
pub fn epoch(number: u8) -> CustomerId {
    use sha2::Digest;
    let hash = sha2::Sha256::digest([b"oubliette/1/place-of-index", INDEX_NAME].concat());
    let path = [0, 0, 0, hash[0] | 0x80, hash[1], hash[2], hash[3], number];
    CustomerId::from_stored(i64::from_be_bytes(path)).unwrap()
}

/// Where the record and pages are.
pub enum Source<'s> {
    Directory(&'s Path),
    Memory(&'s Memory),
}

/// Runs the child, and gives what it found.
pub fn needles(source: &Source<'_>, purpose: &str, customer: CustomerId) -> Needles {
    let scratch = tempfile::tempdir().unwrap();
    let store = match source {
        Source::Directory(path) => path.to_path_buf(),
        Source::Memory(memory) => {
            let path = scratch.path().join("dump");
            dump(memory, &path);
            path
        }
    };
    let out = scratch.path().join("needles");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "in_a_child_process"]);
    child.env(TOLD[0], store).env(TOLD[1], customer.to_string()).env(TOLD[2], purpose).env(TOLD[3], &out);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Needles::read(&std::fs::read_to_string(out).unwrap())
}

/// The bytes of a store in memory, as files: all of it is encrypted.
fn dump(memory: &Memory, path: &Path) {
    std::fs::create_dir(path).unwrap();
    std::fs::write(path.join("record"), newest(memory.read(memory.places()[0]))).unwrap();
    for name in memory.page_names() {
        std::fs::write(path.join(name.to_string()), memory.get(&name).unwrap().unwrap()).unwrap();
    }
}

/// Wiped, since the record is one of the things that are looked for.
fn newest(copies: Vec<oubliette::store::RootCopy>) -> Zeroizing<Vec<u8>> {
    let intact = copies.iter().filter_map(|copy| match &copy.content {
        CopyContent::Intact(bytes) => Some(Zeroizing::new(bytes.clone())),
        _ => None,
    });
    intact.max_by_key(|bytes| generation_of(bytes)).unwrap()
}

fn generation_of(record: &[u8]) -> u64 {
    u64::from_be_bytes(*record[49..].first_chunk().unwrap())
}

/// The child's side.
pub fn compute() {
    primitives::check();
    let [store, customer, purpose, out] = TOLD.map(|name| std::env::var(name).unwrap());
    let store = Path::new(&store);
    let (record, load): (_, Load) = if store.join("record").exists() {
        let store = store.to_path_buf();
        let record = Zeroizing::new(std::fs::read(store.join("record")).unwrap());
        (record, Box::new(move |name| std::fs::read(store.join(hex::encode(name))).unwrap()))
    } else {
        let directory = Directory::at(store).open().unwrap();
        let record = newest(directory.read(directory.places()[0]));
        (record, Box::new(move |name| directory.get(&PageName(*name)).unwrap().unwrap()))
    };
    let customer: CustomerId = customer.parse().unwrap();
    let mut needles = Needles::default();
    Walk { needles: &mut needles, load }.record(&record, &purpose, customer);
    std::fs::write(out, needles.write()).unwrap();
}

/// A page's bytes by its name.
type Load = Box<dyn Fn(&[u8; 16]) -> Vec<u8>>;

struct Walk<'n> {
    needles: &'n mut Needles,
    load: Load,
}

type Key = [u8; 32];

impl Walk<'_> {
    fn record(&mut self, record: &[u8], purpose: &str, customer: CustomerId) {
        let (vault, salt) = (&record[1..17], &record[600..632]);
        let derived = expand(&crate::ROOT_KEY, &[b"oubliette/1/record", salt, vault], 64);
        self.aes("record key", derived[..32].try_into().unwrap());
        let text = decrypt(&derived[..32], &record[..664], &record[664..]);
        if purpose == SIGNING {
            return self.signing(&text);
        }
        let mut trees = HashMap::new();
        // Numbers, lease, floor, settled, gone back, four places; then the trees.
        for index in 0..usize::from(text[86]) {
            let at = 87 + index * 91;
            let entry = &text[at..at + 91];
            let name = String::from_utf8(entry[11..11 + usize::from(entry[10])].to_vec()).unwrap();
            trees.insert(name, (at, entry));
        }
        // The tree of the indexes has a place of its own behind them: a flag, its id, its state, its key.
        let (key_at, tree, kind) = match trees.get(purpose) {
            Some((at, entry)) => (at + 43, &entry[..8], entry[9]),
            None if purpose == INDEXES => (2869, &text[2860..2868], text[2868]),
            None => panic!("no tree of {purpose}"),
        };
        // Whoever has the root key could decrypt these bytes of the record, if its salt is there as well.
        self.needles.add("sealed root entry", &record[664 + key_at..664 + key_at + 32]);
        self.needles.add("record salt", salt);
        let key: Key = text[key_at..key_at + 32].try_into().unwrap();
        let path = &(i64::from(customer) as u64).to_be_bytes()[3..];
        match kind {
            0 => self.seed("root seed", &key, tree, path, 0),
            1 => self.page("root page", &key, vault, tree, path, 0),
            kind => panic!("tree of kind {kind}"),
        }
    }

    fn page(&mut self, label: &str, key: &Key, vault: &[u8], tree: &[u8], path: &[u8], level: u8) {
        self.keyed(&format!("{label} key"), key);
        let derived = expand(key, &[b"oubliette/1/page"], 48);
        self.aes(&format!("{label} cipher key"), derived[..32].try_into().unwrap());
        let stored = (self.load)(derived[32..].try_into().unwrap());
        let mut prefix = [0; 4];
        prefix[..usize::from(level)].copy_from_slice(&path[..usize::from(level)]);
        let associated = [&stored[..1], vault, tree, &[level], &prefix, &stored[1..9]].concat();
        let text = decrypt(&derived[..32], &associated, &stored[9..]);
        let byte = usize::from(path[usize::from(level)]);
        let kind = text[byte / 4] >> (6 - 2 * (byte % 4)) & 3;
        let entry: Key = text[64 + byte * 32..][..32].try_into().unwrap();
        let below = format!("level {}", level + 1);
        match kind {
            0 => self.seed(&below, &entry, tree, path, level + 1),
            1 => self.page(&format!("{below} page"), &entry, vault, tree, path, level + 1),
            kind => panic!("entry of kind {kind}"),
        }
    }

    fn seed(&mut self, label: &str, key: &Key, tree: &[u8], path: &[u8], level: u8) {
        if level == 5 {
            return self.customer(key);
        }
        self.keyed(label, key);
        let to = level + 1;
        let child = expand(key, &[b"oubliette/1/child", tree, &[to, path[usize::from(level)]]], 32);
        self.seed(&format!("level {to}"), child[..].try_into().unwrap(), tree, path, to);
    }

    fn customer(&mut self, key: &Key) {
        self.keyed("customer key", key);
        let (label, tag) = ("email", "obl.email");
        let lengths = [label.len() as u8, tag.len() as u8];
        let info = [b"oubliette/1/field", &lengths[..1], label.as_bytes(), &lengths[1..], tag.as_bytes()];
        self.aes("field key", expand(key, &info, 64)[..32].try_into().unwrap());
        // The same key, if it is an epoch's.
        let index = expand(key, &[b"oubliette/1/index", INDEX_NAME], 32);
        self.keyed("index key", index[..].try_into().unwrap());
    }

    /// A key and what HMAC makes of it: padded blocks, words, midstates.
    fn keyed(&mut self, label: &str, key: &Key) {
        self.needles.add(label, key);
        let words = key.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        self.words(&format!("{label} as words"), words);
        for (name, pad) in [("inner", 0x36), ("outer", 0x5c)] {
            let block = key.map(|byte| byte ^ pad);
            self.needles.add(&format!("{label}, {name} block"), &block);
            let words = block.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
            self.words(&format!("{label}, {name} block as words"), words);
        }
        for (name, state) in ["inner", "outer"].into_iter().zip(midstates(key)) {
            self.words(&format!("{label}, {name} midstate"), state);
        }
    }

    /// Words as the processor keeps them, in pairs at any offset and in either order.
    fn words(&mut self, label: &str, words: impl IntoIterator<Item = u32>) {
        let words: Vec<u32> = words.into_iter().collect();
        for pair in words.windows(2) {
            let [a, b] = [pair[0].to_ne_bytes(), pair[1].to_ne_bytes()];
            self.needles.add(label, &[a, b].concat());
            self.needles.add(label, &[b, a].concat());
        }
    }

    /// The seed, and the two halves of its SHA-512 that RFC 8032 signs with: as they come, and the first as a scalar.
    fn signing(&mut self, text: &[u8]) {
        use sha2::Digest;
        let seed = &text[2909..2941];
        assert_ne!(seed, [0; 32]);
        self.needles.add("signing seed", seed);
        let hash = sha2::Sha512::digest(seed);
        let mut scalar: Key = hash[..32].try_into().unwrap();
        self.needles.add("signing hash, first half", &scalar);
        self.needles.add("signing hash, second half", &hash[32..]);
        scalar[0] &= 0xf8;
        scalar[31] = scalar[31] & 0x3f | 0x40;
        self.needles.add("signing scalar", &scalar);
    }

    /// A key, its round keys as instructions for AES take them, and as software keeps them. What software makes of these on the stack, for four blocks at once, has
    /// two bytes of a key in each eight, which may be anything.
    fn aes(&mut self, label: &str, key: &Key) {
        self.needles.add(label, key);
        for keys in round_keys(key)[2..].iter().chain(&fixsliced(key)) {
            self.needles.add(&format!("{label}, round keys"), keys);
        }
    }
}

fn decrypt(key: &[u8], associated: &[u8], sealed: &[u8]) -> Vec<u8> {
    let (text, tag) = sealed.split_last_chunk::<16>().unwrap();
    let mut text = text.to_vec();
    let aead = Aes256Gcm::new_from_slice(key).unwrap();
    aead.decrypt_inout_detached(&[0; 12].into(), associated, (&mut text[..]).into(), &(*tag).into())
        .expect("the store's bytes");
    text
}
