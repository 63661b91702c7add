//! What the twin is: its derives and attributes, its names, its visibility.

use std::collections::HashMap;

use super::*;

#[test]
fn derives_and_attributes_reach_the_twin() {
    let vault = vault();
    let row = alice(&vault).seal(&vault).unwrap();
    let json = serde_json::to_value(&row).unwrap();
    assert!(json.get("uid").is_some() && json.get("id").is_none());
    assert!(json["email"].as_str().unwrap().starts_with("obl1."));
    let back: SealedUser = serde_json::from_value(json).unwrap();
    assert_eq!(back, row);
}

/// Names that generated code could trip over.
pub mod awkward {
    #![allow(missing_docs, unreachable_pub)]
    use std::marker::PhantomData;

    use oubliette as vault_crate;

    pub mod fields {
        use oubliette::{Field, Index, Purpose, bits, personal::Text};
        pub const MAIN: Purpose = Purpose::new("main");
        pub const A: Field<Text> = MAIN.field("a");
        pub const B: Field<Text> = MAIN.field("b");
        pub const A_IDX: Index<Text> = A.index("exact", bits(8));
        pub const A_LONG: Index<Text> = A.index("long", bits(128));
    }

    // Shadows of the prelude, and of what generated code calls things.
    #[allow(dead_code)]
    pub struct Vault;
    #[allow(dead_code, non_camel_case_types)]
    pub struct Some;
    #[allow(dead_code)]
    pub struct Result;
    #[allow(dead_code)]
    pub const ROW: u8 = 1;
    #[allow(dead_code)]
    pub fn keys() {}

    #[derive(oubliette::Personal)]
    #[personal(purpose = fields::MAIN, sealed = Ok, crate = vault_crate)]
    #[personal(derive(Clone), derive(Debug), attr(allow(dead_code), doc = "And so on."))]
    pub struct R {
        #[personal(plain)]
        pub vault: u64,
        #[personal(plain)]
        pub(crate) row: PhantomData<Vault>,
        #[personal(seal = self::fields::A, context = vault)]
        #[personal(index(r#match = fields::A_IDX, attr(doc = "Short.")), index(keys = fields::A_LONG))]
        pub r#type: std::option::Option<vault_crate::personal::Text>,
        #[personal(customer)]
        pub r#fn: vault_crate::CustomerId,
        #[personal(seal = fields::B, context = r#fn)]
        pub(super) moved: vault_crate::personal::Text,
    }
}

#[test]
fn awkward_names_are_no_trouble() {
    let vault = Vault::in_memory([awkward::fields::MAIN]);
    let record = awkward::R {
        vault: 1,
        row: std::marker::PhantomData,
        r#type: Some("one".parse().unwrap()),
        r#fn: vault.enroll().unwrap(),
        moved: "two".parse().unwrap(),
    };
    let row: awkward::Ok = record.seal(&vault).unwrap();
    assert_eq!(row.open(&vault).unwrap().moved.expose_personal_data(), "two");
    assert_eq!((row.r#match.unwrap().as_bytes().len(), row.keys.unwrap().as_bytes().len()), (2, 17));
    assert_eq!(row.clone().r#fn, record.r#fn);
    // By name as people write it.
    let columns: HashMap<_, _> = awkward::R::FIELDS.iter().map(|field| (field.column, field.kind)).collect();
    assert_eq!(columns.len(), 7);
    assert!(columns.contains_key("type") && columns.contains_key("match"));
    // Both contexts bind.
    let (mut other, mut another) = (row.clone(), row);
    other.vault = 2;
    assert!(other.open(&vault).is_err());
    another.r#type = None;
    another.vault = 2;
    assert!(another.open(&vault).is_ok());
}

/// A record may have nothing to seal yet: what is added to it next year must still say what it is.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedVisit)]
struct Visit {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    count: u32,
}

#[test]
fn a_record_without_sealed_columns() {
    let vault = vault();
    let row = Visit { no: vault.enroll().unwrap(), count: 3 }.seal(&vault).unwrap();
    assert_eq!(row.open(&vault).unwrap().count, 3);
    assert_eq!(SealedVisit::open_all([row], &vault).count(), 1);
}

macro_rules! record {
    ($name:ident, $twin:ident, $ty:ty, $field:path) => {
        #[derive(Personal)]
        #[personal(purpose = ORDERS, sealed = $twin)]
        struct $name {
            #[personal(customer)]
            no: CustomerId,
            #[personal(seal = $field)]
            value: $ty,
        }
    };
}
record!(ByMacro, SealedByMacro, Option<Phone>, PHONE);

#[test]
fn a_record_made_by_a_macro() {
    let vault = vault();
    let row: SealedByMacro = ByMacro { no: vault.enroll().unwrap(), value: None }.seal(&vault).unwrap();
    assert!(row.open(&vault).unwrap().value.is_none());
    assert_eq!(row.no.to_stored(), 1);
}
