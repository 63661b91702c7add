//! Faults on demand: stopping a store at one chosen step of what it writes.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Problem, StoreError};

/// Counts the durable operations of a store (each write, sync, rename, unlink), and its reads, and stops it at one of them.
///
/// Clones share the count. Give one to a [`Directory`](super::Directory) or a [`Memory`](super::Memory), do the work
/// once to learn from [`taken`](Steps::taken) how many steps it has, then do it again with a stop at each of them.
///
/// ```
/// use oubliette::store::{Memory, Problem};
/// use oubliette::testing::{Steps, Stop};
/// use oubliette::{CreateError, Purpose, RootKey, Vault};
///
/// // A disk that is full at the first write.
/// let steps = Steps::new();
/// let memory = Memory::new().steps(&steps);
/// steps.stop_at(1, Stop::Fail(Problem::Full));
/// let made = Vault::on(memory.clone(), memory).purposes([Purpose::new("orders")]).create(RootKey::bytes([7; 32]));
/// assert!(matches!(made, Err(CreateError::KeyStore(_))));
/// ```
#[derive(Clone, Default)]
pub struct Steps {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    taken: u64,
    stop: Option<(u64, Stop)>,
    then: Option<Box<dyn FnOnce() + Send>>,
    dead: bool,
    log: Vec<String>,
    reads: u64,
    /// The read that is to fail, once.
    fails: Option<(u64, Problem)>,
}

/// What happens at the chosen step.
///
/// [`Steps`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The step is not done and every later operation of the store fails, reads included, as if the process had died.
    /// `torn`: a write is done by half first.
    Die {
        /// Whether a write is done by half.
        torn: bool,
    },
    /// The step is not done and fails with this problem, this one time; the process lives on.
    Fail(Problem),
    /// From this step on every step fails with this problem, but reads still work: a full or a dying disk.
    FailFrom(Problem),
}

impl Steps {
    /// Steps that are counted and never stopped.
    #[must_use]
    pub fn new() -> Steps {
        Steps::default()
    }

    /// Counts from zero again and stops at step `step` (the first is 1).
    pub fn stop_at(&self, step: u64, stop: Stop) {
        *self.lock() = State { stop: Some((step, stop)), ..State::default() };
    }

    /// The same with [`Stop::Die`], and calls `then` at that moment, before the store answers: a test of real processes ends
    /// its own there, as if it were killed.
    pub fn die_at(&self, step: u64, torn: bool, then: impl FnOnce() + Send + 'static) {
        let then: Box<dyn FnOnce() + Send> = Box::new(then);
        *self.lock() = State { stop: Some((step, Stop::Die { torn })), then: Some(then), ..State::default() };
    }

    /// Counts from zero again and has read `read` (the first is 1) fail with this problem, this one time. Reads are counted apart from
    /// [steps](Steps::taken); one of several files, or of one that is remembered, counts once.
    pub fn fail_read_at(&self, read: u64, problem: Problem) {
        *self.lock() = State { fails: Some((read, problem)), ..State::default() };
    }

    /// How many reads were begun.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Counts from zero again, and stops nowhere.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    /// How many steps were begun.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Each step begun: what was done and to which file.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// Whether the chosen step was reached and the store plays dead.
    #[must_use]
    pub fn died(&self) -> bool {
        self.lock().dead
    }

    /// For whoever takes part: something is about to be read, and is counted.
    ///
    /// # Errors
    /// When this read is to fail; and [`Problem::Injected`] once a stop was reached that lets nothing go on.
    pub fn alive(&self) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.dead {
            return Err(StoreError::new(Problem::Injected, "after the stop"));
        }
        state.reads += 1;
        match state.fails {
            Some((read, problem)) if read == state.reads => Err(StoreError::new(problem, "a read")),
            _ => Ok(()),
        }
    }

    /// For whoever takes part: one step is about to be taken, and is counted. `what` it does and to which file goes into the
    /// [log](Steps::log); `half` does half of it, where that can be.
    ///
    /// # Errors
    /// When the step is one to be stopped at: it must not be done.
    pub fn before(&self, what: &str, path: &Path, half: &mut dyn FnMut()) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.dead {
            return Err(StoreError::new(Problem::Injected, path.display().to_string()));
        }
        state.taken += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        state.log.push(format!("{what} {name}"));
        let Some((step, stop)) = state.stop else { return Ok(()) };
        let problem = match stop {
            Stop::FailFrom(problem) if state.taken >= step => problem,
            _ if state.taken != step => return Ok(()),
            Stop::Fail(problem) | Stop::FailFrom(problem) => problem,
            Stop::Die { torn } => {
                if torn {
                    half();
                }
                state.dead = true;
                if let Some(then) = state.then.take() {
                    drop(state);
                    then();
                }
                Problem::Injected
            }
        };
        Err(StoreError::new(problem, path.display().to_string()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Steps").field("taken", &state.taken).field("stop", &state.stop).finish_non_exhaustive()
    }
}
