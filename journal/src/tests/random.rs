//! Any events survive being written, read and checked.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn reason() -> impl Strategy<Value = Reason> {
    "[ -~é€😀\u{202f}\"\\\\/]{1,40}".prop_map(|text| Reason::new(text).unwrap())
}

fn label() -> impl Strategy<Value = Label> {
    "[a-z é\"\\\\]{1,20}".prop_map(|text| Label::new(text).unwrap())
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![1..300_u64, 1..Number::MAX.get() + 1].prop_map(id)
}

fn numbers() -> impl Strategy<Value = Numbers> {
    vec((1..400_u64, 0..5_u64), 0..20)
        .prop_map(|ranges| Numbers::from(Ranges::of(ranges.into_iter().map(|(n, more)| n..=n + more).collect())))
}

fn time() -> impl Strategy<Value = Time> {
    (0..=Time::LAST.to_unix_millis()).prop_map(Time::from_unix_millis)
}

fn tree() -> impl Strategy<Value = KeyTreeId> {
    any::<u64>().prop_map(|number| format!("{number:016x}").parse().unwrap())
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..1_u64 << 53]
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![numbers().prop_map(Whom::Numbers), number().prop_map(Whom::Through)]
}

fn index() -> impl Strategy<Value = IndexName> {
    (label(), label(), label(), label(), 1..257_u16).prop_map(|(purpose, field, tag, label, bits)| IndexName {
        purpose,
        field,
        tag,
        label,
        bits,
    })
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![Just(Ending::Done), Just(Ending::Refused), Just(Ending::Unknown)]
}

fn sixteen() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>()
}

fn root_key() -> impl Strategy<Value = RootKeyVersion> {
    use Began::{Age, ByHand, Created, Forgot, NewKey, Place, Recovery, Unknown};
    let all = [Created, Forgot, Age, ByHand, Place, Recovery, NewKey, Unknown];
    let kept = (count(), time()).prop_map(|(from, until)| KeptVersions { from, until });
    let names = (sixteen(), sixteen()).prop_map(|(one, two)| (SeriesName::from_bytes(one), VersionId::from_bytes(two)));
    (names, count(), count(), 0..all.len(), time(), option::of(kept)).prop_map(
        move |((series, id), number, generation, began, begun, kept)| RootKeyVersion {
            series,
            number,
            id,
            generation,
            began: all[began],
            begun,
            kept,
        },
    )
}

fn vaults() -> impl Strategy<Value = Event> {
    let why = || option::of(reason());
    prop_oneof![
        (whom(), option::of(label()), why()).prop_map(|(whom, purpose, why)| Event::Shred { whom, purpose, why }),
        why().prop_map(|why| Event::RotateRootKey { why }),
        (label(), why()).prop_map(|(purpose, why)| Event::RotatePurpose { purpose, why }),
        (label(), tree(), why()).prop_map(|(purpose, new, why)| Event::RetireReplaced { purpose, new, why }),
        (index(), option::of(0..128_u8), why()).prop_map(|(index, epoch, why)| Event::BeginEpoch { index, epoch, why }),
        (index(), 0..128_u8, why()).prop_map(|(index, epoch, why)| Event::RetireEpoch { index, epoch, why }),
        (count(), option::of(number()), why()).prop_map(|(seen, highest_number, why)| Event::Recover {
            seen,
            highest_number,
            why
        }),
        (count(), option::of(number()), reason()).prop_map(|(seen, highest_number, why)| Event::ClearAlarm {
            seen,
            highest_number,
            why
        }),
        vec(label(), 0..4).prop_map(|purposes| Event::AddPurposes { purposes }),
        (vec(label(), 0..3), vec(label(), 0..3), option::of(label()))
            .prop_map(|(attached, detached, first)| Event::Places { attached, detached, first }),
        (
            (1..200_u64, ending(), option::of(count()), option::of(count())),
            (option::of(tree()), vec(tree(), 0..3), option::of(0..128_u8), option::of(time())),
            option::of(root_key()),
        )
            .prop_map(|((of, result, newly, already), (tree, trees, epoch, effective_at), root_key)| {
                Event::Outcome { of, result, newly, already, tree, trees, epoch, effective_at, root_key }
            }),
        root_key().prop_map(|version| Event::RootKey { version }),
        sixteen().prop_map(|series| Event::Copied { series: SeriesName::from_bytes(series) }),
        (sixteen(), why())
            .prop_map(|(series, why)| Event::ForgetSeries { series: SeriesName::from_bytes(series), why }),
    ]
}

fn registers() -> impl Strategy<Value = Event> {
    let why = || option::of(reason());
    prop_oneof![
        (count(), number(), (label(), label()), option::of(label()), option::of(time())).prop_map(
            |(grant, number, (purpose, basis), recipient, until)| Event::Granted {
                grant,
                number,
                purpose,
                basis,
                recipient,
                until
            }
        ),
        (count(), number(), label(), why()).prop_map(|(grant, number, purpose, why)| Event::Ended {
            grant,
            number,
            purpose,
            why
        }),
        (count(), label(), numbers(), time(), time()).prop_map(|(request, what, numbers, received, due)| {
            Event::Requested { request, what, numbers, received, due }
        }),
        (count(), time(), reason()).prop_map(|(request, due, why)| Event::RequestExtended { request, due, why }),
        (count(), reason()).prop_map(|(request, note)| Event::RequestNoted { request, note }),
        (count(), label(), reason()).prop_map(|(hold, what, why)| Event::HoldOverridden { hold, what, why }),
        (count(), label(), why()).prop_map(|(request, how, why)| Event::RequestClosed { request, how, why }),
        (count(), numbers(), option::of(label()), reason(), option::of(time()))
            .prop_map(|(hold, numbers, purpose, why, until)| Event::Hold { hold, numbers, purpose, why, until }),
        (count(), why()).prop_map(|(hold, why)| Event::HoldEnded { hold, why }),
        (whom(), option::of(label()), why()).prop_map(|(whom, purpose, why)| Event::ShredOrdered {
            whom,
            purpose,
            why
        }),
        (option::of(label()), count(), count(), count()).prop_map(|(purpose, due, shredded, held)| Event::Swept {
            purpose,
            due,
            shredded,
            held
        }),
        (number(), label(), label(), vec(label(), 0..4), any::<bool>()).prop_map(
            |(number, recipient, purpose, fields, encrypted)| Event::Disclosed {
                number,
                recipient,
                purpose,
                fields,
                encrypted
            }
        ),
        numbers().prop_map(|numbers| Event::Accessed { numbers }),
        (numbers(), numbers()).prop_map(|(numbers, into)| Event::Merged { numbers, into }),
        (numbers(), any::<[u8; 32]>())
            .prop_map(|(numbers, hash)| Event::Erased { numbers, commitment: Hash::from_bytes(hash) }),
        ((reason(), reason()), (label(), label()), count(), numbers()).prop_map(
            |((who, why), (purpose, field), count, numbers)| Event::Openings {
                at: Time::FIRST,
                result: if count % 2 == 0 { OpeningResult::Opened } else { OpeningResult::Refused },
                who,
                why,
                purpose,
                field,
                count,
                numbers
            }
        ),
        (reason(), count()).prop_map(|(what, erased)| Event::Restored { what, erased }),
        reason().prop_map(|text| Event::Note { text }),
    ]
}

fn identified() -> impl Strategy<Value = (Option<EventId>, Event)> {
    (option::of(any::<[u8; 16]>().prop_map(EventId::from_bytes)), prop_oneof![vaults(), registers()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_survive_write_read_and_verify(
        batches in vec(vec(identified(), 0..6), 1..6),
        now in time(),
        generation in 0..1_u64 << 40,
    ) {
        let place = Place::new();
        let journal = place.create();
        for batch in &batches {
            journal.add(&ours(), now, generation, None, batch.iter().cloned()).unwrap();
        }
        let written: Vec<_> = batches.concat();
        let entries = place.entries();
        prop_assert_eq!(place.verify().unwrap().entries, written.len() as u64 + 1);
        for (entry, (id, event)) in entries[1..].iter().zip(&written) {
            prop_assert_eq!((entry.id(), entry.event()), (*id, event));
            prop_assert_eq!((entry.at(), entry.generation()), (now, generation));
            prop_assert_eq!(&Entry::parse(entry.line().as_bytes()).unwrap(), entry);
        }
        let opened = place.open().unwrap();
        prop_assert_eq!(opened.open_intents(), journal.open_intents());
        prop_assert_eq!(opened.latest(), journal.latest());
        let told = written.iter().rev().find_map(|(_, event)| event.root_key().copied());
        prop_assert_eq!((opened.root_key(), journal.root_key()), (told, told));
        replay(entries.into_iter().map(Ok)).unwrap();
    }

    #[test]
    fn numbers_are_the_set_they_were_made_from(some in vec(1..60_u64, 0..40)) {
        let set: std::collections::BTreeSet<u64> = some.iter().copied().collect();
        let numbers = ids(some);
        prop_assert_eq!(numbers.count(), set.len() as u64);
        prop_assert_eq!(numbers.highest(), set.last().map(|n| id(*n)));
        for n in 1..61 {
            prop_assert_eq!(numbers.contains(id(n)), set.contains(&n));
        }
        let text = serde_json::to_string(&numbers).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Numbers>(&text).unwrap(), &numbers);
        let widths: usize = numbers.as_ranges().as_slice().iter().map(super::super::numbers::width).sum();
        prop_assert_eq!(widths.max(1) + 1, text.len().max(2));
    }
}
