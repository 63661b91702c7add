//! Attributes are not ignored.

use oubliette::personal::{Email, Phone, Text};
use oubliette::{CustomerId, Field, Index, Personal, Purpose, bits};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(sealed = EMAIL)]
    email: Email,
    #[personal(seal = PHONE, seal = PHONE)]
    phone: Phone,
    #[personal(seal = NOTE, index(note_idx = BY_EMAIL, unique))]
    note: Text,
}

fn main() {}
