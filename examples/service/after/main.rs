//! A small web service: register, log in, show and change one's data, consent to a newsletter and withdraw that, leave.

mod service;
#[path = "../session.rs"]
mod session;
mod user;

use std::env;
use std::error::Error;

use service::App;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::signal;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let db = PgPool::connect(&env::var("DATABASE_URL")?).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&db).await?;
    let vault = key_store::vault()?.purposes([user::ACCOUNT, user::NEWSLETTER]);
    let app = App { db, vault: vault.unlock(oubliette::RootKey::passphrase(env::var("VAULT_PASSPHRASE")?))? };

    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into())).await?;
    println!("listening on {}", listener.local_addr()?);
    let stop = async { signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, service::routes(app.clone())).with_graceful_shutdown(stop).await?;
    app.db.close().await;
    app.vault.close()?;
    Ok(())
}
