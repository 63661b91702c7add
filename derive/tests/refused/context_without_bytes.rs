//! A context has bytes that stay the same.

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    share: f64,
    #[personal(seal = EMAIL, context = share)]
    email: Email,
}

fn main() {}
