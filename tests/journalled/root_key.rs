//! Versions of the root key in the journal: when each began and why, and since when older root records cannot be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use oubliette::journal::{Began, Ending, Entry, Event, PublicKey, RootKeyVersion, SeriesName};
use oubliette::store::{Directory, Problem};
use oubliette::testing::MemoryToken;
use oubliette::testing::{Steps, Stop};
use oubliette::{
    ChangeError, RootKey, Vault, VaultBuilder,
    recovery::Recovery,
    root_keys::{KeySeries, KeyVersion, VersionPolicy, VersionState, WrapperError},
};

use super::support::*;

const HOUR: Duration = Duration::from_secs(3600);

fn each(token: &MemoryToken) -> RootKey {
    RootKey::versions(token.clone(), VersionPolicy::with_each_shred())
}

fn each_in_one(token: &MemoryToken) -> RootKey {
    RootKey::versions(token.clone(), VersionPolicy::with_each_shred().allow_one_place())
}

fn told(entries: &[Entry]) -> Vec<RootKeyVersion> {
    entries.iter().filter_map(|entry| entry.event().root_key().copied()).collect()
}

fn last(scratch: &Scratch, key: &PublicKey) -> RootKeyVersion {
    told(&scratch.entries(key)).pop().unwrap()
}

/// What is said must be so: of the series there is the key that is named, none of a lower number but those kept, and no other.
fn is_true(token: &MemoryToken, told: &RootKeyVersion) {
    let states = token.list(&told.series.to_bytes()).unwrap();
    let kept_from = told.kept.map_or(told.number, |kept| kept.from);
    for state in states.iter().filter(|state| state.has_key && state.version.number <= told.number) {
        let is_named = state.version.number == told.number && state.version.id == told.id.to_bytes();
        assert!(
            is_named || state.version.number >= kept_from && state.version.number < told.number,
            "{told:?} {states:?}"
        );
    }
}

#[test]
fn each_version_is_told_with_what_it_began_for() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = scratch.vault().create(each_in_one(&token)).unwrap();
    let public = vault.public_key().unwrap();
    let first = last(&scratch, &public);
    assert_eq!((first.number, first.generation, first.began, first.kept), (1, 1, Began::Created, None));
    let before = scratch.entries(&public).len();
    for n in 1..6 {
        let _ = vault.shred([enroll(&vault).0]).unwrap();
        let now = last(&scratch, &public);
        assert_eq!(
            (now.number, now.generation, now.began, now.kept),
            (n + 1, vault.generation().unwrap(), Began::Forgot, None)
        );
        assert_eq!(now.series, first.series);
        is_true(&token, &now);
    }
    // The shred's own outcome says it: no entry more.
    assert_eq!(scratch.entries(&public).len() - before, 10);
    vault.begin_root_key_version().unwrap();
    assert_eq!(last(&scratch, &public).began, Began::ByHand);
    let mirror = vault.status().unwrap().places[1];
    vault.detach_mirror(mirror).unwrap();
    let now = last(&scratch, &public);
    assert_eq!((now.number, now.began), (8, Began::Place));
    vault.attach_mirror(scratch.at("another"), &mut |_, _| ()).unwrap();
    vault.rotate_root_key(each_in_one(&token)).unwrap();
    assert_eq!(last(&scratch, &public).began, Began::NewKey);
    vault.rotate_root_key(RootKey::bytes([9; 32])).unwrap();
    let seen = vault.generation().unwrap();
    vault.close().unwrap();
    let recovery = Recovery::beyond(seen, oubliette::CustomerId::from_stored(1000).unwrap());
    let at = VaultBuilder::in_directory(Directory::at(scratch.at("main")).mirror(scratch.at("another")));
    let vault = at.purposes([ORDERS, NEWS]).journal(scratch.journal());
    let vault = vault.recover(RootKey::bytes([9; 32]), recovery, each_in_one(&token)).unwrap();
    let now = last(&scratch, &public);
    assert_eq!((now.number, now.began), (1, Began::Recovery));
    assert!(now.series != first.series && now.generation == vault.generation().unwrap());
    vault.close().unwrap();
    scratch.verify(&public);
}

/// By age a version begins with any commit, and nobody asked for it: it has an entry of its own, once.
#[test]
fn what_nobody_asked_for_is_told_too() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let old = || RootKey::versions(token.clone(), VersionPolicy::after(Duration::ZERO));
    let vault = scratch.vault().create(RootKey::versions(token.clone(), VersionPolicy::by_hand())).unwrap();
    let public = vault.public_key().unwrap();
    vault.close().unwrap();
    let vault = scratch.vault().unlock(old()).unwrap();
    for _ in 0..2 {
        let _ = vault.sweep().unwrap();
    }
    vault.close().unwrap();
    let said = told(&scratch.entries(&public));
    let numbers: Vec<_> = said.iter().map(|said| (said.number, said.began)).collect();
    assert_eq!(numbers, [(1, Began::Created), (2, Began::Age), (3, Began::Age)]);
    let before = scratch.entries(&public).len();
    // To look again says nothing new.
    scratch.vault().unlock(RootKey::versions(token.clone(), VersionPolicy::by_hand())).unwrap().close().unwrap();
    assert_eq!(scratch.entries(&public).len(), before);
    assert_eq!((token.keys(), last(&scratch, &public).kept), (1, None));
}

/// Those that are kept are told, with until when; and that they are gone, once they are: also by a commit that nobody asked for. A clock that was
/// ahead keeps them for longer, and that is what is told.
#[test]
fn what_is_kept_is_told_and_when_it_is_gone() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let kept = |time| RootKey::versions(token.clone(), VersionPolicy::with_each_shred().keep_older(time));
    let vault = scratch.vault().create(kept(HOUR)).unwrap();
    let public = vault.public_key().unwrap();
    for n in 0..3 {
        if n == 2 {
            token.clock_is_ahead_by(HOUR * 24);
        }
        let _ = vault.shred([enroll(&vault).0]).unwrap();
    }
    token.clock_is_ahead_by(Duration::ZERO);
    vault.close().unwrap();
    let now = last(&scratch, &public);
    let until = SystemTime::from(now.kept.unwrap().until).duration_since(SystemTime::now()).unwrap();
    assert_eq!((now.number, now.kept.unwrap().from, token.keys()), (4, 1, 4));
    assert!(until > HOUR * 24 && until <= HOUR * 25, "the mark that is ahead counts: {until:?}");
    is_true(&token, &now);
    // With a moment to be kept for all three go: a mark of the future keeps nothing for longer than that since it was seen first.
    let vault = scratch.vault().unlock(kept(Duration::from_millis(1))).unwrap();
    let _ = vault.sweep().unwrap();
    vault.close().unwrap();
    let now = last(&scratch, &public);
    assert_eq!((now.number, now.kept, now.began), (4, None, Began::Forgot));
    is_true(&token, &now);
    assert_eq!(token.keys(), 1);
}

/// Killed at each step of a shred, of the store's and of the token's: what the journal says is true at every time, and once the next process has
/// unlocked the vault it says all.
#[test]
fn what_is_told_is_true_wherever_a_process_stops() {
    let mut stopped_while_destroying = 0;
    for step in 1.. {
        let (scratch, token) = (Scratch::new(), MemoryToken::new());
        let vault = scratch.vault().create(each(&token)).unwrap();
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        vault.close().unwrap();
        let steps = Steps::new();
        let at = VaultBuilder::in_directory(layout(scratch.0.path()).steps(&steps)).purposes([ORDERS, NEWS]);
        let key = RootKey::versions(token.seen_by(&steps), VersionPolicy::with_each_shred());
        let vault = at.journal(scratch.journal()).unlock(key).unwrap();
        steps.stop_at(step, Stop::Die { torn: false });
        let done = vault.shred([row.0]);
        let is_finished = steps.taken() < step;
        steps.stop_at(1, Stop::Die { torn: false });
        drop(vault);
        is_true(&token, &last(&scratch, &public));
        stopped_while_destroying += u32::from(token.keys() == 2);
        let vault = scratch.vault().unlock(each(&token)).unwrap();
        let is_shred = |deed: &(Event, Option<Ending>)| matches!(deed, (Event::Shred { .. }, Some(Ending::Done)));
        let is_asked = scratch.deeds(&public).iter().any(is_shred);
        assert_eq!(alive(&vault, &row).0, !is_asked, "step {step}: an intent that was written is finished");
        let (number, generation) = (vault.status().unwrap().root_key_version.unwrap().0, vault.generation().unwrap());
        vault.close().unwrap();
        let now = last(&scratch, &public);
        assert_eq!((now.number, now.kept, token.keys()), (number, None, 1), "step {step}");
        assert!(now.generation <= generation);
        is_true(&token, &now);
        scratch.verify(&public);
        if is_finished {
            assert!(done.is_ok());
            break;
        }
    }
    assert!(stopped_while_destroying > 3, "{stopped_while_destroying}");
}

/// A vault whose journal is gone the moment a commit is made: as a process that is killed before it can say what it did.
fn cannot_say(scratch: &Scratch, key: RootKey, armed: &Arc<AtomicBool>) -> Vault {
    let (armed, from, to) = (armed.clone(), scratch.journal(), scratch.at("aside"));
    let hook = move || {
        if armed.swap(false, Ordering::SeqCst) {
            std::fs::rename(&from, &to).unwrap();
        }
    };
    let store = layout(scratch.0.path()).open().unwrap();
    let store = || Then(store.clone(), hook.clone());
    Vault::on(store(), store()).purposes([ORDERS, NEWS]).journal(scratch.journal()).unlock(key).unwrap()
}

/// Killed when all is destroyed and nothing said: the next process finds it. Also where nobody asked for a version, so that no intent is open.
#[test]
fn what_was_destroyed_and_not_told_is_told_by_the_next() {
    for (policy, began) in
        [(VersionPolicy::with_each_shred(), None), (VersionPolicy::after(Duration::ZERO), Some(Began::Unknown))]
    {
        let (scratch, token) = (Scratch::new(), MemoryToken::new());
        let key = |policy| RootKey::versions(token.clone(), policy);
        let vault = scratch.vault().create(key(VersionPolicy::by_hand())).unwrap();
        let public = vault.public_key().unwrap();
        let row = enroll(&vault);
        vault.close().unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        let vault = cannot_say(&scratch, key(policy), &armed);
        armed.store(true, Ordering::SeqCst);
        if began.is_none() {
            let _ = vault.shred([row.0]).unwrap();
        } else {
            let _ = vault.sweep().unwrap();
        }
        assert!(!armed.load(Ordering::SeqCst));
        vault.close().unwrap();
        std::fs::rename(scratch.at("aside"), scratch.journal()).unwrap();
        assert_eq!(
            (last(&scratch, &public).number, token.keys()),
            (1, 1),
            "the key of version 1 is gone, and nobody said so"
        );
        scratch.vault().unlock(key(VersionPolicy::by_hand())).unwrap().close().unwrap();
        let now = last(&scratch, &public);
        assert_eq!((now.number, now.kept), (2, None));
        assert_eq!(now.began, Began::Unknown);
        is_true(&token, &now);
    }
}

fn series_of(vault: &Vault, token: &RootKey) -> Vec<(SeriesName, u64, bool, bool)> {
    let all = vault.series_in(token).unwrap();
    all.iter().map(|it| (it.series, it.keys, it.is_in_use, it.is_of_this_vault)).collect()
}

/// A copy has a series of its own, and a rotation leaves one: both are this vault's, and can be destroyed by a call. The one in use cannot, and
/// none of another vault on the same token.
#[test]
fn what_is_left_of_copies_and_rotations_can_be_destroyed() {
    let (scratch, other, token) = (Scratch::new(), Scratch::new(), MemoryToken::new());
    let strangers = other.vault().create(each(&token)).unwrap();
    let vault = scratch.vault().create(each(&token)).unwrap();
    let public = vault.public_key().unwrap();
    vault.copy_to(scratch.at("copy")).unwrap();
    let Some(Event::Copied { series: copied }) = scratch.entries(&public).last().map(|entry| entry.event().clone())
    else {
        panic!("a copy is told");
    };
    let all = series_of(&vault, &each(&token));
    let in_use = all.iter().find(|(_, _, is_in_use, _)| *is_in_use).unwrap().0;
    let foreign = all.iter().find(|(.., is_ours)| !is_ours).unwrap().0;
    assert_eq!((all.len(), token.keys()), (3, 3));
    assert!(all.contains(&(copied, 1, false, true)) && in_use != copied && foreign != copied);
    let forget = |vault: &Vault, series| vault.destroy_series(&each(&token), series, Some("a drill".parse().unwrap()));
    let before = scratch.entries(&public).len();
    assert!(matches!(forget(&vault, in_use), Err(ChangeError::SeriesInUse { series }) if series == in_use));
    assert!(matches!(forget(&vault, foreign), Err(ChangeError::SeriesOfAnotherVault { series }) if series == foreign));
    let nobodys = SeriesName::from_bytes([7; 16]);
    assert!(matches!(forget(&vault, nobodys), Err(ChangeError::SeriesNotThere { .. })));
    assert!(matches!(vault.destroy_series(&key(), copied, None), Err(ChangeError::NotInToken)));
    assert_eq!((scratch.entries(&public).len(), token.keys()), (before, 3), "what is refused is not written down");
    // What a copy may not do: destroy the original's.
    let copy = Vault::at(scratch.at("copy")).as_copy().unlock(each(&token)).unwrap();
    assert!(matches!(forget(&copy, in_use), Err(ChangeError::NotInToken)));
    copy.close().unwrap();
    assert_eq!(forget(&vault, copied).unwrap(), 1);
    assert_eq!((token.keys(), token.marks()), (2, 2));
    assert!(Vault::at(scratch.at("copy")).as_copy().unlock(each(&token)).is_err(), "the copy opens for nobody");
    assert!(matches!(forget(&vault, copied), Err(ChangeError::SeriesNotThere { .. })));
    // Moved away from the token, the vault still knows what was its own there.
    vault.rotate_root_key(key()).unwrap();
    assert_eq!(forget(&vault, in_use).unwrap(), 1);
    assert_eq!(series_of(&vault, &each(&token)), [(foreign, 1, false, false)]);
    let deeds = scratch.deeds(&public);
    let forgotten = deeds.iter().filter(|(event, _)| matches!(event, Event::ForgetSeries { why: Some(_), .. }));
    assert!(forgotten.clone().count() == 2 && forgotten.clone().all(|(_, ending)| *ending == Some(Ending::Done)));
    vault.close().unwrap();
    assert!(scratch.vault().unlock(key()).is_ok());
    assert!(strangers.shred([enroll(&strangers).0]).is_ok());
}

/// Stopped at each step while the keys of a series are destroyed: the vault opens, and whoever unlocks it next with the token goes on with what was
/// asked for. With another token it stays open, and is never called done.
#[test]
fn forgetting_a_series_is_finished_by_the_next() {
    for step in 1.. {
        let (scratch, token) = (Scratch::new(), MemoryToken::new());
        let vault = scratch.vault().create(each(&token)).unwrap();
        let public = vault.public_key().unwrap();
        vault.copy_to(scratch.at("copy")).unwrap();
        let copied = series_of(&vault, &each(&token)).iter().find(|(_, _, is_in_use, _)| !is_in_use).unwrap().0;
        vault.close().unwrap();
        let steps = Steps::new();
        let at = VaultBuilder::in_directory(layout(scratch.0.path()).steps(&steps)).purposes([ORDERS, NEWS]);
        let seen = || RootKey::versions(token.seen_by(&steps), VersionPolicy::with_each_shred());
        let vault = at.journal(scratch.journal()).unlock(seen()).unwrap();
        steps.stop_at(step, Stop::Die { torn: false });
        let done = vault.destroy_series(&seen(), copied, None);
        let is_finished = steps.taken() < step;
        steps.stop_at(1, Stop::Die { torn: false });
        drop(vault);
        let ending = |scratch: &Scratch| {
            let deeds = scratch.deeds(&public);
            deeds.iter().find(|(event, _)| matches!(event, Event::ForgetSeries { .. })).map(|(_, ending)| *ending)
        };
        if ending(&scratch) == Some(Some(Ending::Done)) {
            assert_eq!(token.keys(), 1, "step {step}: called done, and a key is there");
        }
        let was_refused = ending(&scratch) == Some(Some(Ending::Refused));
        assert!(!was_refused || token.keys() == 2, "step {step}: called refused, and a key is gone");
        let vault = scratch.vault().unlock(each(&token)).unwrap();
        vault.close().unwrap();
        if !was_refused {
            assert_eq!((token.keys(), ending(&scratch)), (1, Some(Some(Ending::Done))), "step {step}");
        }
        if is_finished {
            assert!(done.is_ok());
            break;
        }
    }
    // Asked for, and the token of that time is not the vault's any more.
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = scratch.vault().create(each(&token)).unwrap();
    let public = vault.public_key().unwrap();
    let series = vault.series_in(&each(&token)).unwrap()[0].series;
    let another = MemoryToken::new();
    vault.rotate_root_key(each(&another)).unwrap();
    let steps = Steps::new();
    steps.stop_at(1, Stop::Fail(Problem::Io));
    let stopped = RootKey::versions(token.seen_by(&steps), VersionPolicy::by_hand());
    assert!(matches!(vault.destroy_series(&stopped, series, None), Err(ChangeError::SeriesLeft(_))));
    vault.close().unwrap();
    scratch.vault().unlock(each(&another)).unwrap().close().unwrap();
    let is_open = |deeds: &[(Event, Option<Ending>)]| {
        deeds.iter().any(|(event, ending)| matches!(event, Event::ForgetSeries { .. }) && ending.is_none())
    };
    assert!(is_open(&scratch.deeds(&public)), "nobody saw that it is gone");
    let vault = scratch.vault().unlock(each(&another)).unwrap();
    assert_eq!(vault.destroy_series(&each(&token), series, None).unwrap(), 1);
    vault.close().unwrap();
    assert!(!is_open(&scratch.deeds(&public)), "both are done");
}

/// A token whose keys somebody destroys the moment they are made: as whoever forgets the series of a rotation that has not committed yet.
struct Snatched(MemoryToken);

impl KeySeries for Snatched {
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.0.create(series, version)
    }
    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
        let wrapped = self.0.wrap(series, version, secret)?;
        self.0.complete(series, version)?;
        self.0.destroy(series, version)?;
        Ok(wrapped)
    }
    fn unwrap(&self, _: &[u8; 16], _: KeyVersion, _: &[u8], _: &mut [u8; 32]) -> Result<(), WrapperError> {
        Err("it is gone".into())
    }
    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.0.complete(series, version)
    }
    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
        self.0.list(series)
    }
    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
        self.0.series()
    }
    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.0.unmark(series, version)
    }
    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.0.destroy(series, version)
    }
}

#[test]
fn a_rotation_whose_key_is_gone_by_its_commit_is_refused() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = scratch.vault().create(each(&token)).unwrap();
    let row = enroll(&vault);
    let rotated =
        vault.rotate_root_key(RootKey::versions(Snatched(MemoryToken::new()), VersionPolicy::with_each_shred()));
    assert!(matches!(rotated, Err(ChangeError::NothingHappened(_))), "{rotated:?}");
    assert_eq!(alive(&vault, &row), (true, true));
    vault.close().unwrap();
    assert_eq!(alive(&scratch.vault().unlock(each(&token)).unwrap(), &row), (true, true));
}

/// What only looks leaves what others left as it is, and whoever opens the vault to work finishes it.
#[test]
fn to_look_destroys_nothing() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = scratch.vault().create(each(&token)).unwrap();
    let row = enroll(&vault);
    let series = vault.series_in(&each(&token)).unwrap()[0].series.to_bytes();
    vault.close().unwrap();
    // What a commit left that came to nothing.
    let unused = oubliette::root_keys::KeyVersion { number: 2, id: [9; 16] };
    token.create(&series, unused).unwrap();
    let looked = scratch.vault().look_at_root_key(&each(&token)).unwrap().unwrap();
    assert_eq!((looked.version.number, &looked.unused[..], looked.has_key), (1, &[unused][..], true));
    assert!(looked.kept.is_empty() && looked.overdue.is_empty() && looked.may_begin && looked.all.len() == 1);
    let vault = scratch.vault().unlock_read_only(each(&token)).unwrap();
    assert!(vault.open(row.0, EMAIL, &row.1).is_ok());
    assert!(vault.shred([row.0]).is_err() && vault.begin_root_key_version().is_err());
    assert!(vault.sweep().is_err());
    vault.close().unwrap();
    assert_eq!(token.keys(), 2);
    let vault = scratch.vault().unlock(each(&token)).unwrap();
    assert!(vault.open(row.0, EMAIL, &row.1).is_ok());
    assert_eq!(token.keys(), 1);
}
