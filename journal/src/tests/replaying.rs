//! What a vault that was rolled back is told.

use super::*;

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn index(name: &str) -> IndexName {
    let [purpose, field, tag] = ["orders", "email", "obl.email"].map(label);
    IndexName { purpose, field, tag, label: label(name), bits: 32 }
}

fn tree(byte: u8) -> KeyTreeId {
    KeyTreeId::from_bytes([byte; 8])
}

/// The intents and outcomes, each outcome `(which intent, result)`.
fn replayed(events: &[Event]) -> Replayed {
    let place = Place::with(events);
    replay(place.entries().into_iter().map(Ok)).unwrap()
}

#[test]
fn refused_intents_were_not_done_and_all_others_were() {
    let done = replayed(&[
        shred([1, 2]),
        outcome(2, Ending::Done),
        shred([3]),
        outcome(4, Ending::Refused),
        shred([5]),
        outcome(6, Ending::Unknown),
        shred([9]),
        outcome(8, Ending::Unknown),
        outcome(8, Ending::Refused),
        shred([7]),
    ]);
    assert_eq!(done.shredded, [(ids([1, 2, 5, 7]), None)]);
    assert_eq!(done.highest_number, Some(id(9)), "asked for, so it was issued");
    assert!(!done.has_gaps);
}

#[test]
fn everything_that_was_given_up_is_listed() {
    let of_purpose = |numbers: &[u64], purpose: &str| Event::Shred {
        whom: Whom::Numbers(ids(numbers.iter().copied())),
        purpose: Some(label(purpose)),
        why: None,
    };
    let through = |last| Event::Shred { whom: Whom::Through(id(last)), purpose: None, why: None };
    let retire = |new| Event::RetireReplaced { purpose: label("orders"), new: tree(new), why: None };
    let begin = |epoch| Event::BeginEpoch { index: index("exact"), epoch, why: None };
    let retired_trees = Event::Outcome {
        of: 8,
        result: Ending::Done,
        newly: None,
        already: None,
        tree: None,
        trees: vec![tree(1), tree(2)],
        epoch: None,
        effective_at: None,
        root_key: None,
    };
    let Event::Outcome { .. } = retired_trees.clone() else { panic!() };
    let began = Event::Outcome {
        of: 11,
        result: Ending::Done,
        newly: None,
        already: None,
        tree: None,
        trees: Vec::new(),
        epoch: Some(3),
        effective_at: None,
        root_key: None,
    };
    let done = replayed(&[
        of_purpose(&[10, 11], "orders"),                                        // 2
        of_purpose(&[12], "newsletter"),                                        // 3
        of_purpose(&[13], "orders"),                                            // 4
        through(4),                                                             // 5
        through(9),                                                             // 6
        outcome(6, Ending::Refused),                                            // 7
        retire(3),                                                              // 8
        retired_trees,                                                          // 9
        retire(4),                                                              // 10
        begin(None),                                                            // 11
        began,                                                                  // 12
        begin(Some(4)),                                                         // 13
        Event::RetireEpoch { index: index("exact"), epoch: 2, why: None },      // 14
        Event::RetireEpoch { index: index("domain"), epoch: 0, why: None },     // 15
        outcome(15, Ending::Refused),                                           // 16
        Event::AddPurposes { purposes: vec![label("newsletter"), label("x")] }, // 17
        Event::Recover { seen: 99, highest_number: Some(id(70)), why: None },   // 18
    ]);
    let expected = Replayed {
        shredded: vec![(ids([12]), Some("newsletter".into())), (ids([10, 11, 13]), Some("orders".into()))],
        shredded_through: Some(id(4)),
        retired: vec![tree(1), tree(2)],
        retiring: vec![(10, "orders".into(), tree(4))],
        begun: vec![(index("exact"), 4)],
        epochs_retired: vec![(index("exact"), 2)],
        purposes: vec!["newsletter".into(), "x".into()],
        highest_generation: 99,
        highest_number: Some(id(70)),
        has_gaps: false,
    };
    assert_eq!(done, expected);
}

#[test]
fn a_gap_and_a_mistake_are_told() {
    let place = Place::with(&[shred([1]), note("b"), note("c")]);
    let known = place.open().unwrap().latest();
    place.put(place.lines()[..3].concat());
    Journal::acknowledge_loss(&place.path, &ours(), Some(known), 9, Reason::new("lost").unwrap()).unwrap();
    let done = replay(place.entries().into_iter().map(Ok)).unwrap();
    assert!(done.has_gaps);
    assert_eq!((done.shredded.len(), done.highest_generation), (1, 9));
    place.put(place.bytes().split_last().unwrap().1);
    let torn = replay(entries(&place.path, &ours().public_key()).unwrap());
    assert!(matches!(torn, Err(JournalError::Torn { .. })), "what is not read to its end is not replayed");
}
