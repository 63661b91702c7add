//! Routes, and what they answer.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use oubliette::personal::{Email, Name, Text, serialize_exposed};
use oubliette::{Held, KeyStoreError, OpenError, Outcome, SealError, ShredError, Vault, search::TokenError};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::session::{self, Session};
use crate::user::User;

#[derive(Clone)]
pub struct App {
    pub db: PgPool,
    pub vault: Vault,
}

pub fn routes(app: App) -> Router {
    Router::new()
        .route("/users", post(register))
        .route("/sessions", post(log_in))
        .route("/me", get(show).put(change).delete(leave))
        .route("/me/newsletter", put(consent).delete(withdraw))
        .with_state(app)
}

#[derive(Deserialize)]
struct Registration {
    #[serde(flatten)]
    profile: Profile,
    password: String,
}

#[derive(Serialize, Deserialize)]
#[rustfmt::skip] // a line a field
struct Profile {
    #[serde(serialize_with = "serialize_exposed")] name: Name,
    #[serde(serialize_with = "serialize_exposed")] email: Email,
    #[serde(serialize_with = "serialize_exposed")] phone: Option<Text>,
    #[serde(serialize_with = "serialize_exposed", skip_deserializing)] newsletter: Option<Email>,
}

#[derive(Deserialize)]
struct Credentials {
    email: Email,
    password: String,
}

async fn register(State(app): State<App>, Json(new): Json<Registration>) -> Result<StatusCode, Error> {
    let Profile { name, email, phone, .. } = new.profile;
    let password = session::hash_of(new.password).await?;
    let mut change = app.db.begin().await?;
    if app.user_id_of(&mut change, &email).await?.is_some() {
        return Err(Error::EmailTaken);
    }
    let id = app.next_id(&mut change).await?;
    let no = app.vault.enroll_async().await?;
    let user = User { id, no, name, email, phone, password, news_no: None, news_email: Held::Absent };
    app.save(&mut change, &user).await?;
    change.commit().await?;
    Ok(StatusCode::CREATED)
}

async fn log_in(State(app): State<App>, Json(given): Json<Credentials>) -> Result<(StatusCode, Json<String>), Error> {
    let mut look = app.db.begin().await?;
    let user = match app.user_id_of(&mut look, &given.email).await? {
        Some(id) => Some(app.user(&mut look, id).await?),
        None => None,
    };
    look.rollback().await?;
    let hash = user.as_ref().map(|user| user.password.expose_personal_data());
    session::check(given.password, hash).await?;
    let session = session::begin(&app, user.ok_or(Error::WrongPassword)?.id).await?;
    Ok((StatusCode::CREATED, Json(session)))
}

async fn show(State(app): State<App>, Session(id): Session) -> Result<Json<Profile>, Error> {
    let mut look = app.db.begin().await?;
    let User { name, email, phone, news_email, .. } = app.user(&mut look, id).await?;
    look.rollback().await?;
    Ok(Json(Profile { name, email, phone, newsletter: news_email.kept() }))
}

async fn change(State(app): State<App>, Session(id): Session, Json(new): Json<Profile>) -> Result<StatusCode, Error> {
    let mut change = app.db.begin().await?;
    let mut user = app.user(&mut change, id).await?;
    if app.user_id_of(&mut change, &new.email).await?.is_some_and(|other| other != id) {
        return Err(Error::EmailTaken);
    }
    (user.name, user.email, user.phone) = (new.name, new.email, new.phone);
    app.save(&mut change, &user).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn consent(State(app): State<App>, Session(id): Session) -> Result<StatusCode, Error> {
    let mut change = app.db.begin().await?;
    let mut user = app.user(&mut change, id).await?;
    // A number is not written over, since nobody could shred it then.
    if user.news_no.is_some() {
        return Err(Error::Consented);
    }
    (user.news_no, user.news_email) = (Some(app.vault.enroll_async().await?), Held::Kept(user.email.clone()));
    app.save(&mut change, &user).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn withdraw(State(app): State<App>, Session(id): Session) -> Result<StatusCode, Error> {
    let mut change = app.db.begin().await?;
    let mut user = app.user(&mut change, id).await?;
    let _ = app.vault.shredding(user.news_no.take()).purpose(crate::user::NEWSLETTER).start().await?;
    user.news_email = Default::default();
    app.save(&mut change, &user).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn leave(State(app): State<App>, Session(id): Session) -> Result<StatusCode, Error> {
    let mut change = app.db.begin().await?;
    let user = app.user(&mut change, id).await?;
    // The shred comes first. If the process dies after it, the row still says whom to shred, and `keeper sweep` deletes
    // it, token and all. With the row deleted first, nobody could name the customer whom all backups still hold.
    let _ = app.vault.shredding([user.no].into_iter().chain(user.news_no).collect::<Vec<_>>()).start().await?;
    app.delete(&mut change, user.id).await?;
    change.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log in first")]
    NoSession,
    #[error("the email or the password is wrong")]
    WrongPassword,
    #[error("there is an account with this email")]
    EmailTaken,
    #[error("there is a consent already; withdraw it first")]
    Consented,
    #[error("a password could not be hashed")]
    Hash,
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    #[error("the vault refused")]
    Vault(#[source] oubliette::Error),
}

macro_rules! from_vault {
    ($($E:ty),*) => { $(impl From<$E> for Error { fn from(e: $E) -> Error { Error::Vault(e.into()) } })* };
}
from_vault!(KeyStoreError, OpenError, SealError, ShredError, TokenError);

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        let taken = error.as_database_error().is_some_and(|error| error.is_unique_violation());
        if taken { Error::EmailTaken } else { Error::Database(error) }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match &self {
            Error::NoSession | Error::WrongPassword => StatusCode::UNAUTHORIZED,
            Error::EmailTaken | Error::Consented => StatusCode::CONFLICT,
            Error::Vault(error) if error.outcome() == Outcome::Erased => StatusCode::GONE,
            Error::Vault(error) if error.outcome() == Outcome::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            log(status, &self);
            return status.into_response();
        }
        (status, self.to_string()).into_response()
    }
}

/// Neither PostgreSQL's messages nor their causes repeat a value; its details would, and they are not printed.
fn log(status: StatusCode, error: &dyn std::error::Error) {
    eprint!("{status}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprint!(": {cause}");
        source = cause.source();
    }
    eprintln!();
}
