//! Which of the three was put back, who notices, and what mends it.

use oubliette::journal::{Event, EventId, Expectations, JournalError};
use oubliette::{CustomerId, KeyStoreError, UnlockError, recovery::Recovery};
use oubliette_register::{RegisterError, RequestKind};

use crate::stage::{Noted, Shop, key, new_key, truth};
use crate::support::*;

/// An older root record is refused with both generations: the one that is there, and the newest that the journal, or the
/// mark beside the pages, knows of.
fn is_rolled_back(refused: Result<(), UnlockError>, noted: &Noted) {
    match refused {
        Err(UnlockError::KeyStore(KeyStoreError::RolledBack { have, seen })) => {
            assert!(have == noted.last_night && have < seen && seen <= noted.generation, "{have} {seen}");
        }
        other => panic!("{other:?}"),
    }
}

/// An older journal is refused with both entries: the last that is there, and one that was written.
fn is_cut_off(refused: Result<(), UnlockError>, noted: &Noted) {
    match refused {
        Err(UnlockError::Journal(JournalError::CutOff { have, known })) => {
            assert!(have == noted.entry_last_night.n() && have < known && known <= noted.entry.n(), "{have} {known}");
        }
        other => panic!("{other:?}"),
    }
}

/// What an auditor with the public key, and an anchor or a receipt, says of an older journal that has its head.
fn is_cut_off_for_an_auditor(shop: &Shop, noted: &Noted) {
    assert_eq!(shop.verified().last, noted.entry_last_night, "alone it looks whole");
    for expected in [Expectations::new().anchor(noted.entry), Expectations::new().receipt(&noted.alices_receipt)] {
        let refused = shop.verify(&expected);
        assert!(matches!(refused, Err(JournalError::CutOff { .. })), "{refused:?}");
    }
}

fn reconciliations(shop: &Shop) -> usize {
    count(&shop.events(), |event| matches!(event, Event::Restored { .. }))
}

bodies! {
    // The control.
    async fn nothing() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.start().unwrap();
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        assert_eq!(reconciliations(&shop), 0);
        shop.is_mended(&noted, true).await;
    }

    async fn the_database() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.db.restore().await;
        shop.start().unwrap();
        assert_eq!(shop.registered().await, ["alice 2", "bob 2", "carol 2", "erased 0"], "as of last night");
        assert_eq!(shop.opens(), truth(), "and yet nobody is back");
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        assert_eq!(reconciliations(&shop), 1);
        shop.is_mended(&noted, false).await;
        // The commitment that her receipt opens is there again.
        let commitment = noted.alices_receipt.content().commitment.to_string();
        let erased = "SELECT commitment AS answer FROM oubliette_subjects WHERE state = 'erased'";
        assert!(shop.db.ask(erased).await.contains(&commitment));
        let _ = shop.verify(&Expectations::new().receipt(&noted.alices_receipt).anchor(noted.entry)).unwrap();
    }

    async fn the_vault() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.put_back("vault");
        is_rolled_back(shop.start(), &noted);
        let vault = shop.builder().replay(key(), new_key(), noted.highest).unwrap();
        shop.start_with(vault);
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        shop.is_mended(&noted, true).await;
        assert!(shop.start().is_err(), "the old root key, which opens the copy, opens nothing here");
    }

    async fn the_root_record_alone() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.put_back("vault/root");
        is_rolled_back(shop.start(), &noted);
        let vault = shop.builder().replay(key(), new_key(), noted.highest).unwrap();
        shop.start_with(vault);
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        shop.is_mended(&noted, true).await;
    }

    async fn the_database_and_the_vault() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.db.restore().await;
        shop.put_back("vault");
        is_rolled_back(shop.start(), &noted);
        // The database knows none of the day's numbers; the journal does.
        let known = shop.db.ask("SELECT max(number) AS answer FROM oubliette_numbers").await;
        let known: CustomerId = known[0].parse().unwrap();
        assert!(known < noted.highest);
        let vault = shop.builder().replay(key(), new_key(), known).unwrap();
        shop.start_with(vault);
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        assert_eq!(reconciliations(&shop), 1);
        shop.is_mended(&noted, false).await;
    }

    // The register has the journal line for line: its table makes the file whole again.
    async fn the_journal() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.put_back("log");
        is_cut_off(shop.start(), &noted);
        is_cut_off_for_an_auditor(&shop, &noted);
        shop.write_journal_from_table().await;
        shop.start().unwrap();
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        shop.is_mended(&noted, true).await;
        let whole = shop.verify(&Expectations::new().receipt(&noted.alices_receipt).anchor(noted.entry)).unwrap();
        assert!(whole.gaps.is_empty() && whole.entries > noted.entry.n());
    }

    // The loss is accepted by hand, and stays to be seen. The register's table then has lines that the file has not.
    async fn the_journal_and_the_loss_is_accepted() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.put_back("log");
        is_cut_off(shop.start(), &noted);
        let vault = shop.builder().accept_journal_loss(why("the disk of the log failed")).unlock(key()).unwrap();
        shop.start_with(vault);
        let refused = own_transaction!(shop.db, shop.register, resume());
        assert!(matches!(refused, Err(RegisterError::JournalDiffers { .. })), "{refused:?}");
        let lost = format!("DELETE FROM oubliette_journal WHERE n > {}", noted.entry_last_night.n());
        shop.db.sql(&lost).await;
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        shop.is_mended(&noted, true).await;
        let checked = shop.verify(&Expectations::new().receipt(&noted.alices_receipt)).unwrap();
        assert_eq!((checked.gaps.len(), checked.unchecked.len()), (1, 2), "her receipt cannot be compared any more");
    }

    // The same, when the root record vouches for every line that was lost: what follows has numbers of its own, and the
    // table has nothing that differs.
    async fn the_journal_and_the_vault_vouches_for_all_of_it() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        // A process vouches, with its next commit, for what it has written itself.
        shop.start().unwrap();
        on!(shop.db, shop.register, request(&who("bob"), RequestKind::Access, jiff::Timestamp::now())).unwrap();
        own_transaction!(shop.db, shop.register, flush()).unwrap();
        let last = shop.verified().last;
        // A number from a new block: a commit that writes nothing down.
        shop.vault.enroll().unwrap();
        assert!(last.n() > noted.entry.n() && shop.verified().last == last);
        shop.vault.clone().close().unwrap();
        shop.put_back("log");
        let refused = shop.start();
        assert!(
            matches!(refused, Err(UnlockError::Journal(JournalError::CutOff { known, .. })) if known == last.n()),
            "{refused:?}"
        );
        let vault = shop.builder().accept_journal_loss(why("the disk of the log failed")).unlock(key()).unwrap();
        shop.start_with(vault);
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        shop.is_mended(&noted, true).await;
        let checked = shop.verify(&Expectations::new().receipt(&noted.alices_receipt)).unwrap();
        assert_eq!((checked.gaps.len(), checked.unchecked.len()), (1, 2));
        let kept = format!("SELECT n AS answer FROM oubliette_journal WHERE n = {}", last.n());
        assert_eq!(shop.db.ask(&kept).await.len(), 1, "what was lost is still in the table");
    }

    // The vault knows who is gone, whatever the other two say. That it was an erasure, and under which receipt, is lost.
    async fn the_database_and_the_journal() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.db.restore().await;
        shop.put_back("log");
        is_cut_off(shop.start(), &noted);
        let vault = shop.builder().accept_journal_loss(why("log and database were restored")).unlock(key()).unwrap();
        shop.start_with(vault);
        assert_eq!(shop.opens(), truth());
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        // Not by itself: the journal does not show that the database is older.
        own_transaction!(shop.db, shop.register, reconcile()).unwrap();
        assert!(shop.registered().await.contains(&"bob 1".to_owned()));
        match own_transaction!(shop.db, shop.register, erase(&who("alice"), why("erased before the restore"))) {
            Ok(_) | Err(RegisterError::UnknownSubject) => {}
            other => panic!("{other:?}"),
        }
        shop.is_mended(&noted, false).await;
        assert_eq!(shop.verified().gaps.len(), 1);
    }

    // Record and journal agree, so the vault opens, and who was erased is back. The register's table tells.
    async fn the_vault_and_the_journal() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.put_back("vault");
        shop.put_back("log");
        shop.start().unwrap();
        assert!(shop.opens_of("alice"), "this is what must not be");
        is_cut_off_for_an_auditor(&shop, &noted);
        let refused = own_transaction!(shop.db, shop.register, resume());
        assert!(matches!(refused, Err(RegisterError::JournalDiffers { .. })), "{refused:?}");
        shop.refuses_all().await;
        // Nor does it when more was written into the older journal than the table knows.
        for n in 0..10 {
            let note = Event::Note { text: why("the older journal grows") };
            shop.vault.write_down(&[(EventId::from_bytes([n; 16]), note)]).unwrap();
        }
        shop.refuses_all().await;
        shop.vault.clone().close().unwrap();
        // With the day's lines it is a root record that was restored alone.
        shop.write_journal_from_table().await;
        is_rolled_back(shop.start(), &noted);
        let vault = shop.builder().replay(key(), new_key(), noted.highest).unwrap();
        shop.start_with(vault);
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        shop.is_mended(&noted, true).await;
        let whole = shop.verify(&Expectations::new().receipt(&noted.alices_receipt).anchor(noted.entry)).unwrap();
        assert!(whole.gaps.is_empty());
    }

    // The table knows no more than the older journal. That the vault never issued a number of the register's is no row that was changed by
    // hand: what is sealed under it proves that the vault went back.
    async fn the_vault_and_the_journal_and_nothing_was_flushed_since() {
        let mut shop = Shop::open().await;
        shop.vault.clone().close().unwrap();
        for part in ["vault", "log"] {
            shop.keep(part);
        }
        shop.start().unwrap();
        shop.sign_up("erin").await;
        let highest = shop.db.ask("SELECT max(number) AS answer FROM oubliette_numbers").await[0].parse().unwrap();
        shop.vault.clone().close().unwrap();
        shop.put_back("vault");
        shop.put_back("log");
        shop.start().unwrap();
        let refused = [
            own_transaction!(shop.db, shop.register, reconcile()).map(drop),
            on!(shop.db, shop.register, grant(&who("erin"), contract())).map(drop),
            own_transaction!(shop.db, shop.register, erase(&who("erin"), why("asked"))).map(drop),
        ];
        for refused in refused {
            let is_told = matches!(&refused, Err(RegisterError::KeyStore(KeyStoreError::RolledBack { have, seen })) if have < seen);
            assert!(is_told, "{refused:?}");
        }
        shop.vault.clone().close().unwrap();
        shop.start_with(shop.builder().replay(key(), new_key(), highest).unwrap());
        let reconciled = own_transaction!(shop.db, shop.register, reconcile()).unwrap();
        assert!(reconciled.misassigned.is_empty() && shop.opens_of("erin"));
        let granted = on!(shop.db, shop.register, grant(&who("frank"), contract())).unwrap();
        assert!(granted.number > highest);
    }

    // All three agree: nothing in them tells. What was noted elsewhere does, and knows no more than was noted.
    async fn everything() {
        let mut shop = Shop::open().await;
        let noted = shop.day().await;
        shop.put_back("vault");
        shop.put_back("log");
        shop.db.restore().await;
        shop.start().unwrap();
        own_transaction!(shop.db, shop.register, resume()).unwrap();
        assert!(shop.opens_of("alice"), "this is what must not be");
        shop.vault.clone().close().unwrap();
        let demanded = shop.builder().demand_generation(noted.generation).unlock(key());
        assert!(matches!(demanded, Err(UnlockError::BehindDemand { .. })), "{demanded:?}");
        is_cut_off_for_an_auditor(&shop, &noted);

        let receipt = noted.alices_receipt.content();
        let erased = receipt.numbers.ranges().flat_map(|(first, last)| [first.into(), last.into()]);
        let recovery = Recovery::beyond(noted.generation, noted.highest).shredded(erased);
        shop.start_with(shop.builder().recover(key(), recovery, new_key()).unwrap());
        assert!(!shop.opens_of("alice"));
        assert!(shop.opens_of("bob's newsletter"), "nobody noted that he withdrew");
        own_transaction!(shop.db, shop.register, withdraw(&who("bob"), NEWSLETTER, why("withdrawn before the restore"))).unwrap();
        own_transaction!(shop.db, shop.register, reconcile()).unwrap();
        match own_transaction!(shop.db, shop.register, erase(&who("alice"), why("erased before the restore"))) {
            Ok(_) | Err(RegisterError::UnknownSubject) => {}
            other => panic!("{other:?}"),
        }
        shop.is_mended(&noted, false).await;
    }
}
