//! What PostgreSQL alone has: types of its own, in columns stored as they are and in those that values are bound to.

use oubliette::personal::Text;
use oubliette::{CustomerId, Field, OpenError, Personal};
use oubliette_register::access::{AccessError, Binding, Table};
use oubliette_register::{DeclaredTables, Rules};
use serde_json::{Value, json};

use crate::Db;
use crate::literal::bytes;
use crate::support::*;

const NOTE: Field<Text> = ORDERS.field("note");
const REMARK: Field<Text> = ORDERS.field("remark");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedParcel)]
#[allow(dead_code)]
struct Parcel {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: [u8; 16],
    #[personal(plain)]
    count: i16,
    #[personal(plain)]
    weight: String,
    #[personal(plain)]
    sent: String,
    #[personal(plain)]
    fragile: bool,
    #[personal(plain)]
    tags: String,
    #[personal(plain)]
    extra: String,
    #[personal(seal = NOTE, context = id)]
    note: Text,
    #[personal(seal = REMARK, context = count)]
    remark: Text,
}

bodies! {
    async fn types_of_its_own_are_shown_and_bound() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let no = on!(db, shop.register, grant(&who("alice"), contract())).unwrap().number;
        let id = [0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
        let note = shop.vault.seal(no, NOTE.within(&id), &"rings twice".parse().unwrap()).unwrap();
        let remark = shop.vault.seal(no, REMARK.within(&7_i16.to_be_bytes()), &"heavy".parse().unwrap()).unwrap();
        db.sql("CREATE SCHEMA \"the shop\"; CREATE TABLE \"the shop\".parcels (no INTEGER, id UUID, count SMALLINT, \
                weight NUMERIC(6, 2), sent TIMESTAMPTZ, fragile BOOLEAN, tags TEXT[], extra JSONB, note BYTEA, remark VARCHAR)")
            .await;
        db.sql(&format!(
            "INSERT INTO \"the shop\".parcels VALUES ({no}, '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 7, 12.50, \
             '2026-01-02T03:04:05Z', true, '{{a,\"b,c\"}}', '{{\"a\": [1, 2]}}', {}, '{remark}')",
            bytes(note.as_bytes()),
        ))
        .await;
        let table = || Table::new("the shop.parcels", Parcel::FIELDS);
        let declared = |table| DeclaredTables::in_tables([table]);
        let document =
            on!(db, shop.register, access(&declared(table().binding("count", Binding::Integer(2))), &who("alice"))).unwrap();
        let answer: Value = serde_json::from_str(document.expose_personal_data()).unwrap();
        let row = &answer["tables"][0]["rows"][0];
        assert_eq!(row["opened"]["orders"], json!({"note": "rings twice", "remark": "heavy"}));
        let plain = &row["in_clear"];
        assert_eq!((&plain["id"], &plain["count"]), (&json!("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), &json!(7)));
        assert_eq!((&plain["weight"], &plain["fragile"], &plain["tags"]), (&json!(12.5), &json!(true), &json!(["a", "b,c"])));
        assert!(plain["sent"].as_str().unwrap().starts_with("2026-01-0"), "{plain}");
        assert_eq!(plain["extra"], json!({"a": [1, 2]}));
        // A small integer is bound as two bytes by the record, and as eight unless the table says so.
        let error = on!(db, shop.register, access(&declared(table()), &who("alice"))).unwrap_err();
        let AccessError::Open { column, source: OpenError::NotAuthentic { .. }, .. } = error else { panic!("{error:?}") };
        assert_eq!(column, "remark");
    }
}
