//! What a token depends on, and what it does not.

use std::collections::BTreeSet;

use oubliette::personal::CanonicalForm;
use oubliette::{
    Field, Index, Purpose, Token, Vault, bits,
    search::{Epoch, TokenError},
};
use proptest::prelude::*;

use super::*;

#[test]
fn equal_values_have_equal_tokens_and_no_others() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let token = |text: &str| vault.token(BY_EMAIL, &email(text)).unwrap();
    assert_eq!(token("Alice@Example.COM"), token("alice@example.com"), "the canonical form counts");
    assert_ne!(token("alice@example.com"), token("alice@example.org"));
    assert_eq!(token("alice@example.com").as_bytes().len(), 9);
    assert_eq!(token("alice@example.com").epoch(), Epoch::FIRST);
    assert_eq!(vault.tokens(BY_EMAIL, &email("alice@example.com")).unwrap(), [token("alice@example.com")]);
}

#[test]
fn every_part_of_an_index_makes_other_tokens() {
    const OTHER_FIELD: Field<Email> = ORDERS.field("billing email");
    const INDEXES: [Index<Email>; 6] = [
        BY_EMAIL,
        EMAIL.index("exact", bits(65)),
        EMAIL.index("exact ", bits(64)),
        OTHER_FIELD.index("exact", bits(64)),
        BY_NEWS_EMAIL,
        // The same letters, cut elsewhere.
        ORDERS.field::<Email>("emaile").index("xact", bits(64)),
    ];
    let vaults = [Vault::in_memory([ORDERS, NEWS]), Vault::in_memory([ORDERS, NEWS])];
    let all: BTreeSet<Vec<u8>> = vaults
        .iter()
        .flat_map(|vault| INDEXES.map(|index| vault.token(index, &email("alice@example.com")).unwrap()))
        .map(|token| token.as_bytes()[1..9].to_vec())
        .collect();
    assert_eq!(all.len(), 12);
}

#[test]
fn what_follows_from_a_value_can_be_searched_too() {
    let vault = Vault::in_memory([ORDERS]);
    let tokens =
        ["a@example.com", "b@EXAMPLE.com", "a@example.org"].map(|text| vault.token(BY_DOMAIN, &email(text)).unwrap());
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[0], tokens[2]);
    let asked = vault.tokens_of(BY_DOMAIN, &CanonicalForm::new(b"example.com".to_vec())).unwrap();
    assert_eq!(asked, [tokens[0]]);
}

#[test]
fn bits_are_cut_and_the_rest_is_zero() {
    let vault = Vault::in_memory([ORDERS]);
    let cut = |index| vault.token(index, &email("alice@example.com")).unwrap().as_bytes().to_vec();
    for (index, length) in [
        (EMAIL.index("a", bits(1)), 2),
        (EMAIL.index("a", bits(8)), 2),
        (EMAIL.index("a", bits(9)), 3),
        (EMAIL.index("a", bits(255)), 33),
        (EMAIL.index("a", bits(256)), 33),
    ] {
        let bytes = cut(index);
        assert_eq!(bytes.len(), length);
        let unused = (8 - index.bits().get() % 8) % 8;
        assert_eq!(bytes[length - 1] & !(u8::MAX << unused), 0, "{} bits", index.bits().get());
        assert_eq!(Token::<Email>::from_bytes(&bytes).unwrap().as_bytes(), bytes);
    }
}

#[test]
fn few_bits_spread_evenly() {
    let vault = Vault::in_memory([ORDERS]);
    let index = EMAIL.index("coarse", bits(3));
    let mut hits = [0; 8];
    for n in 0..800 {
        let token = vault.token(index, &email(&format!("customer{n}@example.com"))).unwrap();
        hits[usize::from(token.as_bytes()[1] >> 5)] += 1;
    }
    assert!(hits.iter().all(|hits| (60..140).contains(hits)), "{hits:?}");
}

#[test]
fn only_tokens_are_read_back() {
    for bad in [&[][..], &[0], &[128, 1], &[255, 1, 2], &[0; 34]] {
        assert!(Token::<Email>::from_bytes(bad).is_err());
    }
}

#[test]
fn the_plaintext_shows_nowhere() {
    let vault = Vault::in_memory([ORDERS]);
    let token = vault.token(EMAIL.index("whole", bits(256)), &email("alice@example.com")).unwrap();
    oubliette::testing::assert_no_plaintext(token.as_bytes(), ["alice@example.com", "alice"]);
    oubliette::testing::assert_no_plaintext(format!("{token:?}").as_bytes(), ["alice"]);
}

#[test]
fn a_purpose_that_is_not_unlocked_has_no_tokens() {
    let vault = Vault::in_memory([ORDERS]);
    let asked = vault.token(BY_NEWS_EMAIL, &email("alice@example.com"));
    assert!(matches!(asked, Err(TokenError::PurposeNotUnlocked { purpose: "newsletter" })), "{asked:?}");
}

#[test]
fn a_lost_store_gives_no_tokens() {
    let vault = Vault::in_memory([ORDERS]);
    vault.lose_store();
    let asked = vault.token(BY_EMAIL, &email("alice@example.com"));
    assert!(matches!(&asked, Err(error) if error.outcome() == oubliette::Outcome::TryAgain), "{asked:?}");
    vault.find_store();
    assert!(vault.token(BY_EMAIL, &email("alice@example.com")).is_ok());
}

#[test]
fn customers_and_indexes_never_meet() {
    // A purpose of any name, and a shred of every number there is, leave the indexes as they were.
    let vault = Vault::in_memory([ORDERS, Purpose::new("indexes")]);
    let before = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let customers: Vec<CustomerId> = (0..300).map(|_| vault.enroll().unwrap()).collect();
    let _ = vault.shred(customers).unwrap();
    let _ = vault.shredding(..=number(200)).run().unwrap();
    assert_eq!(vault.token(BY_EMAIL, &email("alice@example.com")).unwrap(), before);
}

proptest! {
    #[test]
    fn whatever_is_a_token_is_written_back_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(token) = Token::<Email>::from_bytes(&bytes) {
            prop_assert_eq!(token.as_bytes(), &bytes[..]);
            prop_assert!(bytes.len() >= 2 && bytes.len() <= 33 && token.epoch().number() == bytes[0]);
        }
    }
}

#[test]
fn two_fields_can_be_searched_together() {
    use oubliette::personal::{Canonical, Name, Text};
    const NAME: Field<Name> = ORDERS.field("name");
    const BY_NAME_AND_POSTCODE: Index<Name> = NAME.index("name and postcode", bits(40));
    let vault = Vault::in_memory([ORDERS]);
    let form = |name: &str, postcode: &str| {
        let (name, postcode): (Name, Text) = (name.parse().unwrap(), postcode.parse().unwrap());
        CanonicalForm::of_all([&name.canonical_form(), &postcode.canonical_form()])
    };
    let token = vault.token_of(BY_NAME_AND_POSTCODE, &form("Zoë Martin", "75011")).unwrap();
    let asked = |name, postcode| vault.tokens_of(BY_NAME_AND_POSTCODE, &form(name, postcode)).unwrap();
    assert_eq!(asked("zoë  MARTIN", "75011"), [token]);
    assert!(asked("Zoë Martin", "75012") != [token] && asked("Zoë Martin7", "5011") != [token]);
}
