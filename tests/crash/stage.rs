//! A vault with a past, on a store that stops where it is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oubliette::personal::Text;
use oubliette::store::{CopyContent, Directory, DirectoryBuilder, Problem, RootStore};
use oubliette::testing::TestVault;
use oubliette::testing::{Steps, Stop};
use oubliette::{CustomerId, Field, OpenError, Purpose, RootKey, Sealed, Vault, VaultBuilder};

use crate::attack::decoder::{Key, Value};
use crate::attack::{Attacker, Effort, Loot, directory};

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWS: Purpose = Purpose::new("newsletter");
pub const OLD_KEY: Key = [0x5a; 32];
pub const NEW_KEY: Key = [0x77; 32];

pub const DIE: Stop = Stop::Die { torn: false };
pub const DIE_TORN: Stop = Stop::Die { torn: true };
pub const STOPS: [Stop; 4] = [DIE, DIE_TORN, Stop::Fail(Problem::Io), Stop::FailFrom(Problem::Full)];

pub fn note(purpose: Purpose) -> Field<Text> {
    purpose.field("note")
}

/// Who is in the vault, and what was sealed for them.
#[derive(Clone)]
pub struct Cast {
    pub alice: CustomerId,
    pub bob: CustomerId,
    pub carol: CustomerId,
    /// Shredded long ago.
    pub ghost: CustomerId,
    pub values: Vec<(CustomerId, Purpose, Sealed<Text>)>,
}

/// Alive or not, by value.
pub type State = Vec<bool>;

impl Cast {
    fn enter(vault: &Vault) -> Cast {
        let mut all: Vec<CustomerId> = (0..5).map(|_| vault.enroll().unwrap()).collect();
        let mut values = Vec::new();
        for customer in &all {
            for purpose in [ORDERS, NEWS] {
                let text: Text = format!("{customer} in {purpose}").parse().unwrap();
                values.push((*customer, purpose, vault.seal(*customer, note(purpose), &text).unwrap()));
            }
        }
        let ghost = all.remove(2);
        let half = all.remove(3);
        let _ = vault.shred([ghost]).unwrap();
        let _ = vault.shredding([half]).purpose(NEWS).run().unwrap();
        Cast { alice: all[0], bob: all[1], carol: all[2], ghost, values }
    }

    pub fn state(&self, vault: &Vault) -> State {
        let alive = |(customer, purpose, sealed): &(CustomerId, Purpose, Sealed<Text>)| match vault.open(
            *customer,
            note(*purpose),
            sealed,
        ) {
            Ok(text) => {
                assert_eq!(text.expose_personal_data(), format!("{customer} in {purpose}"));
                true
            }
            Err(OpenError::Shredded { .. }) => false,
            Err(error) => panic!("neither alive nor shredded: {error:?}"),
        };
        self.values.iter().map(alive).collect()
    }
}

pub enum Stage {
    Memory(Box<TestVault>, Cast),
    Directory { scratch: tempfile::TempDir, mirrors: usize, steps: Steps, cast: Cast },
}

/// A directory with a past, made once and copied for each case.
pub struct Template {
    scratch: tempfile::TempDir,
    mirrors: usize,
    cast: Cast,
}

pub fn layout(at: &Path, mirrors: usize) -> DirectoryBuilder {
    (0..mirrors).fold(Directory::at(at.join("main")), |builder, n| builder.mirror(at.join(format!("mirror{n}"))))
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy_all(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

pub fn settings(builder: VaultBuilder) -> VaultBuilder {
    // No lease runs out by accident on a slow machine: what is tested here is no matter of time.
    builder.purposes([ORDERS, NEWS]).keep_superseded(Duration::ZERO).patience(Duration::from_secs(20))
}

impl Template {
    pub fn new(mirrors: usize) -> Template {
        let scratch = tempfile::tempdir().unwrap();
        let builder = VaultBuilder::in_directory(layout(scratch.path(), mirrors)).lease(Duration::from_secs(30));
        let vault = settings(builder).create(RootKey::bytes(OLD_KEY)).unwrap();
        let cast = Cast::enter(&vault);
        vault.close().unwrap();
        Template { scratch, mirrors, cast }
    }

    pub fn stage(&self) -> Stage {
        let scratch = tempfile::tempdir().unwrap();
        copy_all(self.scratch.path(), scratch.path());
        Stage::Directory { scratch, mirrors: self.mirrors, steps: Steps::new(), cast: self.cast.clone() }
    }
}

impl Stage {
    pub fn memory() -> Stage {
        let vault = Vault::in_memory([ORDERS, NEWS]);
        let cast = Cast::enter(&vault);
        Stage::Memory(Box::new(vault), cast)
    }

    pub fn cast(&self) -> &Cast {
        match self {
            Stage::Memory(_, cast) | Stage::Directory { cast, .. } => cast,
        }
    }

    pub fn steps(&self) -> &Steps {
        match self {
            Stage::Memory(vault, _) => vault.steps(),
            Stage::Directory { steps, .. } => steps,
        }
    }

    /// What opens the vault on the store that can be stopped.
    pub fn faulty(&self) -> VaultBuilder {
        match self {
            Stage::Memory(vault, _) => settings(vault.builder()),
            Stage::Directory { scratch, mirrors, steps, .. } => {
                settings(VaultBuilder::in_directory(layout(scratch.path(), *mirrors).steps(steps)))
            }
        }
    }

    /// What a new process opens, after the fault.
    pub fn anew(&self) -> VaultBuilder {
        match self {
            Stage::Memory(vault, _) => {
                vault.steps().reset();
                settings(vault.builder())
            }
            Stage::Directory { scratch, mirrors, .. } => {
                settings(VaultBuilder::in_directory(layout(scratch.path(), *mirrors)))
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let Stage::Directory { scratch, .. } = self else { panic!("not a directory") };
        scratch.path().join(name)
    }

    /// Everything that can be stolen from the store now.
    pub fn loot(&self, root_keys: &[Key]) -> Loot {
        let mut loot = match self {
            Stage::Directory { scratch, .. } => directory::steal(&[scratch.path()], root_keys),
            Stage::Memory(vault, _) => {
                let intact = |copy: oubliette::store::RootCopy| match &copy.content {
                    CopyContent::Intact(record) => Some(record.clone()),
                    _ => None,
                };
                Loot {
                    pages: vault.memory().pages_put().into_iter().map(|page| page.bytes).collect(),
                    records: vault.memory().read(vault.memory().places()[0]).into_iter().filter_map(intact).collect(),
                    root_keys: root_keys.to_vec(),
                    ..Loot::default()
                }
            }
        };
        loot.fields = vec![("note", "obl.text")];
        loot.values = self.cast().values.iter().map(|(_, _, sealed)| Value::read(sealed.as_bytes(), None)).collect();
        loot
    }

    /// An adversary with all that is left opens exactly the living.
    pub fn attack(&self, root_keys: &[Key], state: &State) {
        let opened = Attacker::new(&self.loot(root_keys), Effort::Knowing).run();
        let opened: State = (0..state.len()).map(|index| opened.contains_key(&index)).collect();
        assert_eq!(opened, *state, "what the adversary opens, and who lives");
    }
}
