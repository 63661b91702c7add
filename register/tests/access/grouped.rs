//! Fields that are sealed with others in one column: in access, portability, disclosures, audits and the inventory each is what
//! it would be in a column of its own.

use std::sync::mpsc::channel;

use oubliette::audit::{Audit, Batch, OpeningResult};
use oubliette::personal::{Address, Email, Name, Phone, Text};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, Field, Group, Members, OpenError, Outcome, Personal, Purpose, Sealed, fields::FieldInfo};
use oubliette_register::access::{AccessError, Binding, Document, Table};
use oubliette_register::breach::Column;
use oubliette_register::inventory::{Declaration, Inventory};
use oubliette_register::{Basis, DeclaredTables, Disclosure, GrantedSealError, Rules};
use serde_json::{Value, json};

use crate::Db;
use crate::literal::{BYTES, bytes};
use crate::support::*;

const CONTACT: Group = ORDERS.group("contact");
const NAME: Field<Name> = ORDERS.field("name");
const PHONE: Field<Phone> = ORDERS.field("phone");
const ADDRESS: Field<Address> = ORDERS.field("address");
const NOTE: Field<Text> = ORDERS.field("note");

#[derive(Clone, Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i32,
    #[personal(seal = NAME, group = CONTACT)]
    name: Name,
    #[personal(seal = PHONE, group = CONTACT)]
    phone: Option<Phone>,
    #[personal(seal = ADDRESS, group = CONTACT)]
    address: Option<Address>,
    #[personal(group = CONTACT, context = id)]
    contact: Members,
    #[personal(seal = EMAIL)]
    email: Email,
}

fn users() -> Table {
    Table::new("users", User::FIELDS).binding("id", Binding::Integer(4)).renamed("contact", "contact_data")
}

fn declared() -> DeclaredTables {
    DeclaredTables::in_tables([users()])
}

fn alice(no: CustomerId) -> User {
    User {
        no,
        id: 17,
        name: "Alice Ní Bhriain".parse().unwrap(),
        phone: None,
        address: Some("12 rue de la Paix\n75002 Paris\nFrance".parse().unwrap()),
        contact: Members::new(),
        email: email(),
    }
}

async fn create(db: &mut Db) {
    let table = format!("CREATE TABLE users (no BIGINT NOT NULL, id INTEGER, contact_data {BYTES}, email {BYTES})");
    db.sql(&table).await;
}

async fn insert(db: &mut Db, row: &SealedUser) {
    let (contact, email) = (bytes(row.contact.as_bytes()), bytes(row.email.as_bytes()));
    db.sql(&format!("INSERT INTO users VALUES ({}, {}, {contact}, {email})", row.no.to_stored(), row.id)).await;
}

/// Alice, with a grant and a row.
macro_rules! customer {
    ($shop:ident, $db:ident) => {{
        on!($db, $shop.register, create_tables()).unwrap();
        create(&mut $db).await;
        let user = alice(on!($db, $shop.register, grant(&who("alice"), contract())).unwrap().number);
        insert(&mut $db, &user.seal(&$shop.vault).unwrap()).await;
        user
    }};
}

fn parsed(document: &Document) -> Value {
    serde_json::from_str(document.expose_personal_data()).unwrap()
}

fn shown() -> Value {
    json!({
        "email": "alice@example.com", "name": "Alice Ní Bhriain", "phone": null,
        "address": {"country": "FR", "lines": ["12 rue de la Paix", "75002 Paris"]},
    })
}

bodies! {
    async fn members_of_a_group_are_shown_one_by_one() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let user = customer!(shop, db);
        let answer = parsed(&on!(db, shop.register, access(&declared(), &who("alice"))).unwrap());
        let row = &answer["tables"][0]["rows"][0];
        assert_eq!((&row["in_clear"], &row["opened"]["orders"]), (&json!({"id": 17}), &shown()));
        let portable = parsed(&on!(db, shop.register, portable(&declared(), &who("alice"))).unwrap());
        assert_eq!(portable["tables"][0]["rows"][0]["opened"]["orders"], shown());
        assert_eq!(user.id, 17);
    }

    async fn granted_keys_seal_and_open_groups_of_their_purpose() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let user = customer!(shop, db);
        let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
        let mut members = Members::new();
        members.put(NAME, &user.name);
        let sealed = keys.seal_group(CONTACT, &members).unwrap();
        assert_eq!(keys.open_member(CONTACT, NAME, &sealed).unwrap(), Some(user.name));
        assert_eq!(keys.open_group(CONTACT, &[NAME.into()], &sealed).unwrap(), members);
        let news = NEWSLETTER.group("contact");
        assert!(matches!(keys.seal_group(news, &Members::new()), Err(GrantedSealError::OtherPurpose { .. })));
        assert!(matches!(keys.open_member(news, NEWS_EMAIL, &sealed), Err(OpenError::OtherPurpose { .. })));
    }

    async fn a_shredded_group_is_told_by_its_members() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        drop(db);
        let user = alice(shop.vault.enroll().unwrap());
        let row = user.seal(&shop.vault).unwrap();
        let _ = shop.vault.shred([user.no]).unwrap();
        let document = users().open_row(&shop.vault, &Default::default(), [user.no], |column| match column {
            "no" => oubliette_register::access::Cell::Integer(user.no.to_stored()),
            "id" => oubliette_register::access::Cell::Integer(17),
            "contact_data" => oubliette_register::access::Cell::bytes(row.contact.as_bytes().to_vec()),
            "email" => oubliette_register::access::Cell::bytes(row.email.as_bytes().to_vec()),
            other => panic!("{other} was to be read"),
        });
        let shredded = json!({"orders": ["email", "name", "phone", "address"]});
        assert_eq!(parsed(&document.unwrap())["shredded"], shredded);
    }

    async fn a_disclosure_hands_out_the_members_that_are_named() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let user = customer!(shop, db);
        on!(db, shop.register, grant(&who("alice"), contract().to("DHL"))).unwrap();
        let (written, batches) = channel();
        let audit = Audit::to(move |batch: &Batch| Ok(written.send(batch.clone())?)).start().unwrap();
        let desk = shop.register.audited(&audit, why("privacy desk"), why("request 2026-114"));
        let label = Disclosure::to("DHL").field(ADDRESS).column("users", "name");
        let document = own_transaction!(db, desk, disclose_in_clear(&declared(), &who("alice"), &label)).unwrap();
        let rows = json!([{"name": "Alice Ní Bhriain", "address": shown()["address"]}]);
        assert_eq!(parsed(&document)["tables"][0]["rows"], rows);
        audit.flush().unwrap();
        let batch = batches.try_recv().unwrap();
        let mut noted: Vec<_> = batch.openings().iter().map(|o| (o.label(), o.result(), o.count())).collect();
        noted.sort_unstable_by_key(|(label, ..)| *label);
        assert_eq!(noted, [("address", OpeningResult::Opened, 1), ("name", OpeningResult::Opened, 1)]);
        let told = db.ask("SELECT fields AS answer FROM oubliette_disclosures").await;
        assert_eq!(told, [r#"["users.name","users.address"]"#]);
        let events = shop.journal();
        let is_disclosed = |event: &&oubliette::journal::Event| format!("{event:?}").contains("Disclosed");
        let event = format!("{:?}", events.iter().find(is_disclosed));
        assert!(event.contains("\"name\"") && event.contains("\"address\""), "by their labels: {event}");
        assert_no_plaintext(event.as_bytes(), ["Bhriain", "rue de la Paix"]);
        // The column of the group may hold more than is known.
        let whole = Disclosure::to("DHL").column("users", "contact_data");
        let error = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &who("alice"), &whole)).unwrap_err();
        assert!(error.to_string().contains("users.contact_data"), "{error}");
        assert_eq!(user.id, 17);
    }

    async fn what_a_table_does_not_declare_is_told() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let mut user = customer!(shop, db);
        user.contact.put(NOTE, &"rings twice".parse().unwrap());
        db.sql("DELETE FROM users").await;
        insert(&mut db, &user.seal(&shop.vault).unwrap()).await;
        let error = on!(db, shop.register, access(&declared(), &who("alice"))).unwrap_err();
        assert!(matches!(&error, AccessError::Undeclared { labels, .. } if labels == "\"note\""), "{error}");
        assert_eq!(error.outcome(), Outcome::Investigate);
        let marked = on!(db, shop.register, access(&declared().marking_damaged(), &who("alice"))).unwrap();
        let row = &parsed(&marked)["tables"][0]["rows"][0];
        assert_eq!(row["opened"]["orders"], shown());
        assert!(row["damaged"]["contact_data"].as_str().unwrap().contains("\"note\""), "{row}");
        // Whoever asks for single members is not asked about the rest.
        on!(db, shop.register, grant(&who("alice"), contract().to("DHL"))).unwrap();
        let label = Disclosure::to("DHL").field(NAME);
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &who("alice"), &label)).unwrap();
    }

    async fn one_member_that_cannot_be_read_does_not_take_the_others_with_it() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let user = customer!(shop, db);
        let mut row = user.seal(&shop.vault).unwrap();
        let (keys, place) = (shop.vault.customer(user.no), 17_i32.to_be_bytes());
        let mut members = Members::new();
        members.put(NAME, &user.name);
        members.put(ORDERS.field::<Text>("phone"), &"call me".parse().unwrap());
        row.contact = keys.seal_group(CONTACT.within(&place), &members).unwrap();
        db.sql("DELETE FROM users").await;
        insert(&mut db, &row).await;
        let marking = declared().marking_damaged();
        let damaged = parsed(&on!(db, shop.register, access(&marking, &who("alice"))).unwrap());
        let shown = &damaged["tables"][0]["rows"][0];
        assert_eq!(shown["opened"]["orders"]["name"], "Alice Ní Bhriain");
        assert!(shown["damaged"]["phone"].as_str().unwrap().contains("obl.text"), "{shown}");
        assert!(on!(db, shop.register, access(&declared(), &who("alice"))).is_err());
        let mut bytes = row.contact.into_bytes();
        *bytes.last_mut().unwrap() ^= 1;
        row.contact = Sealed::from_bytes(bytes).unwrap();
        db.sql("DELETE FROM users").await;
        insert(&mut db, &row).await;
        let damaged = parsed(&on!(db, shop.register, access(&marking, &who("alice"))).unwrap());
        let shown = &damaged["tables"][0]["rows"][0];
        // In the order of the table, where others have JSON keep it.
        let mut names: Vec<&str> = shown["damaged"].as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!((names, &shown["opened"]["orders"]), (vec!["address", "name", "phone"], &json!({"email": "alice@example.com"})));
    }

    async fn the_inventory_and_a_breach_name_the_members() {
        drop(Db::new().await);
        let declaration = |purpose: Purpose| Declaration::of(purpose).why("orders").basis(Basis::Contract).kept("3 years").nobody_receives_it();
        let inventory = Inventory::of("Shop SAS").table(users()).purpose(declaration(ORDERS));
        let document: Value = serde_json::from_str(&inventory.to_json()).unwrap();
        let fields = json!(["users.name", "users.phone", "users.address", "users.email"]);
        assert_eq!(document["purposes"][0]["fields"], fields);
        let columns = document["tables"][0]["columns"].as_array().unwrap();
        assert!(columns.contains(&json!({
            "column": "phone", "is": "sealed", "purpose": "orders", "label": "phone", "type": "obl.phone", "in": "contact_data",
        })));
        assert!(columns.contains(&json!({
            "column": "contact_data", "is": "group", "purpose": "orders", "label": "contact", "bound_to": "id",
        })));
        let text = inventory.to_markdown();
        assert!(text.contains("| users | phone, in contact\\_data | telephone number | id |") || text.contains("| users | phone, in contact_data | telephone number | id |"), "{text}");
        let leaked = Column::all_of("users", User::FIELDS);
        let of_group = leaked.iter().filter(|column| column.column == "contact").count();
        assert_eq!((of_group, leaked.len()), (3, 5));
        let _: &[FieldInfo] = User::FIELDS;
    }
}
