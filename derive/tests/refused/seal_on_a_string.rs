//! What is sealed has a type of personal data.

use oubliette::personal::Name;
use oubliette::{CustomerId, Field, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const NAME: Field<Name> = ORDERS.field("name");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = NAME)]
    name: String,
    #[personal(seal = NAME)]
    nickname: Option<std::string::String>,
}

fn main() {}
