//! The register's tables. The first statement that changes one after a release gets a new version.

#[cfg(feature = "postgres")]
use super::database::Dialect;
use super::database::{Database, values};
use super::error::RegisterError;
use super::ids;
use super::keyless::{AnyRegister, Who};
use super::outbox;
use super::register::Register;

/// Times are milliseconds since 1970, in UTC. Ids are random. `numbers.sealing` is 1 for the number that new values
/// of a customer and purpose are sealed under, and NULL for others, so that there is one at most. SQLite uses a partial
/// index for `a = 1` if its condition is `a = 1 OR a = 2`, not if it is `a IN (1, 2)`. `about` is the request or the hold that a
/// line is about.
const TABLES: [&str; 23] = [
    "CREATE TABLE IF NOT EXISTS oubliette_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS oubliette_subjects (
         id BIGINT PRIMARY KEY, subject TEXT UNIQUE, state TEXT NOT NULL, since BIGINT NOT NULL, merged_into BIGINT,
         why TEXT, decided_at BIGINT, requested_at BIGINT, commitment TEXT, erased_at BIGINT)",
    "CREATE INDEX IF NOT EXISTS oubliette_subjects_unfinished ON oubliette_subjects (decided_at)
         WHERE state = 'erasing'",
    "CREATE INDEX IF NOT EXISTS oubliette_subjects_merged ON oubliette_subjects (merged_into)
         WHERE merged_into IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS oubliette_numbers (
         number BIGINT PRIMARY KEY, subject_id BIGINT NOT NULL, purpose TEXT NOT NULL, sealing BIGINT,
         state TEXT NOT NULL, since BIGINT NOT NULL, why TEXT, shredded_at BIGINT, whose TEXT,
         UNIQUE (subject_id, purpose, sealing))",
    "CREATE INDEX IF NOT EXISTS oubliette_numbers_unfinished ON oubliette_numbers (purpose, number)
         WHERE state = 'ended' OR state = 'shred_pending'",
    "CREATE TABLE IF NOT EXISTS oubliette_grants (
         id BIGINT PRIMARY KEY, subject_id BIGINT NOT NULL, purpose TEXT NOT NULL, recipient TEXT, basis TEXT NOT NULL,
         evidence TEXT, granted_at BIGINT NOT NULL, until BIGINT, ended_at BIGINT, why TEXT)",
    "CREATE INDEX IF NOT EXISTS oubliette_grants_of ON oubliette_grants (subject_id, purpose)",
    "CREATE INDEX IF NOT EXISTS oubliette_grants_live ON oubliette_grants (purpose, subject_id)
         WHERE ended_at IS NULL",
    "CREATE TABLE IF NOT EXISTS oubliette_marks (
         subject_id BIGINT NOT NULL, what TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (subject_id, what))",
    "CREATE TABLE IF NOT EXISTS oubliette_requests (
         id BIGINT PRIMARY KEY, subject_id BIGINT NOT NULL, kind TEXT NOT NULL, received_at BIGINT NOT NULL,
         due_at BIGINT NOT NULL, not_before BIGINT, state TEXT NOT NULL, closed_at BIGINT, why TEXT)",
    "CREATE INDEX IF NOT EXISTS oubliette_requests_of ON oubliette_requests (subject_id)",
    "CREATE INDEX IF NOT EXISTS oubliette_requests_due ON oubliette_requests (due_at) WHERE state = 'open'",
    "CREATE TABLE IF NOT EXISTS oubliette_holds (
         id BIGINT PRIMARY KEY, subject_id BIGINT NOT NULL, purpose TEXT, reason TEXT NOT NULL, placed_at BIGINT NOT NULL,
         until BIGINT NOT NULL, ended_at BIGINT)",
    "CREATE INDEX IF NOT EXISTS oubliette_holds_of ON oubliette_holds (subject_id)",
    "CREATE TABLE IF NOT EXISTS oubliette_work (
         table_name TEXT NOT NULL, number_column TEXT NOT NULL, token_column TEXT NOT NULL, number BIGINT NOT NULL,
         PRIMARY KEY (table_name, number_column, token_column, number))",
    "CREATE TABLE IF NOT EXISTS oubliette_recipients (
         recipient TEXT PRIMARY KEY, public_key TEXT, about TEXT, since BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS oubliette_disclosures (
         id BIGINT PRIMARY KEY, subject_id BIGINT NOT NULL, recipient TEXT NOT NULL, purpose TEXT NOT NULL,
         grant_id BIGINT, fields TEXT NOT NULL, encrypted BIGINT NOT NULL, at BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS oubliette_disclosures_of ON oubliette_disclosures (subject_id)",
    "CREATE TABLE IF NOT EXISTS oubliette_outbox (id TEXT PRIMARY KEY, event TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS oubliette_journal (n BIGINT PRIMARY KEY, line TEXT NOT NULL, about BIGINT)",
    "CREATE INDEX IF NOT EXISTS oubliette_journal_about ON oubliette_journal (about) WHERE about IS NOT NULL",
    "INSERT INTO oubliette_meta (name, value) VALUES ('schema', '2') ON CONFLICT (name) DO NOTHING",
];

const SCHEMA: &str = "2";

/// Makes what is missing, and checks what is there.
pub(crate) async fn make<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    // Two that create at once would fail: CREATE TABLE IF NOT EXISTS looks before others have committed.
    #[cfg(feature = "postgres")]
    if D::DIALECT == Dialect::Postgres {
        db.run("SELECT pg_advisory_xact_lock(8025417263910652213)", values![]).await?;
    }
    for statement in TABLES {
        db.run(statement, values![]).await?;
    }
    let vault = register.vault.id()?.to_string();
    const META: &str = "INSERT INTO oubliette_meta (name, value) VALUES ('vault', ?1), ('register', ?2) \
        ON CONFLICT (name) DO NOTHING";
    let is_new = db.run(META, values![vault, ids::tag()?]).await? == 2;
    check(register, db).await?;
    if is_new { outbox::begin(register, db).await } else { Ok(()) }
}

/// Refuses tables of another version, or of another vault.
pub(crate) async fn check<O: AnyRegister, D: Database>(any: &O, db: &mut D) -> Result<(), RegisterError> {
    let rows = db.rows("SELECT name, value FROM oubliette_meta", values![]).await?;
    let mut vault = None;
    for row in &rows {
        match (row.text(0)?, row.text(1)?) {
            ("schema", found) if found != SCHEMA => {
                return Err(RegisterError::OtherSchema { found: found.to_owned(), known: SCHEMA });
            }
            ("vault", found) => vault = Some(found),
            _ => {}
        }
    }
    check_vault(any, vault)
}

/// Refuses what is no table of this vault's, by what `oubliette_meta` has of it.
pub(crate) fn check_vault<O: AnyRegister>(any: &O, found: Option<&str>) -> Result<(), RegisterError> {
    let found = found.ok_or(RegisterError::NoTables)?;
    match any.who() {
        Who::Vault(register) if found == register.vault.id()?.to_string() => Ok(()),
        Who::Vault(_) => Err(RegisterError::OtherVault),
        // A public key names no vault: the signatures tell, in the journal's table.
        Who::Key(_) => Ok(()),
    }
}
