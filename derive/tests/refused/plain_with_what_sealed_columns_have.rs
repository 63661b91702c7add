//! Only what is sealed is bound to something or searched by token.

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
    #[personal(plain, context = no)]
    id: u64,
    #[personal(plain, index(count_idx = BY_EMAIL))]
    count: u64,
    #[personal(plain, text)]
    name: String,
}

fn main() {}
