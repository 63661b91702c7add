//! A field holds one type.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const PHONE: Field<Phone> = ORDERS.field("phone");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = PHONE)]
    email: Email,
}

fn main() {}
