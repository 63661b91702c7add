//! A context is a plain column of the record, with bytes.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, context = order)]
    email: Email,
    #[personal(seal = PHONE, context = email)]
    phone: Phone,
}

fn main() {}
