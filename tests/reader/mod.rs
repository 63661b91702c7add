//! Readers: every way to get something out of a vault that the limits do not allow, and what is written down of it.

mod audit;
mod file;
mod killed;
mod limits;

use oubliette::personal::{Email, Name};
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, Purpose, Sealed, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NAME: Field<Name> = ORDERS.field("name");
const NEWS_EMAIL: Field<Email> = NEWS.field("email");

const PLAINTEXT: [&str; 2] = ["alice@example.com", "Alice Ní Bhriain"];

/// A customer with one value in each field.
struct Alice {
    vault: TestVault,
    number: CustomerId,
    email: Sealed<Email>,
    name: Sealed<Name>,
    news_email: Sealed<Email>,
}

impl Alice {
    fn new() -> Alice {
        let vault = Vault::in_memory([ORDERS, NEWS]);
        let number = vault.enroll().unwrap();
        let [address, called] = PLAINTEXT;
        let email = vault.seal(number, EMAIL, &address.parse().unwrap()).unwrap();
        let name = vault.seal(number, NAME, &called.parse().unwrap()).unwrap();
        let news_email = vault.seal(number, NEWS_EMAIL, &address.parse().unwrap()).unwrap();
        Alice { vault, number, email, name, news_email }
    }
}
