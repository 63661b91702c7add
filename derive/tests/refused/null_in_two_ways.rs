//! NULL has one meaning.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Field, Held, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL)]
    email: Option<Held<Email>>,
    #[personal(seal = PHONE)]
    phone: Option<Option<Phone>>,
}

fn main() {}
