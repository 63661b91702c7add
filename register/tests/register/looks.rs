//! Tables that say something else at each look. In SQLite alone: what is tried is how often the register looks.

use oubliette_register::Rules;

use crate::Db;
use crate::support::*;

/// A view stands in place of the customers' ids. Numbers and the id on the receipt come of one look.
#[test]
fn rows_that_change_between_two_looks_make_no_receipt() {
    // Which of the two names a look shows is left to chance.
    for _ in 0..16 {
        Db::run(two_looks());
    }
}

async fn two_looks() {
    let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
    on!(db, shop.register, create_tables()).unwrap();
    let mut sealed = Vec::new();
    for id in ["alice", "bob"] {
        on!(db, shop.register, grant(&who(id), contract())).unwrap();
        let keys = on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
        sealed.push((keys.customer(), keys.seal(EMAIL, &email()).unwrap()));
    }
    own_transaction!(db, shop.register, flush()).unwrap();
    db.sql(
            "ALTER TABLE oubliette_subjects RENAME TO kept;
             UPDATE kept SET subject = 'x' WHERE subject = 'alice';
             CREATE VIEW oubliette_subjects AS SELECT id, state, since, merged_into, why, decided_at, requested_at, commitment, erased_at,
                 CASE WHEN subject = 'bob' AND random() % 2 = 0 THEN 'alice' ELSE subject END AS subject FROM kept;
             CREATE TRIGGER changed INSTEAD OF UPDATE ON oubliette_subjects BEGIN
                 UPDATE kept SET state = NEW.state, why = NEW.why, decided_at = NEW.decided_at WHERE id = OLD.id; END;
             CREATE TRIGGER removed INSTEAD OF DELETE ON oubliette_subjects BEGIN SELECT 1; END;",
        )
        .await;
    for _ in 0..300 {
        if let Ok(erased) = own_transaction!(db, shop.register, erase(&who("bob"), why("asked")))
            && let Some(receipt) = erased.receipt
        {
            assert_ne!(receipt.content().whose.as_str(), "alice", "her data still opens");
            break;
        }
    }
    assert!(shop.opens_by(sealed[0].0, &sealed[0].1, EMAIL));
}
