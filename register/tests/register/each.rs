//! Each body once a database: an `async fn` that becomes a test of the name it has.

/// SQLite waits for nothing, so that its futures need no runtime; PostgreSQL's tests run in tokio's.
macro_rules! bodies {
    ($(async fn $name:ident() $body:block)*) => {$(
        #[test]
        fn $name() {
            crate::Db::run(async $body);
        }
    )*};
}
