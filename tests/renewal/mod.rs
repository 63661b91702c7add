//! Search, and the life of a column: tokens and their epochs, new key trees, and giving up old ones. With the attacker
//! who has every byte ever written.

mod epochs;
mod overlaps;
mod purposes;
mod recovery;
mod tokens;

use crate::attack;
use oubliette::personal::{CanonicalForm, Email, Phone};
use oubliette::{CustomerId, Field, Index, Purpose, bits};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NEWS_EMAIL: Field<Email> = NEWS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
const BY_NEWS_EMAIL: Index<Email> = NEWS_EMAIL.index("exact", bits(64));
const BY_DOMAIN: Index<Email> = EMAIL.index_by("domain", bits(16), domain_of);

fn domain_of(email: &Email) -> CanonicalForm {
    let form = email.expose_personal_data();
    CanonicalForm::new(form.rsplit('@').next().unwrap_or_default().to_lowercase().into_bytes())
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn number(number: i64) -> CustomerId {
    CustomerId::from_stored(number).unwrap()
}
