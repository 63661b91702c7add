//! The inventory, and what it must not overlook.

use oubliette::personal::{Email, Phone, Text};
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, bits, fields::FieldInfo};
use oubliette_register::Basis;
use oubliette_register::access::Table;
use oubliette_register::inventory::{Declaration, Difference, Finding, Inventory, InventoryError, LiveGrants};
use serde_json::{Value, json};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
#[allow(dead_code)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i64,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    email: Email,
    #[personal(seal = NEWS_EMAIL)]
    news: Held<Email>,
}

/// A year later.
mod later {
    use super::*;

    #[derive(Personal)]
    #[personal(purpose = ORDERS, sealed = SealedUser)]
    #[allow(dead_code)]
    pub struct User {
        #[personal(customer)]
        pub no: CustomerId,
        #[personal(plain)]
        pub id: i64,
        #[personal(plain)]
        pub shoe_size: u8,
        #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
        pub email: Email,
        #[personal(seal = PHONE)]
        pub phone: Phone,
        #[personal(seal = NEWS_EMAIL, context = id)]
        pub news: Held<Email>,
    }
}

mod order {
    use super::*;

    #[derive(Personal)]
    #[personal(purpose = ORDERS, sealed = SealedOrder)]
    #[allow(dead_code)]
    pub struct Order {
        #[personal(customer)]
        pub no: CustomerId,
        #[personal(seal = NOTE)]
        pub note: Text,
    }
}

fn orders() -> Declaration {
    Declaration::of(ORDERS)
        .why("to deliver what was ordered, | and to answer for it")
        .basis(Basis::Contract)
        .kept("three years after the last order")
        .recipient("DHL")
        .category("contact details")
}

fn newsletter() -> Declaration {
    Declaration::of(NEWSLETTER)
        .why("to send the newsletter")
        .basis(Basis::Consent)
        .kept("until withdrawn")
        .nobody_receives_it()
        .whose("subscribers")
        .transfer("Switzerland, adequacy decision 2000/518/EC")
}

fn inventory_of(fields: &[FieldInfo]) -> Inventory {
    Inventory::of("Shop SAS, Paris")
        .officer("dpo@shop.example")
        .measure("Backups are encrypted")
        .table(Table::new("users", fields).renamed("id", "uid"))
        .purpose(orders())
        .purpose(newsletter())
}

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("inventory.json");
    (place, file)
}

fn findings(result: Result<(), InventoryError>) -> Vec<Finding> {
    match result.unwrap_err() {
        InventoryError::NotUpToDate { findings, .. } | InventoryError::NotWritten { findings, .. } => findings,
        error => panic!("{error:?}"),
    }
}

#[test]
fn what_was_written_is_what_is_checked() {
    let (_place, file) = file();
    let inventory = inventory_of(User::FIELDS);
    // The first time it must be written by an explicit call: a check writes nothing.
    let error = inventory.check(&file).unwrap_err();
    assert!(matches!(&error, InventoryError::NotWritten { findings, .. } if findings.is_empty()), "{error}");
    assert!(!file.exists());
    inventory.write(&file).unwrap();
    inventory.check(&file).unwrap();
    // The order in which things are declared does not matter, nor does how the file is laid out.
    let again = Inventory::of("Shop SAS, Paris").officer("dpo@shop.example").measure("Backups are encrypted");
    let again = again.purpose(newsletter()).purpose(orders());
    let again = again.table(Table::new("users", User::FIELDS).renamed("id", "uid"));
    assert_eq!(again.to_json(), inventory.to_json());
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    std::fs::write(&file, serde_json::to_string(&value).unwrap()).unwrap();
    again.check(&file).unwrap();
}

#[test]
fn a_field_that_was_added_is_named_with_its_record() {
    let (_place, file) = file();
    inventory_of(User::FIELDS).write(&file).unwrap();
    let error = inventory_of(later::User::FIELDS).check(&file).unwrap_err();
    let message = format!("{error:?}");
    assert!(message.contains("users.phone (sealed, type obl.phone, purpose orders, label phone)"), "{message}");
    let found = findings(Err(error));
    let names: Vec<String> = found.iter().map(|finding| format!("{finding:?}")).collect();
    assert_eq!(found.len(), 3, "{names:?}");
    assert!(matches!(&found[1], Finding::NewField { table, column, .. } if table == "users" && column == "phone"));
    // A plain column too: somebody has to have said that it is not personal.
    assert!(matches!(&found[2], Finding::NewField { column, holds, .. } if column == "shoe_size" && holds == "plain"));
    assert!(
        matches!(&found[0], Finding::FieldChanged { column, holds, .. } if column == "news" && holds.contains("bound to uid"))
    );
    // The other way round: a field is gone.
    inventory_of(later::User::FIELDS).write(&file).unwrap();
    let found = findings(inventory_of(User::FIELDS).check(&file));
    assert!(found.contains(&Finding::FieldGone { table: "users".into(), column: "phone".into() }), "{found:?}");
    // A whole record.
    inventory_of(User::FIELDS).write(&file).unwrap();
    let more = inventory_of(User::FIELDS).table(Table::new("orders", order::Order::FIELDS));
    let found = findings(more.check(&file));
    assert!(found.iter().any(
        |finding| matches!(finding, Finding::NewField { table, column, .. } if table == "orders" && column == "note")
    ));
}

#[test]
fn a_purpose_without_a_declaration_is_named() {
    let (_place, file) = file();
    let nothing_said = Inventory::of("Shop SAS").table(Table::new("users", User::FIELDS)).purpose(orders());
    let expected =
        Finding::NoDeclaration { purpose: "newsletter".into(), table: "users".into(), column: "news".into() };
    assert_eq!(findings(nothing_said.check(&file)), std::slice::from_ref(&expected));
    assert_eq!(findings(nothing_said.write(&file)), std::slice::from_ref(&expected));
    assert!(!file.exists(), "what has holes is not written");
    inventory_of(User::FIELDS).write(&file).unwrap();
    assert!(findings(nothing_said.check(&file)).contains(&expected));
    for (declaration, lacking) in [
        (Declaration::of(NEWSLETTER).basis(Basis::Consent).kept("x").nobody_receives_it(), "why"),
        (Declaration::of(NEWSLETTER).why("  ").basis(Basis::Consent).kept("x").nobody_receives_it(), "why"),
        (Declaration::of(NEWSLETTER).why("x").kept("x").nobody_receives_it(), "basis"),
        (Declaration::of(NEWSLETTER).why("x").basis(Basis::Consent).nobody_receives_it(), "how long"),
        (Declaration::of(NEWSLETTER).why("x").basis(Basis::Consent).kept("x"), "who receives"),
    ] {
        let holes = nothing_said.clone().purpose(declaration).findings();
        assert!(
            matches!(holes.as_slice(), [Finding::Incomplete { purpose, lacks }] if purpose == "newsletter" && lacks.contains(lacking)),
            "{holes:?}"
        );
    }
}

#[test]
fn what_is_declared_differently_or_twice_is_named() {
    let (_place, file) = file();
    inventory_of(User::FIELDS).write(&file).unwrap();
    let longer = Inventory::of("Shop SAS, Paris").officer("dpo@shop.example").measure("Backups are encrypted");
    let longer = longer.table(Table::new("users", User::FIELDS).renamed("id", "uid")).purpose(newsletter());
    let found = findings(longer.purpose(orders().kept("for ever")).check(&file));
    assert_eq!(found, [Finding::DeclarationChanged { part: "\"kept\" of purpose \"orders\"".into() }]);
    let twice = inventory_of(User::FIELDS).table(Table::new("users", User::FIELDS)).purpose(orders()).findings();
    assert_eq!(
        twice,
        [Finding::Twice { what: "table \"users\"".into() }, Finding::Twice { what: "purpose \"orders\"".into() },]
    );
    let bad =
        Inventory::of("x").table(Table::new("users", order::Order::FIELDS).renamed("nothing", "x")).purpose(orders());
    assert!(matches!(bad.findings().as_slice(), [Finding::BadTable { fault }] if fault.contains("nothing")));
}

#[test]
fn another_file_is_not_taken_for_it() {
    let (place, file) = file();
    for text in ["", "{}", "[]", "{\"format\":\"oubliette/2/inventory\",\"tables\":[],\"purposes\":[]}"] {
        std::fs::write(&file, text).unwrap();
        let error = inventory_of(User::FIELDS).check(&file).unwrap_err();
        assert!(matches!(error, InventoryError::NotAnInventory { .. }), "{text}: {error}");
    }
    let error = inventory_of(User::FIELDS).check(place.path()).unwrap_err();
    assert!(matches!(error, InventoryError::File { .. }), "{error}");
}

#[test]
fn it_says_what_is_kept_why_how_long_and_who_receives_it() {
    let inventory = inventory_of(User::FIELDS).table(Table::new("orders", order::Order::FIELDS));
    let document: Value = serde_json::from_str(&inventory.to_json()).unwrap();
    assert_eq!(document["controller"], "Shop SAS, Paris");
    let expected = json!({
        "purpose": "newsletter", "why": "to send the newsletter", "basis": "consent", "article": "Art. 6(1)(a)",
        "kept": "until withdrawn", "whose": ["subscribers"], "categories": null, "recipients": [],
        "transfers": ["Switzerland, adequacy decision 2000/518/EC"], "fields": ["users.news"],
    });
    assert_eq!(document["purposes"][0], expected);
    assert_eq!(document["purposes"][1]["fields"], json!(["orders.note", "users.email"]));
    assert_eq!(
        document["tables"][1]["columns"][3],
        json!({
            "column": "email_idx", "is": "token", "purpose": "orders", "of": "email", "index": "exact", "bits": 64,
        })
    );
    let markdown = inventory.to_markdown();
    for line in [
        "| Controller | Shop SAS, Paris |",
        "## orders",
        "| Why | to deliver what was ordered, \\| and to answer for it |",
        "| Legal basis | contract, Art. 6(1)(b) GDPR |",
        "| Kept | three years after the last order |",
        "| Recipients | DHL |",
        "| Recipients | none |",
        "| users | email | email address |  | email_idx |",
        "| orders | note | text |  |  |",
        "| users | uid |",
        "- Backups are encrypted",
    ] {
        assert!(markdown.lines().any(|found| found == line), "{line}\n{markdown}");
    }
}

#[test]
fn names_stay_within_their_cells_and_are_text() {
    let evil = "A\\|B | C\n## D <script>[x](https://evil.example)`";
    let live = LiveGrants::at_time(evil).grants("newsletter", Basis::Consent, Some(evil), 2);
    let inventory = inventory_of(User::FIELDS)
        .measure(evil)
        .purpose(Declaration::of(Purpose::new("third")).why(evil).basis(Basis::Consent).kept(evil).recipient(evil));
    let markdown = inventory.to_markdown_with(&live);
    let escaped = r"A\\\|B \| C ## D \<script>\[x](https://evil.example)\`";
    assert!(markdown.contains(&format!("| Why | {escaped} |\n")), "{markdown}");
    for line in markdown.lines().filter(|line| line.contains("evil")) {
        assert!(line.starts_with("| ") || line.starts_with("- "), "{line}");
        let plain = line.replace(r"\\", "").replace(r"\|", "").replace(r"\<", "").replace(r"\[", "").replace(r"\`", "");
        assert!(!plain.contains(['<', '[', '`', '\\']), "{line}");
        assert!(!line.starts_with("| ") || plain.matches('|').count() == 3, "{line}");
    }
}

#[test]
fn what_is_granted_and_not_declared_is_shown() {
    let inventory = inventory_of(User::FIELDS);
    let agreed = LiveGrants::at_time("2026-11-24T18:00:00Z")
        .grants("orders", Basis::Contract, None, 7)
        .grants("orders", Basis::Consent, Some("DHL"), 2)
        .grants("newsletter", Basis::Consent, None, 3)
        .grants("newsletter", Basis::Consent, None, 4);
    assert_eq!(inventory.differences(&agreed), []);
    let markdown = inventory.to_markdown_with(&agreed);
    assert!(markdown.contains("| Live grants | 7 on consent |"), "{markdown}");
    assert!(markdown.contains("agree."), "{markdown}");
    let live = LiveGrants::at_time("2026-11-24T18:00:00Z")
        .grants("orders", Basis::LegitimateInterests, None, 7)
        .grants("newsletter", Basis::Consent, Some("Advertiser"), 2)
        .grants("profiling", Basis::Consent, None, 1);
    let found = inventory.differences(&live);
    let (newsletter, orders) = ("newsletter".to_owned(), "orders".to_owned());
    assert_eq!(
        found,
        [
            Difference::UnknownRecipient { purpose: newsletter, recipient: "Advertiser".into(), grants: 2 },
            Difference::OtherBasis {
                purpose: orders.clone(),
                declared: Basis::Contract,
                granted: Basis::LegitimateInterests,
                grants: 7
            },
            Difference::NotDeclared { purpose: "profiling".into(), grants: 1 },
            Difference::NoGrants { purpose: orders, recipient: "DHL".into() },
        ]
    );
    let document: Value = serde_json::from_str(&inventory.to_json_with(&live)).unwrap();
    assert_eq!(document["live"]["differences"].as_array().unwrap().len(), found.len());
    for difference in found {
        assert!(inventory.to_markdown_with(&live).contains(&difference.to_string()));
    }
}

#[test]
fn fields_made_at_run_time_are_those_of_a_record() {
    let made = [
        FieldInfo::customer("no", ORDERS, true),
        FieldInfo::plain("id"),
        FieldInfo::sealed("email", EMAIL, None),
        FieldInfo::token("email_idx", "email", BY_EMAIL),
        FieldInfo::sealed("news", NEWS_EMAIL, None),
    ];
    assert_eq!(made, User::FIELDS);
    assert!(later::User::FIELDS.contains(&FieldInfo::sealed("news", NEWS_EMAIL, Some("id"))));
    assert_ne!(FieldInfo::customer("no", ORDERS, false), User::FIELDS[0]);
}
