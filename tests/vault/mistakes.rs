//! The commonest mistakes of a first afternoon, each with the message that whoever makes it reads: what is wrong, and what to do.
//! That of a sealed `String` is the compiler's (`derive/tests/refused`), those of jobs and columns are `jobs/tests`'.

use std::error::Error;

use oubliette::personal::{Email, Name};
use oubliette::{
    CustomerId, Field, KeyStoreError, Purpose, RootKey, Sealed, UnlockError, Vault, VaultBuilder,
    root_keys::PassphraseCost,
};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NAME: Field<Name> = ORDERS.field("name");
const NEWS_EMAIL: Field<Email> = NEWS.field("email");

const ALICE: &str = "alice@example.com";

/// What a `main` prints that returns the error, and what `Display` says with its causes, are the same and have all of this.
fn says(error: impl Error + 'static, all: &[&str]) {
    let boxed: Box<dyn Error> = error.into();
    let printed = format!("{boxed:?}");
    for part in all {
        assert!(printed.contains(part), "{part:?} is not in: {printed}");
    }
    assert!(printed.starts_with(&boxed.to_string()), "{printed}");
    assert!(!printed.contains("alice"), "a value is in: {printed}");
}

struct Afternoon {
    place: tempfile::TempDir,
}

impl Afternoon {
    fn begin() -> Afternoon {
        let afternoon = Afternoon { place: tempfile::tempdir().unwrap() };
        afternoon.builder().create(key()).unwrap().close().unwrap();
        afternoon
    }

    fn builder(&self) -> VaultBuilder {
        Vault::at(self.place.path().join("privacy")).purposes([ORDERS, NEWS])
    }

    fn vault(&self) -> Vault {
        self.builder().unlock(key()).unwrap()
    }
}

fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

#[test]
fn it_is_created_again_at_the_second_start() {
    let afternoon = Afternoon::begin();
    says(afternoon.builder().create(key()).unwrap_err(), &["there is a vault here already", "`unlock` it"]);
    afternoon.vault().close().unwrap();
}

#[test]
fn the_path_is_mistyped() {
    let afternoon = Afternoon::begin();
    let mistyped = Vault::at(afternoon.place.path().join("privcay")).purposes([ORDERS]);
    says(mistyped.unlock(key()).unwrap_err(), &["privcay", "check the path", "disk is mounted"]);
    assert!(!afternoon.place.path().join("privcay").exists(), "nothing is made in its place");
}

#[test]
fn the_passphrase_is_wrong_empty_or_has_a_line_break() {
    let place = tempfile::tempdir().unwrap();
    let cost = PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 };
    let builder = || Vault::at(place.path().join("privacy")).purposes([ORDERS]);
    builder().create(RootKey::passphrase_at_cost("six random words", cost)).unwrap().close().unwrap();
    let wrong = |phrase: &str| builder().unlock(RootKey::passphrase(phrase)).unwrap_err();
    says(wrong("six randon words"), &["not the vault's root key", "mistyped"]);
    says(wrong(""), &["empty", "is the variable it comes from set"]);
    says(wrong("six random words\n"), &["ends with a line break", "take it off"]);
    says(builder().unlock(key()).unwrap_err(), &["not the vault's root key"]);
}

#[test]
fn a_purpose_is_misspelt_new_or_not_named() {
    let afternoon = Afternoon::begin();
    let misspelt = afternoon.builder().purposes([Purpose::new("oders")]).unlock(key()).unwrap_err();
    says(misspelt, &["does not know the purpose \"oders\"", "misspelt", "`add_missing_purposes`"]);
    let orders_only = Vault::at(afternoon.place.path().join("privacy")).purposes([ORDERS]).unlock(key()).unwrap();
    let alice = orders_only.enroll().unwrap();
    let not_named = orders_only.seal(alice, NEWS_EMAIL, &ALICE.parse().unwrap()).unwrap_err();
    says(not_named, &["\"newsletter\" is not unlocked", "name it in `purposes`"]);
}

#[test]
fn a_number_of_ones_own_is_taken() {
    let afternoon = Afternoon::begin();
    let vault = afternoon.vault();
    // The row's key, or a number of another vault.
    let own = CustomerId::try_from(990_042_i64).unwrap();
    says(vault.seal(own, EMAIL, &ALICE.parse().unwrap()).unwrap_err(), &["never issued this number", "`enroll`"]);
    says(CustomerId::try_from(0_i64).unwrap_err(), &["between 1 and", "the column that `enroll` filled"]);
}

#[test]
fn a_value_is_opened_in_another_row_column_or_vault() {
    let afternoon = Afternoon::begin();
    let vault = afternoon.vault();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let sealed = vault.seal(alice, EMAIL, &ALICE.parse().unwrap()).unwrap();
    says(vault.open(bob, EMAIL, &sealed).unwrap_err(), &["sealed for customer 1", "copied between rows"]);
    says(
        vault.open(alice, NEWS_EMAIL, &sealed).unwrap_err(),
        &["sealed for the purpose \"orders\"", "between columns"],
    );
    let as_name: Sealed<Name> = Sealed::from_bytes(sealed.as_bytes()).unwrap();
    says(vault.open(alice, NAME, &as_name).unwrap_err(), &["not authentic", "sealed as another"]);
    let elsewhere = Afternoon::begin();
    let other = elsewhere.vault();
    let _ = other.enroll().unwrap();
    says(other.open(alice, EMAIL, &sealed).unwrap_err(), &["sealed by another vault"]);
}

#[test]
fn a_column_holds_plaintext_or_cuts_fills_up_or_rewrites_what_is_sealed() {
    let afternoon = Afternoon::begin();
    let vault = afternoon.vault();
    let alice = vault.enroll().unwrap();
    let sealed = vault.seal(alice, EMAIL, &ALICE.parse().unwrap()).unwrap();
    let text = sealed.to_string();
    let parse = |text: &str| text.parse::<Sealed<Email>>().unwrap_err();
    says(parse(ALICE), &["not a sealed value", "plaintext"]);
    says(parse(&text[..100]), &["cut off", "wider"]);
    says(parse(&format!("{text}   ")), &["spaces after it", "CHAR fills up"]);
    let hex: String = sealed.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    says(parse(&format!("\\x{hex}")), &["in a column of text", "bind `SealedText`"]);
    // A third of it is gone, and it still has the form of one.
    let cut = Sealed::from_bytes(&sealed.as_bytes()[..110]).unwrap();
    says(vault.open(alice, EMAIL, &cut).unwrap_err(), &["not authentic", "cut off"]);
}

#[test]
fn somebody_who_was_shredded_comes_back() {
    let afternoon = Afternoon::begin();
    let vault = afternoon.vault();
    let alice = vault.enroll().unwrap();
    let sealed = vault.seal(alice, EMAIL, &ALICE.parse().unwrap()).unwrap();
    let _ = vault.shred([alice]).unwrap();
    says(vault.open(alice, EMAIL, &sealed).unwrap_err(), &["was shredded", "gone for good"]);
    says(vault.seal(alice, EMAIL, &ALICE.parse().unwrap()).unwrap_err(), &["was shredded", "`enroll` a new number"]);
}

/// The vault's directory is restored without its pages, moved, or read by everybody.
#[test]
#[cfg(unix)]
fn the_directory_is_open_to_others_or_lacks_its_pages() {
    use std::os::unix::fs::PermissionsExt as _;

    let afternoon = Afternoon::begin();
    let root = afternoon.place.path().join("privacy/root");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    says(afternoon.builder().unlock(key()).unwrap_err(), &["open to others", "chmod 700"]);
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o700)).unwrap();

    let vault = afternoon.vault();
    let alice = vault.enroll().unwrap();
    let _ = vault.shred([alice]).unwrap();
    vault.close().unwrap();
    for page in std::fs::read_dir(afternoon.place.path().join("privacy/pages")).unwrap() {
        let path = page.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "pages") {
            std::fs::remove_file(path).unwrap();
        }
    }
    match afternoon.builder().unlock(key()) {
        Err(error) => says(error, &["restore it from a mirror", "delete nothing"]),
        // Loaded when first used.
        Ok(vault) => {
            let bob = vault.enroll().unwrap();
            says(
                vault.seal(bob, EMAIL, &ALICE.parse().unwrap()).unwrap_err(),
                &["restore it from a mirror", "delete nothing"],
            );
        }
    }
}

/// A `main` that returns the one error of all calls.
#[test]
fn one_error_has_the_advice_of_all() {
    let afternoon = Afternoon::begin();
    let main = || -> Result<(), oubliette::Error> {
        afternoon.builder().create(key())?;
        Ok(())
    };
    let error = main().unwrap_err();
    assert_eq!(error.outcome(), oubliette::journal::Outcome::Investigate);
    says(error, &["`unlock` it"]);
    let lost: oubliette::Error = UnlockError::KeyStore(KeyStoreError::Closed).into();
    assert_eq!(lost.outcome(), oubliette::journal::Outcome::TryAgain);
}
