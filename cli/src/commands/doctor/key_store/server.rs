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
    "with the root key of then, a copy of an older root record opens everyone who was shredded after it was made";
const VERSIONS: &str = "keep the root key in a token, with versions (`[root_key.token]`, then `oubliette rotate root-key --to-token`): a version that is destroyed takes the records under it along. Until then rotate to a random root key from time to time, and destroy the old one";

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
                "what the server promises and keeps was not looked at",
                "look at the server, and run the doctor again",
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
            "the store grows, and an older root record, should there be a copy, finds its pages",
            "keep a process that has the vault open running: it removes them every hour",
        );
    }
    if !survey.sees_all {
        findings.add(
            Severity::Note,
            "not-all-seen",
            shown,
            format!(
                "the role {:?} does not see which standbys confirm, and since when others' transactions are open",
                survey.role.name
            ),
            "of both, what is said here may be too little",
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
    const APART: &str = "move the key store to a server of its own, by `pg_dump --schema` and a restore while nobody has the vault open, and destroy the dump";
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
        .ok_or("this role may not ask for the system identifier".to_owned());
    match asked.and_then(|asked| Ok((asked, own?))) {
        Err(why) => findings.add(
            Severity::Note,
            "key-store-not-compared",
            shown,
            format!("whether it is kept apart from the application's data was not looked at: {why}"),
            "a restore of the data would take the keys along if both are on one server",
            "name the application's database in [database], or see to it yourself",
        ),
        Ok(((cluster, database), own)) if cluster == own && database == survey.database => findings.add(
            if has_versions { Severity::Warning } else { Severity::Grave },
            "key-store-in-the-database",
            shown,
            format!("it is in the application's own database, {database:?}"),
            "a dump of the data is a copy of the root record and its pages, and restoring it brings back everyone who was shredded since; what is shredded is final only when the last such dump is gone",
            format!("{APART}. Until then leave it out of each dump: `pg_dump --exclude-schema`, and never restore it with the data"),
        ),
        Ok(((cluster, _), own)) if cluster == own => findings.add(
            Severity::Warning,
            "key-store-on-the-server",
            shown,
            "it is on the server (cluster) that the application's data is on",
            "a base backup of the data is a copy of the root record, and restoring it takes the keys back to that time: everyone who was shredded since would be back",
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
        "the server keeps root records that were overwritten: {}. Base backups and snapshots of volumes it does not know of",
        kept.join("; ")
    );
    if has_versions {
        let versions = "nothing, as long as the root key's versions are destroyed; destroy the token's backups as well";
        findings.add(Severity::Note, "old-records-kept", shown, what, KEPT, versions);
    } else {
        findings.add(Severity::Warning, "old-records-kept", shown, what, KEPT, VERSIONS);
    }
    for slot in keeps.slots.iter().filter(|slot| !slot.is_active) {
        findings.add(
            Severity::Warning,
            "idle-slot",
            shown,
            format!("nobody reads from the replication slot {:?}, which holds {} of WAL back", slot.name, size(slot.held_back)),
            "older root records stay in the log until it is read or dropped, and the disk fills up: then nobody can be shredded",
            format!("start its standby again, or `SELECT pg_drop_replication_slot('{}')`", slot.name),
        );
    }
    if let Some(age) = keeps.oldest_snapshot.filter(|age| *age > LONG_OPEN) {
        findings.add(
            Severity::Warning,
            "old-snapshot",
            shown,
            format!("a transaction in the key store's database is open for {} minutes", age.as_secs() / 60),
            "as long as it is, root records that were overwritten since stay in the table",
            "find it in pg_stat_activity (xact_start) or pg_prepared_xacts, and end it",
        );
    }
    if keeps.table_bytes > TWO_BLOCKS {
        findings.add(
            if has_versions { Severity::Note } else { Severity::Warning },
            "record-table-grew",
            shown,
            format!("the root record's table has {} where two blocks would do", size(keeps.table_bytes)),
            "an open transaction once kept older root records there, and their bytes stay until the place is used again",
            "as the owner, once no transaction is open: `VACUUM FULL` of the table `root`, while nobody shreds",
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
            "nothing is promised",
            "a crash of the machine may undo what was answered: who was shredded is opened again, and numbers are issued twice; or it damages all",
            "fsync = on",
        ),
        Promise::Crash if key_store.replicated_disk => (
            Severity::Note,
            "replication",
            "a commit survives a crash of the server; that it survives the loss of the machine is your word (replicated_disk)",
            "the vault gives up key trees on that word",
            "see that the disk is replicated before a write returns",
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
            "after a failover the last shreds may be undone, and numbers issued twice; and no key tree can be given up",
            "name every standby that may be promoted in synchronous_standby_names, and have them all confirm",
        ),
        Promise::SomeConfirm { .. } => (
            Severity::Warning,
            "some-standbys-confirm",
            "a commit survives the loss of this server if the standby that has the most is promoted",
            "one that did not confirm may be promoted: then shreds are undone; and an old primary may renew leases by the others",
            "have all that are named confirm (`FIRST 2 (b, c)`, `ANY 2 (b, c)`), or see that the failover manager promotes the one that has the most",
        ),
        _ => (
            Severity::Note,
            "replication",
            "a commit survives the loss of any one machine, and a failover to a standby that is named",
            "that is what shreds and leases count on",
            "promote no server that is not named, and let the failover manager never empty the list (Patroni: synchronous_mode_strict)",
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
            "commits wait, and so do reads of the root record: nobody can be shredded, and leases run out",
            "bring the standby back. Do not empty synchronous_standby_names unless the old primary is known to be stopped",
        );
    }
    let has_standbys = !matches!(replication.promise(), Promise::Nothing | Promise::Crash);
    if has_standbys && key_store.confirm_reads == ConfirmReads::Never {
        findings.add(
            Severity::Warning,
            "reads-not-confirmed",
            shown,
            "confirm_reads = \"never\"",
            "a primary that was deposed and not stopped goes on renewing leases: others open what was shredded for as long as it runs",
            "leave confirm_reads out, here and in the application, unless the failover manager stops the old primary first",
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
            format!("the role {:?} may do more than a vault needs: {}", role.name, role.beyond.join(", ")),
            "whoever takes over the application can do that too: change or drop the tables, and with them every value",
            "connect as a role that owns nothing: `oubliette key-store migrate --owner-url-file FILE --grant-to ROLE`",
        );
    }
    if !role.lacking.is_empty() {
        findings.add(
            Severity::Grave,
            "role-lacks-rights",
            shown,
            format!("the role {:?} may not do all that a vault does: {}", role.name, role.lacking.join(", ")),
            "shreds, or sweeps, fail",
            "`oubliette key-store migrate --owner-url-file FILE --grant-to ROLE`",
        );
    }
}
