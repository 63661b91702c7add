//! A person of eight fields: as it is, each in a column of its own, and all in one group.

#![allow(clippy::unwrap_used, dead_code)]

use oubliette::personal::{Address, Email, Name, Phone, Text};
use oubliette::{CustomerId, Field, Group, Index, Members, Personal, bits};

use crate::common::ours::ORDERS;

pub const NAME: Field<Name> = ORDERS.field("name");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
pub const PHONE: Field<Phone> = ORDERS.field("phone");
pub const ADDRESS: Field<Address> = ORDERS.field("address");
pub const COMPANY: Field<Name> = ORDERS.field("company");
pub const BORN: Field<Text> = ORDERS.field("born");
pub const IBAN: Field<Text> = ORDERS.field("iban");
pub const NOTE: Field<Text> = ORDERS.field("note");
pub const CONTACT: Group = ORDERS.group("contact");

/// As it is.
#[derive(sqlx::FromRow)]
pub struct Plain {
    pub no: i64,
    pub name: String,
    pub email: String,
    pub phone: String,
    pub address: String,
    pub company: String,
    pub born: String,
    pub iban: String,
    pub note: String,
}

/// The columns of a plain row.
pub const COLUMNS: &str = "no, name, email, phone, address, company, born, iban, note";

/// Two records of the same fields: `$in_group` is what a field in the group says besides.
macro_rules! record {
    ($name:ident, $sealed:ident, {$($in_group:tt)*}, {$($column:tt)*}) => {
        #[derive(Personal)]
        #[personal(purpose = ORDERS, sealed = $sealed, derive(sqlx::FromRow), bind = sqlx::Sqlite)]
        pub struct $name {
            #[personal(customer)]
            pub no: CustomerId,
            #[personal(seal = NAME $($in_group)*)]
            pub name: Name,
            #[personal(seal = EMAIL $($in_group)*, index(email_idx = BY_EMAIL))]
            pub email: Email,
            #[personal(seal = PHONE $($in_group)*)]
            pub phone: Phone,
            #[personal(seal = ADDRESS $($in_group)*)]
            pub address: Address,
            #[personal(seal = COMPANY $($in_group)*)]
            pub company: Name,
            #[personal(seal = BORN $($in_group)*)]
            pub born: Text,
            #[personal(seal = IBAN $($in_group)*)]
            pub iban: Text,
            #[personal(seal = NOTE $($in_group)*)]
            pub note: Text,
            $($column)*
        }
    };
}

record!(Apart, SealedApart, {}, {});
record!(Grouped, SealedGrouped, {, group = CONTACT}, {
    #[personal(group = CONTACT)]
    pub contact: Members,
});

pub fn plain(no: CustomerId) -> Plain {
    let id = no.to_stored();
    Plain {
        no: id,
        name: format!("Siobhán Ní {id}"),
        email: format!("s{id}@example.com"),
        phone: format!("+336123{id:05}"),
        address: "12 rue de la Paix\n75002 Paris\nFrance (FR)".into(),
        company: "Byrne & Sons".into(),
        born: "1984-03-17".into(),
        iban: "FR7630006000011234567890189".into(),
        note: "rings twice".into(),
    }
}

pub fn apart(row: &Plain) -> Apart {
    Apart {
        no: CustomerId::from_stored(row.no).unwrap(),
        name: row.name.parse().unwrap(),
        email: row.email.parse().unwrap(),
        phone: row.phone.parse().unwrap(),
        address: row.address.parse().unwrap(),
        company: row.company.parse().unwrap(),
        born: row.born.parse().unwrap(),
        iban: row.iban.parse().unwrap(),
        note: row.note.parse().unwrap(),
    }
}

pub fn grouped(row: &Plain) -> Grouped {
    let Apart { no, name, email, phone, address, company, born, iban, note } = apart(row);
    Grouped { no, name, email, phone, address, company, born, iban, note, contact: Members::new() }
}
