//! What the other processes do.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oubliette::personal::Text;
use oubliette::store::{Directory, DirectoryBuilder};
use oubliette::testing::Steps;
use oubliette::{CustomerId, Field, Purpose, RootKey, Sealed, Vault, VaultBuilder};

const ROLE: &str = "OUBLIETTE_TEST_ROLE";

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NOTE: Field<Text> = ORDERS.field("note");
pub const KEY: [u8; 32] = [7; 32];
pub const LEASE: Duration = Duration::from_millis(200);

pub fn key() -> RootKey {
    RootKey::bytes(KEY)
}

pub fn directory(at: &Path, mirrors: usize) -> DirectoryBuilder {
    (0..mirrors).fold(Directory::at(at.join("main")), |builder, n| builder.mirror(at.join(format!("mirror{n}"))))
}

pub fn vault(at: &Path, mirrors: usize) -> VaultBuilder {
    VaultBuilder::in_directory(directory(at, mirrors)).purposes([ORDERS]).lease(LEASE)
}

pub fn seal(vault: &Vault, customer: CustomerId) -> Sealed<Text> {
    vault.seal(customer, NOTE, &text(customer)).unwrap()
}

pub fn text(customer: CustomerId) -> Text {
    format!("a note of {customer}").parse().unwrap()
}

pub fn start(role: &str, at: &Path, rest: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child::other_process", "--nocapture"])
        .env(ROLE, format!("{role} {} {rest}", at.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the other process does. Without its variable it has nothing to do.
#[test]
fn other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let at = PathBuf::from(words[1]);
    match words[0] {
        "shred" => {
            let [mirrors, customer, step] = [2, 3, 4].map(|word: usize| words[word].parse::<i64>().unwrap());
            let steps = Steps::new();
            let builder = directory(&at, usize::try_from(mirrors).unwrap()).steps(&steps);
            let vault = VaultBuilder::in_directory(builder).purposes([ORDERS]).unlock(key()).unwrap();
            steps.die_at(step.try_into().unwrap(), words[5] == "torn", || std::process::abort());
            let _ = vault.shred([CustomerId::from_stored(customer).unwrap()]).unwrap();
        }
        "live" => super::at_once::live(&at, words[2]),
        other => panic!("{other}"),
    }
}
