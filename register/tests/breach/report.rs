//! The report as it is handed in: times, forms, measures, and nobody's name.

use jiff::Timestamp;
use oubliette::{CustomerId, RootKey};
use oubliette_register::breach::{
    Action, Assessment, Breach, Column, Enrolment, Exposure, KeyHistory, Leak, Moment, Opened, Situation, Stored, Taken,
};
use serde_json::{Value, json};

use crate::support::{ORDERS, at};
use crate::world::World;

fn column(purpose: Option<&str>, name: &str, stored: Stored) -> Column {
    Column { table: "people".to_owned(), column: name.to_owned(), purpose: purpose.map(str::to_owned), stored }
}

fn enrolment(person: u64, purpose: &str, customer: Option<&str>, shredded: Option<Moment>) -> Enrolment {
    let number = person * 2 + u64::from(purpose == "orders");
    Enrolment {
        customer: customer.map(str::to_owned),
        person,
        purpose: purpose.to_owned(),
        number: CustomerId::from_stored(i64::try_from(number).unwrap()).unwrap(),
        since: at("2026-01-01T00:00:00Z"),
        shredded,
        tokens_cleared: shredded.map(|moment| moment.at),
    }
}

/// Two customers, one of them erased in June; an address with an index, plaintext that is of a purpose and that is of none.
fn situation() -> Situation {
    let erased = Some(Moment { generation: 9, at: at("2026-06-01T00:00:00Z") });
    Situation {
        enrolments: vec![
            enrolment(1, "orders", Some("alice | <b>"), None),
            enrolment(1, "newsletter", Some("alice | <b>"), None),
            enrolment(2, "orders", None, erased),
            enrolment(2, "newsletter", None, erased),
        ],
        columns: vec![
            column(Some("orders"), "email", Stored::Sealed { label: "email".to_owned(), since: None }),
            column(Some("orders"), "email_idx", Stored::Token { index: "exact".to_owned() }),
            column(Some("newsletter"), "taste", Stored::Plain),
            column(None, "plan", Stored::Plain),
        ],
        history: KeyHistory::unknown(&["orders", "newsletter"]),
        openings: None,
        issued: Some(20),
    }
}

fn dump(time: &str) -> Leak {
    Leak::Database { at: at(time) }
}

fn assess(leaks: impl IntoIterator<Item = Leak>) -> Assessment {
    let breach = Breach::known_since(at("2026-11-24T08:30:00Z")).leaked_all(leaks);
    let breach = breach.categories("customers of the shop").contact("privacy@shop.example");
    breach.assess(&situation(), at("2026-11-24T12:00:00Z"))
}

#[test]
fn the_authority_is_told_within_72_hours_of_becoming_aware() {
    let found = assess([dump("2026-05-01T00:00:00Z")]);
    assert_eq!(found.report().notify_by, at("2026-11-27T08:30:00Z"));
    let shown = found.report().to_markdown();
    assert!(
        shown.contains("- Aware since: 2026-11-24T08:30:00Z\n- To be notified by: 2026-11-27T08:30:00Z"),
        "{shown}"
    );
    // Over the end of a month, of a leap year's February, and of time.
    for (aware, by) in [
        ("2026-12-30T23:59:59Z", "2027-01-02T23:59:59Z"),
        ("2028-02-27T12:00:00Z", "2028-03-01T12:00:00Z"),
        ("2027-02-27T12:00:00Z", "2027-03-02T12:00:00Z"),
    ] {
        assert_eq!(Breach::known_since(at(aware)).notify_by(), at(by));
    }
    assert_eq!(Breach::known_since(Timestamp::MAX).notify_by(), Timestamp::MAX);
}

#[test]
fn a_dump_alone_is_counted_by_person_purpose_and_column() {
    let found = assess([dump("2026-05-01T00:00:00Z")]);
    let report = serde_json::to_value(found.report()).unwrap();
    let expected =
        json!({"persons": 2, "persons_readable": 2, "persons_without_id": 1, "values": 6, "values_readable": 2});
    assert_eq!(report["scope"], expected, "what is in clear is readable");
    assert_eq!(report["in_clear"], json!([{"table": "people", "column": "plan"}]));
    let orders = &report["purposes"][1];
    assert_eq!(
        (&orders["purpose"], &orders["numbers"], &orders["numbers_readable"]),
        (&json!("orders"), &json!(2), &json!(0))
    );
    assert_eq!(orders["columns"][0]["states"], json!({"sealed": 2}));
    assert_eq!(orders["columns"][1]["states"], json!({"comparable": 2}));
    assert_eq!(orders["columns"][1]["stored"], json!({"token": {"index": "exact"}}));
    assert_eq!(report["purposes"][0]["columns"][0]["states"], json!({"clear": 2}));
    // The shred that came since is a measure that was taken.
    assert_eq!(
        report["measures"][0],
        json!({
            "what": {"action": "shredded", "numbers": 2}, "taken_at": "2026-06-01T00:00:00Z",
        })
    );
    // Since June the erased are in no copy, and what is left of the report is the other.
    let after = assess([dump("2026-06-01T00:00:00Z")]);
    let scope = after.report().scope;
    assert_eq!((scope.persons, scope.persons_without_id, scope.values), (1, 0, 3));
    assert!(after.report().assumptions.iter().any(|text| text.starts_with("2 numbers were shredded before")));
}

#[test]
fn the_markdown_has_the_headings_of_the_article_and_the_json_names_nobody() {
    let everything = [
        dump("2026-05-01T00:00:00Z"),
        Leak::RootRecord { generation: 7 },
        Leak::RootKey { generation: 7 },
        Leak::Pages { generation: 7 },
        Leak::Service {
            purposes: vec!["orders".to_owned()],
            from: at("2026-04-01T00:00:00Z"),
            until: at("2026-04-02T00:00:00Z"),
            taken: Taken::Answers,
        },
    ];
    let found = assess(everything);
    let (report, shown) = (found.report(), found.report().to_markdown());
    // It is read by officers and authorities: what is to be done is said in words, not in calls.
    assert!(!shown.contains('`'), "{shown}");
    for part in [
        "# Notification of a personal data breach (Art. 33 GDPR)",
        "## (a) Nature of the breach",
        "- a copy of the application's database, as of 2026-05-01T00:00:00Z",
        "- the root record, as of generation 7",
        "- the root key that was in use at generation 7",
        "- the pages of the key store, as of generation 7",
        "- a program for orders, between 2026-04-01T00:00:00Z and 2026-04-02T00:00:00Z: what it gives out",
        "- Categories of persons: customers of the shop",
        "- Persons concerned, approximately: 2",
        "- of whom something was readable: 2",
        "- Records (values) concerned, approximately: 6",
        "- of which readable: 6",
        "| orders | people.email | given out by the program | 2 |",
        "| orders | people.email_idx | tokens that guesses can be tested with | 2 |",
        "| newsletter | people.taste | in clear | 2 |",
        "Columns stored in clear: people.plan.",
        "## (b) Contact\n\nprivacy@shop.example",
        "## (c) Likely consequences",
        "## (d) Measures",
        "- taken, 2026-06-01T00:00:00Z: 2 customer numbers",
        "- proposed: rotate the root key",
        "- proposed: give the purpose orders a new key tree",
        "- proposed: begin a new epoch of the index orders/exact",
        "- proposed: close the way into the program for orders",
        "## Persons to be told (Art. 34)",
        "the 2 persons of whom something was readable. 1 of those concerned have no id any more",
        "## Assumptions",
        "Only what is listed leaked",
        "The vault's journal does not reach back to its creation, or has a gap",
        "The vault has issued 20 numbers, wasted ones included, and 4 of them are in the register",
    ] {
        assert!(shown.contains(part), "{part}\n\n{shown}");
    }
    let whole = serde_json::to_string(report).unwrap();
    assert!(!whole.contains("alice") && !shown.contains("alice") && !format!("{found:?} {report:?}").contains("alice"));
    // The list of persons is apart, and the erased are on it without an id.
    let listed = serde_json::to_value(found.customers()).unwrap();
    let ids: Vec<&Value> = listed.as_array().unwrap().iter().map(|one| &one["customer"]).collect();
    assert_eq!(ids, [&Value::Null, &json!("alice | <b>")]);
    assert!(found.customers().iter().all(|one| one.is_readable() && !format!("{one:?}").contains("alice")));
    assert_eq!(listed[0]["purposes"][0]["is_shredded"], true);
}

#[test]
fn what_was_not_said_is_to_be_filled_in_and_names_cannot_break_the_table() {
    let mut situation = situation();
    situation.columns[0].column = "e|mail".to_owned();
    let now = at("2026-11-24T12:00:00Z");
    let shown =
        Breach::known_since(now).leaked(dump("2026-05-01T00:00:00Z")).assess(&situation, now).report().to_markdown();
    assert_eq!(shown.matches("*to be filled in*").count(), 2, "{shown}");
    assert!(shown.contains("| orders | people.e\\|mail | sealed, unreadable | 2 |"), "{shown}");
    let nothing = Breach::known_since(now).assess(&situation, now);
    let shown = nothing.report().to_markdown();
    assert!(
        shown.contains("Persons concerned, approximately: 0") && shown.contains("No person is known to be concerned.")
    );
    assert!(shown.contains("- none follows from the listed leaks"), "{shown}");
}

#[test]
fn keys_alone_are_nobodys_data_and_unreadable_values_need_no_letter() {
    let keys = || Leak::key_store(7).into_iter().chain([Leak::RootKey { generation: 7 }]);
    let found = assess(keys());
    assert_eq!((found.report().scope.persons, found.customers().len()), (0, 0));
    assert!(found.report().in_clear.is_empty());
    let said = found.report().consequences.join("\n");
    assert!(said.contains("Keys leaked. Until the measures below are taken"), "{said}");
    let mut situation = situation();
    situation.columns.retain(|column| matches!(column.stored, Stored::Sealed { .. }));
    let now = at("2026-11-24T12:00:00Z");
    let sealed = Breach::known_since(now).leaked(dump("2026-05-01T00:00:00Z")).assess(&situation, now);
    assert!(sealed.report().persons_to_be_told().contains("Art. 34(3)(a)"));
    assert!(sealed.report().consequences[0].contains("unintelligible"));
}

#[test]
fn a_copy_of_before_a_column_was_sealed_has_it_in_clear() {
    let mut situation = situation();
    let sealed = situation.columns.remove(0).sealed_since(at("2026-03-01T00:00:00Z"));
    situation.columns = vec![sealed];
    let now = at("2026-11-24T12:00:00Z");
    let state = |time: &str| {
        let found = Breach::known_since(now).leaked(dump(time)).assess(&situation, now);
        found.report().purposes[0].columns[0].states.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(state("2026-02-28T23:59:59Z"), [Exposure::Clear]);
    assert_eq!(state("2026-03-01T00:00:00Z"), [Exposure::Sealed]);
    assert!(
        Breach::known_since(now).leaked(dump("2025-12-31T00:00:00Z")).assess(&situation, now).customers().is_empty()
    );
}

#[test]
fn in_clear_stays_in_the_row_of_whoever_withdrew_and_goes_with_whoever_was_erased() {
    let mut situation = situation();
    // She withdrew, and is a customer still.
    situation.enrolments[1].shredded = Some(Moment { generation: 9, at: at("2026-06-01T00:00:00Z") });
    let now = at("2026-11-24T12:00:00Z");
    let found = Breach::known_since(now).leaked(dump("2026-07-01T00:00:00Z")).assess(&situation, now);
    let news = found.report().purposes.iter().find(|purpose| purpose.purpose == "newsletter").unwrap();
    assert_eq!(news.columns[0].states.get(&Exposure::Clear), Some(&1));
    assert_eq!(found.report().scope.persons, 1);
    // Tokens that were not cleared stay as well.
    situation.enrolments[0].shredded = situation.enrolments[1].shredded;
    let found = Breach::known_since(now).leaked(dump("2026-07-01T00:00:00Z")).assess(&situation, now);
    let orders = found.report().purposes.iter().find(|purpose| purpose.purpose == "orders").unwrap();
    assert_eq!(orders.columns.len(), 1);
    assert_eq!(orders.columns[0].states.get(&Exposure::Comparable), Some(&1));
}

/// An opening has its second, by a clock that may be a tick late.
#[test]
fn an_audited_opening_counts_in_its_second_and_the_next() {
    let mut situation = situation();
    let number = situation.enrolments[0].number;
    situation.openings = Some(vec![Opened::Values {
        at: at("2026-04-01T10:00:00Z"),
        purpose: "orders".to_owned(),
        label: "email".to_owned(),
        numbers: oubliette::journal::Numbers::of([number]),
    }]);
    let now = at("2026-11-24T12:00:00Z");
    let given_out = |from: &str, until: &str| {
        let (purposes, from, until) = (vec!["orders".to_owned()], at(from), at(until));
        let leak = Leak::Service { purposes, from, until, taken: Taken::Answers };
        Breach::known_since(now).leaked(leak).assess(&situation, now).report().scope.values_readable
    };
    assert_eq!(given_out("2026-04-01T10:00:01.001Z", "2026-04-01T10:00:02Z"), 1);
    assert_eq!(given_out("2026-04-01T10:00:02Z", "2026-04-01T11:00:00Z"), 0);
    assert_eq!(given_out("2026-04-01T09:00:00Z", "2026-04-01T10:00:00Z"), 1);
    assert_eq!(given_out("2026-04-01T09:00:00Z", "2026-04-01T09:59:59.999Z"), 0);
}

bodies! {
    // What is proposed is done one after the other, and each next report says so.
    async fn measures_are_shown_as_taken_once_they_are() {
        let mut world = World::new().await;
        world.sign_up("alice").await;
        world.copy().await;
        let generation = world.copies[0].generation;
        let leaks = || {
            let keys = Leak::key_store(generation).into_iter().chain([Leak::RootKey { generation }]);
            keys.chain([Leak::Database { at: world.copies[0].at }]).collect::<Vec<_>>()
        };
        let taken = |situation: &Situation, is: &dyn Fn(&Action) -> bool| {
            let now = Timestamp::now();
            let found = Breach::known_since(now).leaked_all(leaks()).assess(situation, now);
            assert_eq!(found.report().scope.persons_readable, 1, "the copies stay as they are");
            let measures: Vec<_> = found.report().measures.iter().filter(|measure| is(&measure.what)).collect();
            assert!(!measures.is_empty(), "{:?}", found.report().measures);
            measures.iter().all(|measure| measure.taken_at.is_some())
        };
        let root_key = |action: &Action| matches!(action, Action::RotateRootKey);
        let tree = |action: &Action| matches!(action, Action::RotatePurpose { purpose } if purpose == "orders");
        let epoch = |action: &Action| matches!(action, Action::RetireEpoch { purpose, index } if purpose == "orders" && index == "exact");
        let situation = on!(world.db, world.register, breach_situation(crate::world::columns(), None)).unwrap();
        assert!(!taken(&situation, &root_key) && !taken(&situation, &tree) && !taken(&situation, &epoch));
        world.vault.rotate_root_key(RootKey::bytes([9; 32])).unwrap();
        let rotated = world.vault.rotate_purpose(ORDERS).unwrap();
        let begun = world.vault.begin_epoch(crate::world::BY_EMAIL).unwrap();
        let situation = on!(world.db, world.register, breach_situation(crate::world::columns(), None)).unwrap();
        assert!(taken(&situation, &root_key) && !taken(&situation, &tree) && !taken(&situation, &epoch));
        let _ = world.vault.retire_replaced(ORDERS, rotated.0).unwrap();
        world.vault.retire_epoch(crate::world::BY_EMAIL, oubliette::search::Epoch::FIRST).unwrap();
        let situation = on!(world.db, world.register, breach_situation(crate::world::columns(), None)).unwrap();
        assert!(taken(&situation, &tree) && taken(&situation, &epoch));
        assert!(begun.0 != oubliette::search::Epoch::FIRST);
    }
}
