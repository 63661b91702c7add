//! Groups: several fields of a record in one column.

use std::sync::mpsc::channel;

use oubliette::audit::{Audit, Batch};
use oubliette::columns::SealedText;
use oubliette::personal::Name;
use oubliette::testing::assert_no_plaintext;
use oubliette::{Group, Limits, Members, OpenError, Sealed, fields::FieldKind};

use super::*;

const CONTACT: Group = ORDERS.group("contact");
const NAME: Field<Name> = ORDERS.field("name");

/// The record of a program.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = SealedCustomer, derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize))]
struct Customer {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = NAME, group = CONTACT)]
    name: Name,
    #[personal(seal = EMAIL, group = CONTACT, index(email_idx = BY_EMAIL))]
    email: Email,
    #[personal(seal = PHONE, group = CONTACT, index(phone_idx = BY_PHONE))]
    phone: Option<Phone>,
    #[personal(group = CONTACT)]
    contact: Members,
}

/// That of a later version of it, which has a field more and one less.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = LaterSealed)]
struct Later {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, group = CONTACT, index(email_idx = BY_EMAIL))]
    email: Email,
    #[personal(seal = NAME, group = CONTACT)]
    name: Option<Name>,
    #[personal(seal = NOTE, group = CONTACT)]
    note: Option<Text>,
    #[personal(group = CONTACT)]
    contact: Members,
}

fn bob(vault: &Vault) -> Customer {
    Customer {
        no: vault.enroll().unwrap(),
        name: "Bob Byrne".parse().unwrap(),
        email: "bob@example.com".parse().unwrap(),
        phone: Some("+33612345678".parse().unwrap()),
        contact: Members::new(),
    }
}

#[test]
fn a_group_is_one_column() {
    let vault = vault();
    let user = bob(&vault);
    let row = user.seal(&vault).unwrap();
    let SealedCustomer { no: _, email_idx, phone_idx, contact } = row.clone();
    assert_eq!(row.open(&vault).unwrap(), user);
    assert_eq!(email_idx, vault.token(BY_EMAIL, &user.email).unwrap());
    assert_eq!(phone_idx, user.phone.as_ref().map(|phone| vault.token(BY_PHONE, phone).unwrap()));
    assert_eq!(contact.as_bytes().len(), 82 + 128);
    // It is what the vault's own calls make.
    let keys = vault.customer(user.no);
    assert_eq!(keys.open_member(CONTACT, NAME, &contact).unwrap(), Some(user.name));
    let stored = serde_json::to_vec(&row).unwrap();
    assert_no_plaintext(&stored, ["bob@", "33612345678", "Byrne"]);
    assert_eq!(serde_json::from_slice::<SealedCustomer>(&stored).unwrap(), row);
}

#[test]
fn none_is_not_there() {
    let vault = vault();
    let user = Customer { phone: None, ..bob(&vault) };
    let row = user.seal(&vault).unwrap();
    assert!(row.phone_idx.is_none());
    assert_eq!(row.open(&vault).unwrap(), user);
    // And what was there is taken out.
    let mut known = Members::new();
    known.put(PHONE, &"+33612345678".parse().unwrap());
    let row = Customer { contact: known, ..user }.seal(&vault).unwrap();
    assert_eq!(row.open(&vault).unwrap().phone, None);
}

/// The two versions run side by side, each writes rows that the other wrote, and no field is lost.
#[test]
fn versions_that_run_side_by_side_lose_nothing() {
    let vault = vault();
    let row = bob(&vault).seal(&vault).unwrap();
    let as_later =
        |row: &SealedCustomer| LaterSealed { no: row.no, email_idx: row.email_idx, contact: row.contact.clone() };
    let mut later = as_later(&row).open(&vault).unwrap();
    assert_eq!(later.contact.kept().collect::<Vec<_>>(), ["phone"]);
    later.note = Some("rings twice".parse().unwrap());
    let LaterSealed { no, email_idx, contact } = later.seal(&vault).unwrap();

    let row = SealedCustomer { no, email_idx, phone_idx: row.phone_idx, contact };
    let mut earlier = row.open(&vault).unwrap();
    assert_eq!(earlier.phone.as_ref().unwrap().expose_personal_data(), "+33612345678");
    assert_eq!(earlier.contact.kept().collect::<Vec<_>>(), ["note"]);
    earlier.name = "Bob O’Byrne".parse().unwrap();
    let row = earlier.seal(&vault).unwrap();

    let later = as_later(&row).open(&vault).unwrap();
    assert_eq!(later.note.as_ref().unwrap().expose_personal_data(), "rings twice");
    assert_eq!(later.name.as_ref().unwrap().expose_personal_data(), "Bob O’Byrne");
    // A field that nobody has any more is taken out by name.
    let mut last = later;
    assert!(last.contact.remove("phone"));
    assert_eq!(as_later(&row).open(&vault).unwrap().contact.len(), 1);
    let LaterSealed { no, email_idx, contact } = last.seal(&vault).unwrap();
    let row = SealedCustomer { no, email_idx, phone_idx: None, contact };
    assert_eq!(row.open(&vault).unwrap().phone, None);
}

#[test]
fn a_member_that_is_missing_or_of_another_type_is_named() {
    let vault = vault();
    let user = bob(&vault);
    let keys = vault.customer(user.no);
    let mut row = user.seal(&vault).unwrap();
    let mut members = Members::new();
    members.put(EMAIL, &user.email);
    row.contact = keys.seal_group(CONTACT, &members).unwrap();
    let error = row.open(&vault).unwrap_err();
    assert!(matches!(error, OpenError::NotInGroup { at, group: "contact" } if at.label == "name"), "{error}");
    members.put(NAME, &user.name);
    members.put(ORDERS.field::<Text>("phone"), &"call me".parse().unwrap());
    row.contact = keys.seal_group(CONTACT, &members).unwrap();
    let error = row.open(&vault).unwrap_err();
    assert!(
        matches!(&error, OpenError::OtherType { at, found } if at.label == "phone" && found == "obl.text"),
        "{error}"
    );
}

#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = SealedLetter)]
struct Letter {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i32,
    #[personal(seal = NOTE, group = CONTACT)]
    note: Option<Text>,
    #[personal(group = CONTACT, text, context = id)]
    contact: Option<Members>,
}

#[test]
fn a_column_may_be_null_text_and_bound_to_another() {
    let vault = vault();
    let user = Letter { no: vault.enroll().unwrap(), id: 7, note: None, contact: None };
    let row = user.seal(&vault).unwrap();
    assert!(row.contact.is_none());
    assert_eq!(row.open(&vault).unwrap(), user);
    let user = Letter { note: Some("rings twice".parse().unwrap()), ..user };
    let row = user.seal(&vault).unwrap();
    let stored: &SealedText<Members> = row.contact.as_ref().unwrap();
    assert!(stored.to_string().starts_with("obl1."));
    assert_eq!(row.open(&vault).unwrap(), Letter { contact: Some(Members::new()), ..user });
    let moved = SealedLetter { id: 8, ..row };
    assert!(matches!(moved.open(&vault), Err(OpenError::NotAuthentic { at, .. }) if at.label == "contact"));
}

#[test]
fn limits_and_audits_go_by_the_members() {
    let vault = vault();
    let user = Customer { phone: None, ..bob(&vault) };
    let row = user.seal(&vault).unwrap();
    let (written, batches) = channel();
    let audit = Audit::to(move |batch: &Batch| Ok(written.send(batch.clone())?)).start().unwrap();
    let reader = vault.reader(Limits::nothing().columns(Customer::FIELDS));
    let page = reader.audited(&audit, "support desk".parse().unwrap(), "ticket 4711".parse().unwrap());
    assert_eq!(row.open(&page).unwrap(), user);
    audit.flush().unwrap();
    let batch = batches.try_recv().unwrap();
    let mut labels: Vec<&str> = batch.openings().iter().map(oubliette::audit::Openings::label).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["email", "name"], "what was given out, not the phone that is not there");

    let mailer = vault.reader(Limits::nothing().field(EMAIL));
    assert!(matches!(row.open(&mailer), Err(OpenError::NotAllowed { at }) if at.label == "name"));
    assert_eq!(mailer.customer(user.no).open_member(CONTACT, EMAIL, &row.contact).unwrap(), Some(user.email));
}

#[test]
fn rows_of_groups_are_opened_in_bulk_and_moved_whole() {
    let vault = vault();
    let users: Vec<Customer> = (0..3).map(|_| bob(&vault)).collect();
    let mut rows: Vec<SealedCustomer> = users.iter().map(|user| user.seal(&vault).unwrap()).collect();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    for row in &mut rows {
        assert!(row.reseal(&vault).unwrap() && !row.reseal(&vault).unwrap());
    }
    let _ = vault.shred([users[1].no]).unwrap();
    let opened: Vec<_> = SealedCustomer::open_all(&rows, &vault).collect();
    assert!(matches!(opened[1], Err(OpenError::Shredded { .. })));
    assert_eq!([opened[0].as_ref().unwrap(), opened[2].as_ref().unwrap()], [&users[0], &users[2]]);
}

#[test]
fn the_list_of_columns_has_the_group_and_its_members() {
    let find = |name: &str| Customer::FIELDS.iter().find(|field| field.column == name).unwrap();
    assert!(
        matches!(find("contact").kind, FieldKind::Group { purpose, label: "contact", context: None, .. } if purpose == ORDERS)
    );
    assert!(matches!(find("phone").kind, FieldKind::Member { of: "contact", label: "phone", .. }));
    assert!(matches!(find("phone_idx").kind, FieldKind::Token { of: "phone", .. }));
    assert_eq!(find("email").field_id(), Some(EMAIL.into()));
    assert_eq!(find("contact").field_id(), None);
    let _: fn(&SealedCustomer) -> &Sealed<Members> = |row| &row.contact;
}
