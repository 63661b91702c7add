//! Many records at once.

use oubliette::{OpenError, SealError};

use super::*;

#[test]
fn each_row_has_its_own_result_in_its_place() {
    let vault = vault();
    let mut users: Vec<User> = (0..600)
        .map(|count| User { id: Uuid::from_u128(count), news: Held::Absent, news_no: None, ..alice(&vault) })
        .collect();
    for user in users.iter_mut().step_by(3) {
        user.news_no = Some(vault.enroll().unwrap());
        user.news = Held::Kept("alice@example.org".parse().unwrap());
    }
    // Two rows of one customer, and not in order of number.
    users[400].no = users[2].no;
    users.swap(0, 599);
    let mut rows: Vec<SealedUser> =
        users.iter().map(|user| user.seal(&vault)).collect::<Result<_, SealError>>().unwrap();
    let _ = vault.shred([users[300].no]).unwrap();
    let _ = vault.shredding([users[303].news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
    users[303].news = Held::Shredded;
    rows[5].id = Uuid::nil();

    let check = |opened: Vec<Result<User, OpenError>>| {
        assert_eq!(opened.len(), users.len());
        for (place, (user, opened)) in users.iter().zip(opened).enumerate() {
            match (place, opened) {
                (300, Err(OpenError::Shredded { .. })) | (5, Err(OpenError::NotAuthentic { .. })) => {}
                (_, Ok(opened)) => assert_eq!(&opened, user, "{place}"),
                (_, other) => panic!("{place}: {other:?}"),
            }
        }
    };
    check(SealedUser::open_all(&rows, &vault).collect());
    check(rows.iter().map(|row| row.open(&vault)).collect());
    check(SealedUser::open_all(rows, &vault).collect());
    assert!(SealedUser::open_all(Vec::<SealedUser>::new(), &vault).next().is_none());
}

#[test]
fn a_shred_between_two_rows_is_seen() {
    let vault = vault();
    let users: Vec<User> = (0..10).map(|_| alice(&vault)).collect();
    let rows: Vec<SealedUser> = users.iter().map(|user| user.seal(&vault).unwrap()).collect();
    let mut opened = SealedUser::open_all(rows, &vault);
    assert!(opened.next().unwrap().is_ok());
    let _ = vault.shred([users[1].no]).unwrap();
    let _ = vault.shred([users[2].news_no.unwrap()]).unwrap();
    assert!(matches!(opened.next(), Some(Err(OpenError::Shredded { .. }))), "its keys were ready");
    assert_eq!(opened.next().unwrap().unwrap().news, Held::Shredded);
    assert!(opened.all(|row| row.is_ok()));
}
