//! The whole way with a real token: SoftHSM, in a directory of the test's own.
//!
//! The module finds its tokens through the environment, so each test runs in a process of its own, with its own directory. Some 10 s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use oubliette::personal::Email;
use oubliette::store::{CopyContent, Memory, RootStore};
use oubliette::{
    ChangeError, CustomerId, Field, KeyStoreError, OpenError, Purpose, RootKey, Sealed, UnlockError, Vault,
    VaultBuilder,
    root_keys::{KeySeries, KeyVersion, SeriesInToken, VersionPolicy},
};
use oubliette_pkcs11::{Token, TokenError};
use zeroize::Zeroizing;

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const LEASE: Duration = Duration::from_millis(400);

/// Where Debian, Fedora and others put it; without it the test fails, and says so.
fn module() -> PathBuf {
    let found = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/libsofthsm2.so"];
    let found = found.iter().map(Path::new).find(|path| path.exists());
    found.expect("SoftHSM is needed: apt-get install softhsm2").to_path_buf()
}

/// Runs a test of this file again, in a process that sees a token directory of its own.
fn with_a_token(test: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let tokens = scratch.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = scratch.path().join("softhsm2.conf");
    std::fs::write(&config, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let slots = ["--init-token", "--free", "--label", "privacy", "--so-pin", "0000", "--pin", "1234"];
    let made = Command::new("softhsm2-util").args(slots).env("SOFTHSM2_CONF", &config).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture"]);
    child.env("SOFTHSM2_CONF", &config).env("OUBLIETTE_SCRATCH", scratch.path());
    let ran = child.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", ran.status);
}

macro_rules! with_a_token {
    ($($name:ident: $body:ident;)*) => {
        $(#[test]
        fn $name() {
            with_a_token(stringify!($body));
        }

        #[test]
        #[ignore = "runs in a process of its own"]
        fn $body() {
            bodies::$name(&PathBuf::from(std::env::var_os("OUBLIETTE_SCRATCH").unwrap()));
            // SoftHSM crashes if the process ends under a call. Vaults that a body dropped, and did not close, end their threads meanwhile.
            std::thread::sleep(std::time::Duration::from_millis(400));
        })*
    };
}

with_a_token! {
    a_vault_lives_under_versions: a_vault_lives_under_versions_body;
    older_records_do_not_open: older_records_do_not_open_body;
    a_token_that_is_away_and_back: a_token_that_is_away_and_back_body;
    a_token_that_was_away_at_the_start: a_token_that_was_away_at_the_start_body;
    two_processes_at_once: two_processes_at_once_body;
    a_pin_that_is_wrong_is_tried_once: a_pin_that_is_wrong_is_tried_once_body;
    two_tokens_of_which_one_burns: two_tokens_of_which_one_burns_body;
    one_key_wraps_too: one_key_wraps_too_body;
    keys_do_not_leave: keys_do_not_leave_body;
    what_is_left_can_be_destroyed: what_is_left_can_be_destroyed_body;
}

fn token() -> Token {
    Token::at(module(), "privacy").open(Zeroizing::new("1234".to_owned())).unwrap()
}

fn versions() -> RootKey {
    RootKey::versions(token(), VersionPolicy::with_each_shred())
}

fn at(scratch: &Path) -> VaultBuilder {
    Vault::at(scratch.join("vault")).mirror(scratch.join("mirror")).purposes([ORDERS]).lease(LEASE)
}

fn enroll(vault: &Vault) -> (CustomerId, Sealed<Email>) {
    let customer = vault.enroll().unwrap();
    (customer, vault.seal(customer, EMAIL, &"alice@example.com".parse().unwrap()).unwrap())
}

fn objects(kind: &str) -> usize {
    let arguments = ["--login", "--pin", "1234", "--token-label", "privacy", "--list-objects", "--type", kind];
    let listed = Command::new("pkcs11-tool").arg("--module").arg(module()).args(arguments).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.contains("oubliette ")).count()
}

fn records(scratch: &Path) -> Vec<Vec<u8>> {
    let store = oubliette::store::Directory::at(scratch.join("vault")).open().unwrap();
    let copies = store.places().into_iter().flat_map(|place| store.read(place));
    copies
        .filter_map(|copy| match &copy.content {
            CopyContent::Intact(record) => Some(record.clone()),
            _ => None,
        })
        .collect()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

mod bodies {
    use super::*;

    pub fn a_vault_lives_under_versions(scratch: &Path) {
        let vault = at(scratch).create(versions()).unwrap();
        let (bob, b) = enroll(&vault);
        for _ in 0..5 {
            let (alice, a) = enroll(&vault);
            let _ = vault.shred([alice]).unwrap();
            assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
            // Another program sees the same: one key, one mark.
            assert_eq!((objects("secrkey"), objects("data")), (1, 1));
        }
        vault.begin_root_key_version().unwrap();
        vault.close().unwrap();
        let again = at(scratch).unlock(versions()).unwrap();
        assert!(again.open(bob, EMAIL, &b).is_ok());
        again.rotate_root_key(RootKey::bytes([7; 32])).unwrap();
        assert_eq!(objects("secrkey"), 1, "what is left behind is the operator's to destroy");
    }

    /// Every root record that ever was, and the token as it is now, minding no marks.
    pub fn older_records_do_not_open(scratch: &Path) {
        let vault = at(scratch).create(versions()).unwrap();
        let (alice, a) = enroll(&vault);
        let mut all = Vec::new();
        for n in 0..6 {
            let _ = vault.sweep().unwrap();
            all.extend(records(scratch));
            let _ = vault.shred([if n == 2 { alice } else { vault.enroll().unwrap() }]).unwrap();
        }
        let newest = records(scratch);
        vault.close().unwrap();
        let opens = |record: &[u8]| {
            let memory = Memory::new();
            let places = memory.places();
            memory.lock(&places, Duration::ZERO).unwrap().write(places[0], 0, record).unwrap();
            let pages = oubliette::store::Directory::at(scratch.join("mirror")).open().unwrap();
            let key = RootKey::versions(Blind(token()), VersionPolicy::by_hand());
            match Vault::on(pages, memory).purposes([ORDERS]).as_copy().unlock(key) {
                Ok(vault) => vault.open(alice, EMAIL, &a).is_ok(),
                Err(error) => !matches!(
                    error,
                    UnlockError::KeyStore(
                        KeyStoreError::RootKey(_)
                            | KeyStoreError::RootKeyDestroyed { .. }
                            | KeyStoreError::WrongRootKey
                    )
                ),
            }
        };
        assert!(newest.iter().all(|record| opens(record)), "the attack opens the newest");
        let others = all.iter().filter(|record| !newest.contains(record));
        assert!(others.clone().count() >= 6);
        assert!(!others.clone().any(|record| opens(record)));
    }

    /// A token of which the marks are ignored.
    struct Blind(Token);

    impl KeySeries for Blind {
        fn create(&self, _: &[u8; 16], _: KeyVersion) -> Result<(), oubliette::root_keys::WrapperError> {
            Err("an attacker makes none".into())
        }
        fn wrap(
            &self,
            _: &[u8; 16],
            _: KeyVersion,
            _: &[u8; 32],
        ) -> Result<Vec<u8>, oubliette::root_keys::WrapperError> {
            Err("an attacker makes none".into())
        }
        fn unwrap(
            &self,
            series: &[u8; 16],
            version: KeyVersion,
            wrapped: &[u8],
            secret: &mut [u8; 32],
        ) -> Result<(), oubliette::root_keys::WrapperError> {
            self.0.unwrap(series, version, wrapped, secret)
        }
        fn complete(&self, _: &[u8; 16], _: KeyVersion) -> Result<(), oubliette::root_keys::WrapperError> {
            Ok(())
        }
        fn unmark(&self, _: &[u8; 16], _: KeyVersion) -> Result<(), oubliette::root_keys::WrapperError> {
            Ok(())
        }
        fn list(
            &self,
            series: &[u8; 16],
        ) -> Result<Vec<oubliette::root_keys::VersionState>, oubliette::root_keys::WrapperError> {
            let states = self.0.list(series)?;
            Ok(states
                .into_iter()
                .map(|state| oubliette::root_keys::VersionState { completed: None, ..state })
                .collect())
        }
        fn series(&self) -> Result<Vec<[u8; 16]>, oubliette::root_keys::WrapperError> {
            self.0.series()
        }
        fn destroy(&self, _: &[u8; 16], _: KeyVersion) -> Result<(), oubliette::root_keys::WrapperError> {
            Ok(())
        }
    }

    /// The directory of the token is gone, as if it had been unplugged; then it is there again.
    pub fn a_token_that_is_away_and_back(scratch: &Path) {
        let vault = at(scratch).create(versions()).unwrap();
        let (alice, a) = enroll(&vault);
        let _ = vault.sweep().unwrap();
        let (tokens, away) = (scratch.join("tokens"), scratch.join("away"));
        std::fs::rename(&tokens, &away).unwrap();
        eventually("it stops", || vault.open(alice, EMAIL, &a).is_err());
        assert!(vault.shred([alice]).is_err() && !vault.health().can_open);
        std::fs::rename(&away, &tokens).unwrap();
        eventually("it goes on", || {
            let opened = vault.open(alice, EMAIL, &a);
            if let Err(error) = &opened {
                println!("{error:?}");
            }
            opened.is_ok()
        });
        let _ = vault.shred([alice]).unwrap();
        assert_eq!(objects("secrkey"), 1);
    }

    /// It is plugged in after the program was started, and found by the next call.
    pub fn a_token_that_was_away_at_the_start(scratch: &Path) {
        let (tokens, away) = (scratch.join("tokens"), scratch.join("away"));
        std::fs::rename(&tokens, &away).unwrap();
        std::fs::create_dir(&tokens).unwrap();
        let look = || Token::at(module(), "privacy").open(Zeroizing::new("1234".to_owned()));
        for _ in 0..2 {
            assert!(matches!(look(), Err(TokenError::NoToken { .. })));
        }
        std::fs::remove_dir(&tokens).unwrap();
        std::fs::rename(&away, &tokens).unwrap();
        look().unwrap();
        let vault = at(scratch).create(versions()).unwrap();
        let (alice, a) = enroll(&vault);
        assert!(vault.open(alice, EMAIL, &a).is_ok());
    }

    /// Two processes shred different customers on one vault and one token, each many times.
    pub fn two_processes_at_once(scratch: &Path) {
        if let Some(part) = std::env::var_os("OUBLIETTE_PART") {
            let vault = at(scratch).unlock(versions()).unwrap();
            for _ in 0..10 {
                let (customer, sealed) = enroll(&vault);
                assert!(vault.open(customer, EMAIL, &sealed).is_ok());
                let _ = vault.shred([customer]).unwrap_or_else(|error| panic!("{part:?}: {error:?}"));
                assert!(matches!(vault.open(customer, EMAIL, &sealed), Err(OpenError::Shredded { .. })));
            }
            vault.close().unwrap();
            return;
        }
        let vault = at(scratch).create(versions()).unwrap();
        let (bob, b) = enroll(&vault);
        let start = |part: &str| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "two_processes_at_once_body", "--ignored"]).env("OUBLIETTE_PART", part);
            child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        for child in [start("one"), start("two")] {
            let ran = child.wait_with_output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        }
        eventually("it sees the newest", || vault.open(bob, EMAIL, &b).is_ok());
        let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
        assert_eq!((objects("secrkey"), objects("data")), (1, 1));
    }

    /// A copy's series and one that a rotation left are destroyed by a call; those of another vault on the token stay, and so does an object of
    /// somebody else's that looks like one.
    pub fn what_is_left_can_be_destroyed(scratch: &Path) {
        let vault = at(scratch).create(versions()).unwrap();
        let (alice, a) = enroll(&vault);
        let other = Vault::at(scratch.join("other")).mirror(scratch.join("other-mirror")).purposes([ORDERS]);
        let other = other.create(versions()).unwrap();
        let (bob, b) = enroll(&other);
        vault.copy_to(scratch.join("copy")).unwrap();
        let arguments = ["--login", "--pin", "1234", "--token-label", "privacy", "--keygen", "--key-type", "aes:32"];
        let label = format!("oubliette {}", "07".repeat(16));
        let mut made = Command::new("pkcs11-tool");
        let made = made.arg("--module").arg(module()).args(arguments).args(["--label", &label]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let all = vault.series_in(&versions()).unwrap();
        assert_eq!(all.len(), 3, "{all:?}");
        let (ours, theirs): (Vec<SeriesInToken>, Vec<SeriesInToken>) =
            all.into_iter().partition(|series| series.is_of_this_vault);
        let left = ours.iter().find(|series| !series.is_in_use).unwrap().series;
        let in_use = ours.iter().find(|series| series.is_in_use).unwrap().series;
        let refused = vault.destroy_series(&versions(), theirs[0].series, None);
        assert!(matches!(refused, Err(ChangeError::SeriesOfAnotherVault { .. })), "{refused:?}");
        assert!(matches!(vault.destroy_series(&versions(), in_use, None), Err(ChangeError::SeriesInUse { .. })));
        assert_eq!(objects("secrkey"), 4);
        let token = versions();
        assert_eq!(vault.destroy_series(&token, left, None).unwrap(), 1);
        assert!(matches!(vault.destroy_series(&token, left, None), Err(ChangeError::SeriesNotThere { .. })));
        assert_eq!((objects("secrkey"), objects("data")), (3, 2));
        assert!(vault.open(alice, EMAIL, &a).is_ok() && other.open(bob, EMAIL, &b).is_ok());
        let copy = Vault::at(scratch.join("copy")).as_copy().purposes([ORDERS]).unlock(versions());
        assert!(copy.is_err(), "{copy:?}");
        vault.rotate_root_key(RootKey::bytes([7; 32])).unwrap();
        assert_eq!(vault.destroy_series(&token, in_use, None).unwrap(), 1);
        let _ = other.shred([bob]).unwrap();
        assert_eq!(other.series_in(&token).unwrap().len(), 1);
        assert!(self::token().room().is_ok());
    }

    pub fn a_pin_that_is_wrong_is_tried_once(_: &Path) {
        for _ in 0..5 {
            let refused = Token::at(module(), "privacy").open(Zeroizing::new("9999".to_owned()));
            assert!(matches!(refused, Err(TokenError::Pin { .. } | TokenError::PinLocked { .. })), "{refused:?}");
        }
        assert!(matches!(
            Token::at(module(), "elsewhere").open(Zeroizing::new("1234".to_owned())),
            Err(TokenError::NoToken { .. })
        ));
        assert!(matches!(
            Token::at("/nowhere/module.so", "privacy").open(Zeroizing::new("1234".to_owned())),
            Err(TokenError::Module { .. })
        ));
        let shown = format!("{:?}", token());
        assert!(!shown.contains("1234"), "{shown}");
    }

    /// Two tokens of one module: a version begins and ends in both, and either opens alone.
    pub fn two_tokens_of_which_one_burns(scratch: &Path) {
        let slots = ["--init-token", "--free", "--label", "safe", "--so-pin", "0000", "--pin", "4321"];
        assert!(Command::new("softhsm2-util").args(slots).output().unwrap().status.success());
        let safe = || Token::at(module(), "safe").open(Zeroizing::new("4321".to_owned())).unwrap();
        let policy = VersionPolicy::with_each_shred();
        let named = |name: &'static str, token: Token| (name, Box::new(token) as Box<dyn KeySeries>);
        let both = || RootKey::versions_in([named("privacy", token()), named("safe", safe())], policy);
        let vault = at(scratch).create(both()).unwrap();
        let ((alice, a), (bob, b)) = (enroll(&vault), enroll(&vault));
        let _ = vault.shred([alice]).unwrap();
        assert_eq!((objects("secrkey"), objects("data")), (1, 1));
        vault.close().unwrap();
        let burnt = || RootKey::versions_in([named("safe", safe())], policy);
        let vault = at(scratch).unlock(burnt()).unwrap();
        assert!(vault.open(bob, EMAIL, &b).is_ok());
        assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
        assert!(vault.shred([bob]).is_err());
        vault.rotate_root_key(burnt()).unwrap();
        let _ = vault.shred([bob]).unwrap();
        assert_eq!((objects("secrkey"), objects("data")), (1, 1), "in the other one nothing was touched");
        vault.close().unwrap();
        assert!(at(scratch).unlock(burnt()).is_ok());
        assert!(at(scratch).unlock(both()).is_ok());
        let alone = RootKey::versions_in([named("privacy", token())], policy);
        assert!(at(scratch).unlock(alone).is_err());
    }

    pub fn one_key_wraps_too(scratch: &Path) {
        let wrapped = |key| RootKey::wrapped_by(key);
        let vault = at(scratch).create(wrapped(token().make_key("shop").unwrap())).unwrap();
        let (alice, a) = enroll(&vault);
        vault.close().unwrap();
        assert!(matches!(token().make_key("shop"), Err(TokenError::KeyExists { .. })));
        assert!(matches!(token().key("other"), Err(TokenError::NoKey { .. })));
        let vault = at(scratch).unlock(wrapped(token().key("shop").unwrap())).unwrap();
        assert!(vault.open(alice, EMAIL, &a).is_ok());
        vault.close().unwrap();
        let other = at(scratch).unlock(wrapped(token().make_key("another").unwrap()));
        assert!(matches!(other, Err(UnlockError::KeyStore(KeyStoreError::RootKey(_)))), "{other:?}");
    }

    /// What is wrapped is bound to its version, and a key cannot be read out.
    pub fn keys_do_not_leave(_: &Path) {
        let token = token();
        let (series, other) = ([1; 16], [2; 16]);
        let version = |number, id| KeyVersion { number, id: [id; 16] };
        let (one, two) = (version(1, 1), version(1, 2));
        for (series, version) in [(&series, one), (&series, two), (&other, one)] {
            token.create(series, version).unwrap();
        }
        let wrapped = token.wrap(&series, one, &[7; 32]).unwrap();
        let open = |series: &[u8; 16], version, wrapped: &[u8]| {
            let mut secret = [0; 32];
            token.unwrap(series, version, wrapped, &mut secret).map(|()| secret)
        };
        assert_eq!(open(&series, one, &wrapped).unwrap(), [7; 32]);
        for (series, version) in [(&series, two), (&other, one), (&series, version(2, 1))] {
            assert!(open(series, version, &wrapped).is_err());
        }
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(open(&series, one, &changed).is_err(), "byte {at}");
            assert!(open(&series, one, &wrapped[..at]).is_err());
        }
        // After all these failures the session still works.
        assert_eq!(open(&series, one, &wrapped).unwrap(), [7; 32]);
        token.destroy(&series, one).unwrap();
        token.destroy(&series, one).unwrap();
        assert!(open(&series, one, &wrapped).is_err());
        assert_eq!(token.list(&series).unwrap().len(), 1);
        // Whoever has no PIN can make public objects: they count for nothing.
        let mark = [&series[..], &9_u64.to_be_bytes(), &[3; 16], &1_u64.to_be_bytes()].concat();
        let file = std::env::temp_dir().join(format!("oubliette-mark-{}", std::process::id()));
        std::fs::write(&file, mark).unwrap();
        let label = format!("oubliette {}", "01".repeat(16));
        let written = Command::new("pkcs11-tool")
            .arg("--module")
            .arg(module())
            .args(["--token-label", "privacy"])
            .args(["--write-object", file.to_str().unwrap(), "--type", "data", "--label", &label])
            .output()
            .unwrap();
        std::fs::remove_file(file).unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        assert_eq!(self::token().list(&series).unwrap().len(), 1, "a forged mark is not seen");
        let arguments = ["--login", "--pin", "1234", "--token-label", "privacy", "--list-objects", "--type", "secrkey"];
        let listed = Command::new("pkcs11-tool").arg("--module").arg(module()).args(arguments).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert_eq!(listed.matches("never extractable").count(), 2, "{listed}");
    }
}
