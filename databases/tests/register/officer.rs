//! The role of a privacy officer in PostgreSQL, as OFFICER.md of the command makes it: what it may, and what it may not.

use oubliette_register::{Answer, RequestKind, Rules, Signed};
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::Db;
use crate::support::*;

const UNTIL: &str = "2026-06-01T00:00:00Z";
const OFFICER: &str = include_str!("../../../cli/OFFICER.md");

/// The statements that the page has.
fn role() -> &'static str {
    OFFICER.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).expect("OFFICER.md has the role's SQL")
}

bodies! {
    async fn the_officers_role_may_do_what_a_desk_does_and_no_more() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        db.sql(CUSTOMERS).await;
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.sql(role()).await;
        let theirs = db.url().replace("postgres://postgres@", "postgres://officer@");
        let pool = PgPool::connect(&theirs).await.unwrap();

        // All that a desk does, within one connection of the role's.
        let mut connection = pool.acquire().await.unwrap();
        macro_rules! officer {
            ($call:ident($($argument:expr),* $(,)?)) => {
                desk.in_transaction_postgres(&mut connection).$call($($argument),*).await.unwrap()
            };
        }
        officer!(check_tables());
        officer!(compare_rules());
        let now = shop.register_now();
        let request = officer!(request(&who("alice"), RequestKind::Access, now)).id;
        let erasure = officer!(request(&who("nobody"), RequestKind::Erasure, now)).id;
        officer!(extend(request, why("complex")));
        officer!(note_request(request, why("asked for proof")));
        officer!(close_request(erasure, Answer::Refused, Some(why("unknown here"))));
        let hold = officer!(hold(&who("alice"), None, why("case 7"), at(UNTIL)));
        let over = officer!(hold(&who("alice"), Some(ORDERS), why("case 8"), at(UNTIL)));
        officer!(end_hold(over, why("settled")));
        assert_eq!((officer!(requests()).len(), officer!(late_requests()).len()), (1, 0));
        assert_eq!(officer!(holds(&who("alice"))).len(), 1);
        assert!(officer!(due()).is_empty());
        officer!(breach_situation(Vec::new(), None));
        assert_eq!(officer!(unsigned()).len(), 8);
        assert_eq!(officer!(signed_requests(&[request, erasure])), [Signed::NotYet; 2]);
        own_transaction!(db, shop.register, flush()).unwrap();
        assert!(matches!(officer!(signed_holds(&[hold, over]))[..], [Signed::Entry(_), Signed::Entry(_)]));

        // And nothing else.
        let tag = db.ask("SELECT value AS answer FROM oubliette_meta WHERE name = 'register'").await.remove(0);
        let told = |event: &str| {
            format!("INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000001', '{event}')")
        };
        let mut refused = vec![
            told(r#"{"kind":"erased","numbers":[1],"commitment":"AAAA"}"#),
            told(r#"{"kind":"granted","grant":1,"number":1,"purpose":"orders","basis":"contract"}"#),
            told(r#"{"kind":"merged","numbers":[1],"into":[2]}"#),
            told(r#"{"kind":"hold_overridden","hold":1,"what":"shred","why":"x"}"#),
            told(r#"{"kind":"hold","kind":"erased"}"#),
            told("no JSON"),
            "SELECT * FROM customers".to_owned(),
            "CREATE TABLE mine (x BIGINT)".to_owned(),
            "UPDATE oubliette_subjects SET state = 'erasing'".to_owned(),
            "UPDATE oubliette_subjects SET subject = 'mallory'".to_owned(),
            "UPDATE oubliette_holds SET until = 0".to_owned(),
            "UPDATE oubliette_requests SET kind = 'erasure'".to_owned(),
            "UPDATE oubliette_requests SET not_before = 0".to_owned(),
            "UPDATE oubliette_numbers SET state = 'shred_pending'".to_owned(),
            "UPDATE oubliette_grants SET until = NULL".to_owned(),
            "UPDATE oubliette_marks SET at = 0".to_owned(),
            "UPDATE oubliette_meta SET value = 'x'".to_owned(),
            "UPDATE oubliette_outbox SET event = 'x'".to_owned(),
            "UPDATE oubliette_journal SET line = 'x'".to_owned(),
            "INSERT INTO oubliette_numbers (number, subject_id, purpose, state, since) VALUES (9, 1, 'orders', 'live', 0)".to_owned(),
            "INSERT INTO oubliette_journal (n, line) VALUES (99, 'x')".to_owned(),
            "INSERT INTO oubliette_work VALUES ('customers', 'no', 'email_idx', 1)".to_owned(),
        ];
        let tables = db.ask("SELECT tablename AS answer FROM pg_tables WHERE tablename LIKE 'oubliette%'").await;
        assert_eq!(tables.len(), 12, "OFFICER.md names them all: {tables:?}");
        for table in &tables {
            connection.execute(AssertSqlSafe(format!("SELECT * FROM {table}"))).await.unwrap();
            refused.extend(["DELETE FROM", "TRUNCATE", "DROP TABLE"].map(|what| format!("{what} {table}")));
        }
        let before = db.dump().await;
        for statement in refused {
            let done = connection.execute(AssertSqlSafe(statement.clone())).await;
            assert!(done.is_err(), "{statement}");
        }
        assert_eq!(db.dump().await, before);
        drop(connection);
        pool.close().await;
    }
}
