//! Generated code passes the lints of whoever is strict.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications, unused_results)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used, clippy::indexing_slicing)]
#![forbid(unsafe_code)]

use oubliette::personal::{Email, Text};
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, Vault, bits};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NOTE: Field<Text> = ORDERS.field("note");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

/// Exported.
#[derive(Clone, Debug, PartialEq, Eq, Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser, derive(Clone, Debug, PartialEq, Eq))]
pub struct User {
    /// Whose.
    #[personal(customer)]
    pub no: CustomerId,
    #[personal(customer = NEWSLETTER)]
    news_no: Option<CustomerId>,
    /// Which.
    #[personal(plain)]
    pub id: i64,
    /// Where to.
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    pub email: Email,
    #[personal(seal = NEWS_EMAIL)]
    news: Held<Email>,
    #[personal(seal = NOTE, context = id)]
    note: Option<Text>,
}

/// Of which nothing is used.
#[derive(Debug, Personal)]
#[personal(purpose = ORDERS, sealed = SealedVisit, derive(Debug))]
struct Visit {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    email: Email,
}

#[test]
fn it_works_and_warns_of_nothing() -> Result<(), Box<dyn std::error::Error>> {
    let vault = Vault::in_memory([ORDERS, NEWSLETTER]);
    let no = vault.enroll()?;
    let user = User { no, news_no: None, id: 1, email: "alice@example.com".parse()?, news: Held::Absent, note: None };
    assert_eq!(user.seal(&vault)?.open(&vault)?, user);
    let visit = Visit { no, email: "alice@example.com".parse()? };
    assert!(visit.seal(&vault).is_ok());
    Ok(())
}
