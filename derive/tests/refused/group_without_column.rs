//! A group has one column, something in it, and nothing in it has a column.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Field, Group, Held, Index, Members, Personal, Purpose, bits};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
const PHONE: Field<Phone> = ORDERS.field("phone");
const CONTACT: Group = ORDERS.group("contact");
const REST: Group = ORDERS.group("rest");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, group = CONTACT)]
    email: Email,
    #[personal(group = REST)]
    rest: Members,
    #[personal(group = REST)]
    again: Members,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedMember)]
struct Member {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, group = CONTACT, text)]
    email: Email,
    #[personal(seal = PHONE, group = CONTACT, attr(serde(rename = "tel")))]
    phone: Phone,
    #[personal(seal = PHONE, group = CONTACT)]
    held: Held<Phone>,
    #[personal(group = CONTACT, index(email_idx = BY_EMAIL))]
    contact: Members,
    #[personal(group = CONTACT, plain)]
    both: Members,
    #[personal(group = CONTACT)]
    mail: Email,
    #[personal(group = CONTACT)]
    gone: Held<Members>,
}

fn main() {}
