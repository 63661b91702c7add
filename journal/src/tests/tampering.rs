//! What somebody without the key can do to a journal, and that each is found.

use super::*;

#[test]
fn a_journal_that_nobody_touched_is_accepted() {
    let place = Place::small();
    let mut seen = Vec::new();
    let found =
        verify(&place.path, &ours().public_key(), &Expectations::new(), |progress| seen.push(progress)).unwrap();
    assert_eq!((found.entries, found.first.n(), found.last.n(), found.generation), (6, 1, 6, 2));
    assert_eq!(found.vault.to_string(), "01".repeat(16));
    assert!(found.gaps.is_empty() && found.unchecked.is_empty() && found.torn == 0);
    assert_eq!(found.last, place.open().unwrap().latest());
    let size = place.bytes().len() as u64;
    assert_eq!(seen.last(), Some(&VerifyProgress { entries: 6, bytes: size, of: Some(size) }));
    let read = verify_from(&place.bytes()[..], &ours().public_key(), &Expectations::new(), |_| ()).unwrap();
    assert_eq!(read, found);
}

/// Each byte becomes its neighbour, a line feed, a space, and one with its high bit.
#[test]
fn every_changed_byte_is_found() {
    let place = Place::small();
    let good = place.bytes();
    let expected = Expectations::new();
    for at in 0..good.len() {
        for byte in [good[at] ^ 1, b'\n', b' ', good[at] | 0x80] {
            let mut bad = good.clone();
            bad[at] = byte;
            if bad == good {
                continue;
            }
            // As a reader: what a file's retries cost has a test of its own.
            let refused = verify_from(&bad[..], &ours().public_key(), &expected, |_| ());
            let refused = refused.expect_err(&format!("byte {at} became {byte:#x}"));
            let line = good[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let blamed = refused.line().map_or(line, |line| line);
            assert!(blamed == line || matches!(refused, JournalError::OtherVault { .. }), "{at}: {refused}");
            // The vault, which checks one signature, finds it too.
            place.put(&bad);
            place.open().expect_err(&format!("opened although byte {at} became {byte:#x}"));
        }
    }
}

#[test]
fn every_changed_byte_of_the_head_is_found() {
    let place = Place::small();
    let good = fs::read(place.head()).unwrap();
    assert_eq!(good.len(), super::super::head::HEAD_BYTES);
    for at in 0..good.len() {
        for byte in [good[at] ^ 1, b'\n', b' '] {
            let mut bad = good.clone();
            bad[at] = byte;
            fs::write(place.head(), &bad).unwrap();
            let found = place.verify();
            assert!(bad == good || matches!(found, Err(JournalError::Head { .. })), "{at}: {found:?}");
        }
    }
    fs::write(place.head(), &good[..100]).unwrap();
    assert!(matches!(place.verify(), Err(JournalError::Head { .. })));
    fs::write(place.head(), [&good[..], b"\n"].concat()).unwrap();
    assert!(matches!(place.verify(), Err(JournalError::Head { .. })));
    fs::remove_file(place.head()).unwrap();
    let missing = place.verify().unwrap_err();
    assert!(matches!(missing, JournalError::Head { what: "is missing", .. }), "{missing:?}");
    place.verify_with(&Expectations::new().without_head()).unwrap();
    // Elsewhere, under another name.
    let elsewhere = place.path.with_file_name("kept");
    fs::write(&elsewhere, &good).unwrap();
    place.verify_with(&Expectations::new().head_at(&elsewhere)).unwrap();
}

#[test]
fn every_dropped_entry_is_found_as_dropped() {
    let place = Place::small();
    let lines = place.lines();
    for drop in 0..lines.len() - 1 {
        let mut left = lines.clone();
        left.remove(drop);
        place.put(left.concat());
        let (n, line) = (drop as u64 + 1, drop as u64 + 1);
        let expected = (Some(line), Some(Damage::Dropped { from: n, to: n }));
        assert_eq!(what(&place.verify().unwrap_err()), expected);
        assert_eq!(what(&place.open().unwrap_err()), expected);
    }
    // Two in a row.
    place.put([&lines[..2], &lines[4..]].concat().concat());
    assert_eq!(what(&place.verify().unwrap_err()), (Some(3), Some(Damage::Dropped { from: 3, to: 4 })));
}

#[test]
fn every_two_swapped_entries_are_found_as_reordered() {
    let place = Place::small();
    let lines = place.lines();
    for first in 0..lines.len() {
        for second in first + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(first, second);
            place.put(swapped.concat());
            let expected = Damage::Reordered { n: second as u64 + 1, expected: first as u64 + 1 };
            assert_eq!(
                what(&place.verify().unwrap_err()),
                (Some(first as u64 + 1), Some(expected)),
                "{first} {second}"
            );
            place.open().unwrap_err();
        }
    }
}

#[test]
fn a_repeated_entry_is_found() {
    let place = Place::small();
    let lines = place.lines();
    place.put([&lines[..3], &lines[1..]].concat().concat());
    assert_eq!(what(&place.verify().unwrap_err()), (Some(4), Some(Damage::Reordered { n: 2, expected: 4 })));
}

/// Cut at every byte: within a line, and between two.
#[test]
fn every_cut_is_found() {
    let place = Place::small();
    let good = place.bytes();
    let whole = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    for length in 0..good.len() {
        let cut = &good[..length];
        // The head is not older than the journal, so it knows, whatever is left of the last line.
        let head = fs::read(place.head()).unwrap();
        place.put(cut);
        fs::write(place.head(), &head).unwrap();
        let opened = place.open().unwrap_err();
        assert!(
            matches!(opened, JournalError::CutOff { have, known: 6 } if have == whole(cut)),
            "{length}: {opened:?}"
        );
        let without = verify_from(cut, &ours().public_key(), &Expectations::new(), |_| ());
        match without {
            // Nothing but the head, or what others know, tells of entries that are gone whole.
            Ok(found) => assert!(cut.ends_with(b"\n") && found.entries == whole(cut)),
            Err(JournalError::Torn { line, .. }) => assert!(!cut.ends_with(b"\n") && line == whole(cut) + 1),
            Err(error) => assert!(length == 0, "{length}: {error}"),
        }
    }
    place.put(&good[..good.len() - 1]);
    assert!(matches!(place.verify().unwrap_err(), JournalError::CutOff { have: 5, known: 6 }));
    for lines in 1..6 {
        place.put(place_lines(&good, lines));
        let cut = place.verify().unwrap_err();
        assert!(matches!(cut, JournalError::CutOff { have, known: 6 } if have == lines as u64), "{cut:?}");
    }
}

fn place_lines(bytes: &[u8], lines: usize) -> Vec<u8> {
    bytes.split_inclusive(|byte| *byte == b'\n').take(lines).collect::<Vec<_>>().concat()
}

#[test]
fn a_torn_end_that_no_head_knows_of_is_found_too() {
    let place = Place::small();
    let head = fs::read(place.head()).unwrap();
    place.open().unwrap().append(&ours(), 3, &[note("more")]).unwrap();
    fs::write(place.head(), head).unwrap();
    let bytes = place.bytes();
    place.put(&bytes[..bytes.len() - 10]);
    let torn = place.verify().unwrap_err();
    assert!(matches!(torn, JournalError::Torn { line: 7, .. }), "{torn:?}");
    assert_eq!(torn.outcome(), Outcome::TryAgain);
}

#[test]
fn an_entry_of_another_journal_of_the_same_vault_is_found() {
    let (place, other) = (Place::small(), Place::with(&[note("x"), note("y"), note("z"), note("w"), note("v")]));
    let (lines, others) = (place.lines(), other.lines());
    for at in 1..lines.len() {
        let mut spliced = lines.clone();
        spliced[at].clone_from(&others[at]);
        place.put(spliced.concat());
        let n = at as u64 + 1;
        assert_eq!(what(&place.verify().unwrap_err()), (Some(n), Some(Damage::Spliced { n })));
        place.open().unwrap_err();
    }
    // From the first on it is another journal altogether: then the head, an anchor or a receipt tells.
    place.put(others.concat());
    let other_history = |error| matches!(error, JournalError::OtherHistory { n: 6, known_from: KnownFrom::Head });
    assert!(other_history(place.verify().unwrap_err()));
    assert!(other_history(place.open().unwrap_err()));
}

#[test]
fn a_signature_by_another_key_is_found() {
    let place = Place::small();
    let forger = TestSigner::new([8; 32], [1; 16]);
    // The whole journal anew, with the forger's own key in it.
    let forged = Place::new();
    Journal::create(&forged.path, &forger, Time::now(), 1).unwrap();
    let refused = forged.verify().unwrap_err();
    assert!(matches!(refused, JournalError::OtherVault { key, .. } if key == forger.public_key()), "{refused:?}");
    assert!(matches!(forged.open().unwrap_err(), JournalError::OtherVault { .. }));
    // One entry, signed by the forger where it fits.
    let lines = place.lines();
    let before = Entry::parse(lines[4].strip_suffix(b"\n").unwrap()).unwrap();
    let line = Entry::write(before.anchor(), Time::now(), 2, None, note("forged"), &forger).unwrap().line() + "\n";
    place.put([&lines[..5].concat()[..], line.as_bytes()].concat());
    assert_eq!(what(&place.verify().unwrap_err()), (Some(6), Some(Damage::Changed)));
    assert_eq!(what(&place.open().unwrap_err()), (Some(6), Some(Damage::Changed)));
    // The first entry, naming our key.
    let opened = Event::Opened { vault: VaultName::from_bytes([1; 16]), public_key: ours().public_key() };
    let line = Entry::write(Anchor::START, Time::now(), 1, None, opened, &forger).unwrap().line() + "\n";
    place.put(line);
    assert_eq!(what(&place.verify().unwrap_err()), (Some(1), Some(Damage::Changed)));
}

#[test]
fn signatures_are_bound_to_the_vault() {
    // One key in two vaults, which happens only if somebody makes it so.
    let (one, two) = (ours(), TestSigner::new([7; 32], [2; 16]));
    let (place, other) = (Place::small(), Place::new());
    let journal = Journal::create(&other.path, &two, Time::now(), 1).unwrap();
    journal.append(&two, 1, &[note("a")]).unwrap();
    assert!(matches!(other.open().unwrap_err(), JournalError::OtherVault { .. }));
    // Offline the journal says which vault it is of, and the key vouches for that.
    assert_eq!(verify(&other.path, &one.public_key(), &Expectations::new(), |_| ()).unwrap().vault, two.vault());
    place.put([&place.lines()[0], &other.lines()[1]].map(|line| &line[..]).concat());
    assert_eq!(what(&place.verify().unwrap_err()), (Some(2), Some(Damage::Changed)));
}

#[test]
fn an_older_copy_put_back_is_found_by_whatever_is_newer() {
    let place = Place::small();
    let (old, old_head) = (place.bytes(), fs::read(place.head()).unwrap());
    let known = place.open().unwrap().append(&ours(), 3, &[note("d")]).unwrap()[0];
    let (new, new_head) = (place.bytes(), fs::read(place.head()).unwrap());
    // The head is newer.
    place.put(&old);
    let cut = |error| matches!(error, JournalError::CutOff { have: 6, known: 7 });
    assert!(cut(place.verify().unwrap_err()));
    assert!(cut(place.open().unwrap_err()));
    // Journal and head were put back together: an anchor tells, and so does the root record.
    fs::write(place.head(), &old_head).unwrap();
    place.verify().unwrap();
    assert!(cut(place.verify_with(&Expectations::new().anchor(known)).unwrap_err()));
    assert!(cut(Journal::open(&place.path, &ours(), Some(known)).unwrap_err()));
    // And the old copy was written on.
    place.open().unwrap().append(&ours(), 3, &[note("e")]).unwrap();
    place.verify().unwrap();
    let other = |error, from| matches!(error, JournalError::OtherHistory { n: 7, known_from } if known_from == from);
    assert!(other(place.verify_with(&Expectations::new().anchor(known)).unwrap_err(), KnownFrom::Anchor));
    assert!(other(Journal::open(&place.path, &ours(), Some(known)).unwrap_err(), KnownFrom::RootRecord));
    fs::write(place.head(), &new_head).unwrap();
    assert!(other(place.verify().unwrap_err(), KnownFrom::Head));
    place.put(&new);
    place.verify_with(&Expectations::new().anchor(known)).unwrap();
}

#[test]
fn what_a_newer_version_signed_is_told_apart_from_damage() {
    let place = Place::small();
    let mut lines = place.lines();
    let last = lines.pop().unwrap();
    let text = std::str::from_utf8(&last).unwrap().replace("\"kind\":\"note\"", "\"kind\":\"later\"");
    let signed = text.split(",\"sig\":\"").next().unwrap();
    let message = [super::super::labels::JOURNAL, &[1; 16], signed.as_bytes()].concat();
    let sig = super::super::text::encode(&ours().sign(&message).unwrap());
    place.put([&lines.concat()[..], format!("{signed},\"sig\":\"{sig}\"}}\n").as_bytes()].concat());
    assert!(matches!(place.verify().unwrap_err(), JournalError::NewerFormat { line: 6 }));
    assert!(matches!(place.open().unwrap_err(), JournalError::NewerFormat { line: 6 }));
    // The same without a signature is damage.
    place.put([&lines.concat()[..], text.as_bytes()].concat());
    assert!(matches!(what(&place.verify().unwrap_err()), (Some(6), Some(Damage::Form(_)))));
}

#[test]
fn lines_without_end_are_refused_without_reading_them_whole() {
    let place = Place::small();
    place.put([&place.bytes()[..], &vec![b'x'; 3 * LINE_BYTES]].concat());
    assert!(matches!(what(&place.verify().unwrap_err()), (Some(7), Some(Damage::Form(_)))));
    assert!(matches!(what(&place.open().unwrap_err()), (Some(7), Some(Damage::Form(_)))));
    let deep = ["[".repeat(60_000), "{\"a\":".repeat(10_000)];
    for text in deep {
        assert!(Entry::parse(text.as_bytes()).is_err());
        assert!(Entry::parse(format!("{{\"event\":{text}").as_bytes()).is_err());
    }
}

/// One entry has one form.
#[test]
fn other_ways_to_write_the_same_entry_are_refused() {
    let place = Place::small();
    let line = String::from_utf8(place.lines()[1].strip_suffix(b"\n").unwrap().to_vec()).unwrap();
    Entry::parse(line.as_bytes()).unwrap();
    let n = "{\"n\":2,";
    assert!(line.starts_with(n) && line.contains("[5,[7,9]]"));
    let numbers = |text: &str| line.replace("[5,[7,9]]", text);
    let others = [
        line.replace(n, "{ \"n\":2,"),
        line.replace(n, "{\"n\":2.0,"),
        line.replace(n, "{\"n\":02,"),
        line.replace(n, "{\"n\":2,\"n\":2,"),
        line.replace(n, "{\"n\":2,\"m\":2,"),
        line.replace(n, "{"),
        line.replace(n, "{\"n\":9007199254740992,"),
        line.replace(n, "{\"n\":0,"),
        line.replace("\"kind\":\"shred\",", "").replace("]]}", "]]},\"kind\":\"shred\"}"),
        line.replace("\"shred\"", "\"\\u0073hred\""),
        line.replace("\"shred\",", "\"shred\",\"purpose\":null,"),
        line.replace("\"generation\":2", "\"generation\":1099511627776"),
        numbers("[5,7,[8,9]]"),
        numbers("[5,[7,8],9]"),
        numbers("[5,[7,9],[9,10]]"),
        numbers("[[7,9],5]"),
        numbers("[5,[9,7]]"),
        numbers("[[5,5],[7,9]]"),
        numbers("[0,5]"),
        numbers("[5,1099511627776]"),
        line.replace("Z\"", "+00:00\""),
        line.replace("Z\"", "0Z\""),
        line.clone() + " ",
        format!(" {line}"),
    ];
    for other in others {
        assert_ne!(other, line);
        assert!(Entry::parse(other.as_bytes()).is_err(), "{other}");
    }
    assert!(Entry::parse(numbers("[5,[7,10]]").as_bytes()).is_ok(), "the rest of the line is right");
}
