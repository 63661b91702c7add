//! A field that moves from a column of its own into a group, and back: what the versions of an application make of each
//! other's rows on the way.

use oubliette::{Group, Members, OpenError};

use super::*;

const CONTACT: Group = ORDERS.group("contact");

/// Before: in a column.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = InColumnSealed)]
struct InColumn {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i32,
    #[personal(seal = EMAIL, group = CONTACT)]
    email: Email,
    #[personal(seal = PHONE, context = id, index(phone_idx = BY_PHONE))]
    phone: Phone,
    #[personal(group = CONTACT)]
    contact: Members,
}

/// Written to the column, and read from the group too.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = ToColumnSealed, derive(Clone))]
struct ToColumn {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i32,
    #[personal(seal = EMAIL, group = CONTACT)]
    email: Email,
    #[personal(seal = PHONE, context = id, or_group = CONTACT, index(phone_idx = BY_PHONE))]
    phone: Phone,
    #[personal(group = CONTACT)]
    contact: Members,
}

/// Written to the group, and read from the column too.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = ToGroupSealed)]
struct ToGroup {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i32,
    #[personal(seal = EMAIL, group = CONTACT)]
    email: Email,
    #[personal(seal = PHONE, group = CONTACT, or_column = phone_column, context = id, index(phone_idx = BY_PHONE))]
    phone: Phone,
    #[personal(group = CONTACT)]
    contact: Members,
}

/// After: in the group.
#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = InGroupSealed)]
struct InGroup {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i32,
    #[personal(seal = EMAIL, group = CONTACT)]
    email: Email,
    #[personal(seal = PHONE, group = CONTACT, index(phone_idx = BY_PHONE))]
    phone: Phone,
    #[personal(group = CONTACT)]
    contact: Members,
}

fn before(vault: &Vault) -> InColumn {
    InColumn {
        no: vault.enroll().unwrap(),
        id: 7,
        email: "bob@example.com".parse().unwrap(),
        phone: "+33612345678".parse().unwrap(),
        contact: Members::new(),
    }
}

/// The row as the next version reads it: the same columns, of which `phone` may be NULL.
fn as_to_column(row: InColumnSealed) -> ToColumnSealed {
    let InColumnSealed { no, id, phone, phone_idx, contact } = row;
    ToColumnSealed { no, id, phone: Some(phone), phone_idx, contact }
}

fn as_to_group(row: ToColumnSealed) -> ToGroupSealed {
    let ToColumnSealed { no, id, phone, phone_idx, contact } = row;
    ToGroupSealed { no, id, phone_column: phone, phone_idx, contact }
}

fn back_to_column(row: ToGroupSealed) -> ToColumnSealed {
    let ToGroupSealed { no, id, phone_column, phone_idx, contact } = row;
    ToColumnSealed { no, id, phone: phone_column, phone_idx, contact }
}

fn number(phone: &Phone) -> &str {
    phone.expose_personal_data()
}

#[test]
fn each_version_reads_what_its_neighbours_write() {
    let vault = vault();
    let row = as_to_column(before(&vault).seal(&vault).unwrap());
    // Both find what the first wrote; the second still writes the column, where the first reads it.
    assert_eq!(number(&as_to_group(row.clone()).open(&vault).unwrap().phone), "+33612345678");
    let mut user = row.open(&vault).unwrap();
    user.phone = "+33612345679".parse().unwrap();
    let row = user.seal(&vault).unwrap();
    let ToColumnSealed { no, id, phone, phone_idx, contact } = row.clone();
    let old = InColumnSealed { no, id, phone: phone.unwrap(), phone_idx, contact };
    assert_eq!(number(&old.open(&vault).unwrap().phone), "+33612345679");

    // The third writes the group, and the second finds it there.
    let mut user = as_to_group(row).open(&vault).unwrap();
    user.phone = "+33612345670".parse().unwrap();
    let row = user.seal(&vault).unwrap();
    assert!(row.phone_column.is_none());
    assert_eq!(row.phone_idx, vault.token(BY_PHONE, &user.phone).unwrap());
    let mut user = back_to_column(row).open(&vault).unwrap();
    assert_eq!(number(&user.phone), "+33612345670");
    assert!(user.contact.is_empty(), "it is known, and not kept");
    // Written to the column again, it is not left in the group, where an older value would stay.
    user.phone = "+33612345671".parse().unwrap();
    let row = user.seal(&vault).unwrap();
    assert!(vault.customer(row.no).open_member(CONTACT, PHONE, &row.contact).unwrap().is_none());
    let user = as_to_group(row).open(&vault).unwrap();
    assert_eq!(number(&user.phone), "+33612345671");

    // The last version reads the group alone.
    let ToGroupSealed { no, id, phone_column: _, phone_idx, contact } = user.seal(&vault).unwrap();
    let row = InGroupSealed { no, id, phone_idx, contact };
    assert_eq!(number(&row.open(&vault).unwrap().phone), "+33612345671");
}

#[test]
fn what_is_nowhere_is_named_and_both_move_to_a_new_tree() {
    let vault = vault();
    let mut row = as_to_group(as_to_column(before(&vault).seal(&vault).unwrap()));
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    assert!(row.reseal(&vault).unwrap() && !row.reseal(&vault).unwrap());
    assert!(!vault.needs_reseal(row.phone_column.as_ref().unwrap()).unwrap());
    let mut row = back_to_column(row);
    assert!(!row.reseal(&vault).unwrap());
    row.phone = None;
    let nowhere = |error: &OpenError| matches!(error, OpenError::NotInGroup { at, .. } if at.label == "phone");
    assert!(nowhere(&row.open(&vault).unwrap_err()));
    assert!(nowhere(&as_to_group(row).open(&vault).unwrap_err()));
}

#[test]
fn both_places_are_in_the_list_of_columns() {
    let columns = |fields: &[oubliette::fields::FieldInfo]| {
        let phones = fields.iter().filter(|field| field.field_id() == Some(PHONE.into()));
        phones.map(|field| field.column).collect::<Vec<_>>()
    };
    assert_eq!(columns(ToColumn::FIELDS), ["phone", "contact.phone"]);
    assert_eq!(columns(ToGroup::FIELDS), ["phone", "phone_column"]);
    assert_eq!(columns(InGroup::FIELDS), ["phone"]);
}
