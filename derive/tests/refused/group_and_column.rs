//! A field that moves is written in one place, and read in one other.

use oubliette::personal::{Email, Phone, Text};
use oubliette::{CustomerId, Field, Group, Held, Members, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");
const CONTACT: Group = ORDERS.group("contact");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer, or_group = CONTACT)]
    no: CustomerId,
    #[personal(seal = EMAIL, or_column = email_column)]
    email: Email,
    #[personal(seal = PHONE, group = CONTACT, or_group = CONTACT)]
    phone: Phone,
    #[personal(seal = NOTE, or_group = CONTACT)]
    note: Held<Text>,
    #[personal(group = CONTACT, or_column = contact_column)]
    contact: Members,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedOther)]
struct Other {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, or_group = CONTACT)]
    email: Email,
    #[personal(seal = PHONE, group = CONTACT, or_column = email)]
    phone: Phone,
}

fn main() {}
