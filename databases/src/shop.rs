//! The shop whose customers the tests store: a vault, two people, and a table with every column type.

use std::error::Error;

use oubliette::columns::{MaybeSealed, OnPlaintext, SealedText};
use oubliette::personal::{Email, Name, Text};
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, Index, OpenError, Purpose, Sealed, Token, Vault, bits};

pub const ORDERS: Purpose = Purpose::new("orders");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const NAME: Field<Name> = ORDERS.field("name");
pub const NOTE: Field<Text> = ORDERS.field("note");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

pub const ALICE: &str = "alice@example.com";
pub const BOB: &str = "bob@example.com";

/// A vault in memory.
pub fn vault() -> TestVault {
    Vault::in_memory([ORDERS])
}

/// A row of the table `people`: each column type, and an `Option` of each.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Person {
    pub no: CustomerId,
    pub referrer: Option<CustomerId>,
    pub email: Sealed<Email>,
    pub name: Option<Sealed<Name>>,
    pub note: SealedText<Text>,
    pub memo: Option<SealedText<Text>>,
    pub email_idx: Token<Email>,
    pub old_idx: Option<Token<Email>>,
}

/// The table, with the database's words for bytes and for tokens.
pub fn people(bytes: &str, token: &str) -> String {
    format!(
        "CREATE TABLE people (no BIGINT NOT NULL PRIMARY KEY, referrer BIGINT, email {bytes} NOT NULL, name {bytes}, \
         note TEXT NOT NULL, memo TEXT, email_idx {token} NOT NULL, old_idx {token})"
    )
}

pub const INSERT: &str = "INSERT INTO people (no, referrer, email, name, note, memo, email_idx, old_idx) \
                          VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

/// A table from before there was a vault.
pub const MEMBERS: &str = "CREATE TABLE members (no BIGINT NOT NULL PRIMARY KEY, email TEXT)";

/// Alice, who has everything, and Bob, in whose row is NULL what may be.
pub fn two_people(vault: &Vault) -> [Person; 2] {
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let note = |customer, text: &str| vault.seal(customer, NOTE, &text.parse().unwrap()).unwrap().into();
    [
        Person {
            no: alice,
            referrer: Some(bob),
            email: vault.seal(alice, EMAIL, &email(ALICE)).unwrap(),
            name: Some(vault.seal(alice, NAME, &"Alice Ní Bhriain".parse().unwrap()).unwrap()),
            note: note(alice, "alice’s note"),
            memo: Some(note(alice, "")),
            email_idx: vault.token(BY_EMAIL, &email(ALICE)).unwrap(),
            old_idx: Some(vault.token(BY_EMAIL, &email("alice@old.example")).unwrap()),
        },
        Person {
            no: bob,
            referrer: None,
            email: vault.seal(bob, EMAIL, &email(BOB)).unwrap(),
            name: None,
            note: note(bob, "bob’s note"),
            memo: None,
            email_idx: vault.token(BY_EMAIL, &email(BOB)).unwrap(),
            old_idx: None,
        },
    ]
}

pub fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// A value that lost its end to a column that is too narrow, but kept the form of one, does not open.
pub fn cut_off_does_not_open(vault: &Vault, no: CustomerId, cut_off: &Sealed<Email>) {
    let error = vault.open(no, EMAIL, cut_off).unwrap_err();
    assert!(matches!(error, OpenError::NotAuthentic { .. }), "{error:?}");
}

/// What came back opens.
pub fn opens(vault: &Vault, [alice, bob]: [&Person; 2]) {
    assert_eq!(vault.open(alice.no, EMAIL, &alice.email).unwrap(), email(ALICE));
    assert_eq!(vault.open(bob.no, EMAIL, &bob.email).unwrap(), email(BOB));
    let name = vault.open(alice.no, NAME, alice.name.as_ref().unwrap()).unwrap();
    assert_eq!(name.expose_personal_data(), "Alice Ní Bhriain");
    assert_eq!(vault.open(bob.no, NOTE, bob.note.sealed()).unwrap().expose_personal_data(), "bob’s note");
    assert_eq!(vault.open(alice.no, NOTE, alice.memo.as_ref().unwrap().sealed()).unwrap().expose_personal_data(), "");
}

/// A row of `members`, while its email is being sealed.
pub type Migrating = (CustomerId, Option<MaybeSealed<Email>>);

/// The emails of a column under migration, opened.
pub fn emails(vault: &Vault, rows: &[Migrating], plaintext: OnPlaintext) -> Emails {
    let opened =
        |(no, email): &Migrating| email.as_ref().map(|email| email.open(vault, *no, EMAIL, plaintext)).transpose();
    rows.iter().map(opened).collect()
}

/// What opening a column under migration gives.
pub type Emails = Result<Vec<Option<Email>>, OpenError>;

/// The error `E` somewhere among the causes of a database crate's, which repeats nothing of what was found.
pub fn typed<E: Error + Clone + 'static>(error: &(dyn Error + 'static)) -> E {
    repeats_nothing(&error);
    let mut cause = Some(error);
    while let Some(error) = cause {
        repeats_nothing(&error);
        if let Some(found) = error.downcast_ref::<E>() {
            return found.clone();
        }
        cause = error.source();
    }
    panic!("another error: {error:?}")
}

/// Neither as text nor as a list of numbers.
pub fn repeats_nothing(error: &(impl Error + ?Sized)) {
    let said = format!("{error} {error:?}").to_lowercase();
    for part in ["alice", "example", "108, 105, 99", "616c696365"] {
        assert!(!said.contains(part), "{said}");
    }
}

/// Values that no column may hold where a sealed value is expected: plaintext, nothing, a sealed value cut off so short
/// that it has not the form of one.
pub fn bad_bytes(sealed: &[u8]) -> [Vec<u8>; 4] {
    [ALICE.into(), Vec::new(), sealed[..20].to_vec(), sealed[..82].to_vec()]
}

/// The same for text.
pub fn bad_text(sealed: &str) -> [String; 5] {
    [ALICE.into(), String::new(), "obl1.alice".into(), sealed[..20].into(), sealed[..100].into()]
}

/// And for a token.
pub fn bad_tokens() -> [Vec<u8>; 4] {
    [Vec::new(), vec![0], vec![200, 1, 2], vec![1; 34]]
}

/// And for a customer's number.
pub const BAD_NUMBERS: [i64; 4] = [0, -1, 1 << 40, i64::MAX];
