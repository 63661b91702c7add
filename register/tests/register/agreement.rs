//! Programs that work on one register, and their rules.

use jiff::{SignedDuration, ToSpan};
use oubliette_register::{Keep, Register, RegisterError, Rules};

use crate::Db;
use crate::support::*;

fn rules() -> Rules {
    with_tokens().keep(NEWSLETTER, Keep::after_grant(2.years())).keep(ORDERS, Keep::after_last("order", 10.years()))
}

bodies! {
    async fn rules_are_compared_with_those_that_made_the_tables() {
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let of = |rules: Rules| Register::new(&shop.vault, rules).unwrap();
        // In another order, which is no other rule.
        let same = Rules::new().keep(ORDERS, Keep::after_last("order", 10.years()));
        let same = of(same.keep(NEWSLETTER, Keep::after_grant(2.years())).tokens("customers", "no", ["odd \"name`", "email_idx"]));
        let found = on!(db, same, compare_rules()).unwrap().unwrap();
        assert!(found.is_empty(), "{found:?}");
        let other = of(with_tokens().keep(NEWSLETTER, Keep::after_grant(2.months())).grace(SignedDuration::from_hours(24)));
        let found = on!(db, other, compare_rules()).unwrap().unwrap();
        assert_eq!((found.only_here.len(), found.only_there.len()), (2, 2), "{found:?}");
        assert!(found.only_here.iter().any(|rule| rule.contains("P2M")), "{found:?}");
        assert!(found.only_there.iter().any(|rule| rule.contains("P2Y")), "{found:?}");
        // The application's new version has them written down; a second program without rules says nothing.
        on!(db, other, create_tables()).unwrap();
        assert!(!on!(db, shop.register, compare_rules()).unwrap().unwrap().is_empty());
        on!(db, of(Rules::new()), create_tables()).unwrap();
        assert!(on!(db, other, compare_rules()).unwrap().unwrap().is_empty());
        db.sql("DELETE FROM oubliette_meta WHERE name = 'rules'").await;
        assert_eq!(on!(db, other, compare_rules()).unwrap(), None);
    }

    async fn tables_are_checked_and_not_made() {
        let (shop, other, db) = (Shop::new(rules()), Shop::new(rules()), Db::new().await);
        assert!(matches!(on!(db, shop.register, check_tables()), Err(RegisterError::Database(_))));
        assert!(matches!(on!(db, shop.register, check_tables()), Err(RegisterError::Database(_))), "none were made");
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, check_tables()).unwrap();
        assert!(matches!(on!(db, other.register, check_tables()), Err(RegisterError::OtherVault)));
    }
}
