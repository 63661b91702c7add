//! What the known answers are computed from.

use super::*;

/// `N` bytes that count up: inputs that are easy to type, and in which a swapped byte shows.
pub(super) const fn run<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = first.wrapping_add(at as u8);
        at += 1;
    }
    bytes
}

pub(super) const SEED: [u8; 32] = run(0x50);
pub(super) const VAULT: [u8; 16] = run(0x10);
pub(super) const SALT: [u8; 32] = run(0x80);

pub(super) fn ours() -> TestSigner {
    TestSigner::new(SEED, VAULT)
}

pub(super) fn time(text: &str) -> Time {
    text.parse().unwrap()
}

pub(super) fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn reason(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

/// Time, generation, id and event of each line.
pub(super) fn events() -> Vec<(Time, u64, Option<EventId>, Event)> {
    let at = |second: u8| time(&format!("2026-11-24T18:36:{second:02}.123Z"));
    let index = IndexName {
        purpose: label("orders"),
        field: label("email"),
        tag: label("obl.email"),
        label: label("exact"),
        bits: 32,
    };
    let shred = |numbers: Numbers, purpose, why| Event::Shred { whom: Whom::Numbers(numbers), purpose, why };
    let done = Event::Outcome {
        of: 2,
        result: Ending::Done,
        newly: Some(8),
        already: Some(0),
        tree: None,
        trees: Vec::new(),
        epoch: None,
        effective_at: Some(at(14)),
        root_key: Some(root_key(12, 57, Began::Forgot, None)),
    };
    let retired = Event::Outcome {
        of: 6,
        result: Ending::Done,
        newly: None,
        already: None,
        tree: None,
        trees: vec!["a0a1a2a3a4a5a6a7".parse().unwrap(), "a8a9aaabacadaeaf".parse().unwrap()],
        epoch: None,
        effective_at: None,
        root_key: None,
    };
    let granted = Event::Granted {
        grant: 9_007_199_254_740_991,
        number: Number::MAX,
        purpose: label("lettre d’été"),
        basis: label("consent"),
        recipient: None,
        until: Some(time("9999-12-30T21:59:59.999Z")),
    };
    vec![
        (
            time("1970-01-01T00:00:00.000Z"),
            1,
            None,
            Event::Opened { vault: ours().vault(), public_key: ours().public_key() },
        ),
        (at(13), 56, None, shred(ids([5, 7, 8, 9, 10, 11, 12, 300]), None, Some(reason("a \"letter\" \\ é 😀")))),
        (at(14), 57, None, done),
        (at(15), 57, None, shred(ids([6]), Some(label("newsletter")), None)),
        (at(16), 57, None, outcome(4, Ending::Refused)),
        (
            at(17),
            57,
            None,
            Event::RetireReplaced { purpose: label("orders"), new: "b0b1b2b3b4b5b6b7".parse().unwrap(), why: None },
        ),
        (at(18), 58, None, retired),
        (at(19), 58, None, Event::BeginEpoch { index, epoch: None, why: None }),
        (at(20), 58, Some(EventId::from_bytes(run(0xc0))), granted),
        (
            at(21),
            1_099_511_627_775,
            None,
            Event::Shred { whom: Whom::Through(ids([400]).highest().unwrap()), purpose: None, why: None },
        ),
    ]
}

pub(super) fn entries() -> Vec<Entry> {
    write_lines(&ours(), None, events())
}

/// After a loss: the vault had written up to entry 14, and goes on.
pub(super) fn after_a_gap() -> Vec<Entry> {
    let last = entries().last().unwrap().anchor();
    let gap = Event::Gap {
        vault: ours().vault(),
        from: last.n() + 1,
        to: 14,
        after: last.hash(),
        why: reason("a disk was lost"),
    };
    let known = Anchor { n: 14, hash: Hash::from_bytes(run(0x30)) };
    let now = time("2026-11-25T08:00:00.000Z");
    write_lines(&ours(), Some(known), vec![(now, 60, None, gap), (now, 60, None, Event::Torn { bytes: 17 })])
}

fn root_key(number: u64, generation: u64, began: Began, kept: Option<KeptVersions>) -> RootKeyVersion {
    let (series, id) = (SeriesName::from_bytes(run(0x10)), VersionId::from_bytes(run(0x20)));
    RootKeyVersion { series, number, id, generation, began, begun: time("2026-11-24T18:36:13.000Z"), kept }
}

/// One of each kind that is not among the entries before, with all that may be left out.
pub(super) fn other_kinds() -> Vec<Entry> {
    let index = || IndexName {
        purpose: label("orders"),
        field: label("email"),
        tag: label("obl.email"),
        label: label("exact"),
        bits: 32,
    };
    let (why, due) = (Some(reason("a reason")), time("2026-12-24T18:36:13.123Z"));
    let (number, numbers) = (Number::MIN, ids([5, 7, 8]));
    let kinds = vec![
        Event::RotateRootKey { why: why.clone() },
        Event::RotatePurpose { purpose: label("orders"), why: why.clone() },
        Event::RetireEpoch { index: index(), epoch: 3, why: why.clone() },
        Event::Recover { seen: 61, highest_number: Some(Number::MAX), why: why.clone() },
        Event::ClearAlarm { seen: 61, highest_number: Some(number), why: reason("a row of the staging system") },
        Event::AddPurposes { purposes: vec![label("newsletter"), label("lettre d’été")] },
        Event::Places {
            attached: vec![label("a1")],
            detached: vec![label("b1"), label("b2")],
            first: Some(label("c1")),
        },
        Event::ForgetSeries { series: SeriesName::from_bytes(run(0x30)), why: why.clone() },
        Event::RootKey { version: root_key(13, 62, Began::Age, Some(KeptVersions { from: 9, until: due })) },
        Event::Copied { series: SeriesName::from_bytes(run(0x40)) },
        Event::Erased { numbers: numbers.clone(), commitment: Hash::from_bytes(run(0x60)) },
        Event::Ended { grant: 4, number, purpose: label("orders"), why: why.clone() },
        Event::Requested {
            request: 9,
            what: label("erasure"),
            numbers: numbers.clone(),
            received: time("2026-11-24T18:36:13.123Z"),
            due,
        },
        Event::RequestExtended {
            request: 9,
            due: time("2027-02-24T18:36:13.123Z"),
            why: reason("ten years of letters"),
        },
        Event::RequestNoted { request: 9, note: reason("asked again by telephone") },
        Event::RequestClosed { request: 9, how: label("done"), why: why.clone() },
        Event::Hold {
            hold: 2,
            numbers: numbers.clone(),
            purpose: Some(label("orders")),
            why: reason("a dispute"),
            until: Some(due),
        },
        Event::HoldOverridden { hold: 2, what: label("shred"), why: reason("the court allows it") },
        Event::HoldEnded { hold: 2, why },
        Event::Swept { purpose: Some(label("orders")), due: 30, shredded: 20, held: 10 },
        Event::Disclosed {
            number,
            recipient: label("carrier"),
            purpose: label("orders"),
            fields: vec![label("name"), label("address")],
            encrypted: true,
        },
        Event::Accessed { numbers: numbers.clone() },
        Event::Openings {
            at: time("2026-11-25T08:00:00.000Z"),
            who: reason("support"),
            why: reason("ticket 12"),
            purpose: label("orders"),
            field: label("email"),
            result: OpeningResult::Refused,
            count: 70,
            numbers,
        },
        Event::Restored { what: reason("the database"), erased: 3 },
        Event::Note { text: reason("anything else") },
        Event::Merged { numbers: ids([5]), into: ids([7, 8]) },
        Event::ShredOrdered {
            whom: Whom::Numbers(ids([5, 7])),
            purpose: Some(label("orders")),
            why: Some(reason("a typing mistake")),
        },
        Event::ShredOrdered { whom: Whom::Through(ids([300]).highest().unwrap()), purpose: None, why: None },
    ];
    let at = time("2026-11-25T09:00:00.000Z");
    let last = after_a_gap().last().unwrap().anchor();
    write_lines(&ours(), Some(last), kinds.into_iter().map(|event| (at, 62, None, event)).collect())
}

pub(super) fn facts() -> Facts {
    let anchors = entries().iter().skip(1).take(2).map(Entry::anchor).collect();
    Facts {
        whose: Whose::new("customer 4711, Zoë \"Z\" O’Connor").unwrap(),
        numbers: ids([5, 7, 8, 9, 10, 11, 12, 300]),
        shredded_before: Numbers::default(),
        purposes: Purposes::All,
        why: Some(reason("a \"letter\" \\ é 😀")),
        requested_at: Some(time("2026-11-20T08:00:00.000Z")),
        shredded_at: time("2026-11-24T18:36:14.123Z"),
        generation: 57,
        effective_everywhere_at: time("2026-11-24T18:36:15.123Z"),
        entries: anchors,
        may_remain: vec![
            Remains {
                what: reason("copies of the root record"),
                until: Until::Event(reason("the root key is rotated")),
            },
            Remains { what: reason("superseded pages"), until: Until::Time(time("2026-11-25T18:36:14.123Z")) },
        ],
    }
}
