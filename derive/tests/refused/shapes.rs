//! A record is a struct with named fields, of one table.

use oubliette::{CustomerId, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedEnum)]
enum Enum {
    One,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedTuple)]
struct Tuple(CustomerId);

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUnit)]
struct Unit;

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUnion)]
union Union {
    no: CustomerId,
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedGeneric)]
struct Generic<'a, T> {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    value: &'a T,
}

fn main() {}
