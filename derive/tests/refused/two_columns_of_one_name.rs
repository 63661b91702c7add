//! Tokens are in a column of their own.

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Index, Personal, Purpose, bits};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, index(email = BY_EMAIL))]
    email: Email,
}

fn main() {}
