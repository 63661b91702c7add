//! Keys that an application holds on to, and a commit wipes under its hands.

use std::sync::{Arc, OnceLock, Weak};

use crate::cipher::{FieldCipher, Width};
use crate::customer::CustomerId;
use crate::derivation::{CustomerKey, TreeId};
use crate::error::KeyStoreError;
use crate::field::{FieldId, Purpose};
use crate::fork::{self, ForkGeneration};
use crate::key_tree::{Found, Walker};
use crate::stack::with_clean_stack_after;
use crate::sync::{Mutex, MutexGuard, Padded, Shards, lock, shard};
use crate::vault::state::{Fetched, Known, LoadedTree, tree_error};

/// Every handle there is, so that a commit can reach the keys they hold. Each is registered in the shard of the thread that made it.
pub(crate) struct Handles {
    registered: Shards<Arc<Padded<Mutex<Registered>>>>,
}

#[derive(Default)]
struct Registered {
    /// Each in the place of its number.
    handles: Vec<Weak<Handle>>,
    /// Numbers of places that are empty.
    empty: Vec<usize>,
}

impl Registered {
    fn number(&mut self) -> usize {
        self.empty.pop().unwrap_or_else(|| {
            self.handles.push(Weak::new());
            self.handles.len() - 1
        })
    }

    fn put(&mut self, number: usize, handle: Weak<Handle>) {
        if let Some(place) = self.handles.get_mut(number) {
            *place = handle;
        }
    }
}

impl Handles {
    pub(crate) fn new() -> Handles {
        Handles { registered: Shards::new(|| Arc::new(Padded(Mutex::new(Registered::default())))) }
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
            alive.extend(lock(registered).handles.iter().filter_map(Weak::upgrade));
        }
        alive
    }
}

/// Keys of some customers: one, or a chunk of a bulk run.
pub(crate) struct Handle {
    number: usize,
    /// Where it is registered. It does not hold what is known, whose count all processors would write to.
    registered: Arc<Padded<Mutex<Registered>>>,
    fork: ForkGeneration,
    customers: Customers,
    /// The [`shard`] of the thread that made it, whose keys these are. Most handles are used by one thread.
    shard: usize,
    keys: Mutex<Keys>,
    /// Those of other threads, each of which derives its own: the lock is held while a cipher is used, and threads that share a handle would wait for each other. Not of a
    /// chunk, whose keys are too many for that.
    others: OnceLock<Shards<Mutex<Keys>>>,
}

/// Whose keys a handle has.
pub(crate) enum Customers {
    One(CustomerId),
    /// In order of number, each once.
    Chunk(Vec<CustomerId>),
}

impl Customers {
    fn all(&self) -> &[CustomerId] {
        match self {
            Customers::One(customer) => std::slice::from_ref(customer),
            Customers::Chunk(customers) => customers,
        }
    }
}

/// What a handle has derived so far.
pub(crate) struct Keys {
    trees: Vec<UnderTree>,
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

/// Keys under one tree.
struct UnderTree {
    tree: TreeId,
    purpose: Purpose,
    /// New values are sealed under the tree.
    seals: bool,
    /// It says itself who was shredded. Of a tree that was replaced, the purpose's active one has the last word.
    active: bool,
    /// In the order of the handle's customers.
    slots: Vec<Slot>,
}

enum Slot {
    Key(CustomerKey),
    Shredded,
    /// A page could not be read: it concerns this customer, not the chunk.
    Failed(Box<KeyStoreError>),
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
    pub(crate) fn register(known: &Known, customers: Customers) -> Arc<Handle> {
        let shard = shard();
        let registered = known.handles.registered.at(shard);
        let mut all = lock(registered);
        let number = all.number();
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
        all.put(number, Arc::downgrade(&handle));
        handle
    }

    /// Whether it is one of the handles of whoever knows this: a parent's is of no use in a forked child.
    #[inline]
    pub(crate) fn is_of(&self, known: &Known) -> bool {
        Arc::ptr_eq(&self.registered, known.handles.registered.at(self.shard))
    }

    #[inline]
    pub(crate) fn customer(&self, index: usize) -> CustomerId {
        self.customers.all().get(index).copied().unwrap_or(CustomerId::MIN)
    }

    /// Where a customer is among these: mostly where the one of the row `before` is, or next to it.
    #[inline]
    pub(crate) fn index_of(&self, customer: CustomerId, before: usize) -> usize {
        let all = self.customers.all();
        let near = [before, before.saturating_add(1)].into_iter().find(|at| all.get(*at) == Some(&customer));
        near.unwrap_or_else(|| all.binary_search(&customer).unwrap_or_default())
    }

    /// Ciphers are kept for a single customer only, whose fields are opened again and again.
    fn keeps_ciphers(&self) -> bool {
        self.customers.all().len() == 1
    }

    /// Does `work` with the cipher of one customer's field, under a given tree or the one that seals, if it is kept or follows from a key that is. The snapshot
    /// is not asked: whoever replaces it wipes these keys, and for that waits until the work is done.
    #[inline]
    pub(crate) fn with_kept<R>(
        &self,
        index: usize,
        tree: Option<TreeId>,
        (name, text_bytes): (FieldId, usize),
        work: impl FnOnce(TreeId, &FieldCipher) -> R,
    ) -> Option<R> {
        let mut keys = self.keys();
        if let Some(Kept { tree, cipher, .. }) = keys.kept(tree, name) {
            // The cipher leaves round keys on the stack, where no commit could reach them.
            return Some(with_clean_stack_after(cipher.work(), || work(*tree, cipher)));
        }
        self.with_kept_key(&mut keys, index, tree, (name, text_bytes), work)
    }

    #[inline(never)]
    fn with_kept_key<R>(
        &self,
        keys: &mut Keys,
        index: usize,
        tree: Option<TreeId>,
        (name, text_bytes): (FieldId, usize),
        work: impl FnOnce(TreeId, &FieldCipher) -> R,
    ) -> Option<R> {
        let Keys { trees, ciphers } = keys;
        let is_asked = |under: &&UnderTree| {
            under.active && under.purpose == name.purpose && tree.map_or(under.seals, |tree| under.tree == tree)
        };
        let under = trees.iter().find(is_asked)?;
        let Some(Slot::Key(key)) = under.slots.get(index) else { return None };
        let width = Width::for_text(text_bytes);
        with_clean_stack_after(width.to_derive(), || {
            let cipher = FieldCipher::of(key, name, width);
            let done = work(under.tree, &cipher);
            if self.keeps_ciphers() {
                ciphers.push(Kept { tree: under.tree, seals: under.seals, name, cipher });
            }
            Some(done)
        })
    }

    /// This thread's keys. While this is held, a commit that wants to wipe them waits.
    #[inline]
    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        if matches!(self.customers, Customers::Chunk(_)) || shard() == self.shard {
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
        let at = match keys.trees.iter().position(|under| under.tree == tree.id) {
            Some(at) => at,
            None => {
                let slots = self.derive(tree, pages)?;
                if pages.wants_more() {
                    return Err(LOST);
                }
                let (purpose, seals) = (name.purpose, Some(tree.id) == to_seal);
                keys.trees.push(UnderTree { tree: tree.id, purpose, seals, active: tree.active, slots });
                keys.trees.len() - 1
            }
        };
        let id = tree.id;
        drop(state);
        let slot = keys.trees.get(at).and_then(|under| under.slots.get(index)).ok_or(LOST)?;
        let key = match slot {
            Slot::Key(key) => key,
            Slot::Shredded => return Ok((id, Cipher::Shredded)),
            Slot::Failed(error) => {
                let error = (**error).clone();
                // The next call reads again: the page may be back.
                keys.trees.retain(|under| under.tree != id);
                return Err(error);
            }
        };
        let cipher = FieldCipher::of(key, name, width);
        if !self.keeps_ciphers() {
            return Ok((id, Cipher::Made(cipher)));
        }
        keys.ciphers.push(Kept { tree: id, seals: Some(id) == to_seal, name, cipher });
        keys.ciphers.last().map(|kept| (id, Cipher::Kept(&kept.cipher))).ok_or(LOST)
    }

    /// Customers whose pages are wanted first are failed ones: what comes of this is dropped then, and derived again.
    fn derive(&self, tree: &LoadedTree, pages: &Fetched<'_>) -> Result<Vec<Slot>, KeyStoreError> {
        let tree = tree.tree.as_ref().ok_or(LOST)?;
        let customers = self.customers.all();
        let mut walker = if customers.len() > 1 { Walker::for_many() } else { Walker::for_one() };
        let mut slots = Vec::with_capacity(customers.len());
        for customer in customers {
            slots.push(match walker.walk(tree, customer.to_path(), pages) {
                Ok(Found::Shredded) => Slot::Shredded,
                Ok(Found::Key) => Slot::Key(CustomerKey::of(walker.customer_key())),
                Err(error) => Slot::Failed(Box::new(tree_error(error))),
            });
        }
        Ok(slots)
    }
}

const LOST: KeyStoreError = KeyStoreError::Bug("a handle lost its keys");

impl Keys {
    fn none() -> Keys {
        Keys { trees: Vec::new(), ciphers: Vec::new() }
    }

    #[inline]
    fn kept(&self, tree: Option<TreeId>, name: FieldId) -> Option<&Kept> {
        let is_asked = |kept: &&Kept| tree.map_or(kept.seals, |tree| kept.tree == tree) && kept.name.is(name);
        self.ciphers.iter().find(is_asked)
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
            let mut registered = lock(&self.registered);
            registered.put(self.number, Weak::new());
            registered.empty.push(self.number);
        }
    }
}

#[cfg(all(test, shuttle))]
impl Known {
    /// Whether some handle holds a key of this customer.
    pub(in crate::vault) fn handles_hold_a_key_of(&self, customer: CustomerId) -> bool {
        self.handles.alive().iter().any(|handle| {
            let Some(index) = handle.customers.all().iter().position(|known| *known == customer) else { return false };
            handle.all_keys().any(|keys| {
                let keys = lock(keys);
                let expanded = handle.keeps_ciphers() && !keys.ciphers.is_empty();
                expanded || keys.trees.iter().any(|under| matches!(under.slots.get(index), Some(Slot::Key(_))))
            })
        })
    }
}
