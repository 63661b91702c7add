//! A column is one thing.

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain, seal = EMAIL)]
    email: Email,
    #[personal(customer, plain)]
    id: u64,
}

fn main() {}
