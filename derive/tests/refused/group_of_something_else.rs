//! What is in a group is of the record's purpose, and of one label.

use oubliette::personal::{Email, Phone, Text};
use oubliette::{CustomerId, Field, Group, Members, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const SAME: Field<Phone> = ORDERS.field("email");
const CONTACT_NOTE: Field<Text> = ORDERS.field("contact");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const CONTACT: Group = ORDERS.group("contact");
const NEWS: Group = NEWSLETTER.group("news");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, group = CONTACT)]
    email: Email,
    #[personal(seal = SAME)]
    phone: Phone,
    #[personal(seal = CONTACT_NOTE)]
    note: Text,
    #[personal(group = CONTACT)]
    contact: Members,
    #[personal(seal = NEWS_EMAIL, group = NEWS)]
    news: Email,
    #[personal(group = NEWS)]
    newsletter: Members,
}

fn main() {}
