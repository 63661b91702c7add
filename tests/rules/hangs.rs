//! A store that begins to hang in the middle of a commit, at one kind of call: alone, or with everything else of it.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use oubliette::store::{
    Directory, LockError, Mark, PageName, PageStore, PlaceId, RootCopy, RootLock, RootStore, StoreError, StoredPage,
    Usage,
};

/// Where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Lock,
    Write,
    Unlock,
    Put,
    Get,
    NewerThan,
    Mark,
    Sweep,
}

/// Each of these is a call of a commit that may not come back.
pub const CALLS: [Call; 8] =
    [Call::Lock, Call::Write, Call::Unlock, Call::Put, Call::Get, Call::NewerThan, Call::Mark, Call::Sweep];

#[derive(Default)]
struct State {
    /// The next call of this kind hangs; and from then on all that there are, if so.
    armed: Option<(Call, bool)>,
    /// It hangs.
    hung: Option<(Call, bool)>,
}

#[derive(Clone)]
pub struct Hangs {
    inner: Directory,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Hangs {
    pub fn over(inner: Directory) -> Hangs {
        Hangs { inner, state: Arc::default() }
    }

    /// The next such call does not come back, and no other one of its kind; nor does any other, if `all`.
    pub fn arm(&self, call: Call, all: bool) {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).armed = Some((call, all));
    }

    pub fn is_hung(&self) -> bool {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).hung.is_some()
    }

    pub fn let_go(&self) {
        *self.state.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
        self.state.1.notify_all();
    }

    /// `None`: a call that a commit does not wait for.
    fn enter(&self, call: Option<Call>) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.armed.is_some_and(|(armed, _)| Some(armed) == call) {
            state.hung = state.armed.take();
        }
        while state.hung.is_some_and(|(hung, all)| all || Some(hung) == call) {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl RootStore for Hangs {
    fn places(&self) -> Vec<PlaceId> {
        self.inner.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.enter(None);
        self.inner.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        self.enter(Some(Call::Lock));
        Ok(Box::new(Held { store: self, inner: Some(self.inner.lock(places, wait)?) }))
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        self.enter(None);
        self.inner.can_write(place)
    }

    fn follow(&self, list: &[PlaceId]) {
        self.inner.follow(list);
    }
}

struct Held<'h> {
    store: &'h Hangs,
    inner: Option<Box<dyn RootLock + 'h>>,
}

impl RootLock for Held<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        self.store.enter(Some(Call::Write));
        self.inner.as_mut().unwrap().write(place, slot, record)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.store.enter(Some(Call::Unlock));
        drop(self.inner.take());
    }
}

impl PageStore for Hangs {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.enter(Some(Call::Put));
        self.inner.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.enter(Some(Call::Get));
        self.inner.get(name)
    }

    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        self.enter(Some(Call::NewerThan));
        self.inner.newer_than(generation, most)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.enter(Some(Call::Mark));
        self.inner.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.inner.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.enter(Some(Call::Sweep));
        self.inner.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.enter(None);
        self.inner.usage()
    }
}
