//! Root keys that are destroyed, with a fault at each step of a shred: of the store, and of the token that holds the keys. Then the power fails.
//! The vault always opens, nobody shredded is back, and what was answered `Ok` cannot be read with any older record and all that the token has.
//!
//! Some 250 cases, 20 s of processor time.

use oubliette::personal::Text;
use oubliette::store::{CopyContent, Directory, Leaves, Media, Problem, RootStore, Steps, Stop};
use oubliette::testing::MemoryToken;
use oubliette::{CustomerId, OpenError, RootKey, Sealed, Vault, VaultBuilder, VersionPolicy};

use super::stage::*;

/// A vault with a mirror whose root key is a series, on a disk that forgets.
struct World {
    scratch: tempfile::TempDir,
    media: Media,
    token: MemoryToken,
    alice: Row,
    bob: Row,
}

type Row = (CustomerId, Sealed<Text>);

fn enroll(vault: &Vault) -> Row {
    let customer = vault.enroll().unwrap();
    (customer, vault.seal(customer, note(ORDERS), &"relied upon".parse().unwrap()).unwrap())
}

impl World {
    fn new() -> World {
        let (scratch, media, token) = (tempfile::tempdir().unwrap(), Media::new(), MemoryToken::new());
        let policy = VersionPolicy::with_each_shred();
        let builder = VaultBuilder::in_directory(layout(scratch.path(), 1)).lease(std::time::Duration::from_secs(30));
        let vault = settings(builder).create(RootKey::versions(token.clone(), policy)).unwrap();
        let (alice, bob) = (enroll(&vault), enroll(&vault));
        let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
        let _ = vault.sweep().unwrap();
        vault.close().unwrap();
        World { scratch, media, token, alice, bob }
    }

    fn at_power_on(&self, left: Left) -> VaultBuilder {
        settings(VaultBuilder::in_directory(match left {
            Left::Both => layout(self.scratch.path(), 1),
            Left::Mirror => Directory::at(self.scratch.path().join("mirror0")),
        }))
    }

    fn key(&self) -> RootKey {
        RootKey::versions(self.token.clone(), VersionPolicy::with_each_shred().allow_one_place())
    }

    fn open(&self) -> (Option<Vault>, Steps) {
        let steps = Steps::new();
        let at = layout(self.scratch.path(), 1).media(&self.media).steps(&steps);
        let key = RootKey::versions(self.token.seen_by(&steps), VersionPolicy::with_each_shred());
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

/// Whether somebody who has the token as it is now, and minds no marks, opens the value with this record.
fn opens(world: &World, record: &[u8], row: &Row) -> bool {
    let memory = oubliette::store::Memory::new();
    let places = memory.places();
    memory.lock(&places, std::time::Duration::ZERO).unwrap().write(places[0], 0, record).unwrap();
    let key = RootKey::versions(world.token.without_marks(), VersionPolicy::by_hand());
    // The pages are no secret; only whether the record opens is asked.
    let pages = Directory::at(world.scratch.path().join("mirror0")).open().unwrap();
    match Vault::on(pages, memory).purposes([ORDERS, NEWS]).as_copy().unlock(key) {
        Ok(vault) => vault.open(row.0, note(ORDERS), &row.1).is_ok(),
        // It names places that are not here, and was opened to know that.
        Err(error) => !format!("{error:?}").contains("RootKey"),
    }
}

fn at_every_step(stop: Stop, leaves: Leaves, drop: bool, again: bool, left: Left) -> u32 {
    let mut cases = 0;
    for step in 1.. {
        let case = format!("{stop:?} at step {step}, {leaves:?}, drop {drop}, again {again}, {left:?}");
        let world = World::new();
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
        assert_eq!(world.token.keys(), 1, "{case}: a key is left");
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
    let cases = at_every_step(DIE_TORN, Leaves::Old, false, false, Left::Both)
        + at_every_step(DIE, Leaves::New, false, false, Left::Both)
        + at_every_step(DIE, Leaves::Half, false, false, Left::Mirror)
        + at_every_step(Stop::Fail(Problem::Io), Leaves::Old, true, true, Left::Both)
        + at_every_step(Stop::Fail(Problem::Io), Leaves::Old, false, false, Left::Mirror)
        + at_every_step(Stop::FailFrom(Problem::Full), Leaves::Old, true, true, Left::Both);
    assert!(cases > 150, "{cases}");
}

/// The attack itself finds what is not destroyed: without a new version an older record opens whom it knew.
#[test]
fn the_attack_opens_older_records_where_no_version_began() {
    let world = World::new();
    let older = world.records();
    let key = RootKey::versions(world.token.clone(), VersionPolicy::by_hand());
    let vault = world.at_power_on(Left::Both).unlock(key).unwrap();
    let _ = vault.shred([world.alice.0]).unwrap();
    assert!(older.iter().all(|record| opens(&world, record, &world.alice)));
    vault.begin_root_key_version().unwrap();
    assert!(!older.iter().any(|record| opens(&world, record, &world.alice)));
}
