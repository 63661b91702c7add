//! Groups: several fields sealed as one, and what each of them is under limits and audits.

use std::sync::mpsc::{Receiver, channel};

use oubliette::audit::{Audit, Batch, OpeningResult};
use oubliette::personal::{Email, Invalid, Name, Padding, PersonalData, Phone, Plaintext, Text, TypeTag};
use oubliette::testing::TestVault;
use oubliette::{
    CustomerKeys, Field, Group, Limits, Members, OpenError, Outcome, Purpose, Reader, SealError, Sealed, Vault,
    fields::FieldId,
};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const CONTACT: Group = ORDERS.group("contact");
const NAME: Field<Name> = ORDERS.field("name");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");

fn vault() -> TestVault {
    Vault::in_memory([ORDERS, NEWS])
}

fn keys(vault: &Vault) -> CustomerKeys {
    vault.customer(vault.enroll().unwrap())
}

fn contact() -> Members {
    let mut members = Members::new();
    members.put(PHONE, &"+33612345678".parse().unwrap());
    members.put(NAME, &"Siobhán O’Connor".parse().unwrap());
    members.put(EMAIL, &"siobhan@example.com".parse().unwrap());
    members
}

#[test]
fn members_are_opened_as_they_were_sealed() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let asked = [NAME.into(), EMAIL.into(), PHONE.into(), NOTE.into()];
    let opened = alice.open_group(CONTACT, &asked, &sealed).unwrap();
    assert!(opened == contact() && opened.clone() == opened && opened != Members::new());
    assert_eq!(opened.get(NAME).unwrap().unwrap().expose_personal_data(), "Siobhán O’Connor");
    assert_eq!(opened.get(NOTE), Ok(None));
    assert_eq!(opened.encoded(EMAIL).unwrap(), Some(&b"siobhan@example.com"[..]));
    assert_eq!(alice.open_member(CONTACT, NOTE, &sealed).unwrap(), None);
    assert!(alice.open_member(CONTACT, PHONE, &sealed).unwrap().is_some());
    // Apart they are 82 bytes and their padding each.
    let apart = [
        alice.seal(NAME, &"Siobhán O’Connor".parse().unwrap()).unwrap().into_bytes(),
        alice.seal(EMAIL, &"siobhan@example.com".parse().unwrap()).unwrap().into_bytes(),
        alice.seal(PHONE, &"+33612345678".parse().unwrap()).unwrap().into_bytes(),
    ];
    assert_eq!((sealed.as_bytes().len(), apart.concat().len()), (82 + 128, 3 * 82 + 96 + 64 + 32));
    assert!(!format!("{opened:?}").contains("Siobh"));
}

#[test]
fn a_group_of_nothing_is_one() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT, &Members::new()).unwrap();
    assert!(alice.open_group(CONTACT, &[EMAIL.into()], &sealed).unwrap().is_empty());
}

#[test]
fn what_was_not_asked_for_is_kept_and_cannot_be_read() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let mut opened = alice.open_group(CONTACT, &[EMAIL.into()], &sealed).unwrap();
    assert_eq!(opened.kept().collect::<Vec<_>>(), ["name", "phone"]);
    assert_eq!(opened.fields().collect::<Vec<_>>(), [FieldId::from(EMAIL)]);
    assert_eq!(opened.get(PHONE), Err(Invalid::NotAsked));
    assert_eq!(opened.encoded(NAME), Err(Invalid::NotAsked));
    opened.put(EMAIL, &"oconnor@example.com".parse().unwrap());
    opened.put(NOTE, &"rings twice".parse().unwrap());
    assert!(opened.remove("name") && !opened.remove("name"));
    let again = alice.seal_group(CONTACT, &opened).unwrap();
    let all = alice.open_group(CONTACT, &[NAME.into(), EMAIL.into(), PHONE.into(), NOTE.into()], &again).unwrap();
    assert_eq!(all.get(EMAIL).unwrap().unwrap().expose_personal_data(), "oconnor@example.com");
    assert_eq!(all.get(PHONE).unwrap().unwrap().expose_personal_data(), "+33612345678");
    assert_eq!(all.get(NOTE).unwrap().unwrap().expose_personal_data(), "rings twice");
    assert_eq!((all.get(NAME), all.len()), (Ok(None), 3));
}

#[test]
fn a_member_of_another_type_is_named() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let phone_as_text: Field<Text> = ORDERS.field("phone");
    let error = alice.open_member(CONTACT, phone_as_text, &sealed).unwrap_err();
    assert!(matches!(&error, OpenError::OtherType { at, found } if at.label == "phone" && found == "obl.phone"));
    assert_eq!(error.outcome(), Outcome::Investigate);
    // Whoever does not ask for it opens the rest, and keeps it.
    assert!(alice.open_member(CONTACT, EMAIL, &sealed).unwrap().is_some());
}

struct Shy;

impl PersonalData for Shy {
    const TAG: TypeTag = TypeTag::new("shop.shy");
    const PADDING: Padding = Padding::lengths_are_public();

    fn encode(&self, out: &mut Plaintext) {
        out.extend(b"shy");
    }

    fn decode(_: &[u8]) -> Result<Shy, Invalid> {
        Err(Invalid::Content)
    }
}

const SHY: Field<Shy> = ORDERS.field("shy");

#[test]
fn a_group_has_keys_of_its_own() {
    let vault = vault();
    let (alice, bob) = (keys(&vault), keys(&vault));
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let member = |keys: &CustomerKeys, group: Group| keys.open_member(group, EMAIL, &sealed).unwrap_err();
    assert!(matches!(member(&bob, CONTACT), OpenError::OtherCustomer { .. }));
    assert!(matches!(member(&alice, ORDERS.group("contacts")), OpenError::NotAuthentic { .. }));
    let within = alice.open_member(CONTACT.within(b"1"), EMAIL, &sealed).unwrap_err();
    assert!(matches!(within, OpenError::NotAuthentic { .. }));
    // A field of the same label is another thing.
    let field: Field<Text> = ORDERS.field("contact");
    let as_field = Sealed::<Text>::from_bytes(sealed.as_bytes()).unwrap();
    assert!(matches!(alice.open(field, &as_field), Err(OpenError::NotAuthentic { .. })));
    let text = alice.seal(field, &"hello".parse().unwrap()).unwrap();
    let as_group = Sealed::<Members>::from_bytes(text.as_bytes()).unwrap();
    assert!(matches!(alice.open_member(CONTACT, EMAIL, &as_group), Err(OpenError::NotAuthentic { .. })));
    // Nor is a member of it a column's value.
    let encoded = Sealed::<Plaintext>::from_bytes(sealed.as_bytes()).unwrap();
    let reader = vault.reader(Limits::everything());
    let opened = reader.open_encoded(alice.customer(), EMAIL.into(), None, &encoded);
    assert!(matches!(opened, Err(OpenError::NotAuthentic { .. })));
}

#[test]
fn a_context_binds_the_whole() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT.within(b"row 1"), &contact()).unwrap();
    assert!(alice.open_member(CONTACT.within(b"row 1"), EMAIL, &sealed).unwrap().is_some());
    for other in [CONTACT.within(b"row 2"), CONTACT.within(b""), CONTACT.into()] {
        assert!(matches!(alice.open_member(other, EMAIL, &sealed), Err(OpenError::NotAuthentic { .. })));
    }
}

#[test]
fn fields_of_another_purpose_are_refused() {
    let vault = vault();
    let alice = keys(&vault);
    let news: Field<Email> = NEWS.field("email");
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let error = alice.open_member(CONTACT, news, &sealed).unwrap_err();
    assert!(matches!(&error, OpenError::OtherPurpose { at, found } if at.purpose == "newsletter" && found == "orders"));
    // Not by way of limits that allow the other purpose alone, either.
    let reader = vault.reader(Limits::nothing().purpose(NEWS));
    let error = reader.customer(alice.customer()).open_member(CONTACT, news, &sealed).unwrap_err();
    assert!(matches!(error, OpenError::OtherPurpose { .. }));
    let mut members = contact();
    members.put(news, &"a@example.com".parse().unwrap());
    assert!(matches!(alice.seal_group(CONTACT, &members), Err(SealError::OtherPurpose { group: "contact", .. })));
}

#[test]
fn there_are_64_members_at_most() {
    let vault = vault();
    let alice = keys(&vault);
    let mut members = Members::new();
    for number in 0..64_u8 {
        let label: &'static str = format!("note {number:02}").leak();
        members.put(ORDERS.field::<Text>(label), &"x".parse().unwrap());
    }
    let sealed = alice.seal_group(CONTACT, &members).unwrap();
    let asked: Vec<FieldId> = members.fields().collect();
    assert_eq!(alice.open_group(CONTACT, &asked, &sealed).unwrap(), members);
    members.put(NOTE, &"x".parse().unwrap());
    assert!(matches!(alice.seal_group(CONTACT, &members), Err(SealError::TooManyMembers { count: 65, .. })));
    let mut long = Members::new();
    long.put(NOTE, &"x".repeat(oubliette::personal::MOST_BYTES).parse().unwrap());
    assert!(matches!(alice.seal_group(CONTACT, &long), Err(SealError::TooLarge { .. })));
}

#[test]
fn a_shred_takes_all_of_it_and_a_new_tree_moves_all_of_it() {
    let vault = vault();
    let (alice, bob) = (keys(&vault), keys(&vault));
    let [sealed, gone] = [&alice, &bob].map(|keys| keys.seal_group(CONTACT, &contact()).unwrap());
    let _ = vault.shred([bob.customer()]).unwrap();
    assert!(matches!(bob.open_member(CONTACT, EMAIL, &gone), Err(OpenError::Shredded { .. })));
    assert!(matches!(bob.seal_group(CONTACT, &contact()), Err(SealError::Shredded { .. })));
    assert_eq!(alice.reseal_group(CONTACT, &sealed).unwrap(), None, "under the newest already");
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let moved = alice.reseal_group(CONTACT, &sealed).unwrap().unwrap();
    let all = alice.open_group(CONTACT, &[NAME.into(), EMAIL.into(), PHONE.into()], &moved).unwrap();
    assert_eq!(all, contact());
}

fn audited(reader: &Reader) -> (Reader, Audit, Receiver<Batch>) {
    let (written, batches) = channel();
    let audit = Audit::to(move |batch: &Batch| Ok(written.send(batch.clone())?)).start().unwrap();
    (reader.audited(&audit, "support desk".parse().unwrap(), "ticket 4711".parse().unwrap()), audit, batches)
}

/// Label, result and count of what was noted.
fn noted(audit: &Audit, batches: &Receiver<Batch>) -> Vec<(String, OpeningResult, u64)> {
    audit.flush().unwrap();
    let mut all = Vec::new();
    for batch in batches.try_iter() {
        all.extend(batch.openings().iter().map(|o| (o.label().to_owned(), o.result(), o.count())));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn note(label: &str, result: OpeningResult) -> (String, OpeningResult, u64) {
    (label.to_owned(), result, 1)
}

#[test]
fn limits_are_those_of_the_members_asked_for() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let (mailer, audit, batches) = audited(&vault.reader(Limits::nothing().field(EMAIL)));
    let mailer = mailer.customer(alice.customer());
    assert!(mailer.open_member(CONTACT, EMAIL, &sealed).unwrap().is_some());
    assert_eq!(noted(&audit, &batches), [note("email", OpeningResult::Opened)]);
    // One that is not allowed refuses all, whether it is there or not, and it alone is noted.
    for other in [FieldId::from(PHONE), NOTE.into()] {
        let error = mailer.open_group(CONTACT, &[EMAIL.into(), other], &sealed).unwrap_err();
        assert!(matches!(error, OpenError::NotAllowed { at } if at.label == other.label()));
        assert_eq!(noted(&audit, &batches), [note(other.label(), OpeningResult::Refused)]);
    }
    // What is kept has labels.
    assert!(matches!(mailer.open_group(CONTACT, &[], &sealed), Err(OpenError::NotAllowed { .. })));
    assert!(matches!(mailer.seal_group(CONTACT, &contact()), Err(SealError::NotAllowed { .. })));

    let mailer = vault.reader(Limits::nothing().field(EMAIL).with_sealing()).customer(alice.customer());
    let mut opened = mailer.open_group(CONTACT, &[EMAIL.into()], &sealed).unwrap();
    opened.put(EMAIL, &"new@example.com".parse().unwrap());
    let again = mailer.seal_group(CONTACT, &opened).unwrap();
    assert!(alice.open_member(CONTACT, PHONE, &again).unwrap().is_some());
    opened.put(NOTE, &"x".parse().unwrap());
    let error = mailer.seal_group(CONTACT, &opened).unwrap_err();
    assert!(matches!(error, SealError::NotAllowed { at } if at.label == "note"));
    assert!(matches!(mailer.seal_group(CONTACT, &Members::new()), Err(SealError::NotAllowed { .. })));
}

#[test]
fn an_audit_notes_each_member_that_was_given_out() {
    let vault = vault();
    let alice = keys(&vault);
    let sealed = alice.seal_group(CONTACT, &contact()).unwrap();
    let (reader, audit, batches) = audited(&vault.reader(Limits::everything()));
    let reader = reader.customer(alice.customer());
    let _ = reader.open_group(CONTACT, &[NAME.into(), NOTE.into(), EMAIL.into()], &sealed).unwrap();
    assert_eq!(
        noted(&audit, &batches),
        [note("email", OpeningResult::Opened), note("name", OpeningResult::Opened)],
        "not the phone, which was not asked for, nor the note, which is not there"
    );
    let mut bytes = sealed.into_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let broken = Sealed::from_bytes(bytes).unwrap();
    assert!(reader.open_group(CONTACT, &[NAME.into(), NOTE.into()], &broken).is_err());
    assert_eq!(noted(&audit, &batches), [note("name", OpeningResult::Failed), note("note", OpeningResult::Failed)]);

    let mut members = contact();
    members.put(SHY, &Shy);
    let sealed = alice.seal_group(CONTACT, &members).unwrap();
    let error = reader.open_member(CONTACT, SHY, &sealed).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::InvalidContent { at } if at.label == "shy"));
    assert_eq!(noted(&audit, &batches), [note("shy", OpeningResult::Failed)]);
}
