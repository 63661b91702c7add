//! A vault in a directory of its own, and the command run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Purpose, RootKey, Sealed, Vault};
use serde_json::Value;
use tempfile::TempDir;

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWS: Purpose = Purpose::new("newsletter");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const NEWS_EMAIL: Field<Email> = NEWS.field("email");

/// A vault under a key file, with a mirror, and a configuration that names them.
pub struct World {
    directory: TempDir,
}

impl World {
    pub fn new() -> World {
        let world = World::empty();
        world.write("key", &"07".repeat(32));
        world.configure("");
        Vault::at(world.path("privacy"))
            .mirror(world.path("mirror"))
            .purposes([ORDERS, NEWS])
            .create(RootKey::bytes([7; 32]))
            .unwrap()
            .close()
            .unwrap();
        world
    }

    /// Without a vault.
    pub fn empty() -> World {
        World { directory: tempfile::tempdir().unwrap() }
    }

    pub fn configure(&self, more: &str) {
        let common = "vault = \"privacy\"\nmirrors = [\"mirror\"]\n";
        self.write("oubliette.toml", &format!("{common}{more}\n[root_key]\nkey_file = \"key\"\n"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file that its owner alone may read.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        self.mode(name, 0o600);
    }

    pub fn mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The same with a journal, which the application begins.
    pub fn journalled() -> World {
        let world = World::new();
        world.configure("journal = \"log/journal\"\nbackups_kept = \"90 days\"");
        fs::create_dir(world.path("log")).unwrap();
        world.application().close().unwrap();
        world
    }

    /// The vault with its journal, in this process.
    pub fn application(&self) -> Vault {
        let builder = Vault::at(self.path("privacy")).mirror(self.path("mirror")).purposes([ORDERS, NEWS]);
        builder.journal(self.path("log/journal")).unlock(RootKey::bytes([7; 32])).unwrap()
    }

    /// Copies a directory of files, over what is there.
    pub fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                let relative = |path: &Path| path.strip_prefix(self.directory.path()).unwrap().display().to_string();
                self.copy(&relative(&entry.path()), &relative(&target));
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    /// The vault, in this process.
    pub fn vault(&self) -> Vault {
        self.unlock(RootKey::bytes([7; 32]))
    }

    pub fn unlock(&self, key: RootKey) -> Vault {
        Vault::at(self.path("privacy")).mirror(self.path("mirror")).purposes([ORDERS, NEWS]).unlock(key).unwrap()
    }

    /// Some customers, each with an email of both purposes.
    pub fn customers(&self, count: usize) -> Vec<Customer> {
        self.customers_of(self.vault(), count)
    }

    pub fn customers_of(&self, vault: Vault, count: usize) -> Vec<Customer> {
        let customers = (0..count).map(|_| Customer::new(&vault)).collect();
        vault.close().unwrap();
        customers
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oubliette"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Runs the command without a terminal and without input.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it with `--json`, and reads its one document.
    pub fn json(&self, arguments: &[&str]) -> (u8, Value) {
        let ran = self.run(&[arguments, &["--json"]].concat());
        let json = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (ran.code, json)
    }

    /// Runs a shell script in which `oubliette` is the command.
    pub fn shell(&self, script: &str) -> Ran {
        let binary = Path::new(env!("CARGO_BIN_EXE_oubliette")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).current_dir(self.directory.path()).env("PATH", path).stdin(Stdio::null());
        Ran::of(shell.output().unwrap())
    }
}

pub struct Customer {
    pub number: CustomerId,
    pub orders: Sealed<Email>,
    pub news: Sealed<Email>,
}

impl Customer {
    pub fn new(vault: &Vault) -> Customer {
        let number = vault.enroll().unwrap();
        let email: Email = format!("customer{number}@example.com").parse().unwrap();
        let orders = vault.seal(number, EMAIL, &email).unwrap();
        let news = vault.seal(number, NEWS_EMAIL, &email).unwrap();
        Customer { number, orders, news }
    }

    /// What can be opened: in orders, in news.
    pub fn opens(&self, vault: &Vault) -> (bool, bool) {
        (vault.open(self.number, EMAIL, &self.orders).is_ok(), vault.open(self.number, NEWS_EMAIL, &self.news).is_ok())
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let code = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: u8::try_from(code).unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn ends(self, code: u8) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Checks that none of these is in anything that was printed.
    #[track_caller]
    pub fn hides(self, secrets: &[&str]) -> Ran {
        for secret in secrets {
            assert!(!self.out.contains(secret) && !self.err.contains(secret), "{secret} is in {self:?}");
        }
        self
    }
}

/// Until something holds, or for a minute.
#[allow(dead_code)] // of the tests that start servers
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
