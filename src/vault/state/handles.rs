//! Keys that an application holds on to, and a commit wipes under its hands.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use crate::cipher::{FieldCipher, Width};
use crate::customer::CustomerId;
use crate::derivation::{CustomerKey, TreeId};
use crate::error::KeyStoreError;
use crate::field::FieldId;
use crate::fork::{self, ForkGeneration};
use crate::key_tree::{Found, Walker};
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::sync::{Mutex, MutexGuard, Padded, Shards, lock, shard};
use crate::vault::state::{Fetched, Known, LoadedTree, tree_error};

/// Every handle there is, so that a commit can reach the keys they hold. Each is registered in the shard of the thread that made it.
pub(crate) struct Handles {
    registered: Shards<Arc<Padded<Mutex<Registered>>>>,
}

struct Registered {
    handles: HashMap<u64, Weak<Handle>>,
    next: u64,
}

impl Handles {
    pub(crate) fn new() -> Handles {
        Handles {
            registered: Shards::new(|| Arc::new(Padded(Mutex::new(Registered { handles: HashMap::new(), next: 0 })))),
        }
    }

    /// Wipes the keys of all handles. They derive them anew, from the snapshot that is current then.
    pub(crate) fn wipe(&self) {
        for handle in self.alive() {
            lock(&handle.keys).wipe();
            // Looked for after that lock was held: whoever makes them holds it, and so is found here, or finds all that led to this wipe.
            for keys in handle.others.get().into_iter().flat_map(Shards::iter) {
                lock(keys).wipe();
            }
        }
    }

    fn alive(&self) -> Vec<Arc<Handle>> {
        let mut alive = Vec::new();
        for registered in self.registered.iter() {
            alive.extend(lock(registered).handles.values().filter_map(Weak::upgrade));
        }
        alive
    }
}

/// Keys of some customers: one, or a chunk of a bulk run.
pub(crate) struct Handle {
    number: u64,
    /// Where it is registered. It does not hold what is known, whose count all processors would write to.
    registered: Arc<Padded<Mutex<Registered>>>,
    fork: ForkGeneration,
    /// In order of number when there is more than one.
    customers: Vec<CustomerId>,
    /// The [`shard`] of the thread that made it, whose keys these are. Most handles are used by one thread.
    shard: usize,
    keys: Mutex<Keys>,
    /// Those of other threads, each of which derives its own: the lock is held while a cipher is used, and threads that share a handle would wait for each other. Not of a
    /// chunk, whose keys are too many for that.
    others: OnceLock<Shards<Mutex<Keys>>>,
}

/// What a handle has derived so far.
pub(crate) struct Keys {
    trees: Vec<(TreeId, Vec<Slot>)>,
    /// Expanded field keys; kept for a single customer only, whose fields are opened again and again.
    ciphers: Vec<Kept>,
}

struct Kept {
    tree: TreeId,
    /// New values are sealed under the tree.
    seals: bool,
    name: FieldId,
    cipher: FieldCipher,
}

enum Slot {
    Key(CustomerKey),
    Shredded,
    /// A page could not be read: it concerns this customer, not the chunk.
    Failed(KeyStoreError),
}

/// A field's cipher, or the news that there is none.
pub(crate) enum Cipher<'k> {
    Kept(&'k FieldCipher),
    Made(FieldCipher),
    Shredded,
    /// The tree was retired concurrently, after the caller looked it up.
    Retired,
}

impl Cipher<'_> {
    pub(crate) fn as_ref(&self) -> Option<&FieldCipher> {
        match self {
            Cipher::Kept(cipher) => Some(cipher),
            Cipher::Made(cipher) => Some(cipher),
            Cipher::Shredded | Cipher::Retired => None,
        }
    }
}

impl Handle {
    /// `customers` in order of number.
    pub(crate) fn register(known: &Known, customers: Vec<CustomerId>) -> Arc<Handle> {
        let shard = shard();
        let registered = known.handles.registered.at(shard);
        let mut all = lock(registered);
        let number = all.next;
        all.next += 1;
        let (keys, others) = (Mutex::new(Keys::none()), OnceLock::new());
        let handle = Arc::new(Handle {
            number,
            registered: registered.clone(),
            fork: known.fork,
            customers,
            shard,
            keys,
            others,
        });
        all.handles.insert(number, Arc::downgrade(&handle));
        handle
    }

    /// Whether it is one of the handles of whoever knows this: a parent's is of no use in a forked child.
    #[inline]
    pub(crate) fn is_of(&self, known: &Known) -> bool {
        Arc::ptr_eq(&self.registered, known.handles.registered.at(self.shard))
    }

    pub(crate) fn customer(&self, index: usize) -> CustomerId {
        self.customers.get(index).copied().unwrap_or(CustomerId::MIN)
    }

    /// This thread's keys. While this is held, a commit that wants to wipe them waits.
    #[inline]
    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        if self.customers.len() > 1 || shard() == self.shard {
            return lock(&self.keys);
        }
        // Before the snapshot is read, and what is durable, as the lock is taken before: whoever replaces them finds these.
        lock(self.others.get().unwrap_or_else(|| self.make_others()).mine())
    }

    #[cold]
    fn make_others(&self) -> &Shards<Mutex<Keys>> {
        let _seen_by_a_wipe = lock(&self.keys);
        self.others.get_or_init(|| Shards::new(|| Mutex::new(Keys::none())))
    }

    #[cfg(all(test, shuttle))]
    fn all_keys(&self) -> impl Iterator<Item = &Mutex<Keys>> {
        std::iter::once(&self.keys).chain(self.others.get().into_iter().flat_map(Shards::iter))
    }

    /// The cipher of one customer's field, under a given tree or the one that seals. The caller holds the keys' lock from
    /// before this until it has used the cipher. Waits for nothing: a page that is not in memory is wanted, and this an error.
    ///
    /// Leaves copies of key material on the stack: call it within what [`Width::to_derive`] says.
    pub(crate) fn cipher<'k>(
        &self,
        known: &Known,
        keys: &'k mut Keys,
        index: usize,
        tree: Option<TreeId>,
        (name, width): (FieldId, Width),
        pages: &Fetched<'_>,
    ) -> Result<(TreeId, Cipher<'k>), KeyStoreError> {
        // The snapshot is read under the handle's lock: were it read before, a commit in between would wipe this handle
        // first, and the keys of the old snapshot would then be put into it.
        let state = known.state()?;
        let to_seal = state.to_seal(name.purpose.name(), known.durable()).map(|tree| tree.id);
        let asked = tree.or(to_seal).ok_or(KeyStoreError::NotDurableYet)?;
        let Some(tree) = state.tree(asked).filter(|tree| tree.tree.is_some()) else {
            return Ok((asked, Cipher::Retired));
        };
        let slots = match keys.trees.iter().position(|(id, _)| *id == tree.id) {
            Some(at) => at,
            None => {
                let slots = self.derive(tree, pages)?;
                if pages.wants_more() {
                    return Err(LOST);
                }
                keys.trees.push((tree.id, slots));
                keys.trees.len() - 1
            }
        };
        let id = tree.id;
        drop(state);
        let slot = keys.trees.get(slots).and_then(|(_, slots)| slots.get(index)).ok_or(LOST)?;
        let key = match slot {
            Slot::Key(key) => key,
            Slot::Shredded => return Ok((id, Cipher::Shredded)),
            Slot::Failed(error) => {
                let error = error.clone();
                // The next call reads again: the page may be back.
                keys.trees.retain(|(tree, _)| *tree != id);
                return Err(error);
            }
        };
        let cipher = FieldCipher::new(key.0.bytes(), name, width);
        if self.customers.len() > 1 {
            return Ok((id, Cipher::Made(cipher)));
        }
        keys.ciphers.push(Kept { tree: id, seals: Some(id) == to_seal, name, cipher });
        keys.ciphers.last().map(|kept| (id, Cipher::Kept(&kept.cipher))).ok_or(LOST)
    }

    /// Customers whose pages are wanted first are failed ones: what comes of this is dropped then, and derived again.
    fn derive(&self, tree: &LoadedTree, pages: &Fetched<'_>) -> Result<Vec<Slot>, KeyStoreError> {
        let tree = tree.tree.as_ref().ok_or(LOST)?;
        with_clean_stack(|| {
            let many = self.customers.len() > 1;
            let mut walker = if many { Walker::for_many() } else { Walker::for_one() };
            let mut slots = Vec::with_capacity(self.customers.len());
            for customer in &self.customers {
                slots.push(match walker.walk(tree, customer.to_path(), pages) {
                    Ok(Found::Shredded) => Slot::Shredded,
                    Ok(Found::Key) => Slot::Key(CustomerKey(Secret32::copy_of(walker.customer_key()))),
                    Err(error) => Slot::Failed(tree_error(error)),
                });
            }
            Ok(slots)
        })
    }
}

const LOST: KeyStoreError = KeyStoreError::Bug("a handle lost its keys");

impl Keys {
    fn none() -> Keys {
        Keys { trees: Vec::new(), ciphers: Vec::new() }
    }

    #[inline]
    pub(crate) fn kept(&self, tree: TreeId, name: FieldId) -> Option<&FieldCipher> {
        self.ciphers.iter().find(|kept| kept.tree == tree && kept.name.is(name)).map(|kept| &kept.cipher)
    }

    #[inline]
    pub(crate) fn kept_to_seal(&self, name: FieldId) -> Option<(TreeId, &FieldCipher)> {
        self.ciphers.iter().find(|kept| kept.seals && kept.name.is(name)).map(|kept| (kept.tree, &kept.cipher))
    }

    fn wipe(&mut self) {
        self.trees.clear();
        self.ciphers.clear();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // In a forked child the parent's registry may be locked for ever, and is not this process's business.
        if self.fork == fork::generation() {
            lock(&self.registered).handles.remove(&self.number);
        }
    }
}

#[cfg(all(test, shuttle))]
impl Known {
    /// Whether some handle holds a key of this customer.
    pub(in crate::vault) fn handles_hold_a_key_of(&self, customer: CustomerId) -> bool {
        self.handles.alive().iter().any(|handle| {
            let Some(index) = handle.customers.iter().position(|known| *known == customer) else { return false };
            handle.all_keys().any(|keys| {
                let keys = lock(keys);
                let expanded = handle.customers.len() == 1 && !keys.ciphers.is_empty();
                expanded || keys.trees.iter().any(|(_, slots)| matches!(slots.get(index), Some(Slot::Key(_))))
            })
        })
    }
}
