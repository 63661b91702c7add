//! The tokens of another field's index would be found by no query.

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Index, Personal, Purpose, bits};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const BY_NEWS_EMAIL: Index<Email> = NEWS_EMAIL.index("exact", bits(32));

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, index(email_idx = BY_NEWS_EMAIL))]
    email: Email,
}

fn main() {}
