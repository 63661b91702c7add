//! A value of another purpose can be shredded alone, and the record must be able to say so.

use oubliette::personal::{Email, Phone};
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const NEWS_PHONE: Field<Phone> = NEWSLETTER.field("phone");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL)]
    email: Email,
    #[personal(seal = NEWS_EMAIL)]
    news: Email,
    #[personal(seal = NEWS_PHONE)]
    phone: Option<Phone>,
}

fn main() {}
