//! Which servers may be promoted, and whether they have what was written last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oubliette::store::{PlaceId, StoreError};
use tokio::time::sleep;
use tokio_postgres::types::Type;

use crate::failure::Failure;
use crate::lock::key;
use crate::session::Session;
use crate::store::Inner;

/// What the caller says of the servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standbys {
    /// The servers that may be promoted, with or without this one; `None` if the caller named none.
    pub(crate) named: Option<Vec<String>>,
    /// The servers that are never promoted.
    pub(crate) never: Vec<String>,
}

/// Up to where this server's disk has the log, if this connection holds the lock that it is to hold.
const POSITION: &str = "SELECT pg_current_wal_flush_lsn()::text, pg_has_role('pg_read_all_stats', 'USAGE'),
        $1 OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $2)";

/// Who follows this server, and whether that position is on its disk. The connections are looked at once: a slot whose connection ended
/// meanwhile is one of a standby that is away.
const FOLLOWERS: &str = "WITH senders AS MATERIALIZED (
        SELECT pid, coalesce(application_name, '') AS name, coalesce(flush_lsn >= $1::text::pg_lsn, false) AS has
        FROM pg_stat_replication),
    slots AS MATERIALIZED (
        SELECT slot_name::text AS name, active_pid, coalesce(restart_lsn >= $1::text::pg_lsn, false) AS has
        FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary)
    SELECT true, name, has, current_setting('cluster_name'), current_setting('synchronous_standby_names') FROM senders
    UNION ALL
    SELECT false, name, has, '', '' FROM slots WHERE active_pid IS NULL OR active_pid NOT IN (SELECT pid FROM senders)
    UNION ALL
    SELECT NULL, '', true, current_setting('cluster_name'), current_setting('synchronous_standby_names')";

const PAUSE: Duration = Duration::from_millis(50);

/// Who follows, as the server says.
#[derive(Debug, Default)]
struct Followers {
    /// Connected, by name, and whether it has it.
    connected: Vec<(String, bool)>,
    /// Slots of those that are not.
    slots: Vec<(String, bool)>,
    /// How the server itself is called.
    own: String,
    /// `synchronous_standby_names`.
    synchronous: String,
}

impl Inner {
    /// Who lacks what was written last, after at most `wait`. On the connection that holds the lock, if one does: another one may be to another server.
    pub(crate) fn lagging(&self, wait: Duration) -> Result<Vec<String>, StoreError> {
        if self.standbys.named.is_none() {
            return Err(self.error(Failure::StandbysUnknown));
        }
        let held = self.held().clone();
        let wait = wait.min(self.pool.answer_within());
        let (standbys, place, is_held) = (self.standbys.clone(), self.place, held.is_some());
        let ask = move |session: Arc<Session>| {
            let standbys = standbys.clone();
            async move { lagging(&session, &standbys, place, is_held, wait).await }
        };
        match held {
            Some(session) => self.driver.run(async move { ask(session).await }).map_err(|failure| self.error(failure)),
            None => self.read(ask),
        }
    }
}

async fn lagging(
    session: &Session,
    standbys: &Standbys,
    place: PlaceId,
    is_held: bool,
    wait: Duration,
) -> Result<Vec<String>, Failure> {
    let until = Instant::now() + wait;
    let position = {
        let _turn = session.turn().await;
        let rows = session.query(POSITION, &[(&!is_held, Type::BOOL), (&key(place), Type::INT8)]).await?;
        let row = rows.first().ok_or(Failure::Incomplete)?;
        if !row.try_get::<_, bool>(2)? {
            return Err(Failure::LockLost);
        }
        // Without it the rows are there, and all that they say is NULL.
        if !row.try_get::<_, bool>(1)? {
            return Err(Failure::MayNotSeeStandbys);
        }
        row.try_get::<_, String>(0)?
    };
    loop {
        let lagging = followers(session, &position).await?.lagging(standbys);
        if lagging.is_empty() || Instant::now() >= until {
            return Ok(lagging);
        }
        sleep(PAUSE).await;
    }
}

async fn followers(session: &Session, position: &str) -> Result<Followers, Failure> {
    let _turn = session.turn().await;
    let mut followers = Followers::default();
    for row in session.query(FOLLOWERS, &[(&position, Type::TEXT)]).await? {
        let follower = (row.try_get(1)?, row.try_get(2)?);
        match row.try_get::<_, Option<bool>>(0)? {
            Some(true) => followers.connected.push(follower),
            Some(false) => followers.slots.push(follower),
            None => (followers.own, followers.synchronous) = (row.try_get(3)?, row.try_get(4)?),
        }
    }
    Ok(followers)
}

impl Followers {
    fn lagging(&self, standbys: &Standbys) -> Vec<String> {
        let may_be_promoted = |name: &str| !standbys.never.iter().any(|never| never == name);
        let mut lagging: Vec<String> = Vec::new();
        for (name, has) in &self.connected {
            if !has && may_be_promoted(name) {
                lagging.push(format!("standby {name:?}, which is behind"));
            }
        }
        for (name, has) in &self.slots {
            if !has && may_be_promoted(name) {
                lagging.push(format!("the standby of the replication slot {name:?}, which is not connected"));
            }
        }
        let is_connected = |is: &dyn Fn(&str) -> bool| self.connected.iter().any(|(name, _)| is(name));
        let mut missing = |name: &str| lagging.push(format!("standby {name:?}, which is not connected"));
        for name in standbys.named.iter().flatten() {
            if *name != self.own && may_be_promoted(name) && !is_connected(&|other| other == name) {
                missing(name);
            }
        }
        for name in synchronous(&self.synchronous) {
            let is_named = standbys.named.iter().flatten().any(|other| *other == name);
            // As the server compares them.
            if !is_named
                && !name.eq_ignore_ascii_case(&self.own)
                && may_be_promoted(&name)
                && !is_connected(&|other| other.eq_ignore_ascii_case(&name))
            {
                missing(&name);
            }
        }
        lagging.sort();
        lagging.dedup();
        lagging
    }
}

/// The names in `synchronous_standby_names`: `a, b`, `2 (a, b)`, `FIRST 1 (a, "b c")`, `ANY 1 (a, b)`. `*` is none.
fn synchronous(setting: &str) -> Vec<String> {
    let inner = match (unquoted_find(setting, '('), setting.rfind(')')) {
        (Some(open), Some(close)) => setting.get(open + 1..close).unwrap_or_default(),
        _ => setting,
    };
    let mut names = Vec::new();
    let mut name = String::new();
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut rest = inner.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if is_quoted && rest.peek() == Some(&'"') => {
                rest.next();
                name.push('"');
            }
            '"' => (is_quoted, was_quoted) = (!is_quoted, true),
            ',' if !is_quoted => {
                keep(&mut names, &mut name, was_quoted);
                was_quoted = false;
            }
            blank if !is_quoted && blank.is_ascii_whitespace() => {}
            other => name.push(other),
        }
    }
    keep(&mut names, &mut name, was_quoted);
    names
}

fn keep(names: &mut Vec<String>, name: &mut String, was_quoted: bool) {
    let name = std::mem::take(name);
    if !name.is_empty() && (was_quoted || name != "*") {
        names.push(name);
    }
}

fn unquoted_find(text: &str, wanted: char) -> Option<usize> {
    let mut is_quoted = false;
    text.char_indices()
        .find(|(_, next)| {
            is_quoted ^= *next == '"';
            !is_quoted && *next == wanted
        })
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_form_of_the_setting() {
        for (setting, expected) in [
            ("", &[][..]),
            ("*", &[]),
            ("a", &["a"]),
            (" a , B ", &["a", "B"]),
            ("2 (a, b)", &["a", "b"]),
            ("FIRST 1(a,b)", &["a", "b"]),
            ("any 1 (a, \"b, (c)\", *)", &["a", "b, (c)"]),
            ("\"*\", \"o\"\"o\"", &["*", "o\"o"]),
            ("\"(a\", b", &["(a", "b"]),
        ] {
            assert_eq!(synchronous(setting), expected, "{setting}");
        }
    }

    /// Whom it waits for: named or not, connected or not.
    #[test]
    fn whoever_may_be_promoted_and_lacks_it_is_named() {
        let followers = |connected: &[(&str, bool)], slots: &[(&str, bool)], synchronous: &str| {
            let owned = |all: &[(&str, bool)]| all.iter().map(|(name, has)| ((*name).to_owned(), *has)).collect();
            Followers {
                connected: owned(connected),
                slots: owned(slots),
                own: "a".to_owned(),
                synchronous: synchronous.to_owned(),
            }
        };
        let lag = |followers: Followers, named: &[&str], never: &[&str]| {
            let owned = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect();
            followers.lagging(&Standbys { named: Some(owned(named)), never: owned(never) }).len()
        };
        // Alone, as itself.
        assert_eq!(lag(followers(&[], &[], ""), &[], &[]), 0);
        assert_eq!(lag(followers(&[], &[], ""), &["a"], &[]), 0);
        // Named, and away.
        assert_eq!(lag(followers(&[], &[], ""), &["a", "b"], &[]), 1);
        assert_eq!(lag(followers(&[], &[], "FIRST 1 (b, c)"), &["a", "b"], &[]), 2);
        assert_eq!(lag(followers(&[("B", true)], &[], "b"), &["a"], &[]), 0);
        assert_eq!(lag(followers(&[("B", true)], &[], ""), &["b"], &[]), 1, "another one");
        // Not named, and there: one of two of a name as well.
        assert_eq!(lag(followers(&[("c", false)], &[], ""), &[], &[]), 1);
        assert_eq!(lag(followers(&[("b", true), ("b", false)], &[], ""), &["b"], &[]), 1);
        // A slot.
        assert_eq!(lag(followers(&[], &[("s", false)], ""), &[], &[]), 1);
        assert_eq!(lag(followers(&[], &[("s", true)], ""), &[], &[]), 0);
        // Never.
        let all = followers(&[("c", false)], &[("s", false)], "d");
        assert_eq!(lag(all, &["e"], &["c", "s", "d", "e"]), 0);
    }
}
