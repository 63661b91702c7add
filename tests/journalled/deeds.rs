//! Every commit that forgets or moves keys is written down, before and after, and what is not written down is refused.

use oubliette::journal::{Ending, Event, JournalError, Reason, Whom};
use oubliette::{
    CreateError, KeyStoreError, Purpose, ShredError, ShredTarget, UnlockError, VaultBuilder, recovery::RecoverError,
};

use super::support::*;

fn kinds(deeds: &[(Event, Option<Ending>)]) -> Vec<(String, Option<Ending>)> {
    let kind = |event: &Event| serde_json::to_value(event).unwrap()["kind"].as_str().unwrap().to_owned();
    deeds.iter().map(|(event, ending)| (kind(event), *ending)).collect()
}

#[test]
fn a_life_of_a_vault() {
    let scratch = Scratch::new();
    let vault = scratch.vault().next_root_key(new_key()).create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let rows: Vec<Row> = (0..8).map(|_| enroll(&vault)).collect();
    assert_eq!(scratch.entries(&public).len(), 1, "enrolling and sealing is nothing to write down");

    let why = Reason::new("request 2026-114, Art. 17").unwrap();
    let because = |target: ShredTarget| vault.shredding(target).reason(why.clone());
    let _ = because([rows[0].0, rows[1].0].into()).run().unwrap();
    let _ = because(rows[2].0.into()).purpose(NEWS).run().unwrap();
    let _ = vault.shred([rows[0].0]).unwrap();
    let _ = because((..=rows[1].0).into()).run().unwrap();
    let tree = vault.rotate_purpose(ORDERS).unwrap().0;
    let retired = vault.retire_replaced(ORDERS, tree).unwrap();
    let epoch = vault.begin_epoch(BY_EMAIL).unwrap().0;
    let _ = vault.retire_epoch(BY_EMAIL, oubliette::search::Epoch::FIRST).unwrap();
    vault.rotate_root_key(new_key()).unwrap();
    let place = vault.attach_mirror(scratch.at("third"), &mut |_, _| ()).unwrap();
    vault.detach_mirror(place).unwrap();
    let generation = vault.generation().unwrap();
    vault.close().unwrap();
    let third = Purpose::new("third");
    let vault = scratch.vault().purposes([ORDERS, NEWS, third]).add_missing_purposes().unlock(new_key()).unwrap();

    let vouched = vault.status().unwrap().journalled;
    assert_eq!(vouched, scratch.entries(&public).iter().map(|entry| entry.n() - 1).max(), "all but the last outcome");
    let deeds = scratch.deeds(&public);
    let done = |kind: &str| (kind.to_owned(), Some(Ending::Done));
    let expected =
        ["shred", "shred", "shred", "shred", "rotate_purpose", "retire_replaced", "begin_epoch", "retire_epoch"]
            .into_iter()
            .chain(["rotate_root_key", "places", "places", "add_purposes"]);
    assert_eq!(kinds(&deeds), expected.map(done).collect::<Vec<_>>());
    let Event::Shred { whom: Whom::Numbers(numbers), purpose: None, why: written } = &deeds[0].0 else { panic!() };
    assert!(numbers.contains(rows[0].0) && numbers.contains(rows[1].0) && numbers.count() == 2);
    assert_eq!(written.as_ref(), Some(&why));
    assert!(matches!(&deeds[1].0, Event::Shred { purpose: Some(purpose), .. } if purpose.as_str() == "newsletter"));
    assert!(matches!(&deeds[2].0, Event::Shred { why: None, .. }));
    assert!(matches!(&deeds[3].0, Event::Shred { whom: Whom::Through(last), .. } if *last == rows[1].0.into()));

    let entries = scratch.entries(&public);
    let outcome = |of_kind: &str| {
        let at = entries.iter().find(|entry| kinds(&[(entry.event().clone(), None)])[0].0 == of_kind).unwrap().n();
        let found = entries.iter().find(|entry| matches!(entry.event(), Event::Outcome { of, .. } if *of == at));
        found.unwrap().clone()
    };
    let told = outcome("shred");
    let Event::Outcome { newly, already, effective_at, .. } = told.event() else { panic!() };
    assert_eq!((*newly, *already), (Some(4), Some(0)), "two people in two purposes");
    let again =
        entries.iter().filter(|entry| matches!(entry.event(), Event::Outcome { newly: Some(0), already: Some(1), .. }));
    assert_eq!(again.count(), 1, "the third shred found its work done");
    assert!(effective_at.is_some() && told.generation() > 1);
    assert!(matches!(outcome("rotate_purpose").event(), Event::Outcome { tree: Some(made), .. } if *made == tree));
    assert!(matches!(outcome("retire_replaced").event(), Event::Outcome { trees, .. } if *trees == retired.0));
    assert!(matches!(outcome("begin_epoch").event(), Event::Outcome { epoch: Some(e), .. } if *e == epoch.number()));
    let verified = scratch.verify(&public);
    assert!(verified.gaps.is_empty() && verified.entries == 1 + 2 * 12);
    assert!(vault.generation().unwrap() > generation);
    let text = std::fs::read_to_string(scratch.journal()).unwrap();
    oubliette::testing::assert_no_plaintext(text.as_bytes(), ["@example.com"]);
}

#[test]
fn what_is_refused_is_not_written_down() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let row = enroll(&vault);
    let unknown = oubliette::CustomerId::from_stored(1 << 30).unwrap();
    assert!(matches!(vault.shred([row.0, unknown]), Err(ShredError::NotEnrolled { .. })));
    assert!(matches!(vault.shredding(..=unknown).run(), Err(ShredError::TooNew { .. })));
    assert!(vault.retire_epoch(BY_EMAIL, oubliette::search::Epoch::FIRST).is_err());
    assert_eq!(scratch.entries(&public).len(), 1);
    assert_eq!(alive(&vault, &row), (true, true));
}

/// In every way that a journal can be missing: its file, its lock, its directory.
#[test]
fn nothing_is_shredded_that_cannot_be_written_down() {
    let scratch = Scratch::new();
    let inside = |builder: VaultBuilder| builder.journal(scratch.at("logs/journal"));
    std::fs::create_dir(scratch.at("logs")).unwrap();
    let vault = inside(scratch.bare()).create(key()).unwrap();
    let row = enroll(&vault);
    std::fs::rename(scratch.at("logs"), scratch.at("away")).unwrap();
    let refused = vault.shred([row.0]);
    let Err(ShredError::NothingHappened(KeyStoreError::Journal(_))) = &refused else { panic!("{refused:?}") };
    assert!(vault.rotate_root_key(new_key()).is_err());
    assert!(vault.rotate_purpose(ORDERS).is_err());
    assert!(vault.begin_epoch(BY_EMAIL).is_err());
    assert_eq!(alive(&vault, &row), (true, true));
    vault.refresh().unwrap();
    assert_eq!(vault.status().unwrap().purposes.len(), 2, "nothing was committed");
    // Numbers and values need no journal.
    let _ = enroll(&vault);
    std::fs::rename(scratch.at("away"), scratch.at("logs")).unwrap();
    let _ = vault.shred([row.0]).unwrap();
    assert_eq!(alive(&vault, &row), (false, false));
    vault.close().unwrap();
    drop(inside(scratch.bare()).unlock(key()).unwrap());
}

#[test]
fn a_vault_with_a_journal_is_bound_to_it() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let row = enroll(&vault);
    let before = std::fs::read(scratch.journal()).unwrap();
    vault.close().unwrap();
    let vault = scratch.bare().next_root_key(new_key()).unlock(key()).unwrap();
    assert_eq!(alive(&vault, &row), (true, true), "it seals and opens");
    let needs = |error: &dyn std::error::Error| {
        let source = error.source().unwrap().downcast_ref::<KeyStoreError>();
        assert!(matches!(source, Some(KeyStoreError::NeedsJournal)), "{error:?}");
    };
    needs(&vault.shred([row.0]).unwrap_err());
    needs(&vault.shredding([row.0]).purpose(NEWS).run().unwrap_err());
    needs(&vault.rotate_root_key(new_key()).unwrap_err());
    needs(&vault.rotate_purpose(ORDERS).unwrap_err());
    needs(&vault.begin_epoch(BY_EMAIL).unwrap_err());
    assert!(matches!(vault.attach_mirror(scratch.at("third"), &mut |_, _| ()), Err(KeyStoreError::NeedsJournal)));
    let more = scratch.bare().purposes([ORDERS, NEWS, Purpose::new("more")]).add_missing_purposes().unlock(key());
    assert!(matches!(more, Err(UnlockError::KeyStore(KeyStoreError::NeedsJournal))), "{more:?}");
    assert_eq!(alive(&vault, &row), (true, true));
    assert_eq!(std::fs::read(scratch.journal()).unwrap(), before);
}

#[test]
fn an_older_vault_begins_one_when_it_is_asked_to() {
    let scratch = Scratch::new();
    let vault = scratch.bare().create(key()).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.shred([alice.0]).unwrap();
    vault.close().unwrap();
    let vault = scratch.vault().unlock(key()).unwrap();
    let public = vault.public_key().unwrap();
    assert_eq!(scratch.entries(&public).len(), 1);
    let _ = vault.shred([bob.0]).unwrap();
    assert_eq!(scratch.deeds(&public).len(), 1);
    // Bound from the start: a second journal beside it is none.
    vault.close().unwrap();
    let other = scratch.bare().journal(scratch.at("other")).unlock(key());
    assert!(matches!(other, Err(UnlockError::Journal(JournalError::Missing { .. }))), "{other:?}");
}

#[test]
fn create_takes_no_journal_that_is_there() {
    let scratch = Scratch::new();
    std::fs::write(scratch.journal(), "something").unwrap();
    let refused = scratch.vault().create(key());
    assert!(
        matches!(&refused, Err(CreateError::KeyStore(KeyStoreError::Journal(error)))
            if matches!(**error, JournalError::Exists { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(scratch.journal()).unwrap(), b"something");
    let none = scratch.bare().unlock(key());
    assert!(matches!(none, Err(UnlockError::KeyStore(KeyStoreError::NoVault))), "{none:?}");
    std::fs::remove_file(scratch.journal()).unwrap();
    let vault = scratch.vault().create(key()).unwrap();
    let row = enroll(&vault);
    vault.close().unwrap();
    let vault = scratch.vault().unlock(key()).unwrap();
    assert_eq!(alive(&vault, &row), (true, true));
}

#[test]
fn nobody_is_nothing_to_write_down() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    assert_eq!(vault.shred([]).unwrap().newly_shredded(), 0);
    assert_eq!(scratch.entries(&public).len(), 1);
}

/// Which place decides, and which were given up, is in the journal: an officer sees that somebody gave a word.
#[test]
fn another_first_place_is_written_down() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let places = vault.status().unwrap().places;
    vault.hand_over(places[1]).unwrap();
    vault.hand_over(places[0]).unwrap();
    vault.close().unwrap();
    std::fs::rename(scratch.at("main"), scratch.at("lost")).unwrap();
    let at_mirror = || VaultBuilder::in_directory(oubliette::store::Directory::at(scratch.at("mirror")));
    let refused = at_mirror().promote(key(), [places[0]]).unwrap_err();
    assert!(matches!(refused, RecoverError::KeyStore(KeyStoreError::NeedsJournal)), "{refused:?}");
    drop(at_mirror().journal(scratch.journal()).promote(key(), [places[0]]).unwrap());
    let names = |places: &[oubliette::store::PlaceId]| places.iter().map(ToString::to_string).collect::<Vec<_>>();
    let seen = scratch.deeds(&public).into_iter().map(|(event, ending)| match event {
        Event::Places { attached, detached, first } => {
            assert!(attached.is_empty() && ending == Some(Ending::Done));
            let detached: Vec<String> = detached.iter().map(|place| place.as_str().to_owned()).collect();
            (detached, first.map(|place| place.as_str().to_owned()))
        }
        other => panic!("{other:?}"),
    });
    let [first, mirror] = [Some(places[0].to_string()), Some(places[1].to_string())];
    let expected = [(vec![], mirror.clone()), (vec![], first), (names(&places[..1]), mirror)];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

/// The first place is lost, and the mirror was rolled back: the journal proves it. It is promoted all the same, refused, and mended.
#[test]
fn a_mirror_that_went_back_in_time_is_promoted_and_then_recovered() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let first = vault.status().unwrap().places[0];
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    copy(&scratch.at("mirror"), &scratch.at("old"));
    let _ = vault.shred([alice.0]).unwrap();
    let _ = vault.shredding([bob.0]).purpose(NEWS).run().unwrap();
    vault.close().unwrap();
    std::fs::remove_dir_all(scratch.at("main")).unwrap();
    std::fs::remove_dir_all(scratch.at("mirror")).unwrap();
    std::fs::rename(scratch.at("old"), scratch.at("mirror")).unwrap();
    let at_mirror = || {
        let layout = oubliette::store::Directory::at(scratch.at("mirror"));
        VaultBuilder::in_directory(layout).purposes([ORDERS, NEWS]).journal(scratch.journal())
    };
    let refused = at_mirror().promote(key(), [first]).unwrap_err();
    assert!(matches!(refused, RecoverError::KeyStore(KeyStoreError::RolledBack { .. })), "{refused:?}");
    let refused = at_mirror().unlock(key()).unwrap_err();
    assert!(matches!(refused, UnlockError::KeyStore(KeyStoreError::RolledBack { .. })), "{refused:?}");
    let vault = at_mirror().replay(key(), new_key(), bob.0).unwrap();
    assert_eq!((alive(&vault, &alice), alive(&vault, &bob)), ((false, false), (true, false)));
}

#[test]
fn a_long_list_takes_several_entries() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let customers: Vec<_> = (0..30_000).map(|_| vault.enroll().unwrap()).collect();
    // Every second one, so that no ranges form.
    let shredded = vault.shred(customers.iter().copied().step_by(2)).unwrap();
    assert_eq!(shredded.newly_shredded(), 30_000, "in two purposes");
    let deeds = scratch.deeds(&public);
    assert!(deeds.len() > 1 && deeds.iter().all(|(_, ending)| *ending == Some(Ending::Done)));
    let all = |event: &Event| match event {
        Event::Shred { whom: Whom::Numbers(numbers), .. } => numbers.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(deeds.iter().map(|(event, _)| all(event).count()).sum::<u64>(), 15_000);
    assert!(deeds.iter().all(|(event, _)| !all(event).contains(customers[1])));
    let counted: u64 = scratch
        .entries(&public)
        .iter()
        .filter_map(|entry| match entry.event() {
            Event::Outcome { newly, .. } => *newly,
            _ => None,
        })
        .sum();
    assert_eq!(counted, 30_000, "once");
    let facts = oubliette::ReceiptContext::new();
    let receipt = vault.receipt(&shredded, oubliette::journal::Whose::new("many").unwrap(), &facts).unwrap();
    assert_eq!(receipt.content().entries.len(), deeds.len() * 2);
}
