//! Plain columns are copied to the twin.

use oubliette::{CustomerId, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: Unique,
}

struct Unique;

fn main() {}
