//! Whoever can write the database has the register sign what it told the journal, and nothing else.

use oubliette::journal::Event;
use oubliette_register::{RegisterError, Rules};

use crate::Db;
use crate::support::*;

bodies! {
    async fn the_outbox_has_the_vault_shred_nobody() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        let good = db.ask("SELECT event AS answer FROM oubliette_outbox").await;
        let vault = shop.vault.status().unwrap();
        let events = [
            format!(r#"{{"kind":"shred","whom":{{"through":{}}}}}"#, keys.customer()),
            format!(r#"{{"kind":"shred","whom":{{"numbers":[{}]}},"purpose":"orders"}}"#, keys.customer()),
            r#"{"kind":"rotate_root_key"}"#.to_owned(),
            format!(r#"{{"kind":"retire_replaced","purpose":"orders","new":"{}"}}"#, vault.purposes[0].tree),
            r#"{"kind":"recover","seen":9}"#.to_owned(),
            r#"{"kind":"outcome","of":1,"result":"done"}"#.to_owned(),
            r#"{"kind":"torn","bytes":7}"#.to_owned(),
        ];
        for forged in events {
            let _: Event = serde_json::from_str(&forged).unwrap();
            db.sql(&format!("UPDATE oubliette_outbox SET event = '{forged}'")).await;
            let refused = alone!(db, shop.register, flush());
            assert!(matches!(refused, Err(RegisterError::NotOurs { .. })), "{forged}: {refused:?}");
            assert_eq!(shop.journal().len(), 1, "{forged}");
        }
        db.sql(&format!("UPDATE oubliette_outbox SET event = '{}'", good[0])).await;
        alone!(db, shop.register, flush()).unwrap();
        // The next to unlock the vault finishes what the journal says was begun.
        let again = shop.memory.builder().journal(shop.place.path().join("journal"));
        let again = again.unlock(oubliette::testing::TestVault::root_key()).unwrap();
        assert!(again.open(keys.customer(), EMAIL, &sealed).is_ok());
    }
}
