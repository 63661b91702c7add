//! A record is one customer's.

use oubliette::personal::Email;
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedNobody)]
struct Nobody {
    #[personal(seal = EMAIL)]
    email: Email,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedPerhaps)]
struct Perhaps {
    #[personal(customer)]
    no: Option<CustomerId>,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedTwo)]
struct Two {
    #[personal(customer)]
    no: CustomerId,
    #[personal(customer)]
    other: CustomerId,
}

fn main() {}
