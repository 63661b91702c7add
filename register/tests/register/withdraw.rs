//! Consent withdrawn, and given again.

use jiff::ToSpan;
use oubliette::journal::Event;
use oubliette::testing::Stop;
use oubliette_register::{Basis, Grant, Keep, RegisterError, Rules};

use crate::Db;
use crate::support::*;

bodies! {
    async fn consent_given_again_gets_a_new_number() {
        let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
        db.sql(CUSTOMERS).await;
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        let orders = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        let order = orders.seal(EMAIL, &email()).unwrap();
        let first = on!(db, shop.register, grant(&alice, consent())).unwrap();
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let old = keys.seal(NEWS_EMAIL, &email()).unwrap();
        db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token'), (999, 'other', 'other')", first.number)).await;

        let withdrawn = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert_eq!((withdrawn.ended, withdrawn.tokens_left), (1, 0));
        assert!(withdrawn.shredded.is_some() && withdrawn.held.is_none() && withdrawn.kept_for.is_empty());
        assert!(!shop.opens(&keys, &old, NEWS_EMAIL) && shop.opens(&orders, &order, EMAIL));
        assert!(keys.seal(NEWS_EMAIL, &email()).is_err(), "the old handle is dead");
        assert!(matches!(on!(db, shop.register, keys(&alice, NEWSLETTER)), Err(RegisterError::NoGrant { .. })));
        assert_eq!(db.ask("SELECT email_idx AS answer FROM customers ORDER BY no").await, ["", "other"]);
        assert_eq!(db.ask("SELECT \"odd \"\"name`\" AS answer FROM customers ORDER BY no").await, ["", "other"]);
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_work").await, ["0"]);

        // A second call has no effect, and is no error.
        let twice = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert!(twice.ended == 0 && twice.shredded.is_none());

        let again = on!(db, shop.register, grant(&alice, consent())).unwrap();
        assert!(again.is_new_number && again.number != first.number);
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        assert!(shop.opens(&keys, &keys.seal(NEWS_EMAIL, &email()).unwrap(), NEWS_EMAIL));
        assert!(!shop.opens_by(first.number, &old, NEWS_EMAIL));
        let journal = shop.journal();
        assert_eq!(count(&journal, |event| matches!(event, Event::Ended { .. })), 1);
        assert!(matches!(journal.iter().find(|event| matches!(event, Event::Shred { .. })),
            Some(Event::Shred { why: Some(reason), purpose: Some(purpose), .. })
                if reason.as_str() == "unsubscribed" && purpose.as_str() == "newsletter"));
    }

    async fn another_basis_keeps_it() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        on!(db, shop.register, grant(&alice, consent().to("mailer"))).unwrap();
        let law = Grant::on(NEWSLETTER, Basis::LegalObligation).until(at("2027-01-01T00:00:00Z"));
        on!(db, shop.register, grant(&alice, law)).unwrap();
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        let kept = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert_eq!((kept.ended, kept.kept_for.as_slice()), (2, &[Basis::LegalObligation][..]));
        assert!(kept.shredded.is_none() && shop.opens(&keys, &sealed, NEWS_EMAIL));
        let ended = own_transaction!(db, shop.register, end_purpose(&alice, NEWSLETTER, why("no law any more"))).unwrap();
        assert!(ended.shredded.is_some() && !shop.opens(&keys, &sealed, NEWS_EMAIL));
    }

    async fn a_basis_that_is_over_keeps_nothing() {
        let rules = Rules::new().keep(NEWSLETTER, Keep::after_last("visit", 1.month()));
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, Grant::on(NEWSLETTER, Basis::LegitimateInterests))).unwrap();
        shop.set_now("2026-02-28T09:59:59.999Z");
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        let kept = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert_eq!((kept.ended, kept.kept_for.as_slice()), (1, &[Basis::LegitimateInterests][..]));
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        // A month after the last visit, or the grant; and no sweep has been there.
        shop.set_now("2026-02-28T10:00:00Z");
        let gone = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert!(gone.kept_for.is_empty() && gone.shredded.is_some() && gone.ended == 2);
        assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL));
    }

    async fn a_recipient_is_told_no_more() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        on!(db, shop.register, grant(&alice, contract().to("carrier"))).unwrap();
        let ended = on!(db, shop.register, withdraw_recipient(&alice, ORDERS, "carrier", why("asked")));
        assert_eq!(ended.unwrap(), 1);
        assert_eq!(on!(db, shop.register, withdraw_recipient(&alice, ORDERS, "carrier", why("asked"))).unwrap(), 0);
        assert!(on!(db, shop.register, keys(&alice, ORDERS)).is_ok());
    }

    async fn a_hold_delays_the_shred_and_not_the_end() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        let until = at("2026-06-01T00:00:00Z");
        on!(db, shop.register, hold(&alice, Some(NEWSLETTER), why("case 7"), until)).unwrap();
        let held = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert!(held.shredded.is_none() && held.held.is_some_and(|hold| hold.until == until));
        assert!(on!(db, shop.register, keys(&alice, NEWSLETTER)).is_err(), "nothing is sealed any more");
        assert_eq!(own_transaction!(db, shop.register, resume()).unwrap().shredded, 0);
        assert!(shop.opens(&keys, &sealed, NEWS_EMAIL));
        // Consent given meanwhile is of a new number, which the old shred does not reach.
        let again = on!(db, shop.register, grant(&alice, consent())).unwrap();
        shop.set_now("2026-06-01T00:00:00Z");
        assert_eq!(own_transaction!(db, shop.register, resume()).unwrap().shredded, 1);
        assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL) && again.number != keys.customer());
        assert!(on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap().seal(NEWS_EMAIL, &email()).is_ok());
    }

    async fn interrupted_anywhere_it_is_finished() {
        let mut stopped = 0;
        for step in 1.. {
            let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
            db.sql(CUSTOMERS).await;
            on!(db, shop.register, create_tables()).unwrap();
            let alice = who("alice");
            let granted = on!(db, shop.register, grant(&alice, consent())).unwrap();
            db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", granted.number)).await;
            let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
            let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            shop.steps.stop_at(step, Stop::Die { torn: false });
            let first = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed")));
            let died = shop.steps.died();
            shop.steps.reset();
            own_transaction!(db, shop.register, resume()).unwrap();
            if on!(db, shop.register, keys(&alice, NEWSLETTER)).is_ok() {
                assert!(first.is_err() && step == 1, "only before it was decided");
                own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
            }
            assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL), "step {step}");
            assert_eq!(db.ask("SELECT state AS answer FROM oubliette_numbers").await, ["shredded"]);
            assert_eq!(db.ask("SELECT email_idx AS answer FROM customers").await, [""]);
            assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_outbox").await, ["0"]);
            let journal = shop.journal();
            assert_eq!(count(&journal, |event| matches!(event, Event::Granted { .. })), 1);
            assert_eq!(count(&journal, |event| matches!(event, Event::Ended { .. })), 1);
            if !died {
                break;
            }
            stopped += 1;
        }
        assert!(stopped >= 5, "{stopped}");
    }

    async fn tokens_that_cannot_be_cleared_stay_on_the_list() {
        let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let granted = on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        // The table is not there yet.
        let withdrawn = own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("unsubscribed"))).unwrap();
        assert_eq!(withdrawn.tokens_left, 2);
        assert!(matches!(own_transaction!(db, shop.register, resume()), Err(RegisterError::Database(_))));
        db.sql(CUSTOMERS).await;
        db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", granted.number)).await;
        own_transaction!(db, shop.register, resume()).unwrap();
        assert_eq!(db.ask("SELECT email_idx AS answer FROM customers").await, [""]);
    }

    async fn names_of_tables_and_columns_are_names() {
        let evil = "customers\"; DROP TABLE keep; --";
        let rules = Rules::new().tokens(evil, "no", ["a`b"]).tokens("customers", "no) OR (1=1", ["email_idx"]);
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        db.sql("CREATE TABLE keep (a TEXT)").await;
        db.sql(CUSTOMERS).await;
        on!(db, shop.register, create_tables()).unwrap();
        db.sql("INSERT INTO customers VALUES (999, 'other', 'other')").await;
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        let withdrawn = own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("unsubscribed"))).unwrap();
        assert!(withdrawn.shredded.is_some() && withdrawn.tokens_left == 2);
        assert_eq!(db.ask("SELECT count(*) AS answer FROM keep").await, ["0"]);
        assert_eq!(db.ask("SELECT email_idx AS answer FROM customers").await, ["other"]);
    }
}
