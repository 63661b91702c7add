//! Files that several write, that are torn, lost and found.

use super::*;

#[test]
fn what_is_written_is_read_again() {
    let place = Place::new();
    let journal = place.create();
    let anchors = journal.append(&ours(), 5, &[shred([1, 2]), note("b")]).unwrap();
    assert_eq!(anchors.iter().map(Anchor::n).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(journal.open_intents(), [(2, shred([1, 2]))]);
    journal.append(&ours(), 9, &[outcome(2, Ending::Unknown)]).unwrap();
    assert_eq!(journal.open_intents().len(), 1, "not known is not ended");
    journal.append(&ours(), 6, &[outcome(2, Ending::Done), shred([3])]).unwrap();
    let again = place.open().unwrap();
    assert_eq!(again.path(), place.path);
    for journal in [&journal, &again] {
        assert_eq!(journal.open_intents(), [(6, shred([3]))]);
        assert_eq!((journal.latest().n(), journal.highest_generation()), (6, 9));
        assert_eq!(journal.latest(), place.verify().unwrap().last);
    }
    assert_eq!(place.entries()[1].anchor(), anchors[0]);
    assert_eq!(place.entries()[1].line().as_bytes(), place.lines()[1].strip_suffix(b"\n").unwrap());
    assert!(journal.append(&ours(), 6, &[]).unwrap().is_empty());
    assert_eq!(place.entries().len(), 6);
}

#[test]
fn two_writers_take_turns() {
    let place = Place::new();
    let (one, two) = (place.create(), place.open().unwrap());
    std::thread::scope(|scope| {
        for journal in [&one, &two] {
            scope.spawn(move || {
                for _ in 0..40 {
                    journal.append(&ours(), 1, &[note("a"), note("b")]).unwrap();
                }
            });
        }
    });
    assert_eq!(place.verify().unwrap().entries, 161);
    one.refresh().unwrap();
    two.refresh().unwrap();
    assert_eq!(one.latest(), two.latest());
}

#[test]
fn verifying_while_somebody_writes_finds_nothing_wrong() {
    let place = Place::small();
    let journal = place.open().unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                journal.append(&ours(), 1, &[shred(1..2000)]).unwrap();
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
            place.verify().unwrap();
            place.open().unwrap();
        }
    });
    assert_eq!(place.verify().unwrap().entries, 106);
}

#[test]
fn entries_behind_a_number_are_found_fast_and_by_id() {
    let place = Place::new();
    let journal = place.create();
    let named: Vec<_> = (0..200_u8).map(|byte| (EventId::from_bytes([byte; 16]), note("x"))).collect();
    for part in named.chunks(7) {
        journal.append_identified(&ours(), 1, part).unwrap();
    }
    for journal in [journal, place.open().unwrap()] {
        for n in [0, 1, 2, 63, 64, 65, 128, 199, 200, 201, 500] {
            let behind: Vec<Entry> = journal.entries_after(n).unwrap().map(Result::unwrap).collect();
            assert_eq!(behind, &place.entries()[201.min(n as usize)..], "{n}");
            for most in [0, 1, 2, 70, 300] {
                let next = journal.next_after(n, most).unwrap();
                assert_eq!(next, &behind[..most.min(behind.len())], "{n} {most}");
            }
        }
        let last = journal.entries_after(200).unwrap().next().unwrap().unwrap();
        assert_eq!(last.id(), Some(EventId::from_bytes([199; 16])));
    }
}

/// Between what this process has checked and what it reads now, somebody without the key lays lines into the file.
#[test]
fn entries_that_nobody_signed_are_not_given_out() {
    let place = Place::small();
    let journal = place.open().unwrap();
    let (good, forger) = (place.bytes(), TestSigner::new([8; 32], [1; 16]));
    let errors = |journal: &Journal, n| journal.entries_after(n).unwrap().filter_map(Result::err).next();
    let forge = |after: Anchor| Entry::write(after, Time::now(), 2, None, shred([6]), &forger).unwrap();
    // Behind the end.
    let forged = forge(journal.latest());
    place.put([&good[..], forged.line().as_bytes(), b"\n"].concat());
    for n in [0, 5, 6] {
        let found = errors(&journal, n).unwrap();
        assert_eq!(what(&found), (Some(7), Some(Damage::Changed)), "{n}");
        assert_eq!(what(&journal.next_after(n, 10).unwrap_err()), (Some(7), Some(Damage::Changed)), "{n}");
        // Of what this process knows nothing was forged.
        assert_eq!(journal.next_after(n, 6 - n as usize).unwrap().len(), 6 - n as usize);
    }
    // In place of the end, in one chain with what is before.
    let before = Entry::parse(place.lines()[3].strip_suffix(b"\n").unwrap()).unwrap().anchor();
    let (one, two) = (forge(before), forge(forge(before).anchor()));
    let text = [&place.lines()[..4].concat()[..], one.line().as_bytes(), b"\n", two.line().as_bytes(), b"\n"].concat();
    place.put(&text);
    assert_eq!(what(&errors(&journal, 2).unwrap()), (Some(5), Some(Damage::Changed)));
    for (n, most) in [(2, 3), (2, 4), (4, 1), (4, 2), (5, 1), (5, 10)] {
        assert!(journal.next_after(n, most).is_err(), "{n} {most}");
    }
    assert_eq!(journal.next_after(2, 2).unwrap().len(), 2, "those before are signed");
    // Cut off since.
    place.put(place_lines(&good, 4));
    let cut = errors(&journal, 0).unwrap();
    assert!(matches!(cut, JournalError::CutOff { have: 4, known: 6 }), "{cut:?}");
    assert!(errors(&journal, 5).is_some() && journal.next_after(5, 10).is_err() && journal.next_after(0, 10).is_err());
    // Signed by us, and another history.
    place.put(place_lines(&good, 5));
    let other = Place::new();
    other.put(place_lines(&good, 5));
    other.open().unwrap().append(&ours(), 2, &[note("another")]).unwrap();
    place.put(other.bytes());
    let other = errors(&journal, 0).unwrap();
    assert!(matches!(other, JournalError::OtherHistory { n: 6, known_from: KnownFrom::Memory }), "{other:?}");
    assert!(matches!(journal.next_after(0, 10), Err(JournalError::OtherHistory { .. })));
    place.put(&good);
    assert!(errors(&journal, 0).is_none());
    assert_eq!(journal.next_after(0, 10).unwrap().len(), 6);
}

fn place_lines(bytes: &[u8], lines: usize) -> Vec<u8> {
    bytes.split_inclusive(|byte| *byte == b'\n').take(lines).collect::<Vec<_>>().concat()
}

#[test]
fn a_torn_line_of_a_killed_writer_is_cut_off_and_recorded() {
    let place = Place::small();
    let whole = place.bytes();
    let journal = place.open().unwrap();
    let next = Entry::write(journal.latest(), Time::now(), 2, None, note("never"), &ours()).unwrap().line() + "\n";
    for length in [1, 20, next.len() - 1] {
        fs::write(&place.path, [&whole[..], &next.as_bytes()[..length]].concat()).unwrap();
        fs::write(place.head(), head_of(&place, 6)).unwrap();
        // Opening writes nothing.
        let opened = place.open().unwrap();
        assert_eq!(place.bytes().len(), whole.len() + length);
        let anchors = opened.append(&ours(), 2, &[note("after")]).unwrap();
        assert_eq!(anchors.iter().map(Anchor::n).collect::<Vec<_>>(), [8]);
        let found = place.verify().unwrap();
        assert_eq!((found.entries, found.torn), (8, 1));
        assert_eq!(place.entries()[6].event(), &Event::Torn { bytes: length as u64 });
    }
    // The journal that was open before then finds the same, and a head that knows more is not repaired away.
    fs::write(&place.path, [&whole[..], b"{\"n\":"].concat()).unwrap();
    let cut = journal.append(&ours(), 2, &[note("x")]).unwrap_err();
    assert!(matches!(cut, JournalError::CutOff { have: 6, known: 8 }), "{cut:?}");
    assert_eq!(place.bytes().len(), whole.len() + 5, "nothing was written");
    fs::write(place.head(), head_of(&place, 6)).unwrap();
    assert_eq!(journal.append(&ours(), 2, &[note("x")]).unwrap()[0].n(), 8);
}

/// A head for the journal's n-th entry.
fn head_of(place: &Place, n: usize) -> String {
    let line = place.lines()[n - 1].clone();
    let entry = Entry::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
    super::super::head::line(entry.anchor(), &ours()).unwrap()
}

#[test]
fn a_head_that_lags_behind_is_no_mistake() {
    let place = Place::small();
    for n in 1..=6 {
        fs::write(place.head(), head_of(&place, n)).unwrap();
        place.verify().unwrap();
        place.open().unwrap();
    }
    // Torn by a crash: the vault goes on, and the next entry mends it.
    fs::write(place.head(), "{\"n\":").unwrap();
    place.verify().unwrap_err();
    place.open().unwrap().append(&ours(), 2, &[note("x")]).unwrap();
    place.verify().unwrap();
}

#[test]
fn a_journal_is_created_once_and_privately() {
    let place = Place::new();
    assert!(matches!(place.open().unwrap_err(), JournalError::Missing { .. }));
    assert!(matches!(place.verify().unwrap_err(), JournalError::Missing { .. }));
    place.create();
    let before = place.bytes();
    let again = || Journal::create(&place.path, &ours(), Time::now(), 1).unwrap_err();
    assert!(matches!(again(), JournalError::Exists { .. }));
    assert_eq!(place.bytes(), before);
    #[cfg(unix)]
    for file in [place.path.clone(), place.head(), place.path.with_file_name("privacy.journal.lock")] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    // The head alone is what is left of a journal that was lost.
    fs::remove_file(&place.path).unwrap();
    assert!(matches!(again(), JournalError::Exists { path } if path == place.head()));
    assert!(matches!(place.open().unwrap_err(), JournalError::Missing { path } if path == place.path));
    // No directory is made.
    let nowhere = place.path.join("below").join("journal");
    assert!(matches!(Journal::create(&nowhere, &ours(), Time::now(), 1), Err(JournalError::Io { .. })));
    assert_eq!(fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn an_empty_file_is_no_journal() {
    let place = Place::new();
    place.put("");
    assert!(matches!(what(&place.open().unwrap_err()), (Some(1), Some(Damage::Form(_)))));
    let empty = place.verify_with(&Expectations::new().without_head()).unwrap_err();
    assert!(matches!(what(&empty), (Some(1), Some(Damage::Form(_)))));
}

#[test]
fn what_happens_to_the_file_while_it_is_open_is_found_before_the_next_entry() {
    let place = Place::small();
    let journal = place.open().unwrap();
    let (old, old_head) = (place.bytes(), fs::read(place.head()).unwrap());
    journal.append(&ours(), 2, &[note("d")]).unwrap();
    let (new, new_head) = (place.bytes(), fs::read(place.head()).unwrap());
    let append = || journal.append(&ours(), 2, &[note("x")]).map(|_| ());
    // Put back, with its head.
    place.put(&old);
    fs::write(place.head(), &old_head).unwrap();
    assert!(matches!(append(), Err(JournalError::CutOff { have: 6, known: 7 })));
    // And written on by somebody who did not know.
    place.open().unwrap().append(&ours(), 2, &[note("e")]).unwrap();
    let forked = append().unwrap_err();
    assert!(matches!(forked, JournalError::OtherHistory { n: 7, known_from: KnownFrom::Memory }), "{forked:?}");
    // Changed far from the end: the vault finds out when it opens the journal, an auditor whenever he looks.
    let mut changed = new.clone();
    let at = String::from_utf8_lossy(&new).find("\"kind\":\"note\"").unwrap();
    changed[at + 8] ^= 1;
    place.put(&changed);
    assert!(matches!(place.open(), Err(JournalError::Damaged { line: 4, .. })));
    fs::remove_file(&place.path).unwrap();
    assert!(matches!(append(), Err(JournalError::Missing { .. })));
    // Put right again, it goes on.
    place.put(&new);
    fs::write(place.head(), &new_head).unwrap();
    append().unwrap();
    assert_eq!(place.verify().unwrap().entries, 8);
    assert_eq!(journal.latest(), place.verify().unwrap().last);
}

#[test]
fn a_lost_end_is_acknowledged_by_a_gap_and_never_papered_over() {
    let place = Place::small();
    let short = place_at(&place, 4);
    let journal = place.open().unwrap();
    let known = journal.latest();
    let lost = place.entries()[4].anchor();
    place.put(&short);
    let why = || Reason::new("disk of 2026-11-20 restored").unwrap();
    assert!(matches!(place.open(), Err(JournalError::CutOff { have: 4, known: 6 })));
    let went_on = Journal::acknowledge_loss(&place.path, &ours(), Some(known), 9, why()).unwrap();
    assert_eq!(went_on.latest().n(), 7);
    went_on.append(&ours(), 9, &[note("after")]).unwrap();
    let found = place.verify_with(&Expectations::new().anchor(known).anchor(lost)).unwrap();
    assert_eq!((found.entries, found.last.n()), (6, 8));
    assert_eq!(found.gaps.len(), 1);
    assert_eq!((found.gaps[0].from, found.gaps[0].to, &found.gaps[0].why), (5, 6, &why()));
    assert_eq!(found.unchecked, [lost, known]);
    assert_eq!(place.open().unwrap().latest(), found.last);
    Journal::open(&place.path, &ours(), Some(known)).unwrap();
    // The gap holds on to what was before it: nothing can be taken away under its cover.
    let lines = place.lines();
    place.put([&lines[..3], &lines[4..]].concat().concat());
    assert_eq!(what(&place.verify().unwrap_err()), (Some(4), Some(Damage::Dropped { from: 4, to: 4 })));
    place.put([&lines[..4], &lines[5..]].concat().concat());
    assert_eq!(what(&place.verify().unwrap_err()), (Some(5), Some(Damage::Dropped { from: 5, to: 7 })));
    // Acknowledged a second time there is nothing to acknowledge.
    place.put(lines.concat());
    Journal::acknowledge_loss(&place.path, &ours(), Some(known), 9, why()).unwrap();
    assert_eq!(place.lines(), lines);
}

#[test]
fn a_lost_journal_is_begun_anew_behind_the_anchor() {
    let place = Place::small();
    let known = place.open().unwrap().latest();
    fs::remove_file(&place.path).unwrap();
    let why = Reason::new("lost").unwrap();
    let journal = Journal::acknowledge_loss(&place.path, &ours(), Some(known), 9, why).unwrap();
    journal.append(&ours(), 9, &[note("after")]).unwrap();
    let found = place.verify().unwrap();
    assert_eq!((found.entries, found.first.n(), found.last.n()), (2, 7, 8));
    assert_eq!((found.gaps[0].from, found.gaps[0].to), (1, 6));
    assert_eq!(found.vault, ours().vault());
    Journal::open(&place.path, &ours(), Some(known)).unwrap();
    assert_eq!(place.entries()[1].prev(), place.entries()[0].anchor().hash);
}

#[test]
fn a_damaged_journal_is_not_acknowledged_as_a_loss() {
    let place = Place::small();
    let known = place.open().unwrap().latest();
    let mut lines = place.lines();
    lines.remove(2);
    place.put(lines.concat());
    let why = Reason::new("lost").unwrap();
    let refused = Journal::acknowledge_loss(&place.path, &ours(), Some(known), 9, why).unwrap_err();
    assert_eq!(what(&refused), (Some(3), Some(Damage::Dropped { from: 3, to: 3 })));
    assert_eq!(place.lines(), lines);
}

fn place_at(place: &Place, lines: usize) -> Vec<u8> {
    place.lines()[..lines].concat()
}

#[test]
fn what_cannot_be_read_again_is_not_written() {
    let place = Place::small();
    let journal = place.open().unwrap();
    let before = place.bytes();
    let label = || Label::new("x".repeat(128)).unwrap();
    let long = Event::AddPurposes { purposes: (0..600).map(|_| label()).collect() };
    assert!(matches!(journal.append(&ours(), 1, &[note("a"), long]), Err(JournalError::TooLong { .. })));
    let large = Event::Swept { purpose: None, due: 1 << 53, shredded: 0, held: 0 };
    assert!(matches!(journal.append(&ours(), 1, &[large]), Err(JournalError::Unwritable(_))));
    assert!(matches!(journal.append(&ours(), 1 << 40, &[note("a")]), Err(JournalError::Unwritable(_))));
    let opened = place.entries()[0].event().clone();
    assert!(matches!(journal.append(&ours(), 1, &[opened]), Err(JournalError::Unwritable(_))));
    assert_eq!(place.bytes(), before);
    journal.append(&ours(), 1, &[note("a")]).unwrap();
}

#[test]
fn long_lists_are_split_and_lose_nothing() {
    let numbers: Vec<u64> = (1..20_000).map(|n| n * 50_000_000 + 10_000_000_000).collect();
    let place = Place::new();
    let journal = place.create();
    let (reason, label) = (|text: &str| Reason::new(text).unwrap(), |text: &str| Label::new(text).unwrap());
    let openings = Event::Openings {
        at: Time::FIRST,
        result: OpeningResult::Opened,
        who: reason("support"),
        why: reason("x".repeat(200).as_str()),
        purpose: label("orders"),
        field: label("email"),
        count: 70_000,
        numbers: ids(numbers.iter().copied()),
    };
    for event in [shred(numbers.iter().copied()), openings] {
        let parts = event.split();
        assert!(parts.len() > 3 && parts.len() < 12, "{}", parts.len());
        journal.append(&ours(), 1, &parts).unwrap();
        let mut all = Vec::new();
        let mut counted = 0;
        for part in &parts {
            match part {
                Event::Shred { whom: Whom::Numbers(numbers), .. } => all.extend(numbers.ranges().map(|(n, _)| n)),
                Event::Openings { numbers, count, .. } => {
                    all.extend(numbers.ranges().map(|(n, _)| n));
                    counted += count;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(Numbers::of(all), ids(numbers.iter().copied()));
        assert!(counted == 0 || counted == 70_000);
    }
    place.verify().unwrap();
    let short = shred([1, 2, 3]);
    assert_eq!(short.clone().split(), [short]);
    // A line that is as full as it can be.
    assert!(place.lines().iter().any(|line| line.len() > LINE_BYTES - 600));
}

/// A writer fails, and takes back what it wrote. Somebody reads in between, and must not miss it ever after.
#[test]
fn what_is_taken_back_was_never_read() {
    let place = Place::small();
    let (journal, good) = (place.open().unwrap(), place.bytes());
    let entry = Entry::write(journal.latest(), Time::now(), 2, None, note("x"), &ours()).unwrap();
    let held = super::super::lock::Lock::take(&place.path).unwrap();
    place.put([&good[..], entry.line().as_bytes(), b"\n"].concat());
    let opened = std::thread::scope(|scope| {
        scope.spawn(|| journal.refresh().unwrap());
        let opened = scope.spawn(|| place.open().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(200));
        place.put(&good);
        drop(held);
        opened.join().unwrap()
    });
    for journal in [&journal, &opened] {
        journal.append(&ours(), 2, &[note("y")]).unwrap();
    }
    assert_eq!(place.verify().unwrap().entries, 8);
}

#[test]
fn a_write_that_fails_half_way_is_taken_back() {
    let place = Place::small();
    let journal = place.open().unwrap();
    let before = place.bytes();
    for after in [0, 1, 300, 500] {
        super::super::disk::BREAK_AFTER.set(Some(after));
        let failed = journal.append(&ours(), 1, &[note("a"), note("b")]).unwrap_err();
        assert!(matches!(failed, JournalError::Io { .. }), "{failed:?}");
        assert_eq!(place.bytes(), before);
    }
    assert_eq!(journal.append(&ours(), 1, &[note("a")]).unwrap()[0].n(), 7);
    place.verify().unwrap();
}
