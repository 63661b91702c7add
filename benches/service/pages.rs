//! The pages: routes, sessions and handlers, the same for every variant.

use std::net::SocketAddr;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use oubliette::OpenError;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{SqliteConnection, SqlitePool};
use tokio::net::TcpListener;

/// Where the people are, and how their columns are kept.
pub trait Variant: Clone + Send + Sync + 'static {
    type Profile: Serialize + Send;
    type Listed: Serialize + Send;
    type Person: Serialize + Send;

    fn db(&self) -> &SqlitePool;

    fn user(&self, db: &mut SqliteConnection, id: i64) -> impl Future<Output = Result<Self::Profile, Error>> + Send;

    /// So many users after this one.
    fn users(&self, after: i64, rows: i64) -> impl Future<Output = Result<Vec<Self::Listed>, Error>> + Send;

    /// So many people of eight fields after this one.
    fn people(&self, after: i64, rows: i64) -> impl Future<Output = Result<Vec<Self::Person>, Error>> + Send;
}

/// Serves them at a free port.
pub async fn serve<V: Variant>(variant: V) -> SocketAddr {
    let routes = Router::new()
        .route("/me", get(show::<V>))
        .route("/users/{after}/{rows}", get(users::<V>))
        .route("/people/{after}/{rows}", get(people::<V>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, routes.with_state(variant)).await.unwrap() });
    address
}

async fn show<V: Variant>(State(app): State<V>, Session(id): Session) -> Result<Json<V::Profile>, Error> {
    let mut look = app.db().begin().await?;
    let profile = app.user(&mut look, id).await?;
    look.rollback().await?;
    Ok(Json(profile))
}

type Page = Path<(i64, i64)>;

async fn users<V: Variant>(State(app): State<V>, Path((after, rows)): Page) -> Result<Json<Vec<V::Listed>>, Error> {
    Ok(Json(app.users(after, rows).await?))
}

async fn people<V: Variant>(State(app): State<V>, Path((after, rows)): Page) -> Result<Json<Vec<V::Person>>, Error> {
    Ok(Json(app.people(after, rows).await?))
}

/// The session of a user in this bench; a real one is random.
pub fn session(user: i64) -> String {
    hash_of_session(&user.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn hash_of_session(session: &str) -> Vec<u8> {
    Sha256::digest(session).to_vec()
}

/// The user whose session the request carries.
struct Session(i64);

impl<V: Variant> FromRequestParts<V> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &V) -> Result<Session, Error> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let session = header.strip_prefix("Bearer ").ok_or(Error::NoSession)?;
        let user =
            sqlx::query_scalar("SELECT user_id FROM sessions WHERE hash = ? AND begun > datetime('now', '-1 day')");
        let user = user.bind(hash_of_session(session)).fetch_optional(app.db()).await?;
        user.map(Session).ok_or(Error::NoSession)
    }
}

// Printed whole when something fails.
#[derive(Debug)]
#[allow(dead_code)]
pub enum Error {
    NoSession,
    Database(sqlx::Error),
    Open(OpenError),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        Error::Database(error)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        Error::Open(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        eprintln!("{self:?}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
