//! Two columns of one label would open as each other.

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Held, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const SECOND_EMAIL: Field<Email> = ORDERS.field("email");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL)]
    email: Email,
    #[personal(seal = SECOND_EMAIL)]
    second: Option<Email>,
    #[personal(seal = NEWS_EMAIL)]
    news: Held<Email>,
}

fn main() {}
