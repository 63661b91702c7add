//! The shop: its tables, the records in them, and what it says once of why and how long it keeps them.

use std::time::Duration;

use jiff::ToSpan;
use oubliette::personal::{Address, Country, Email, Name};
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, ReceiptContext, Vault, bits};
use oubliette_register::access::Table;
use oubliette_register::inventory::{Declaration, Inventory};
use oubliette_register::{Basis, DeclaredTables, Keep, Rules};
use rusqlite::{Connection, Row, params};

use crate::Result;

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWSLETTER: Purpose = Purpose::new("newsletter");
pub const NAME: Field<Name> = ORDERS.field("name");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const ADDRESS: Field<Address> = ORDERS.field("delivery address");
pub const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

/// `no` and `news_no` are the vault's numbers, which the register issues, one for each purpose.
pub const SCHEMA: &str = "
CREATE TABLE customers (
    id         INTEGER PRIMARY KEY,
    no         BIGINT NOT NULL UNIQUE,
    name       BLOB NOT NULL,
    email      BLOB NOT NULL,
    email_idx  BLOB,
    news_no    BIGINT UNIQUE,
    news_email BLOB
);
CREATE TABLE orders (
    id      INTEGER PRIMARY KEY,
    no      BIGINT NOT NULL,
    address BLOB NOT NULL
)";

/// A customer in memory, decrypted. The derive makes `SealedCustomer`, which is what a row holds.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedCustomer)]
pub struct Customer {
    #[personal(plain)]
    pub id: i64,
    #[personal(customer)]
    pub no: CustomerId,
    #[personal(seal = NAME)]
    pub name: Name,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    pub email: Email,
    #[personal(customer = NEWSLETTER)]
    pub news_no: Option<CustomerId>,
    #[personal(seal = NEWS_EMAIL)]
    pub news_email: Held<Email>,
}

/// An order, with the address that it goes to.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedOrder)]
pub struct Order {
    #[personal(plain)]
    pub id: i64,
    #[personal(customer)]
    pub no: CustomerId,
    #[personal(seal = ADDRESS, context = id)] // opens in this row alone
    pub address: Address,
}

impl Customer {
    pub fn alice(no: CustomerId, news: CustomerId) -> Result<Customer> {
        let (name, email) = ("Alice Ní Bhriain".parse()?, "alice@example.com".parse::<Email>()?);
        Ok(Customer { id: 1001, no, name, news_no: Some(news), news_email: Held::Kept(email.clone()), email })
    }

    pub fn bob(no: CustomerId) -> Result<Customer> {
        let (name, email) = ("Bob Ó Duibhir".parse()?, "bob@example.com".parse()?);
        Ok(Customer { id: 1002, no, name, email, news_no: None, news_email: Held::Absent })
    }

    pub fn store(&self, vault: &Vault, db: &Connection) -> Result<()> {
        let SealedCustomer { id, no, name, email, email_idx, news_no, news_email } = self.seal(vault)?;
        let insert = "INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        db.execute(insert, params![id, no, name, email, email_idx, news_no, news_email])?;
        Ok(())
    }

    pub fn read(db: &Connection, id: i64) -> Result<SealedCustomer> {
        let read = |row: &Row<'_>| {
            Ok(SealedCustomer {
                id: row.get("id")?,
                no: row.get("no")?,
                name: row.get("name")?,
                email: row.get("email")?,
                email_idx: row.get("email_idx")?,
                news_no: row.get("news_no")?,
                news_email: row.get("news_email")?,
            })
        };
        Ok(db.query_row("SELECT * FROM customers WHERE id = ?1", [id], read)?)
    }
}

impl Order {
    pub fn new(id: i64, no: CustomerId) -> Result<Order> {
        Ok(Order { id, no, address: Address::new(Country::new("FR"), ["12 rue de la Paix", "75002 Paris"])? })
    }

    pub fn store(&self, vault: &Vault, db: &Connection) -> Result<()> {
        let SealedOrder { id, no, address } = self.seal(vault)?;
        db.execute("INSERT INTO orders VALUES (?1, ?2, ?3)", params![id, no, address])?;
        Ok(())
    }
}

/// How long each purpose is kept, where its tokens are, what receipts say of copies. **State what is so:** they are signed.
pub fn rules() -> Rules {
    let receipt_context = ReceiptContext::new()
        .root_copies_kept(Duration::from_secs(7 * 86_400))
        .backups_kept(Duration::from_secs(90 * 86_400))
        .index(BY_EMAIL);
    Rules::new()
        .keep(ORDERS, Keep::after_last("order", 10.years()))
        .keep(NEWSLETTER, Keep::after_grant(2.years()))
        .record("customers", Customer::FIELDS)
        .keep_evidence(["when", "text", "how"])
        .receipt_context(receipt_context)
}

/// Where everything that is held on a customer lies, and why, for answers and disclosures. A test would `check` it.
pub fn declared() -> DeclaredTables {
    let inventory = Inventory::of("Shop SAS, 1 rue de la Paix, 75002 Paris, privacy@shop.example")
        .table(Table::new("customers", Customer::FIELDS))
        .table(Table::new("orders", Order::FIELDS))
        .purpose(
            Declaration::of(ORDERS)
                .why("to deliver what was ordered, and to answer for it")
                .basis(Basis::Contract)
                .kept("ten years after the last order")
                .recipient("carrier"),
        )
        .purpose(
            Declaration::of(NEWSLETTER)
                .why("to send news to those who asked for them")
                .basis(Basis::Consent)
                .kept("until withdrawn, two years at most")
                .nobody_receives_it(),
        );
    DeclaredTables::of(inventory)
}
