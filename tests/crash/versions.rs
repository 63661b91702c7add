//! Root keys that are destroyed, with a fault at each step of a shred: of the store, and of the token that holds the keys. Then the power fails.
//! The vault always opens, nobody shredded is back, and what was answered `Ok` cannot be read with any older record and all that the token has.
//!
//! With one token, and with two, of which the attacker has either. Some 400 cases, 35 s of processor time.

use oubliette::personal::Text;
use oubliette::store::{CopyContent, Directory, Problem, RootStore};
use oubliette::testing::MemoryToken;
use oubliette::testing::{Leaves, Media, Steps, Stop};
use oubliette::{
    CustomerId, KeyStoreError, OpenError, RootKey, Sealed, UnlockError, Vault, VaultBuilder,
    root_keys::{KeySeries, VersionPolicy},
};

use super::stage::*;

/// A vault with a mirror whose root key is a series, on a disk that forgets.
struct World {
    scratch: tempfile::TempDir,
    media: Media,
    /// One, or two of which any one opens.
    tokens: Vec<MemoryToken>,
    alice: Row,
    bob: Row,
}

type Row = (CustomerId, Sealed<Text>);

fn enroll(vault: &Vault) -> Row {
    let customer = vault.enroll().unwrap();
    (customer, vault.seal(customer, note(ORDERS), &"relied upon".parse().unwrap()).unwrap())
}

/// One alone is asked for itself.
fn key_in<S: KeySeries>(tokens: Vec<(usize, S)>, of: usize, policy: VersionPolicy) -> RootKey {
    let named = |(n, token): (usize, S)| (format!("token {n}"), Box::new(token) as Box<dyn KeySeries>);
    match (of, tokens) {
        (1, mut one) => RootKey::versions(one.remove(0).1, policy),
        (_, tokens) => RootKey::versions_in(tokens.into_iter().map(named), policy),
    }
}

impl World {
    fn new(count: usize) -> World {
        let (scratch, media) = (tempfile::tempdir().unwrap(), Media::new());
        let tokens: Vec<MemoryToken> = (0..count).map(|_| MemoryToken::new()).collect();
        let policy = VersionPolicy::with_each_shred();
        let builder = VaultBuilder::in_directory(layout(scratch.path(), 1)).lease(std::time::Duration::from_secs(30));
        let vault =
            settings(builder).create(key_in(tokens.iter().cloned().enumerate().collect(), count, policy)).unwrap();
        let (alice, bob) = (enroll(&vault), enroll(&vault));
        let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
        let _ = vault.sweep().unwrap();
        vault.close().unwrap();
        World { scratch, media, tokens, alice, bob }
    }

    fn at_power_on(&self, left: Left) -> VaultBuilder {
        settings(VaultBuilder::in_directory(match left {
            Left::Both => layout(self.scratch.path(), 1),
            Left::Mirror => Directory::at(self.scratch.path().join("mirror0")),
        }))
    }

    fn key(&self) -> RootKey {
        self.key_under(VersionPolicy::with_each_shred().allow_one_place())
    }

    fn key_under(&self, policy: VersionPolicy) -> RootKey {
        key_in(self.tokens.iter().cloned().enumerate().collect(), self.tokens.len(), policy)
    }

    /// As if the others were away.
    fn key_of_one(&self, n: usize, token: MemoryToken) -> RootKey {
        key_in(vec![(n, token)], self.tokens.len(), VersionPolicy::by_hand())
    }

    fn open(&self) -> (Option<Vault>, Steps) {
        let steps = Steps::new();
        let at = layout(self.scratch.path(), 1).media(&self.media).steps(&steps);
        let seen = self.tokens.iter().map(|token| token.seen_by(&steps)).enumerate().collect();
        let key = key_in(seen, self.tokens.len(), VersionPolicy::with_each_shred());
        (Some(settings(VaultBuilder::in_directory(at)).unlock(key).unwrap()), steps)
    }

    /// Every root record that lies here now.
    fn records(&self) -> Vec<Vec<u8>> {
        let store = layout(self.scratch.path(), 1).open().unwrap();
        let copies = store.places().into_iter().flat_map(|place| store.read(place));
        let intact = copies.filter_map(|copy| match &copy.content {
            CopyContent::Intact(record) => Some(record.clone()),
            _ => None,
        });
        intact.collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Left {
    Both,
    /// The directory is lost with its disk; an operator promotes the mirror.
    Mirror,
}

fn kill(process: &mut (Option<Vault>, Steps)) {
    process.1.stop_at(1, DIE);
    process.0 = None;
}

/// Whether somebody who has any one token as it is now, and minds no marks, opens the value with this record.
fn opens(world: &World, record: &[u8], row: &Row) -> bool {
    world.tokens.iter().enumerate().any(|(n, token)| {
        let memory = oubliette::store::Memory::new();
        let places = memory.places();
        memory.lock(&places, std::time::Duration::ZERO).unwrap().write(places[0], 0, record).unwrap();
        let key = world.key_of_one(n, token.without_marks());
        // The pages are no secret; only whether the record opens is asked.
        let pages = Directory::at(world.scratch.path().join("mirror0")).open().unwrap();
        match Vault::on(pages, memory).purposes([ORDERS, NEWS]).as_copy().unlock(key) {
            Ok(vault) => vault.open(row.0, note(ORDERS), &row.1).is_ok(),
            // It names places that are not here, and was opened to know that.
            Err(error) => !matches!(
                error,
                UnlockError::KeyStore(
                    KeyStoreError::RootKey(_) | KeyStoreError::RootKeyDestroyed { .. } | KeyStoreError::WrongRootKey
                )
            ),
        }
    })
}

fn at_every_step(tokens: usize, stop: Stop, leaves: Leaves, drop: bool, again: bool, left: Left) -> u32 {
    let mut cases = 0;
    for step in 1.. {
        let case =
            format!("{tokens} tokens, {stop:?} at step {step}, {leaves:?}, drop {drop}, again {again}, {left:?}");
        let world = World::new(tokens);
        let older = world.records();
        let (mut a, mut b) = (world.open(), world.open());
        a.1.stop_at(step, stop);
        let shred = |a: &(Option<Vault>, Steps)| a.0.as_ref().unwrap().shred([world.alice.0]).is_ok();
        let mut is_told = shred(&a);
        let finished = a.1.taken() < step;
        if matches!(stop, Stop::Die { .. }) {
            kill(&mut a);
        }
        if drop {
            world.media.drop_pages().unwrap();
        }
        let seen = b.0.as_ref().unwrap();
        let _ = seen.refresh();
        let relied = seen.seal(world.bob.0, note(ORDERS), &"relied upon".parse().unwrap());
        if again {
            a.1.reset();
            is_told |= shred(&a);
        }
        world.media.drop_pages().unwrap();
        kill(&mut a);
        kill(&mut b);
        world.media.cut_power(leaves).unwrap();
        if is_told {
            for record in &older {
                assert!(!opens(&world, record, &world.alice), "{case}: an older record opens");
            }
        }
        for (n, token) in world.tokens.iter().enumerate().filter(|_| tokens > 1 && left == Left::Both) {
            let vault = world.at_power_on(left).unlock(world.key_of_one(n, token.clone()));
            let vault = vault.unwrap_or_else(|error| panic!("{case}: token {n} alone opens nothing: {error:?}"));
            assert!(vault.open(world.bob.0, note(ORDERS), &world.bob.1).is_ok(), "{case}");
        }
        let vault = match left {
            Left::Both => world.at_power_on(left).unlock(world.key()),
            Left::Mirror => {
                let store = Directory::at(world.scratch.path().join("main")).open().unwrap();
                let lost = store.places()[0];
                std::fs::remove_dir_all(world.scratch.path().join("main")).unwrap();
                Ok(world
                    .at_power_on(left)
                    .promote(world.key(), [lost])
                    .unwrap_or_else(|error| panic!("{case}: {error:?}")))
            }
        };
        let vault = vault.unwrap_or_else(|error| panic!("{case}: nothing opens: {error:?}"));
        assert!(vault.open(world.bob.0, note(ORDERS), &world.bob.1).is_ok(), "{case}");
        if let Ok(sealed) = &relied {
            assert!(vault.open(world.bob.0, note(ORDERS), sealed).is_ok(), "{case}");
        }
        let opened = vault.open(world.alice.0, note(ORDERS), &world.alice.1);
        assert!(!is_told || matches!(opened, Err(OpenError::Shredded { .. })), "{case}: {opened:?}");
        // Whatever was interrupted is finished: by unlocking, and at last by the next shred.
        let _ =
            vault.shred([world.alice.0, vault.enroll().unwrap()]).unwrap_or_else(|error| panic!("{case}: {error:?}"));
        assert!(world.tokens.iter().all(|token| token.keys() == 1), "{case}: a key is left");
        for record in &older {
            assert!(!opens(&world, record, &world.alice), "{case}: an older record opens at the end");
        }
        cases += 1;
        if finished {
            break;
        }
    }
    cases
}

#[test]
fn versions_outlive_faults_at_every_step() {
    let cases = at_every_step(1, DIE_TORN, Leaves::Old, false, false, Left::Both)
        + at_every_step(1, DIE, Leaves::New, false, false, Left::Both)
        + at_every_step(1, DIE, Leaves::Half, false, false, Left::Mirror)
        + at_every_step(1, Stop::Fail(Problem::Io), Leaves::Old, true, true, Left::Both)
        + at_every_step(1, Stop::Fail(Problem::Io), Leaves::Old, false, false, Left::Mirror)
        + at_every_step(1, Stop::FailFrom(Problem::Full), Leaves::Old, true, true, Left::Both);
    assert!(cases > 150, "{cases}");
}

/// Made, marked or destroyed in one and not in the other: any one opens the vault, and none an older record once that was answered.
#[test]
fn versions_in_two_tokens_outlive_faults_at_every_step() {
    let cases = at_every_step(2, DIE_TORN, Leaves::Old, false, false, Left::Both)
        + at_every_step(2, DIE, Leaves::New, false, false, Left::Mirror)
        + at_every_step(2, Stop::Fail(Problem::Io), Leaves::Old, true, true, Left::Both)
        + at_every_step(2, Stop::FailFrom(Problem::Full), Leaves::New, false, false, Left::Both);
    assert!(cases > 110, "{cases}");
}

/// The attack itself finds what is not destroyed: without a new version an older record opens whom it knew.
#[test]
fn the_attack_opens_older_records_where_no_version_began() {
    for tokens in [1, 2] {
        let world = World::new(tokens);
        let older = world.records();
        let vault = world.at_power_on(Left::Both).unlock(world.key_under(VersionPolicy::by_hand())).unwrap();
        let _ = vault.shred([world.alice.0]).unwrap();
        assert!(older.iter().all(|record| opens(&world, record, &world.alice)));
        vault.begin_root_key_version().unwrap();
        assert!(!older.iter().any(|record| opens(&world, record, &world.alice)));
    }
}
