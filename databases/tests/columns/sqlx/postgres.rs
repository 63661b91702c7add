//! PostgreSQL.

use oubliette::Token;
use oubliette_databases::shop::{self, ALICE, BY_EMAIL, Person};

#[path = "bodies.rs"]
#[allow(clippy::duplicate_mod)] // the same tests, with another database’s types
mod bodies;

pub type Db = sqlx::Postgres;
pub const BYTES: &str = "BYTEA";
pub const TOKEN: &str = "BYTEA";
pub const NUMBERED: bool = true;

pub async fn pool() -> sqlx::Pool<Db> {
    sqlx::PgPool::connect(&oubliette_databases::postgres()).await.unwrap()
}

tests!(#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]);

#[tokio::test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
async fn tokens_are_bound_as_one_array() {
    let (vault, pool) = (shop::vault(), bodies::database().await);
    let people = shop::two_people(&vault);
    for person in &people {
        bodies::insert(&pool, person).await;
    }
    let tokens = vault.tokens(BY_EMAIL, &shop::email(ALICE)).unwrap();
    let tokens: Vec<&[u8]> = tokens.iter().map(Token::as_bytes).collect();
    let query = sqlx::query_as::<_, Person>("SELECT * FROM people WHERE email_idx = ANY($1)");
    assert_eq!(query.bind(tokens).fetch_all(&pool).await.unwrap(), people[..1]);
}
