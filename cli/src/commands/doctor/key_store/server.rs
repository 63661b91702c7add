//! What the server says of itself.

use std::time::Duration;

use oubliette_postgres::{Promise, Replication, Role, Survey};

use super::super::findings::{Findings, Severity};
use super::super::vault::OVERDUE;
use crate::answer::{count, size};
use crate::config::{ConfirmReads, KeyStore};
use crate::context::Context;
use crate::database::Database;
use crate::exit::chain;
use crate::key_store::Store;

/// Longer than a request, shorter than a dump.
const LONG_OPEN: Duration = Duration::from_secs(600);
/// The record's table, if nothing kept its old rows.
const TWO_BLOCKS: u64 = 16_384;

const KEPT: &str =
    "with the root key of its time, a copy of an older root record opens all data that was shredded after it was made";
const VERSIONS: &str = "keep the root key in a token, with versions (`[root_key.token]`, then `oubliette rotate root-key --to-token`): when the token destroys a version, the records under it are unreadable. Until then rotate to a random root key from time to time, and destroy the old one";

pub fn look(context: &Context, store: &Store, shown: &str, findings: &mut Findings) {
    let (Store::Postgres(store), Some(key_store)) = (store, &context.config.key_store) else { return };
    let survey = match store.survey() {
        Ok(survey) => survey,
        Err(error) => {
            findings.add(
                Severity::Warning,
                "key-store-not-surveyed",
                shown,
                chain(&error),
                "the server's settings were not checked",
                "look at the server, then run `oubliette doctor` again",
            );
            return;
        }
    };
    let has_versions = has_versions(context);
    beside_the_data(context, &survey, has_versions, shown, findings);
    of_old_records(&survey, has_versions, shown, findings);
    of_replication(&survey, key_store, shown, findings);
    of_role(&survey.role, shown, findings);
    if survey.keeps.oldest_superseded.is_some_and(|age| age > OVERDUE) {
        let hours = survey.keeps.oldest_superseded.unwrap_or_default().as_secs() / 3600;
        findings.add(
            Severity::Warning,
            "not-swept",
            shown,
            format!("superseded pages have been kept for {hours} hours"),
            "the store grows, and a copy of an older root record still finds its pages",
            "keep a process with the vault open: it removes them every hour",
        );
    }
    if !survey.sees_all {
        findings.add(
            Severity::Note,
            "not-all-seen",
            shown,
            format!(
                "the role {:?} cannot see which standbys confirm and how long transactions are open",
                survey.role.name
            ),
            "findings about these two may be missing",
            format!("GRANT pg_read_all_stats TO {:?}; it reads statistics only", survey.role.name),
        );
    }
}

/// Whether the root key has versions, which are destroyed once they are superseded: as the configuration says.
pub fn has_versions(context: &Context) -> bool {
    context.config.root_key.token.as_ref().is_some_and(|token| token.key.is_none())
}

/// A restore, or a dump, of the data takes the keys along where they are kept together.
fn beside_the_data(context: &Context, survey: &Survey, has_versions: bool, shown: &str, findings: &mut Findings) {
    const APART: &str = "move the key store to a server of its own, by `pg_dump --schema` and a restore while no process has the vault open, and destroy the dump";
    let named = &context.config.database;
    if named.sqlite.is_some() {
        return;
    }
    let asked = match (&named.postgres_url_file, &named.postgres_url_env) {
        (None, None) => Err("the configuration names no [database]".to_owned()),
        _ => application(context).map_err(|message| format!("[database] could not be asked: {message}")),
    };
    let own = survey
        .cluster
        .map(|cluster| cluster.to_string())
        .ok_or("this role cannot read the system identifier".to_owned());
    match asked.and_then(|asked| Ok((asked, own?))) {
        Err(why) => findings.add(
            Severity::Note,
            "key-store-not-compared",
            shown,
            format!("it could not be checked that the key store is apart from the application's data: {why}"),
            "if both are on one server, a restore of the data also restores the keys",
            "name the application's database in [database], or check it yourself",
        ),
        Ok(((cluster, database), own)) if cluster == own && database == survey.database => findings.add(
            if has_versions { Severity::Warning } else { Severity::Grave },
            "key-store-in-the-database",
            shown,
            format!("it is in the application's own database, {database:?}"),
            "a dump of the data is a copy of the root record and its pages, and a restore makes all data readable \
             that was shredded since; a shred is final only when the last such dump is gone",
            format!("{APART}. Until then exclude it from each dump (`pg_dump --exclude-schema`), and never restore it with the data"),
        ),
        Ok(((cluster, _), own)) if cluster == own => findings.add(
            Severity::Warning,
            "key-store-on-the-server",
            shown,
            "it is on the same server (cluster) as the application's data",
            "a base backup of the data is a copy of the root record, and a restore makes all data readable that \
             was shredded since",
            APART,
        ),
        Ok(_) => {}
    }
}

/// The cluster and the database of the application's data, as its own connection says.
fn application(context: &Context) -> Result<(String, String), String> {
    const WHERE: &str = "SELECT system_identifier::text, current_database()::text FROM pg_control_system()";
    let found = Database::open(&context.config.database).and_then(|database| {
        let rows = database.query(WHERE, &[])?;
        rows.first().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).transpose()
    });
    match found {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err("it gave no answer".to_owned()),
        Err(failure) => Err(failure.message),
    }
}

/// What PostgreSQL keeps of records that were overwritten: it writes anew, and the old stays for a while.
fn of_old_records(survey: &Survey, has_versions: bool, shown: &str, findings: &mut Findings) {
    let keeps = &survey.keeps;
    let mut kept =
        vec!["its log (WAL) until the segment is reused, and the table until the second commit after".to_owned()];
    if keeps.archives {
        kept.push(format!(
            "archived WAL ({} so far) as long as you keep it",
            count(keeps.archived, "segment", "segments")
        ));
    }
    if !keeps.slots.is_empty() {
        let held = keeps.slots.iter().map(|slot| slot.held_back).max().unwrap_or_default();
        let slots = count(keeps.slots.len() as u64, "replication slot", "replication slots");
        kept.push(format!("{slots}, which hold {} of WAL back", size(held)));
    }
    if !survey.replication.standbys.is_empty() {
        let standbys = survey.replication.standbys.len() as u64;
        kept.push(format!("{}, each by itself", count(standbys, "standby", "standbys")));
    }
    let what = format!(
        "the server keeps overwritten root records: {}. It does not know of base backups and snapshots of volumes",
        kept.join("; ")
    );
    if has_versions {
        let versions = "nothing, as long as the root key's versions are destroyed; also destroy backups of the token";
        findings.add(Severity::Note, "old-records-kept", shown, what, KEPT, versions);
    } else {
        findings.add(Severity::Warning, "old-records-kept", shown, what, KEPT, VERSIONS);
    }
    for slot in keeps.slots.iter().filter(|slot| !slot.is_active) {
        findings.add(
            Severity::Warning,
            "idle-slot",
            shown,
            format!("no standby reads from the replication slot {:?}, which holds back {} of WAL", slot.name, size(slot.held_back)),
            "until it is read or dropped, older root records stay in the log and the disk fills up; a full disk stops all shreds",
            format!("start its standby again, or run `SELECT pg_drop_replication_slot('{}')`", slot.name),
        );
    }
    if !keeps.logs.is_empty() {
        let role = &survey.role.name;
        let advice = format!(
            "as a superuser: `ALTER ROLE \"{role}\" SET log_parameter_max_length = 0` (statements are logged without what they carry; of pgaudit \
             `ALTER ROLE \"{role}\" SET pgaudit.log_parameter = off`, of auto_explain \
             `ALTER ROLE \"{role}\" SET auto_explain.log_parameter_max_length = 0`), start the processes anew, \
             then destroy the logs that have one (`oubliette doctor --backup FILE` tells), or begin a new root key and destroy the old one",
        );
        findings.add(
            if has_versions { Severity::Note } else { Severity::Warning },
            "records-in-the-log",
            shown,
            format!("the server logs statements with what they carry: {}", keeps.logs.join(", ")),
            "each root record that is written stands in that log, and with every reader and copy of it",
            advice,
        );
    }
    if let Some(age) = keeps.oldest_snapshot.filter(|age| *age > LONG_OPEN) {
        findings.add(
            Severity::Warning,
            "old-snapshot",
            shown,
            format!("a transaction in the key store's database is open for {} minutes", age.as_secs() / 60),
            "until it ends, root records that are overwritten stay in the table",
            "find it in pg_stat_activity (xact_start) or pg_prepared_xacts, and end it",
        );
    }
    if keeps.table_bytes > TWO_BLOCKS {
        findings.add(
            if has_versions { Severity::Note } else { Severity::Warning },
            "record-table-grew",
            shown,
            format!("the root record's table has {} where two blocks would do", size(keeps.table_bytes)),
            "an open transaction once kept older root records there, and their bytes stay until the space is used again",
            "as the owner, while no transaction is open and no process shreds: `VACUUM FULL` of the table `root`",
        );
    }
}

fn of_replication(survey: &Survey, key_store: &KeyStore, shown: &str, findings: &mut Findings) {
    let replication = &survey.replication;
    let settings = settings(replication);
    let is_alone = replication.standbys.is_empty();
    let (severity, check, promised, meaning, advice) = match replication.promise() {
        Promise::Nothing => (
            Severity::Grave,
            "no-fsync",
            "the server promises nothing",
            "a crash of the machine may undo commits, so that shredded data opens again and numbers are issued \
             twice; or it may damage everything",
            "fsync = on",
        ),
        Promise::Crash if key_store.replicated_disk => (
            Severity::Note,
            "replication",
            "a commit survives a crash of the server; you say that it survives the loss of the machine (replicated_disk)",
            "the vault relies on this when it gives up key trees",
            "make sure that the disk is replicated before a write returns",
        ),
        Promise::Crash if is_alone => (
            Severity::Warning,
            "no-standby",
            "a commit survives a crash of the server, and nothing else",
            "losing the server's disk loses every sealed value, for good",
            "set up a standby, and name it in synchronous_standby_names",
        ),
        Promise::Crash => (
            Severity::Warning,
            "asynchronous-standby",
            "a commit survives a crash of the server; no standby confirms it",
            "a failover may undo the last shreds and issue numbers twice; and no key tree can be given up",
            "in synchronous_standby_names, name every standby that may be promoted, and let all of them confirm",
        ),
        Promise::SomeConfirm { .. } => (
            Severity::Warning,
            "some-standbys-confirm",
            "a commit survives the loss of this server if the most advanced standby is promoted",
            "if another standby is promoted, shreds are undone; and an old primary may renew leases through the others",
            "let all named standbys confirm (`FIRST 2 (b, c)`, `ANY 2 (b, c)`), or make sure that the failover \
             manager promotes the most advanced one",
        ),
        _ => (
            Severity::Note,
            "replication",
            "a commit survives the loss of any one machine, and a failover to a named standby",
            "shreds and leases rely on this",
            "promote named servers only, and never let the failover manager empty the list (Patroni: synchronous_mode_strict)",
        ),
    };
    findings.add(severity, check, shown, format!("{promised} ({settings})"), meaning, advice);
    if !replication.full_page_writes {
        findings.add(
            Severity::Warning,
            "torn-pages",
            shown,
            "full_page_writes = off",
            "a crash in the middle of a write may damage the root record, unless the file system writes whole pages only",
            "full_page_writes = on",
        );
    }
    if replication.waits() == Some(true) {
        findings.add(
            Severity::Grave,
            "standbys-away",
            shown,
            format!("fewer standbys are connected than must confirm ({settings})"),
            "commits and reads of the root record wait: no shred is possible, and leases run out",
            "bring the standby back. Empty synchronous_standby_names only if you know that the old primary is stopped",
        );
    }
    let has_standbys = !matches!(replication.promise(), Promise::Nothing | Promise::Crash);
    if has_standbys && key_store.confirm_reads == ConfirmReads::Never {
        findings.add(
            Severity::Warning,
            "reads-not-confirmed",
            shown,
            "confirm_reads = \"never\"",
            "a deposed primary that still runs renews leases, and its clients open shredded data for as long as it runs",
            "remove confirm_reads, here and in the application, unless the failover manager stops the old primary first",
        );
    }
}

/// What is set, as the server calls it.
fn settings(replication: &Replication) -> String {
    let switch = |is_on: bool| if is_on { "on" } else { "off" };
    let commit = &replication.synchronous_commit;
    let used = if commit == &replication.used {
        String::new()
    } else {
        format!(", raised to {} by the store", replication.used)
    };
    let standbys = replication.standbys.len() as u64;
    format!(
        "synchronous_standby_names = '{}', synchronous_commit = {commit}{used}, fsync = {}, full_page_writes = {}; {} connected",
        replication.synchronous_standby_names,
        switch(replication.fsync),
        switch(replication.full_page_writes),
        count(standbys, "standby", "standbys"),
    )
}

fn of_role(role: &Role, shown: &str, findings: &mut Findings) {
    if !role.beyond.is_empty() {
        findings.add(
            Severity::Warning,
            "role-rights",
            shown,
            format!("the role {:?} has more rights than a vault needs: {}", role.name, role.beyond.join(", ")),
            "an attacker in the application has these rights too: to change or drop the tables, and with them every value",
            "connect as a role that owns nothing: `oubliette key-store migrate --owner-url-file FILE --grant-to ROLE`",
        );
    }
    if !role.lacking.is_empty() {
        findings.add(
            Severity::Grave,
            "role-lacks-rights",
            shown,
            format!("the role {:?} lacks rights that a vault needs: {}", role.name, role.lacking.join(", ")),
            "shreds or sweeps fail",
            "`oubliette key-store migrate --owner-url-file FILE --grant-to ROLE`",
        );
    }
}
