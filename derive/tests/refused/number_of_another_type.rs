//! A customer's number is a `CustomerId`.

use oubliette::{Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: i64,
}

fn main() {}
