//! A column added next year does not slip through in plaintext.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL)]
    email: Email,
    birthday: String,
    #[personal(attr(doc = "None of the three."))]
    phone: Option<Phone>,
}

fn main() {}
