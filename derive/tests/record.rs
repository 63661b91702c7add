//! Records, sealed and opened by generated code, in real vaults.
#![deny(warnings, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "record/columns.rs"]
mod columns;
#[path = "record/groups.rs"]
mod groups;
#[path = "record/many.rs"]
mod many;
#[path = "record/moving.rs"]
mod moving;
#[path = "record/purposes.rs"]
mod purposes;
#[path = "record/renewal.rs"]
mod renewal;
#[path = "record/twin.rs"]
mod twin;

use oubliette::personal::{Email, Phone, Text};
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, Vault, bits};
use uuid::Uuid;

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
const BY_PHONE: Index<Phone> = PHONE.index("exact", bits(16));
const BY_NEWS_EMAIL: Index<Email> = NEWS_EMAIL.index("exact", bits(64));

/// As the application sees somebody.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser, derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize))]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(customer = NEWSLETTER)]
    news_no: Option<CustomerId>,
    #[personal(plain, attr(serde(rename = "uid")))]
    id: Uuid,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    email: Email,
    #[personal(seal = PHONE, index(phone_idx = BY_PHONE))]
    phone: Option<Phone>,
    #[personal(seal = NEWS_EMAIL, index(news_idx = BY_NEWS_EMAIL))]
    news: Held<Email>,
    #[personal(seal = NOTE, context = id)]
    note: Text,
}

fn vault() -> TestVault {
    Vault::in_memory([ORDERS, NEWSLETTER])
}

fn alice(vault: &Vault) -> User {
    User {
        no: vault.enroll().unwrap(),
        news_no: Some(vault.enroll().unwrap()),
        id: Uuid::from_u128(7),
        email: "alice@example.com".parse().unwrap(),
        phone: Some("+33612345678".parse().unwrap()),
        news: Held::Kept("alice@example.org".parse().unwrap()),
        note: "rings twice".parse().unwrap(),
    }
}
