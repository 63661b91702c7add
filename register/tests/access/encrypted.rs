//! Data encrypted to its recipient, and opened by age.

use std::io::Read;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use oubliette::testing::assert_no_plaintext;
use oubliette_register::{Disclosure, DisclosureError, RegisterError, Rules};
use serde_json::Value;

use crate::Db;
use crate::disclosed::{customers, declared, told, written};
use crate::shop::{self, ADDRESS, NAME, User};
use crate::support::*;
use crate::table;

fn decrypted(file: &[u8], identity: &Identity) -> Option<Value> {
    let decryptor = age::Decryptor::new(file).unwrap();
    let mut reader = decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)).ok()?;
    let mut json = Vec::new();
    reader.read_to_end(&mut json).unwrap();
    Some(serde_json::from_slice(&json).unwrap())
}

fn label() -> Disclosure {
    Disclosure::to("DHL").field(NAME).field(ADDRESS).column("users", "id")
}

bodies! {
    async fn only_the_recipient_reads_it() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        let (theirs, other) = (Identity::generate(), Identity::generate());
        on!(db, shop.register, grant(&who("alice"), contract().to("DHL"))).unwrap();
        on!(db, shop.register, set_key("DHL", &theirs.to_public().to_string())).unwrap();
        let file = own_transaction!(db, shop.register, disclose(&declared(), &who("alice"), &label())).unwrap();
        assert!(file.starts_with(b"age-encryption.org/v1\n"));
        assert_no_plaintext(&file, table::plaintexts(&user));
        let opened = decrypted(&file, &theirs).unwrap();
        assert_eq!(opened["tables"][0]["rows"][0]["name"], "Alice Ní Bhriain");
        assert_eq!(opened["recipient"], "DHL");
        assert!(decrypted(&file, &other).is_none());
        let mut damaged = file.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let mut reader = age::Decryptor::new(&*damaged).unwrap().decrypt(std::iter::once(&theirs as &dyn age::Identity)).unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        let written = written(&mut db).await;
        assert_eq!(written[0], r#"DHL orders ["users.id","users.name","users.address"] 1"#);
        assert!(written[1].contains(r#""encrypted":true"#), "{written:?}");
        // A new key: what is handed out from now on is for that one alone.
        on!(db, shop.register, set_key("DHL", &other.to_public().to_string())).unwrap();
        let file = own_transaction!(db, shop.register, disclose(&declared(), &who("alice"), &label())).unwrap();
        assert!(decrypted(&file, &theirs).is_none() && decrypted(&file, &other).is_some());
        let notes = told(&mut db, "note").await;
        assert_eq!(notes.len(), 2);
        for key in [&theirs, &other] {
            assert!(notes.iter().any(|note| note.contains(&key.to_public().to_string())), "{notes:?}");
        }
    }

    async fn without_a_key_nothing_leaves() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        on!(db, shop.register, grant(&who("alice"), contract().to("DHL"))).unwrap();
        let before = db.dump().await;
        let refused = own_transaction!(db, shop.register, disclose(&declared(), &who("alice"), &label())).unwrap_err();
        assert!(matches!(&refused, DisclosureError::NoKey { recipient } if recipient == "DHL"), "{refused:?}");
        let secret = Identity::generate();
        let secret = secret.to_string();
        for bad in ["", "age1", "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", secret.expose_secret()] {
            let refused = on!(db, shop.register, set_key("DHL", bad)).unwrap_err();
            assert!(matches!(refused, RegisterError::Invalid { .. }));
            assert!(bad.len() < 8 || !format!("{refused} {refused:?}").contains(bad));
        }
        assert!(matches!(on!(db, shop.register, set_key("", "age1")), Err(RegisterError::Invalid { .. })));
        let (other, good) = (Shop::new(Rules::new()), Identity::generate().to_public().to_string());
        assert!(matches!(on!(db, other.register, set_key("DHL", &good)), Err(RegisterError::OtherVault)));
        assert_eq!(db.dump().await, before);
        // Put there by other hands.
        db.sql("UPDATE oubliette_recipients SET public_key = 'age1nonsense' WHERE recipient = 'DHL'").await;
        let refused = own_transaction!(db, shop.register, disclose(&declared(), &who("alice"), &label())).unwrap_err();
        assert!(matches!(refused, DisclosureError::InvalidKey), "{refused:?}");
        assert_eq!(written(&mut db).await, [""; 0]);
        // A key is no grant.
        on!(db, shop.register, set_key("UPS", &Identity::generate().to_public().to_string())).unwrap();
        let refused = own_transaction!(db, shop.register, disclose(&declared(), &who("alice"), &Disclosure::to("UPS").field(NAME)));
        assert!(matches!(refused, Err(DisclosureError::NoGrant { .. })));
        let _: User = user;
    }
}
