//! The tables: how they are made, who may do what with them, and whether they are those that this program knows.

use oubliette::store::{PlaceId, RECORD_BYTES};
use tokio_postgres::types::Type;

use crate::error::StoreOpenError;
use crate::failure::Failure;
use crate::pool::transaction;
use crate::session::Session;

/// What this program works with.
pub(crate) const VERSION: i32 = 1;
const OLDEST_SERVER: i32 = 140_000;

/// What leads from one version to the next: the first one from none to 1.
///
/// Numbers of generations take all 64 bits, and PostgreSQL's integers have a sign: so they are numerics. The record and the
/// pages are random to whoever has no key, so nothing is compressed. The record stays in its row, and a
/// block has room for two: unless a snapshot needs it still, an old one is overwritten where it lay by the second after it.
const STEPS: [&str; 1] = ["
    CREATE TABLE {s}.version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL);
    CREATE TABLE {s}.place (one boolean PRIMARY KEY DEFAULT true CHECK (one),
        id bytea NOT NULL CHECK (octet_length(id) = 8));
    CREATE TABLE {s}.root (slot smallint PRIMARY KEY CHECK (slot = 0),
        record bytea CHECK (octet_length(record) = {record}), digest bytea, written timestamptz, shared boolean NOT NULL DEFAULT false)
        WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1);
    ALTER TABLE {s}.root ALTER COLUMN record SET STORAGE PLAIN;
    CREATE TABLE {s}.mark (one boolean PRIMARY KEY DEFAULT true CHECK (one),
        generation numeric(20) NOT NULL CHECK (generation BETWEEN 0 AND 18446744073709551615),
        vault bytea NOT NULL CHECK (octet_length(vault) = 16),
        proof bytea NOT NULL CHECK (octet_length(proof) = 32));
    CREATE TABLE {s}.pages (name bytea PRIMARY KEY CHECK (octet_length(name) = 16),
        generation numeric(20) NOT NULL CHECK (generation BETWEEN 0 AND 18446744073709551615),
        bytes bytea NOT NULL CHECK (octet_length(bytes) = {page}), superseded timestamptz);
    ALTER TABLE {s}.pages ALTER COLUMN bytes SET STORAGE EXTERNAL;
    CREATE INDEX ON {s}.pages (generation);
    INSERT INTO {s}.version (version) VALUES (1);
    INSERT INTO {s}.place (id) VALUES (decode('{place}', 'hex'));
    INSERT INTO {s}.root (slot) VALUES (0);
    INSERT INTO {s}.mark (generation, vault, proof)
        VALUES (0, decode(repeat('00', 16), 'hex'), decode(repeat('00', 32), 'hex'));
"];

/// All that a vault does from day to day. No table can be changed, emptied or dropped with it.
const GRANTS: &str = "
    GRANT USAGE ON SCHEMA {s} TO {role};
    GRANT SELECT ON {s}.version, {s}.place, {s}.root, {s}.mark, {s}.pages TO {role};
    GRANT UPDATE (record, digest, written, shared) ON {s}.root TO {role};
    GRANT UPDATE (generation, vault, proof) ON {s}.mark TO {role};
    GRANT INSERT, DELETE, UPDATE (generation, superseded) ON {s}.pages TO {role};
";

/// A name as it stands in a statement.
pub(crate) fn quoted(name: &str) -> Result<String, StoreOpenError> {
    // PostgreSQL cuts longer ones off, and two schemas could be one.
    if name.is_empty() || name.len() > 63 || name.chars().any(char::is_control) {
        return Err(StoreOpenError::Address(
            "names of schemas and roles have 1 to 63 bytes, and no control characters",
        ));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A schema in some database, for messages and for statements.
#[derive(Clone)]
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) quoted: String,
    pub(crate) location: String,
}

impl Schema {
    /// A statement with the schema's name in it, in place of `{s}`.
    pub(crate) fn sql(&self, statement: &str) -> String {
        statement.replace("{s}", &self.quoted)
    }

    fn store(&self, failure: Failure) -> StoreOpenError {
        StoreOpenError::Store(failure.at(&self.location))
    }

    /// Makes what is missing.
    pub(crate) async fn migrate(&self, session: &Session, place: PlaceId) -> Result<(), StoreOpenError> {
        let refused = std::sync::Mutex::new(None);
        let work = async {
            // Two that migrate at once do so one after the other.
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended('oubliette ' || $1, 0))";
            session.query(lock, &[(&self.name, Type::TEXT)]).await?;
            let found = match self.check(session).await {
                Ok(_) => return Ok(()),
                Err(StoreOpenError::NotMigrated { .. }) => 0,
                Err(StoreOpenError::Older { found, .. }) => found,
                Err(other) => {
                    *refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(other);
                    return Err(Failure::Incomplete);
                }
            };
            let exists = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
            if session.query(exists, &[(&self.name, Type::TEXT)]).await?.is_empty() {
                session.batch(&self.sql("CREATE SCHEMA {s}")).await?;
            }
            for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
                let step = step.replace("{record}", &RECORD_BYTES.to_string());
                let step = step.replace("{page}", &oubliette::store::PAGE_BYTES.to_string());
                session.batch(&self.sql(&step.replace("{place}", &place.to_string()))).await?;
            }
            session.batch(&self.sql(&format!("UPDATE {{s}}.version SET version = {VERSION}"))).await
        };
        transaction(session, work).await.map_err(|failure| {
            let refused = refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            refused.unwrap_or_else(|| self.store(failure))
        })
    }

    /// Lets a role do all that a vault does from day to day.
    pub(crate) async fn grant(&self, session: &Session, role: &str) -> Result<(), StoreOpenError> {
        // Neither name is looked into for the other's place.
        let grants = GRANTS.split("{role}").map(|part| self.sql(part)).collect::<Vec<_>>().join(&quoted(role)?);
        transaction(session, session.batch(&grants)).await.map_err(|failure| self.store(failure))
    }

    /// The place, if the server and the tables are such as this program works with.
    pub(crate) async fn check(&self, session: &Session) -> Result<PlaceId, StoreOpenError> {
        let server = "SELECT current_setting('server_version_num')::integer, pg_is_in_recovery(),
            to_regclass($1 || '.version') IS NOT NULL";
        // A schema that the role may not use looks as if it had no tables, or is refused.
        let rows = session.query(server, &[(&self.quoted, Type::TEXT)]).await.map_err(|failure| self.store(failure))?;
        let read = |rows: &[tokio_postgres::Row]| -> Result<(i32, bool, bool), Failure> {
            let row = rows.first().ok_or(Failure::Incomplete)?;
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (server, is_standby, has_tables) = read(&rows).map_err(|failure| self.store(failure))?;
        let location = || self.location.clone();
        if server < OLDEST_SERVER {
            return Err(StoreOpenError::OldServer { location: location(), found: server });
        }
        if is_standby {
            return Err(self.store(Failure::Standby));
        }
        if !has_tables {
            return Err(StoreOpenError::NotMigrated { location: location() });
        }
        let found = self.version(session).await.map_err(|failure| self.store(failure))?;
        if found < VERSION {
            return Err(StoreOpenError::Older { location: location(), found, needed: VERSION });
        }
        if found > VERSION {
            return Err(StoreOpenError::Newer { location: location(), found, known: VERSION });
        }
        self.place(session).await.map_err(|failure| self.store(failure))
    }

    /// Refuses a server that forgets in a crash what it answered.
    pub(crate) async fn check_durable(&self, session: &Session) -> Result<(), StoreOpenError> {
        let fsync = "SELECT current_setting('fsync')::boolean";
        let rows = session.query(fsync, &[]).await.map_err(|failure| self.store(failure))?;
        let is_on = rows.first().ok_or(Failure::Incomplete).and_then(|row| Ok(row.try_get::<_, bool>(0)?));
        match is_on.map_err(|failure| self.store(failure))? {
            true => Ok(()),
            false => Err(StoreOpenError::NotDurable { location: self.location.clone() }),
        }
    }

    async fn version(&self, session: &Session) -> Result<i32, Failure> {
        let rows = session.query(&self.sql("SELECT version FROM {s}.version"), &[]).await?;
        Ok(rows.first().ok_or(Failure::Incomplete)?.try_get(0)?)
    }

    async fn place(&self, session: &Session) -> Result<PlaceId, Failure> {
        let rows = session.query(&self.sql("SELECT id FROM {s}.place"), &[]).await?;
        let id: &[u8] = rows.first().ok_or(Failure::Incomplete)?.try_get(0)?;
        id.try_into().map(PlaceId).map_err(|_| Failure::Damaged("the place's id has another length".to_owned()))
    }
}
