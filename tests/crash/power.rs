//! Disks that fail and power that is cut, with two processes at work: what a sync did not confirm may vanish at any later time, while
//! everybody lives. Whatever was answered Ok is left, nobody shredded is back, and no false alarm is raised.
//!
//! A takes a fault at one step of its operation and tries again; B looks on, seals, numbers and sweeps in between. Then the power fails.

use std::time::Duration;

use oubliette::personal::Text;
use oubliette::store::{Directory, DirectoryBuilder, Problem};
use oubliette::testing::{Leaves, Media, Steps, Stop};
use oubliette::{
    CustomerId, Field, Index, KeyStoreError, OpenError, Purpose, RootKey, Sealed, ShredError, Token, UnlockError,
    Vault, VaultBuilder, bits, recovery::RecoverError, search::Epoch,
};

use super::stage::*;

const SUPPORT: Purpose = Purpose::new("support");
const NOTE: Field<Text> = ORDERS.field("note");

fn by_note() -> Index<Text> {
    NOTE.index("exact", bits(64))
}

fn key() -> RootKey {
    RootKey::bytes(OLD_KEY)
}

/// How the fault goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trouble {
    /// The process is killed at the step; otherwise the step fails with an I/O error, once, and the process lives on.
    kill: bool,
    /// It is not this step alone that fails, but every one from it on, until A tries again: a disk that is full.
    lasts: bool,
    /// Half of what could not be synced is on the medium.
    torn: bool,
    /// The cache drops what could not be written back before anybody goes on.
    drop: bool,
    /// Whether A tries again.
    again: bool,
    /// Whether others commit before the power fails, which settles what A left; otherwise they seal and look only.
    busy: bool,
    leaves: Leaves,
}

const KILL: Trouble =
    Trouble { kill: true, lasts: false, torn: true, drop: false, again: false, busy: false, leaves: Leaves::Old };
const FAIL: Trouble =
    Trouble { kill: false, lasts: false, torn: false, drop: false, again: true, busy: true, leaves: Leaves::Old };

const TROUBLES: [Trouble; 10] = [
    KILL,
    Trouble { busy: true, torn: false, leaves: Leaves::Half, ..KILL },
    Trouble { leaves: Leaves::New, ..KILL },
    FAIL,
    Trouble { again: false, busy: false, ..FAIL },
    Trouble { drop: true, ..FAIL },
    Trouble { torn: true, leaves: Leaves::Half, ..FAIL },
    Trouble { torn: true, drop: true, again: false, ..FAIL },
    Trouble { lasts: true, busy: false, ..FAIL },
    // What everybody has seen is dropped at last.
    Trouble { lasts: true, busy: false, again: false, ..FAIL },
];

/// What somebody was told, and may rely upon.
#[derive(Default)]
struct Promises {
    sealed: Vec<(CustomerId, Purpose, Sealed<Text>)>,
    shredded: Vec<CustomerId>,
    numbers: Vec<CustomerId>,
    tokens: Vec<Token<Text>>,
    root_key: Option<RootKey>,
}

struct Process {
    vault: Option<Vault>,
    steps: Steps,
}

impl Process {
    fn vault(&self) -> &Vault {
        self.vault.as_ref().unwrap()
    }
}

struct World {
    stage: Stage,
    mirrors: usize,
    media: Media,
    promises: Promises,
}

impl World {
    fn new(template: &Template, mirrors: usize) -> World {
        World { stage: template.stage(), mirrors, media: Media::new(), promises: Promises::default() }
    }

    fn layout(&self) -> DirectoryBuilder {
        layout(&self.stage.path(""), self.mirrors).media(&self.media)
    }

    fn open(&self) -> Process {
        let steps = Steps::new();
        let builder = settings(VaultBuilder::in_directory(self.layout().steps(&steps)));
        Process { vault: Some(builder.next_root_key(RootKey::bytes(NEW_KEY)).unlock(key()).unwrap()), steps }
    }

    /// Seals and makes a token, as an application does, and relies upon what it is given. If it is `busy` it takes a number, too, which
    /// is a commit.
    fn live(&mut self, process: &Process, busy: bool) {
        let Some(vault) = &process.vault else { return };
        let _ = vault.refresh();
        let cast = self.stage.cast();
        let text: Text = "relied upon".parse().unwrap();
        for purpose in [ORDERS, SUPPORT] {
            if let Ok(sealed) = vault.seal(cast.bob, note(purpose), &text) {
                self.promises.sealed.push((cast.bob, purpose, sealed));
            }
        }
        self.promises.tokens.extend(vault.token(by_note(), &text));
        if busy {
            self.promises.numbers.extend(vault.enroll());
        }
    }
}

/// Ends a process as a kill does: what it asks of the store from now on fails.
fn kill(process: &mut Process) {
    process.steps.stop_at(1, Stop::Die { torn: false });
    process.vault = None;
}

/// An operation of A. It writes down what it was told.
type Operation = fn(&World, &Process) -> Promises;

fn shred(world: &World, process: &Process) -> Promises {
    let vault = process.vault();
    let alice = world.stage.cast().alice;
    Promises { shredded: vault.shred([alice]).map(|_| alice).into_iter().collect(), ..Promises::default() }
}

fn rotate_purpose(_: &World, process: &Process) -> Promises {
    let vault = process.vault();
    let _ = vault.rotate_purpose(ORDERS);
    Promises::default()
}

fn begin_epoch(_: &World, process: &Process) -> Promises {
    let vault = process.vault();
    let _ = vault.begin_epoch(by_note());
    Promises::default()
}

fn enroll(_: &World, process: &Process) -> Promises {
    let vault = process.vault();
    let numbers: Vec<CustomerId> = (0..3).filter_map(|_| vault.enroll().ok()).collect();
    Promises { numbers, ..Promises::default() }
}

fn rotate_root_key(_: &World, process: &Process) -> Promises {
    let vault = process.vault();
    let rotated = vault.rotate_root_key(RootKey::bytes(NEW_KEY));
    Promises { root_key: rotated.ok().map(|()| RootKey::bytes(NEW_KEY)), ..Promises::default() }
}

/// A purpose is added while a vault is unlocked anew; then it is sealed under.
fn add_purpose(world: &World, process: &Process) -> Promises {
    let mut promises = Promises::default();
    let builder = VaultBuilder::in_directory(world.layout().steps(&process.steps)).purposes([ORDERS, NEWS, SUPPORT]);
    if let Ok(vault) = builder.keep_superseded(Duration::ZERO).add_missing_purposes().unlock(key()) {
        let bob = world.stage.cast().bob;
        if let Ok(sealed) = vault.seal(bob, note(SUPPORT), &"relied upon".parse().unwrap()) {
            promises.sealed.push((bob, SUPPORT, sealed));
        }
    }
    promises
}

fn sweep(world: &World, process: &Process) -> Promises {
    let vault = process.vault();
    let promises = shred(world, process);
    let _ = vault.sweep();
    promises
}

/// What is left at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The directory alone, which has no mirror.
    One,
    /// The directory and its mirror.
    Both,
    /// The directory is lost: its mirror goes on.
    Mirror,
}

/// Runs an operation with a fault at each of its steps. Gives how many cases there were.
fn at_every_step(left: Left, troubles: &[Trouble], operation: Operation) -> usize {
    let mirrors = usize::from(left != Left::One);
    let template = Template::new(mirrors);
    let mut cases = 0;
    for trouble in troubles {
        let mut step = 0;
        loop {
            step += 1;
            let mut world = World::new(&template, mirrors);
            let (mut a, mut b) = (world.open(), world.open());
            world.live(&b, true);
            world.media.tears(trouble.torn);
            let stop = match trouble {
                Trouble { kill: true, torn, .. } => Stop::Die { torn: *torn },
                Trouble { lasts: true, .. } => Stop::FailFrom(Problem::Full),
                _ => Stop::Fail(Problem::Io),
            };
            a.steps.stop_at(step, stop);
            let mut told = vec![operation(&world, &a)];
            let finished = a.steps.taken() < step;
            if trouble.kill {
                kill(&mut a);
            }
            if trouble.drop {
                world.media.drop_pages().unwrap();
            }
            world.live(&b, trouble.busy);
            world.live(&a, trouble.busy);
            if trouble.again {
                a.steps.reset();
                told.push(operation(&world, &a));
            }
            if trouble.busy {
                let _ = b.vault().sweep();
            }
            world.media.drop_pages().unwrap();
            world.live(&b, trouble.busy);
            world.live(&a, trouble.busy);
            for promises in told {
                world.promises.shredded.extend(promises.shredded);
                world.promises.numbers.extend(promises.numbers);
                world.promises.sealed.extend(promises.sealed);
                world.promises.root_key = world.promises.root_key.take().or(promises.root_key);
            }
            kill(&mut a);
            kill(&mut b);
            world.media.cut_power(trouble.leaves).unwrap();
            check(&world, left, &format!("{left:?}, {trouble:?} at step {step}"));
            cases += 1;
            if finished {
                break;
            }
        }
    }
    cases
}

/// After the power is back.
fn check(world: &World, left: Left, case: &str) {
    let cast = world.stage.cast();
    let at = match left {
        Left::Mirror => Directory::at(world.stage.path("mirror0")),
        Left::One | Left::Both => layout(&world.stage.path(""), world.mirrors),
    };
    let unlock_or_promote =
        |builder: fn(DirectoryBuilder) -> VaultBuilder, key: RootKey| match builder(at.clone()).unlock(key.clone()) {
            Err(UnlockError::KeyStore(KeyStoreError::FirstPlaceAway { place, .. })) if left == Left::Mirror => {
                match builder(at.clone()).promote(key, [place]) {
                    Err(RecoverError::Unlock(error)) => Err(error),
                    other => Ok(other.unwrap_or_else(|error| panic!("{case}: {error:?}"))),
                }
            }
            other => other,
        };
    let unlock = |key: RootKey| {
        let all = |at| VaultBuilder::in_directory(at).purposes([ORDERS, NEWS, SUPPORT]);
        match unlock_or_promote(all, key.clone()) {
            Err(UnlockError::UnknownPurpose { .. }) => {
                unlock_or_promote(|at| settings(VaultBuilder::in_directory(at)), key)
            }
            other => other,
        }
    };
    let vault = match &world.promises.root_key {
        Some(key) => unlock(key.clone()),
        None => match unlock(key()) {
            Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey)) => unlock(RootKey::bytes(NEW_KEY)),
            other => other,
        },
    };
    let vault = vault.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    for (customer, purpose, sealed) in &world.promises.sealed {
        let opened = vault.open(*customer, note(*purpose), sealed);
        assert!(opened.is_ok(), "{case}: what was sealed in {purpose} is lost: {opened:?}");
    }
    for customer in &world.promises.shredded {
        for (of, purpose, sealed) in cast.values.iter().filter(|(of, ..)| of == customer) {
            let opened = vault.open(*of, note(*purpose), sealed);
            assert!(matches!(opened, Err(OpenError::Shredded { .. })), "{case}: {customer} is back: {opened:?}");
        }
    }
    let live = vault.tokens(by_note(), &"relied upon".parse().unwrap()).unwrap();
    for token in &world.promises.tokens {
        assert!(live.contains(token), "{case}: a row that was written is not found any more");
    }
    let (mut numbers, before) = (world.promises.numbers.clone(), world.promises.numbers.len());
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), before, "{case}: a number was issued twice");
    let next = vault.enroll().unwrap_or_else(|error| panic!("{case}: {error:?}"));
    assert!(numbers.last().is_none_or(|last| next > *last), "{case}: {next} comes again");
    // Work goes on.
    let _ = vault.shred([cast.carol]).unwrap_or_else(|error| panic!("{case}: {error:?}"));
    assert!(vault.health().ready, "{case}");
}

macro_rules! operations {
    ($($name:ident: $operation:expr, $least:expr;)*) => {
        $(#[test]
        fn $name() {
            let few = [KILL, TROUBLES[4], TROUBLES[7]];
            let cases = at_every_step(Left::One, &TROUBLES, $operation)
                + at_every_step(Left::Both, &few, $operation)
                + at_every_step(Left::Mirror, &TROUBLES[4..5], $operation);
            assert!(cases > $least, "{cases}");
        })*
    };
}

operations! {
    a_shred: shred, 200;
    a_new_key_tree: rotate_purpose, 150;
    a_new_epoch: begin_epoch, 200;
    new_numbers: enroll, 150;
    a_new_root_key: rotate_root_key, 100;
    a_new_purpose: add_purpose, 150;
    a_shred_and_a_sweep: sweep, 250;
}

/// A read that fails once, at each place of each operation: it is tried again, or the operation says that it failed; nothing is taken
/// for lost or gone back.
#[test]
fn reads_that_fail() {
    let operations: [(Operation, u64); 4] = [(shred, 5), (rotate_purpose, 5), (add_purpose, 20), (sweep, 5)];
    for (operation, least) in operations {
        let template = Template::new(1);
        for read in 1.. {
            let mut world = World::new(&template, 1);
            let (mut a, mut b) = (world.open(), world.open());
            world.live(&b, true);
            a.steps.fail_read_at(read, Problem::Io);
            let promises = operation(&world, &a);
            let finished = a.steps.reads() < read;
            world.live(&a, false);
            world.live(&b, false);
            a.steps.reset();
            world.promises.shredded.extend(promises.shredded);
            world.promises.sealed.extend(promises.sealed);
            kill(&mut a);
            kill(&mut b);
            world.media.cut_power(Leaves::Old).unwrap();
            check(&world, Left::Both, &format!("read {read} failed"));
            if finished {
                assert!(read > least, "{read} reads");
                break;
            }
        }
    }
}

/// A shred is seen that was never durable, and two sweeps go by what it needs; then it vanishes. Whoever is left needs the pages of before.
#[test]
fn sweeps_delete_nothing_that_the_durable_record_needs() {
    let (scratch, media) = (tempfile::tempdir().unwrap(), Media::new());
    let lease = Duration::from_millis(200);
    let builder = |steps: &Steps| {
        let at = layout(scratch.path(), 0).media(&media).steps(steps);
        settings(VaultBuilder::in_directory(at).lease(lease))
    };
    let vault = builder(&Steps::new()).create(key()).unwrap();
    let [alice, bob, carol] = [(); 3].map(|()| vault.enroll().unwrap());
    let sealed = vault.seal(bob, NOTE, &"relied upon".parse().unwrap()).unwrap();
    let _ = vault.shred([carol]).unwrap();
    vault.close().unwrap();
    let open = || {
        let steps = Steps::new();
        Process { vault: Some(builder(&steps).unlock(key()).unwrap()), steps }
    };
    let (mut a, mut b) = (open(), open());
    // What it is based on takes two steps, its pages six, the mark two; then the first slot is written, and its sync fails.
    a.steps.stop_at(12, Stop::FailFrom(Problem::Full));
    assert!(matches!(a.vault().shred([alice]), Err(ShredError::Unknown(_))));
    assert_eq!(a.steps.log()[10..12], ["write slot-b", "sync slot-b"]);
    for _ in 0..3 {
        b.vault().refresh().unwrap();
        let _ = b.vault().sweep().unwrap();
        std::thread::sleep(lease * 3);
    }
    kill(&mut a);
    kill(&mut b);
    media.drop_pages().unwrap();
    media.cut_power(Leaves::Old).unwrap();
    let vault = builder(&Steps::new()).unlock(key()).unwrap();
    assert!(vault.open(bob, NOTE, &sealed).is_ok());
    let _ = vault.shred([bob]).unwrap();
}

/// Not only in theory: each way of losing something happens to a file that nobody synced.
#[test]
fn the_medium_forgets_what_was_not_synced() {
    let first = Epoch::FIRST;
    for (leaves, expected) in [(Leaves::Old, false), (Leaves::New, true)] {
        let world = World::new(&Template::new(0), 0);
        let mut a = world.open();
        // The last step of a rotation's first slot: it is written, and the sync does not come to be.
        let vault = a.vault();
        assert_eq!(vault.epochs(by_note()).unwrap().current, first);
        let steps = {
            let probe = World::new(&Template::new(0), 0);
            let process = probe.open();
            process.steps.reset();
            process.vault().begin_epoch(by_note()).unwrap();
            process.steps.log().iter().rposition(|step| step.starts_with("sync slot")).unwrap() as u64
        };
        // The sync of the first of the two slots that are written last.
        a.steps.stop_at(steps - 1, Stop::Die { torn: false });
        assert!(vault.begin_epoch(by_note()).is_err());
        kill(&mut a);
        world.media.cut_power(leaves).unwrap();
        let vault = settings(VaultBuilder::in_directory(layout(&world.stage.path(""), 0))).unlock(key()).unwrap();
        assert_eq!(vault.epochs(by_note()).unwrap().current != first, expected);
    }
}
