// What the guide's examples begin with: a shop with one customer. Not a module of the crate; its doctests include it.
use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette_register::access::Table;
use oubliette::audit::Audit;
use oubliette_register::breach::{Breach, Column, Leak};
use oubliette_register::inventory::{Declaration, Inventory};
use oubliette::journal::{self, Expectations, Reason, Receipt};
use oubliette::personal::{Email, Name};
use oubliette_register::*;
use oubliette::{CustomerId, Field, Held, Limits, OpenError, Personal, Purpose, RootKey, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const NAME: Field<Name> = ORDERS.field("name");
const EMAIL: Field<Email> = ORDERS.field("email");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedCustomer)]
struct Customer {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = NAME)]
    name: Name,
    #[personal(seal = EMAIL)]
    email: Email,
    #[personal(customer = NEWSLETTER)]
    news_no: Option<CustomerId>,
    #[personal(seal = NEWS_EMAIL)]
    news_email: Held<Email>,
}

struct Shop {
    place: tempfile::TempDir,
    vault: Vault,
    register: Register,
    db: rusqlite::Connection,
    /// Has a contract and a consent, and a row.
    alice: Subject,
}

fn inventory() -> Inventory {
    Inventory::of("Shop SAS, privacy@shop.example")
        .table(Table::new("customers", Customer::FIELDS))
        .purpose(
            Declaration::of(ORDERS)
                .why("to deliver what was ordered")
                .basis(Basis::Contract)
                .kept("ten years after the last order")
                .recipient("carrier"),
        )
        .purpose(
            Declaration::of(NEWSLETTER)
                .why("to send news")
                .basis(Basis::Consent)
                .kept("until withdrawn, two years at most")
                .nobody_receives_it(),
        )
}

fn shop_with(rules: Rules) -> Result<Shop, Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let builder = Vault::at(place.path().join("privacy")).purposes([ORDERS, NEWSLETTER]);
    let vault = builder.journal(place.path().join("journal")).create(RootKey::bytes([7; 32]))?;
    let register = Register::new(&vault, rules)?;
    let mut db = rusqlite::Connection::open_in_memory()?;
    db.execute_batch("CREATE TABLE customers (no INTEGER, name BLOB, email BLOB, news_no INTEGER, news_email BLOB)")?;
    register.in_transaction(&db).create_tables()?;
    register.own_transaction(&mut db).resume()?;
    let alice = Subject::new(1001)?;
    register.in_transaction(&db).grant(&alice, Grant::on(ORDERS, Basis::Contract))?;
    let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
    register.in_transaction(&db).grant(&alice, Grant::consent(NEWSLETTER, evidence))?;
    let customer = Customer {
        no: register.in_transaction(&db).keys(&alice, ORDERS)?.customer(),
        name: "Alice Ní Bhriain".parse()?,
        email: "alice@example.com".parse()?,
        news_no: Some(register.in_transaction(&db).keys(&alice, NEWSLETTER)?.customer()),
        news_email: Held::Kept("alice@example.com".parse()?),
    };
    let row = customer.seal(&vault)?;
    let values = rusqlite::params![row.no, row.name, row.email, row.news_no, row.news_email];
    db.execute("INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
    Ok(Shop { place, vault, register, db, alice })
}

fn shop() -> Result<Shop, Box<dyn std::error::Error>> {
    shop_with(Rules::new())
}

fn alices_row(db: &rusqlite::Connection) -> Result<SealedCustomer, rusqlite::Error> {
    db.query_row("SELECT * FROM customers", [], |row| {
        Ok(SealedCustomer {
            no: row.get("no")?,
            name: row.get("name")?,
            email: row.get("email")?,
            news_no: row.get("news_no")?,
            news_email: row.get("news_email")?,
        })
    })
}
