//! What happens to files and machines while a vault is at work: power cuts, copies, log rotation, things that are no files.

use std::path::Path;
use std::time::{Duration, Instant};

use oubliette::journal::{Ending, Event, JournalError, KnownFrom, Reason};
use oubliette::{CreateError, KeyStoreError, ShredError, UnlockError};

use super::support::*;

fn journal_error(error: &ShredError) -> &JournalError {
    match error {
        ShredError::NothingHappened(KeyStoreError::Journal(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn without_last_line(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    std::fs::write(path, lines[..lines.len() - 1].concat()).unwrap();
}

/// A process writes an outcome, and before it is synced another one reads it and commits. Then the power fails. The
/// record must not name what the medium never got.
#[test]
fn a_record_vouches_for_nothing_that_a_power_cut_can_take() {
    let scratch = Scratch::new();
    let first = scratch.vault().create(key()).unwrap();
    let public = first.public_key().unwrap();
    let row = enroll(&first);
    let _ = first.shred([row.0]).unwrap();
    let second = scratch.vault().unlock(key()).unwrap();
    let before = second.generation().unwrap();
    let other = enroll(&second);
    assert!(second.generation().unwrap() > before, "a commit");
    second.close().unwrap();
    first.close().unwrap();
    without_last_line(&scratch.journal());
    let _ = std::fs::remove_file(scratch.at("journal.head"));
    let vault = scratch.vault().unlock(key()).unwrap();
    assert_eq!((alive(&vault, &row), alive(&vault, &other)), ((false, false), (true, true)));
    assert_eq!(scratch.deeds(&public)[0].1, Some(Ending::Done));
}

/// A journal that was begun by a process which was killed before a record named it.
#[test]
fn whoever_finds_a_journal_binds_the_vault_to_it() {
    let scratch = Scratch::new();
    scratch.bare().create(key()).unwrap().close().unwrap();
    // As it stands there: begun, and nothing committed since.
    let backup = scratch.at("backup");
    for place in ["main", "mirror"] {
        copy(&scratch.at(place), &backup.join(place));
    }
    scratch.vault().unlock(key()).unwrap().close().unwrap();
    for place in ["main", "mirror"] {
        copy(&backup.join(place), &scratch.at(place));
    }
    scratch.vault().unlock(key()).unwrap().close().unwrap();
    std::fs::remove_file(scratch.journal()).unwrap();
    let _ = std::fs::remove_file(scratch.at("journal.head"));
    let refused = scratch.vault().unlock(key());
    assert!(matches!(refused, Err(UnlockError::Journal(JournalError::Missing { .. }))), "{refused:?}");
}

/// Two processes, each with a copy of the journal of its own: the second must not go on with a history of its own.
#[test]
fn a_copy_of_the_journal_is_no_second_journal() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let rows: Vec<Row> = (0..4).map(|_| enroll(&vault)).collect();
    let _ = vault.shred([rows[0].0]).unwrap();
    let copied = scratch.at("copy");
    std::fs::copy(scratch.journal(), &copied).unwrap();
    std::fs::copy(scratch.at("journal.head"), scratch.at("copy.head")).unwrap();
    let astray = scratch.bare().journal(&copied).unlock(key()).unwrap();
    let before = std::fs::read(&copied).unwrap();
    let _ = vault.shred([rows[1].0]).unwrap();
    let refused = astray.shred([rows[2].0]).unwrap_err();
    let error = journal_error(&refused);
    assert!(matches!(error, JournalError::CutOff { have: 3, known: 4 }), "{error:?}");
    assert_eq!(std::fs::read(&copied).unwrap(), before, "nothing was written");
    assert_eq!(alive(&vault, &rows[2]), (true, true));
    // The other way round: the copy is ahead, and of another history.
    let further = scratch.at("further");
    std::fs::copy(scratch.journal(), &further).unwrap();
    let _ = vault.shred([rows[2].0]).unwrap();
    let _ = vault.enroll().unwrap();
    let other = Scratch::new();
    for place in ["main", "mirror"] {
        copy(&scratch.at(place), &other.at(place));
    }
    std::fs::copy(&further, other.journal()).unwrap();
    let refused = other.vault().unlock(key());
    assert!(matches!(refused, Err(UnlockError::Journal(JournalError::CutOff { .. }))), "{refused:?}");
    assert_eq!(scratch.verify(&public).entries, 7);
}

/// The same when the copy has as many entries as the journal, or more.
#[test]
fn another_history_is_found_however_long_it_is() {
    for more in [0, 1, 40] {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let rows: Vec<Row> = (0..50).map(|_| enroll(&vault)).collect();
        let twin = Scratch::new();
        for place in ["main", "mirror"] {
            copy(&scratch.at(place), &twin.at(place));
        }
        std::fs::copy(scratch.journal(), twin.journal()).unwrap();
        // The twin's history, with the same key: of a copy of the whole machine.
        let other = twin.vault().unlock(key()).unwrap();
        for row in &rows[..=more] {
            let _ = other.shred([row.0]).unwrap();
        }
        other.close().unwrap();
        // Its journal is laid in the place of ours, with ours open: the file that this process knows is a prefix of it.
        std::fs::copy(twin.journal(), scratch.at("twin")).unwrap();
        let astray = scratch.bare().journal(scratch.at("astray"));
        std::fs::copy(scratch.journal(), scratch.at("astray")).unwrap();
        let astray = astray.unlock(key()).unwrap();
        std::fs::copy(scratch.at("twin"), scratch.at("astray")).unwrap();
        let _ = vault.shred([rows[49].0]).unwrap();
        let refused = astray.shred([rows[48].0]).unwrap_err();
        let error = journal_error(&refused);
        let n = 2;
        assert!(
            matches!(error, JournalError::OtherHistory { n: found, known_from: KnownFrom::RootRecord } if *found == n),
            "{more}: {error:?}"
        );
        assert_eq!(alive(&vault, &rows[48]), (true, true));
    }
}

/// A power cut leaves zeros where a block was not written, and perhaps whole lines behind them.
#[test]
fn zeros_of_a_power_cut_are_cut_off_and_recorded() {
    let next = |scratch: &Scratch| {
        let text = std::fs::read_to_string(scratch.journal()).unwrap();
        text.lines().last().unwrap().to_owned()
    };
    type Tail = fn(&str) -> Vec<u8>;
    let tails: [Tail; 4] = [
        |_| vec![0; 300],
        |_| vec![0; 200_000],
        |line| [&[0; 100], &line.as_bytes()[100..], b"\n"].concat(),
        |line| [&[0; 4096], &b"...}\n"[..], line.as_bytes(), b"\n", line.as_bytes()].concat(),
    ];
    for (which, tail) in tails.iter().enumerate() {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let (alice, bob) = (enroll(&vault), enroll(&vault));
        let _ = vault.shred([alice.0]).unwrap();
        let running = scratch.vault().unlock(key()).unwrap();
        vault.close().unwrap();
        let mut bytes = std::fs::read(scratch.journal()).unwrap();
        bytes.extend(tail(&next(&scratch)));
        std::fs::write(scratch.journal(), &bytes).unwrap();
        // To the next that unlocks it, and to one that is running.
        let vault = scratch.vault().unlock(key()).unwrap();
        let shredder = if which % 2 == 0 { &vault } else { &running };
        let _ = shredder.shred([bob.0]).unwrap();
        let found = scratch.verify(&public);
        assert_eq!((found.torn, found.entries), (1, 6), "{which}");
        let torn = scratch.entries(&public).into_iter().find_map(|entry| match entry.into_event() {
            Event::Torn { bytes } => Some(bytes),
            _ => None,
        });
        assert_eq!(torn, Some(tail(&next(&scratch)).len() as u64).filter(|_| which < 2).or(torn));
    }
}

/// Zeros over entries that are known to have been written are no power cut.
#[test]
fn zeros_in_what_is_known_are_damage() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let rows: Vec<Row> = (0..3).map(|_| enroll(&vault)).collect();
    for row in &rows[..2] {
        let _ = vault.shred([row.0]).unwrap();
    }
    let whole = std::fs::read(scratch.journal()).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for line in 0..lines.len() {
        let start: usize = lines[..line].iter().map(|line| line.len()).sum();
        let mut bad = whole.clone();
        bad[start + 10] = 0;
        std::fs::write(scratch.journal(), &bad).unwrap();
        // A process that is at work looks at the last line alone, and at the whole when that is not as it was.
        if line == lines.len() - 1 {
            assert!(vault.shred([rows[2].0]).is_err(), "line {line}");
        }
        let refused = scratch.vault().unlock(key());
        assert!(matches!(refused, Err(UnlockError::Journal(_))), "line {line}: {refused:?}");
        assert_eq!(std::fs::read(scratch.journal()).unwrap(), bad, "nothing was written");
    }
    std::fs::write(scratch.journal(), &whole).unwrap();
    let _ = vault.shred([rows[2].0]).unwrap();
}

/// As logrotate does it: renamed, then an empty file in its place; or copied and cut to nothing.
#[test]
fn a_journal_that_is_rotated_away_stops_shreds_until_it_is_back() {
    type Rotation = fn(&Path, &Path);
    let rotations: [Rotation; 3] = [
        |journal, aside| std::fs::rename(journal, aside).unwrap(),
        |journal, aside| {
            std::fs::rename(journal, aside).unwrap();
            std::fs::write(journal, "").unwrap();
        },
        |journal, aside| {
            std::fs::copy(journal, aside).unwrap();
            std::fs::File::options().write(true).open(journal).unwrap().set_len(0).unwrap();
        },
    ];
    for rotate in rotations {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let public = vault.public_key().unwrap();
        let (alice, bob) = (enroll(&vault), enroll(&vault));
        let _ = vault.shred([alice.0]).unwrap();
        rotate(&scratch.journal(), &scratch.at("journal.1"));
        let refused = vault.shred([bob.0]).unwrap_err();
        let error = journal_error(&refused);
        assert!(
            matches!(error, JournalError::Missing { .. } | JournalError::CutOff { have: 0, known: 3 }),
            "{error:?}"
        );
        assert!(scratch.vault().unlock(key()).is_err());
        assert_eq!(alive(&vault, &bob), (true, true));
        let _ = std::fs::remove_file(scratch.journal());
        std::fs::rename(scratch.at("journal.1"), scratch.journal()).unwrap();
        let _ = vault.shred([bob.0]).unwrap();
        assert_eq!(scratch.verify(&public).entries, 5);
    }
}

/// The journal, its head and its lock as pipes and directories: an answer in good time, whatever it is.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let make: [fn(&Path); 2] = [
        |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
        |path| std::fs::create_dir(path).unwrap(),
    ];
    for name in ["journal", "journal.head"] {
        for make in make {
            let scratch = Scratch::new();
            let vault = scratch.vault().create(key()).unwrap();
            let row = enroll(&vault);
            let aside = scratch.at("aside");
            std::fs::rename(scratch.at(name), &aside).unwrap();
            make(&scratch.at(name));
            within(Duration::from_secs(20), || {
                let refused = vault.shred([row.0]);
                assert!(matches!(refused, Err(ShredError::NothingHappened(KeyStoreError::Journal(_)))), "{refused:?}");
                assert!(scratch.vault().unlock(key()).is_err());
                let other = Scratch::new();
                std::fs::rename(scratch.at(name), other.at(name)).unwrap();
                let refused = other.vault().create(key());
                assert!(matches!(refused, Err(CreateError::KeyStore(KeyStoreError::Journal(_)))), "{refused:?}");
                assert!(!other.at("main/root/slot-a").exists() || other.bare().unlock(key()).is_err());
            });
            std::fs::rename(&aside, scratch.at(name)).unwrap();
            let _ = vault.shred([row.0]).unwrap();
        }
    }
}

fn within(most: Duration, work: impl FnOnce()) {
    let begun = Instant::now();
    // A test that hangs says nothing; this one at least ends with its process.
    let (done, hangs) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if hangs.recv_timeout(most) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("it waits for ever");
            std::process::exit(101);
        }
    });
    work();
    drop(done);
    watch.join().unwrap();
    assert!(begun.elapsed() < most);
}

/// Somebody who can write into the directory lays links: nothing is written through them.
#[cfg(unix)]
#[test]
fn nothing_is_written_through_links_beside_the_journal() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scratch = Scratch::new();
    let precious = scratch.at("precious");
    let content = "x".repeat(400);
    std::fs::write(&precious, &content).unwrap();
    symlink(&precious, scratch.at("journal.tmp")).unwrap();
    let vault = scratch.vault().create(key()).unwrap();
    assert!(scratch.at("journal").symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::metadata(scratch.journal()).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(scratch.at("journal.head")).unwrap();
    symlink(&precious, scratch.at("journal.head")).unwrap();
    let row = enroll(&vault);
    let _ = vault.shred([row.0]).unwrap();
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), content);
}

/// What is left of a vault that was deleted: its head. It must not stop a new one half-way.
#[test]
fn the_head_of_another_journal_is_told_before_anything_is_made() {
    let scratch = Scratch::new();
    drop(scratch.vault().create(key()).unwrap());
    let head = std::fs::read(scratch.at("journal.head")).unwrap();
    let fresh = Scratch::new();
    std::fs::write(fresh.at("journal.head"), head).unwrap();
    let refused = fresh.vault().create(key());
    let Err(CreateError::KeyStore(KeyStoreError::Journal(error))) = &refused else { panic!("{refused:?}") };
    assert!(matches!(&**error, JournalError::Exists { path } if *path == fresh.at("journal.head")), "{error:?}");
    std::fs::remove_file(fresh.at("journal.head")).unwrap();
    drop(fresh.vault().create(key()).unwrap());
}

/// A vault that no record binds to its journal, and only the head of that is left.
#[test]
fn a_journal_of_which_only_the_head_is_left_can_be_given_up() {
    for ours in [true, false] {
        let scratch = Scratch::new();
        scratch.bare().create(key()).unwrap().close().unwrap();
        for place in ["main", "mirror"] {
            copy(&scratch.at(place), &scratch.at("backup").join(place));
        }
        let vault = scratch.vault().unlock(key()).unwrap();
        let public = vault.public_key().unwrap();
        vault.close().unwrap();
        for place in ["main", "mirror"] {
            copy(&scratch.at("backup").join(place), &scratch.at(place));
        }
        std::fs::remove_file(scratch.journal()).unwrap();
        if !ours {
            std::fs::write(scratch.at("journal.head"), "something else").unwrap();
        }
        let refused = scratch.vault().unlock(key());
        assert!(matches!(refused, Err(UnlockError::Journal(JournalError::Missing { .. }))), "{refused:?}");
        let why = Reason::new("the disk of the log server died").unwrap();
        let vault = scratch.vault().accept_journal_loss(why).unlock(key()).unwrap();
        let row = enroll(&vault);
        let _ = vault.shred([row.0]).unwrap();
        assert_eq!(scratch.verify(&public).gaps.len(), usize::from(ours));
    }
}
