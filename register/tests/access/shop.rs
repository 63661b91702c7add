//! A shop with two purposes, and rows of its tables as a database would give them.

use std::collections::HashMap;
use std::ops::Deref;

use oubliette::personal::{Address, Email, Json, JsonContent, Name, Phone, Text, TypeTag};
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, Vault, bits};
use oubliette_register::access::{Cell, Table};

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWSLETTER: Purpose = Purpose::new("newsletter");
pub const NAME: Field<Name> = ORDERS.field("name");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const PHONE: Field<Phone> = ORDERS.field("phone");
pub const ADDRESS: Field<Address> = ORDERS.field("address");
pub const NOTE: Field<Text> = ORDERS.field("note");
pub const TASTE: Field<Json<Taste>> = NEWSLETTER.field("taste");
pub const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Taste {
    pub colour: String,
}

impl JsonContent for Taste {
    const TAG: TypeTag = TypeTag::new("shop.taste");

    fn wipe(&mut self) {
        self.colour.clear();
    }
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
pub struct User {
    #[personal(customer)]
    pub no: CustomerId,
    #[personal(customer = NEWSLETTER)]
    pub news_no: Option<CustomerId>,
    #[personal(plain)]
    pub id: i32,
    #[personal(plain)]
    pub plan: String,
    #[personal(seal = NAME)]
    pub name: Name,
    #[personal(seal = EMAIL, text, index(email_idx = BY_EMAIL))]
    pub email: Email,
    #[personal(seal = PHONE)]
    pub phone: Option<Phone>,
    #[personal(seal = ADDRESS)]
    pub address: Option<Address>,
    #[personal(seal = NOTE, context = id)]
    pub note: Text,
    #[personal(seal = NEWS_EMAIL)]
    pub news: Held<Email>,
    #[personal(seal = TASTE)]
    pub taste: Held<Json<Taste>>,
}

/// As a database gives it.
#[derive(Clone)]
pub struct Row(pub HashMap<&'static str, Cell>);

impl Row {
    pub fn get(&self, column: &str) -> Cell {
        self.0.get(column).unwrap_or_else(|| panic!("no column {column} was to be read")).clone()
    }

    pub fn set(&mut self, column: &'static str, cell: Cell) {
        assert!(self.0.insert(column, cell).is_some());
    }

    pub fn bytes(&self, column: &str) -> Vec<u8> {
        match self.get(column) {
            Cell::Bytes(bytes) => bytes.to_vec(),
            cell => panic!("{cell:?}"),
        }
    }
}

impl SealedUser {
    pub fn row(&self) -> Row {
        fn sealed<S: Deref<Target = [u8]>>(bytes: Option<S>) -> Cell {
            bytes.map_or(Cell::Null, |bytes| Cell::bytes(bytes.to_vec()))
        }
        Row(HashMap::from([
            ("no", Cell::Integer(self.no.to_stored())),
            ("news_no", self.news_no.map_or(Cell::Null, |no| Cell::Integer(no.to_stored()))),
            ("id", Cell::Integer(self.id.into())),
            ("plan", Cell::text(self.plan.as_str())),
            ("name", sealed(Some(self.name.as_bytes()))),
            ("email", Cell::text(self.email.to_string())),
            ("phone", sealed(self.phone.as_ref().map(|sealed| sealed.as_bytes()))),
            ("address", sealed(self.address.as_ref().map(|sealed| sealed.as_bytes()))),
            ("note", sealed(Some(self.note.as_bytes()))),
            ("news", sealed(self.news.as_ref().map(|sealed| sealed.as_bytes()))),
            ("taste", sealed(self.taste.as_ref().map(|sealed| sealed.as_bytes()))),
        ]))
    }
}

pub fn users() -> Table {
    Table::new("users", User::FIELDS).binding("id", oubliette_register::access::Binding::Integer(4))
}

pub fn vault() -> TestVault {
    Vault::in_memory([ORDERS, NEWSLETTER])
}

pub fn alice(vault: &Vault) -> User {
    User {
        no: vault.enroll().unwrap(),
        news_no: Some(vault.enroll().unwrap()),
        id: 17,
        plan: "gold".into(),
        name: "Alice Ní Bhriain".parse().unwrap(),
        email: "alice@example.com".parse().unwrap(),
        phone: Some("+33612345678".parse().unwrap()),
        address: Some("12 rue de la Paix\n75002 Paris\nFrance".parse().unwrap()),
        note: "rings twice".parse().unwrap(),
        news: Held::Kept("alice@example.org".parse().unwrap()),
        taste: Held::Kept(Json::new(Taste { colour: "ultramarine".into() }).unwrap()),
    }
}

pub fn bob(vault: &Vault) -> User {
    User {
        id: 18,
        plan: "iron".into(),
        name: "Bob Lee".parse().unwrap(),
        email: "bob@example.net".parse().unwrap(),
        phone: None,
        address: None,
        note: "has a dog".parse().unwrap(),
        news: Held::Absent,
        taste: Held::Absent,
        ..alice(vault)
    }
}
