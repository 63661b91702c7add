//! Users, and the table they are in.

use sqlx::{FromRow, PgConnection};

use super::service::{App, Error};

#[derive(FromRow)]
pub struct User {
    pub id: i64,
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    pub password: String,
    pub news_email: Option<String>,
}

impl App {
    pub async fn next_id(&self, db: &mut PgConnection) -> Result<i64, Error> {
        Ok(sqlx::query_scalar("SELECT nextval('users_id_seq')").fetch_one(db).await?)
    }

    /// Locks the row for the transaction, so that what is saved is what was read and changed.
    pub async fn user(&self, db: &mut PgConnection, id: i64) -> Result<User, Error> {
        // Not prepared once for all: PostgreSQL refuses a prepared `*` after a column was added.
        let select = sqlx::query_as("SELECT * FROM users WHERE id = $1 FOR UPDATE").persistent(false).bind(id);
        select.fetch_optional(db).await?.ok_or(Error::NoSession)
    }

    pub async fn user_id_of(&self, db: &mut PgConnection, email: &str) -> Result<Option<i64>, Error> {
        let select = sqlx::query_scalar("SELECT id FROM users WHERE lower(email) = lower($1)").bind(email);
        Ok(select.fetch_optional(db).await?)
    }

    pub async fn save(&self, db: &mut PgConnection, row: &User) -> Result<(), Error> {
        let save = "INSERT INTO users (id, name, email, phone, password, news_email)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id)
            DO UPDATE SET name = $2, email = $3, phone = $4, news_email = $6";
        sqlx::query(save)
            .bind(row.id)
            .bind(&row.name)
            .bind(&row.email)
            .bind(&row.phone)
            .bind(&row.password)
            .bind(&row.news_email)
            .execute(db)
            .await?;
        Ok(())
    }

    pub async fn delete(&self, db: &mut PgConnection, id: i64) -> Result<(), Error> {
        sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(db).await?;
        Ok(())
    }
}
