//! Passwords and sessions: nothing here changes when personal columns are sealed, so both services use this one file.

use std::str::FromStr;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rand::TryRng;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::service::{App, Error};

/// The user whose session the request carries, as `Authorization: Bearer ...`.
pub struct Session(pub i64);

impl FromRequestParts<App> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Session, Error> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let session = header.strip_prefix("Bearer ").ok_or(Error::NoSession)?;
        let user =
            sqlx::query_scalar("SELECT user_id FROM sessions WHERE hash = $1 AND begun > now() - interval '1 day'");
        let user = user.bind(hash_of_session(session)).fetch_optional(&app.db).await?;
        user.map(Session).ok_or(Error::NoSession)
    }
}

/// A new session. The table keeps its hash, so that whoever reads the table cannot use it.
pub async fn begin(app: &App, user: i64) -> Result<String, Error> {
    let mut secret = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut secret).map_err(|_| Error::Hash)?;
    let session = hex::encode(secret);
    sqlx::query("INSERT INTO sessions (hash, user_id) VALUES ($1, $2)")
        .bind(hash_of_session(&session))
        .bind(user)
        .execute(&app.db)
        .await?;
    Ok(session)
}

fn hash_of_session(session: &str) -> Vec<u8> {
    Sha256::digest(session).to_vec()
}

pub async fn hash_of<H: FromStr>(password: String) -> Result<H, Error> {
    let hash = spawn_blocking(move || Some(Argon2::default().hash_password(password.as_bytes()).ok()?.to_string()));
    hash.await.ok().flatten().and_then(|hash| hash.parse().ok()).ok_or(Error::Hash)
}

/// Nobody knows its password.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$VQOdCUwzmKdwk8IkwDPNMKQIoqsMzHjMvSA31KjC7eg";

/// Takes as long without a hash, so that the time does not tell which emails have an account.
pub async fn check(password: String, hash: Option<&str>) -> Result<(), Error> {
    let hash = hash.unwrap_or(NOBODYS).to_owned();
    let matches = spawn_blocking(move || {
        let hash = PasswordHash::new(&hash).ok()?;
        Argon2::default().verify_password(password.as_bytes(), &hash).ok()
    });
    matches.await.ok().flatten().ok_or(Error::WrongPassword)
}

#[cfg(test)]
#[test]
fn nobodys_hash_takes_its_time() {
    // Neither a hash that is not understood nor one of other costs.
    let hash = PasswordHash::new(NOBODYS).unwrap();
    let checked = Argon2::default().verify_password(b"anything", &hash);
    assert_eq!(checked, Err(argon2::password_hash::Error::PasswordInvalid));
    let own = Argon2::default().hash_password(b"anything").unwrap();
    assert_eq!((&hash.algorithm, hash.version, &hash.params), (&own.algorithm, own.version, &own.params));
}
