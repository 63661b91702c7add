//! A record has a purpose, and its twin a name.

use oubliette::{CustomerId, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");

#[derive(Personal)]
struct User {
    #[personal(customer)]
    no: CustomerId,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedThing, table = "things")]
struct Thing {
    #[personal(customer)]
    no: CustomerId,
}

fn main() {}
