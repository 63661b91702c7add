//! What is hashed to derive a customer's keys, counted: it is what sealing and opening somebody who was not met before costs most.

use crate::customer::CustomerId;
use crate::derivation::counted;
use crate::field::{Field, Purpose};
use crate::personal::Text;
use crate::sealed::Sealed;
use crate::vault::Vault;

const ORDERS: Purpose = Purpose::new("orders");
const FIELDS: [Field<Text>; 10] = [
    ORDERS.field("name"),
    ORDERS.field("email"),
    ORDERS.field("phone"),
    ORDERS.field("street"),
    ORDERS.field("city"),
    ORDERS.field("country"),
    ORDERS.field("born"),
    ORDERS.field("iban"),
    ORDERS.field("note"),
    ORDERS.field("device"),
];

/// Of a customer from the leaf above, by a leaf that is keyed for all of its customers.
const CUSTOMER: usize = 2;
const KEYED: usize = 2;
/// A field's key and commitment: two blocks and three.
const FIELD: usize = 5;

type Row = (CustomerId, Vec<Sealed<Text>>);

fn rows(vault: &Vault, customers: usize, fields: &[Field<Text>]) -> Vec<Row> {
    let text: Text = "a note".parse().unwrap();
    let ids: Vec<CustomerId> = (0..customers).map(|_| vault.enroll().unwrap()).collect();
    let sealed = |id| fields.iter().map(|field| vault.seal(id, *field, &text).unwrap()).collect();
    ids.into_iter().map(|id| (id, sealed(id))).collect()
}

/// In bulk a customer in order of number costs 9 blocks, which is two and a quarter HKDF-Expands; each field more costs 5.
#[test]
fn in_bulk_a_customer_is_keyed_once() {
    let vault = Vault::in_memory([ORDERS]);
    for fields in [1, 4] {
        let rows = rows(&vault, 512, &FIELDS[..fields]);
        let open = || {
            for ((_, sealed), keys) in vault.each_customer(&rows, |(id, _)| *id) {
                for (field, sealed) in FIELDS.iter().zip(sealed) {
                    drop(keys.open(*field, sealed).unwrap());
                }
            }
        };
        let seal = || {
            for (_, keys) in vault.each_customer(&rows, |(id, _)| *id) {
                for field in &FIELDS[..fields] {
                    keys.seal(*field, &"another".parse().unwrap()).unwrap();
                }
            }
        };
        for blocks in [counted::blocks(open), counted::blocks(seal)] {
            let least = rows.len() * (CUSTOMER + KEYED + fields * FIELD);
            // Chunks begin and end within leaves, each of which is keyed once in each.
            assert!((least..least + 8 * KEYED).contains(&blocks), "{blocks} for {} rows of {fields}", rows.len());
        }
    }
}

/// Of what is counted in [`in_bulk_a_customer_is_keyed_once`] a single customer has all, and the leaf's key as well.
#[test]
fn all_fields_of_a_customer_take_one_key() {
    let vault = Vault::in_memory([ORDERS]);
    for (id, sealed) in rows(&vault, 3, &FIELDS) {
        let keys = vault.customer(id);
        let open = || FIELDS.iter().zip(&sealed).for_each(|(field, sealed)| drop(keys.open(*field, sealed).unwrap()));
        assert_eq!(counted::blocks(open), KEYED + CUSTOMER + KEYED + 10 * FIELD);
        assert_eq!(counted::blocks(open), 0, "the ciphers are kept");
    }
}
