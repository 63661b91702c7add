//! Which one would a value go by?

use oubliette::{CustomerId, Personal, Purpose};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(customer = NEWSLETTER)]
    news_no: CustomerId,
    #[personal(customer = NEWSLETTER)]
    second_news_no: Option<CustomerId>,
    #[personal(customer = ORDERS)]
    order_no: CustomerId,
}

fn main() {}
