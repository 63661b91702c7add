//! A personal type is not stored in plaintext by a slip of the attribute.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    email: Email,
    #[personal(plain)]
    phone: Option<Phone>,
}

fn main() {}
