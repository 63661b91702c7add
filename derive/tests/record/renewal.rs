//! Records whose purposes get a new key tree.

use oubliette::{Error, OpenError};

use super::*;

#[test]
fn a_record_is_moved_to_the_newest_trees() {
    let vault = vault();
    let user = alice(&vault);
    let mut row = user.seal(&vault).unwrap();
    let before = row.clone();
    assert!(!row.reseal(&vault).unwrap());
    assert_eq!(row, before, "nothing to move");
    let newsletter = vault.rotate_purpose(NEWSLETTER).unwrap();
    assert!(row.reseal(&vault).unwrap());
    assert_ne!(row.news, before.news);
    assert_eq!(row, SealedUser { news: row.news.clone(), ..before.clone() }, "only the other purpose's");

    let orders = vault.rotate_purpose(ORDERS).unwrap();
    assert!(row.reseal(&vault).unwrap());
    for (purpose, new) in [(ORDERS, orders.0), (NEWSLETTER, newsletter.0)] {
        let _ = vault.retire_replaced(purpose, new).unwrap();
    }
    assert_eq!(row.open(&vault).unwrap(), user);
    assert_eq!(row.email_idx, before.email_idx, "tokens stay");
    assert!(matches!(before.open(&vault), Err(OpenError::Retired { .. })));
}

#[test]
fn a_shredded_consent_does_not_stop_it() {
    let vault = vault();
    let user = alice(&vault);
    let mut row = user.seal(&vault).unwrap();
    let _ = vault.shredding([user.news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
    for purpose in [ORDERS, NEWSLETTER] {
        let _ = vault.rotate_purpose(purpose).unwrap();
    }
    let news = row.news.clone();
    assert!(row.reseal(&vault).unwrap());
    assert_eq!(row.news, news);
    assert!(!row.reseal(&vault).unwrap(), "done");
    assert_eq!(row.open(&vault).unwrap(), User { news: Held::Shredded, ..user });
}

#[test]
fn after_an_error_the_record_is_unchanged() {
    let vault = vault();
    let mut row = alice(&vault).seal(&vault).unwrap();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    // The last column does not open.
    row.id = Uuid::from_u128(8);
    let before = row.clone();
    assert!(matches!(row.reseal(&vault), Err(Error::Open(OpenError::NotAuthentic { .. }))));
    assert_eq!(row, before);
}
