//! Trying every key on everything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::decoder::{self, Key, PAGE_TEXT, Record, Value, child, keystream, xor};

/// All that the adversary has.
#[derive(Clone, Default)]
pub struct Loot {
    /// Every version of every page ever written, whole or not.
    pub pages: Vec<Vec<u8>>,
    /// Root records; some may be torn.
    pub records: Vec<Vec<u8>>,
    pub root_keys: Vec<Key>,
    pub values: Vec<Value>,
    /// Label and type of every field there is.
    pub fields: Vec<(&'static str, &'static str)>,
}

/// How little the adversary believes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A key is a seed where it was found, and a page's or a customer's key anywhere. Flags are not believed.
    Knowing,
    /// A key may be a seed of any level of any tree too, and any 32 bytes of a root record may be a key.
    Exhaustive,
}

/// A place in a tree: its id, and the leading bytes of the customers below.
type Place = ([u8; 8], Vec<u8>);

pub struct Attacker<'l> {
    loot: &'l Loot,
    effort: Effort,
    committed: HashMap<Key, Vec<usize>>,
    /// Whose values there are, by tree.
    customers: BTreeMap<[u8; 8], BTreeSet<[u8; 5]>>,
    /// The part of each page that tells at a glance whether a key is its own.
    glances: Vec<[u64; 8]>,
    tried: HashSet<Key>,
    tried_there: HashSet<(Key, Place)>,
    todo: Vec<(Key, Option<Place>)>,
    opened: BTreeMap<usize, Vec<u8>>,
    pub pages_read: usize,
}

impl<'l> Attacker<'l> {
    pub fn new(loot: &'l Loot, effort: Effort) -> Attacker<'l> {
        let mut committed: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut customers: BTreeMap<[u8; 8], BTreeSet<[u8; 5]>> = BTreeMap::new();
        for (index, value) in loot.values.iter().enumerate() {
            committed.entry(value.commitment).or_default().push(index);
            customers.entry(value.tree).or_default().insert(value.customer);
        }
        Attacker {
            loot,
            effort,
            committed,
            customers,
            glances: loot.pages.iter().map(|page| words(&page[PAGE_TEXT.start..PAGE_TEXT.start + 64])).collect(),
            tried: HashSet::new(),
            tried_there: HashSet::new(),
            todo: Vec::new(),
            opened: BTreeMap::new(),
            pages_read: 0,
        }
    }

    /// The content of every value that opens, by its index.
    pub fn run(mut self) -> BTreeMap<usize, Vec<u8>> {
        for record in &self.loot.records {
            for root_key in &self.loot.root_keys {
                if let Some(record) = Record::read(record, root_key) {
                    self.loot_record(&record);
                }
            }
        }
        while let Some((key, place)) = self.todo.pop() {
            self.try_key(key, place);
        }
        self.opened
    }

    fn loot_record(&mut self, record: &Record) {
        for (id, key) in record.trees() {
            self.todo.push((key, Some((id, Vec::new()))));
        }
        if self.effort == Effort::Exhaustive {
            self.todo.extend(record.text.windows(32).map(|window| (window.try_into().unwrap(), None)));
        }
    }

    fn try_key(&mut self, key: Key, place: Option<Place>) {
        if key == [0; 32] {
            return;
        }
        if self.tried.insert(key) {
            self.try_as_customer_key(&key);
            if self.effort == Effort::Exhaustive {
                self.try_as_seed_anywhere(&key);
            }
        } else if place.is_none() {
            return;
        }
        if place.as_ref().is_none_or(|place| self.tried_there.insert((key, place.clone()))) {
            self.try_as_page_key(&key, place.as_ref());
            if let Some((tree, prefix)) = &place {
                self.try_as_seed(&key, *tree, prefix);
            }
        }
    }

    fn try_as_customer_key(&mut self, key: &Key) {
        for (label, tag) in &self.loot.fields {
            let (field, commitment) = decoder::field(key, label, tag);
            for index in self.committed.get(&commitment).into_iter().flatten() {
                if let Some(content) = self.loot.values[*index].open(&field) {
                    self.opened.insert(*index, content);
                }
            }
        }
    }

    /// On every version of every page, wherever it belongs: under the right key, the kinds of its 256 entries are all
    /// known ones, and by chance that happens once in 2^100.
    fn try_as_page_key(&mut self, key: &Key, place: Option<&Place>) {
        let aes = decoder::page(key).0;
        let glance = words(&keystream(&aes, 64));
        for (index, page) in self.glances.iter().enumerate() {
            // Two bits an entry; both set is no kind.
            let unknown = |(a, b): (&u64, &u64)| (a ^ b) & ((a ^ b) >> 1) & 0x5555_5555_5555_5555;
            if page.iter().zip(&glance).any(|both| unknown(both) != 0) {
                continue;
            }
            self.pages_read += 1;
            let cipher = &self.loot.pages[index][PAGE_TEXT.start..];
            let text = xor(cipher, &keystream(&aes, PAGE_TEXT.len()));
            for (byte, entry) in (0..=u8::MAX).zip(text[64..].chunks_exact(32)) {
                let below = place.filter(|(_, prefix)| prefix.len() < 5);
                let below = below.map(|(tree, prefix)| (*tree, [&prefix[..], &[byte]].concat()));
                self.todo.push((entry.try_into().unwrap(), below));
            }
        }
    }

    fn try_as_seed(&mut self, key: &Key, tree: [u8; 8], prefix: &[u8]) {
        let Some(customers) = self.customers.get(&tree) else { return };
        let next: BTreeSet<u8> = customers
            .iter()
            .filter_map(|path| path.strip_prefix(prefix).and_then(|rest| rest.first().copied()))
            .collect();
        for byte in next {
            let below = [prefix, &[byte]].concat();
            let level = u8::try_from(below.len()).unwrap();
            self.todo.push((child(key, &tree, level, byte), Some((tree, below))));
        }
    }

    fn try_as_seed_anywhere(&mut self, key: &Key) {
        let trees = self.customers.clone();
        for (tree, customers) in trees {
            for start in 0..5 {
                let mut known: HashMap<Vec<u8>, Key> = HashMap::new();
                for path in &customers {
                    let mut seed = *key;
                    for level in start..5 {
                        let make = || child(&seed, &tree, u8::try_from(level + 1).unwrap(), path[level]);
                        seed = *known.entry(path[start..=level].to_vec()).or_insert_with(make);
                    }
                }
                // Whatever level a derivation ends at.
                known.into_values().for_each(|key| self.try_as_customer_key(&key));
            }
        }
    }
}

fn words(bytes: &[u8]) -> [u64; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_be_bytes(bytes.try_into().unwrap());
    }
    words
}
