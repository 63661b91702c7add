//! The statements that a survey is made of. Each stands alone: what one role may not ask does not keep the rest from being asked.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::{Keeps, Replication, Role, Slot, Standby, Survey};
use crate::failure::Failure;
use crate::schema::Schema;
use crate::session::Session;

const SETTINGS: &str = "SELECT current_setting('server_version_num')::integer, (SELECT version FROM {s}.version),
        current_database()::text, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
        current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean,
        (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),
        current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
        current_setting('archive_mode') <> 'off', (SELECT archived_count FROM pg_stat_archiver),
        pg_relation_size(($1 || '.root')::regclass)";

const CLUSTER: &str = "SELECT system_identifier FROM pg_control_system()";

/// One that takes a base backup receives WAL, too, and goes away.
const STANDBYS: &str =
    "SELECT coalesce(application_name, ''), sync_state IN ('sync', 'quorum') FROM pg_stat_replication
    WHERE state IS NULL OR state IN ('streaming', 'catchup') ORDER BY 1";

const SLOTS: &str = "SELECT slot_name::text, active, xmin IS NOT NULL,
        greatest(coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0), 0)::bigint
    FROM pg_replication_slots ORDER BY 1";

/// In milliseconds. A vacuum keeps no old rows.
const OLDEST_SNAPSHOT: &str = "SELECT (extract(epoch FROM max(clock_timestamp() - since)) * 1000)::bigint FROM (
        SELECT xact_start FROM pg_stat_activity
            WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
                AND backend_type <> 'autovacuum worker'
        UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS open (since)";

const OLDEST_SUPERSEDED: &str =
    "SELECT (extract(epoch FROM clock_timestamp() - min(superseded)) * 1000)::bigint FROM {s}.pages";

/// What has statements logged with their parameters. Those of extensions are there if these are loaded.
const LOGS: &str = "SELECT name || ' = ' || value FROM (VALUES
        (1, 'log_statement', current_setting('log_statement') = 'all'),
        (2, 'log_min_duration_statement', current_setting('log_min_duration_statement') <> '-1'),
        (3, 'log_min_duration_sample', current_setting('log_min_duration_sample') <> '-1'
            AND current_setting('log_statement_sample_rate')::float8 > 0),
        (4, 'log_transaction_sample_rate', current_setting('log_transaction_sample_rate')::float8 > 0)
    ) AS own (n, name, logs), LATERAL current_setting(name) AS value
    WHERE logs AND current_setting('log_parameter_max_length') <> '0'
    UNION ALL SELECT name || ' = ' || value FROM (VALUES
        (5, 'auto_explain.log_parameter_max_length', coalesce(current_setting('auto_explain.log_min_duration', true), '-1') <> '-1', '0'),
        (6, 'pgaudit.log_parameter', coalesce(current_setting('pgaudit.log', true), 'none') NOT IN ('', 'none'), 'off')
    ) AS extensions (n, name, logs, off), LATERAL current_setting(name, true) AS value
    WHERE logs AND value NOT IN ('', off)";

/// What a vault never does. A superuser may do all of it, and is called that alone. Whoever is a member of the owner can become it.
const BEYOND: &str = "WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user)
    SELECT what FROM me, LATERAL (VALUES
        (1, 'is a superuser', me.rolsuper),
        (2, 'may replicate the whole server (REPLICATION)', rolreplication AND NOT me.rolsuper),
        (3, 'may create roles (CREATEROLE)', rolcreaterole AND NOT me.rolsuper),
        (4, 'may create databases (CREATEDB)', rolcreatedb AND NOT me.rolsuper),
        (5, 'passes by row security (BYPASSRLS)', rolbypassrls AND NOT me.rolsuper)
    ) AS rights (n, what, has) WHERE has
    UNION ALL SELECT 'is a member of ' || granted.rolname FROM me, pg_roles AS granted
        WHERE NOT me.rolsuper AND pg_has_role(current_user, granted.oid, 'MEMBER') AND granted.rolname IN ('pg_read_all_data',
            'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
    UNION ALL SELECT 'owns the database, or is a member of its owner' FROM me, pg_database
        WHERE NOT me.rolsuper AND datname = current_database() AND pg_has_role(current_user, datdba, 'MEMBER')
    UNION ALL SELECT 'owns the schema, or is a member of its owner' FROM me, pg_namespace
        WHERE NOT me.rolsuper AND nspname = $1 AND pg_has_role(current_user, nspowner, 'MEMBER')
    UNION ALL SELECT 'owns the table ' || relname || ', or is a member of its owner' FROM me, pg_class
        WHERE NOT me.rolsuper AND relnamespace = $2::regnamespace AND relkind = 'r' AND pg_has_role(current_user, relowner, 'MEMBER')
    UNION ALL SELECT 'may create objects in the schema' FROM me
        WHERE NOT me.rolsuper AND has_schema_privilege($1, 'CREATE')
    UNION ALL SELECT DISTINCT privilege || ' on ' || relname FROM me, pg_class, unnest(CASE relname
            WHEN 'pages' THEN ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER', 'UPDATE']
            ELSE ARRAY['INSERT', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'UPDATE'] END) AS privilege
        WHERE NOT me.rolsuper AND relnamespace = $2::regnamespace AND relkind = 'r' AND NOT pg_has_role(current_user, relowner, 'MEMBER')
            AND has_table_privilege(pg_class.oid, privilege)
    UNION ALL SELECT 'UPDATE of ' || relname || '.' || attname FROM me, pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE NOT me.rolsuper AND relnamespace = $2::regnamespace AND relkind = 'r' AND NOT pg_has_role(current_user, relowner, 'MEMBER')
            AND attnum > 0 AND NOT attisdropped AND NOT has_table_privilege(pg_class.oid, 'UPDATE')
            AND has_column_privilege(pg_class.oid, attnum, 'UPDATE')
            AND relname || '.' || attname <> ALL (ARRAY['root.record', 'root.digest', 'root.written', 'root.shared', 'mark.generation', 'mark.vault',
                'mark.proof', 'pages.generation', 'pages.superseded'])";

const LACKING: &str = "SELECT what FROM (
        SELECT 1, 'SELECT on ' || relname, has_table_privilege(oid, 'SELECT')
            FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'
        UNION ALL SELECT 2, 'UPDATE of root.' || name, has_column_privilege($1 || '.root', name, 'UPDATE')
            FROM unnest(ARRAY['record', 'digest', 'written', 'shared']) AS name
        UNION ALL SELECT 3, 'UPDATE of mark.' || name, has_column_privilege($1 || '.mark', name, 'UPDATE')
            FROM unnest(ARRAY['generation', 'vault', 'proof']) AS name
        UNION ALL SELECT 4, 'UPDATE of pages.' || name, has_column_privilege($1 || '.pages', name, 'UPDATE')
            FROM unnest(ARRAY['generation', 'superseded']) AS name
        UNION ALL SELECT 5, name || ' on pages', has_table_privilege($1 || '.pages', name)
            FROM unnest(ARRAY['INSERT', 'DELETE']) AS name
    ) AS needed (n, what, has) WHERE NOT has ORDER BY n, what";

pub(super) async fn survey(session: &Session, schema: &Schema, work_within: Duration) -> Result<Survey, Failure> {
    let settings = session.query(&schema.sql(SETTINGS), &[(&schema.quoted, Type::TEXT)]).await?;
    let settings = settings.first().ok_or(Failure::Incomplete)?;
    let oldest = session.query_within(work_within, &schema.sql(OLDEST_SUPERSEDED), &[]).await?;
    let snapshot = session.query(OLDEST_SNAPSHOT, &[]).await?;
    let role = session.query("SELECT current_user::text", &[]).await?;
    Ok(Survey {
        server_version: settings.try_get(0)?,
        schema_version: settings.try_get(1)?,
        cluster: cluster(session).await?,
        database: settings.try_get(2)?,
        role: Role {
            name: role.first().ok_or(Failure::Incomplete)?.try_get(0)?,
            beyond: words(session.query(BEYOND, &[(&schema.name, Type::TEXT), (&schema.quoted, Type::TEXT)]).await?)?,
            lacking: words(session.query(LACKING, &[(&schema.quoted, Type::TEXT)]).await?)?,
        },
        replication: Replication {
            fsync: settings.try_get(4)?,
            full_page_writes: settings.try_get(5)?,
            synchronous_commit: settings.try_get::<_, Option<String>>(6)?.unwrap_or_default(),
            used: settings.try_get(7)?,
            synchronous_standby_names: settings.try_get(8)?,
            standbys: standbys(session).await?,
        },
        keeps: Keeps {
            table_bytes: size(settings.try_get(11)?),
            oldest_snapshot: milliseconds(&snapshot)?,
            slots: slots(session).await?,
            archives: settings.try_get(9)?,
            archived: size(settings.try_get::<_, Option<i64>>(10)?.unwrap_or_default()),
            logs: words(session.query(LOGS, &[]).await?)?,
            oldest_superseded: milliseconds(&oldest)?,
        },
        sees_all: settings.try_get(3)?,
    })
}

async fn cluster(session: &Session) -> Result<Option<u64>, Failure> {
    match session.query(CLUSTER, &[]).await {
        Ok(rows) => {
            let row = rows.first().ok_or(Failure::Incomplete)?;
            // PostgreSQL has no integers without a sign.
            Ok(Some(row.try_get::<_, i64>(0)?.cast_unsigned()))
        }
        Err(Failure::Driver(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn standbys(session: &Session) -> Result<Vec<Standby>, Failure> {
    let rows = session.query(STANDBYS, &[]).await?;
    rows.iter().map(|row| Ok(Standby { name: row.try_get(0)?, is_synchronous: row.try_get(1)? })).collect()
}

async fn slots(session: &Session) -> Result<Vec<Slot>, Failure> {
    let rows = session.query(SLOTS, &[]).await?;
    let slot = |row: &Row| {
        Ok(Slot {
            name: row.try_get(0)?,
            is_active: row.try_get(1)?,
            keeps_rows: row.try_get(2)?,
            held_back: size(row.try_get(3)?),
        })
    };
    rows.iter().map(slot).collect()
}

fn words(rows: Vec<Row>) -> Result<Vec<String>, Failure> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

fn size(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

fn milliseconds(rows: &[Row]) -> Result<Option<Duration>, Failure> {
    let milliseconds: Option<i64> = rows.first().ok_or(Failure::Incomplete)?.try_get(0)?;
    Ok(milliseconds.map(|milliseconds| Duration::from_millis(size(milliseconds))))
}
