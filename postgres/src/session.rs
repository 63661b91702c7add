//! One connection, each of whose answers is waited for a stated time.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connect::connect;
use crate::failure::Failure;
use crate::password::Passwords;

/// A parameter of a statement, and its type: so a statement takes one round trip also if it was not prepared.
pub(crate) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// A statement, and its parameters.
pub(crate) type Asked<'p> = (&'p str, Vec<Parameter<'p>>);

/// Where connections go, and how long an answer may take.
pub(crate) struct Target {
    pub(crate) config: tokio_postgres::Config,
    /// Asked for each connection, in place of what `config` says.
    pub(crate) passwords: Option<Passwords>,
    pub(crate) tls: Option<MakeRustlsConnect>,
    pub(crate) answer_within: Duration,
}

/// A connection. What does not answer in time is closed, since the answer to come would be taken for another's.
pub(crate) struct Session {
    client: Client,
    heard: Arc<Heard>,
    task: AbortHandle,
    /// One transaction at a time.
    turn: Mutex<()>,
    within: Duration,
    name: String,
    /// Statements that are asked often, as the server knows them: planning one takes longer than doing it.
    prepared: std::sync::Mutex<HashMap<String, Statement>>,
}

/// What the server says without having been asked.
#[derive(Default)]
struct Heard {
    /// A wait for the standbys was cut short.
    not_confirmed: AtomicBool,
    /// Told of each notification, and of the end.
    notified: Arc<Notify>,
}

impl Session {
    pub(crate) async fn connect(target: &Target) -> Result<Session, Failure> {
        let (within, tls) = (target.answer_within, target.tls.clone());
        let attempt = move |config: tokio_postgres::Config| {
            let tls = tls.clone();
            async move {
                let heard = Arc::new(Heard::default());
                let (client, task) = match tls {
                    None => config.connect(NoTls).await.map(|(client, all)| (client, drive(all, &heard)))?,
                    Some(tls) => config.connect(tls).await.map(|(client, all)| (client, drive(all, &heard)))?,
                };
                let (turn, prepared) = (Mutex::new(()), Default::default());
                Ok(Session { client, heard, task, turn, within, prepared, name: name()? })
            }
        };
        let mut config = target.config.clone();
        if let Some(passwords) = &target.passwords {
            config.password(passwords.ask(within).await?.as_bytes());
        }
        let connected = timeout(within, connect(&config, attempt)).await;
        let session = connected.map_err(|_| Failure::NoAnswer(within))??;
        session.batch(&setup(within, &session.name)).await?;
        let is_own = session.query(IS_OWN, &[(&session.name, Type::TEXT)]).await?;
        match is_own.first().map(|row| row.try_get(0)) {
            Some(Ok(true)) => Ok(session),
            _ => Err(Failure::Pooled),
        }
    }

    /// Excludes other transactions of this connection.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// By which a statement sees that it is this connection which answers.
    pub(crate) fn name(&self) -> &String {
        &self.name
    }

    /// How long an answer is waited for.
    pub(crate) fn within(&self) -> Duration {
        self.within
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Closes the connection, whatever is under way on it.
    pub(crate) fn spoil(&self) {
        self.task.abort();
    }

    /// Told of each notification, and when the connection ends.
    pub(crate) fn notified(&self) -> Arc<Notify> {
        self.heard.notified.clone()
    }

    /// The answer to one statement. If it wrote, it is committed when this returns, unless it stands in a transaction.
    pub(crate) async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        self.query_within(self.within, sql, parameters).await
    }

    pub(crate) async fn query_within(
        &self,
        most: Duration,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let rows = self.answer(most, self.client.query_typed(sql, parameters)).await?;
        self.confirmed()?;
        Ok(rows)
    }

    /// The answer to a statement that is asked again and again. After its first answer the statement is prepared, which
    /// takes one more round trip, once for each connection.
    pub(crate) async fn query_often(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        self.query_often_within(self.within, sql, parameters).await
    }

    pub(crate) async fn query_often_within(
        &self,
        most: Duration,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        if self.prepared().contains_key(sql) {
            return self.ask(most, sql, parameters).await;
        }
        let rows = self.query_within(most, sql, parameters).await?;
        let types: Vec<Type> = parameters.iter().map(|(_, of_type)| of_type.clone()).collect();
        // Without it all goes on.
        let _ = self.prepare(most, sql, &types).await;
        Ok(rows)
    }

    /// Makes a statement known to the server. What is asked several times at once is prepared before.
    pub(crate) async fn prepare(&self, most: Duration, sql: &str, types: &[Type]) -> Result<(), Failure> {
        if self.prepared().contains_key(sql) {
            return Ok(());
        }
        let statement = self.answer(most, self.client.prepare_typed(sql, types)).await?;
        self.prepared().insert(sql.to_owned(), statement);
        Ok(())
    }

    /// As the server knows it, if it does.
    async fn ask(&self, most: Duration, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        let Some(statement) = self.prepared().get(sql).cloned() else {
            return self.query_within(most, sql, parameters).await;
        };
        let unshown: Vec<Unshown<'_>> = parameters.iter().map(|(value, _)| Unshown(*value)).collect();
        let values: Vec<&(dyn ToSql + Sync)> = unshown.iter().map(|value| value as _).collect();
        let rows = self.answer(most, self.client.query(&statement, &values)).await.inspect_err(|_| {
            // The tables may be others by now.
            self.prepared().remove(sql);
        })?;
        self.confirmed()?;
        Ok(rows)
    }

    fn prepared(&self) -> std::sync::MutexGuard<'_, HashMap<String, Statement>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers to several statements, which are sent at once: one round trip, and no other one of this connection in between. The server does one after
    /// the other, and all of them, unless they stand in one transaction and one fails. Gives the first error. `most`: for all of them.
    pub(crate) async fn queries(&self, most: Duration, statements: &[Asked<'_>]) -> Result<Vec<Vec<Row>>, Failure> {
        let asked = statements.iter().map(|(sql, parameters)| self.ask(most, sql, parameters));
        at_once(asked.collect()).await.into_iter().collect()
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.batch_within(self.within, sql).await
    }

    pub(crate) async fn batch_within(&self, most: Duration, sql: &str) -> Result<(), Failure> {
        self.answer(most, self.client.batch_execute(sql)).await?;
        self.confirmed()
    }

    async fn answer<T>(
        &self,
        most: Duration,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        match timeout(most, work).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                // It is not cancelled at the server: that would make a commit visible that no standby has.
                self.spoil();
                Err(Failure::NoAnswer(most))
            }
        }
    }

    /// A commit whose wait for the standbys was cancelled succeeds, with a warning.
    fn confirmed(&self) -> Result<(), Failure> {
        if self.heard.not_confirmed.swap(false, Ordering::AcqRel) { Err(Failure::NotConfirmed) } else { Ok(()) }
    }
}

/// A parameter that nobody is shown: where the application logs at the level `debug`, the driver says what a prepared statement is given, and the record
/// would stand in that log.
struct Unshown<'p>(&'p (dyn ToSql + Sync));

impl fmt::Debug for Unshown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl ToSql for Unshown<'_> {
    fn to_sql(&self, of_type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql_checked(of_type, out)
    }

    fn to_sql_checked(&self, of_type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(of_type, out)
    }

    /// The value itself is asked as it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, of_type: &Type) -> Format {
        self.0.encode_format(of_type)
    }
}

/// Begins all of it in this order, and waits until all of it is done.
pub(crate) async fn at_once<T>(asked: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut asked: Vec<_> = asked.into_iter().map(|one| (Box::pin(one), None)).collect();
    poll_fn(|context| {
        let mut is_waiting = false;
        for (one, answer) in asked.iter_mut().filter(|(_, answer)| answer.is_none()) {
            match one.as_mut().poll(context) {
                Poll::Ready(came) => *answer = Some(came),
                Poll::Pending => is_waiting = true,
            }
        }
        if is_waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    asked.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// Runs both, the first one begun first. When the first is done, the second is waited for so long.
pub(crate) async fn both<A, B>(
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
    within: Duration,
) -> (A, Option<B>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut of_second = None;
    let of_first = poll_fn(|context| {
        let of_first = first.as_mut().poll(context);
        if of_second.is_none()
            && let Poll::Ready(answer) = second.as_mut().poll(context)
        {
            of_second = Some(answer);
        }
        of_first
    })
    .await;
    match of_second {
        Some(answer) => (of_first, Some(answer)),
        None => (of_first, timeout(within, second).await.ok()),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Otherwise it would live on until the server answered what was asked last.
        self.task.abort();
    }
}

/// Whether it is the connection that was set up which answers: a pooler may give each transaction another one, where nothing of that holds, and a commit
/// that is to prove something is perhaps confirmed by nobody.
const IS_OWN: &str = "SELECT coalesce(current_setting('oubliette.connection', true) = $1, false)";

/// A connection's own, which nobody else has.
fn name() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failure::Randomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What holds for each connection, whatever the server, the database or the role has set:
/// - Nothing is looked up by a path that others can set.
/// - Nothing waits for ever; how long each statement and each wait may take is said here and with it, so the server's limit for transactions (of 17 and later) ends none.
/// - A commit is on the disk of this server and of the synchronous standbys before it is answered; if the wait for these is cut short, the warning is heard.
/// - What statements carry, the record above all, does not get into the server's log, as far as this role may say so: not with plans, since they are made
///   once for all, nor when one fails. Of statements that are logged a superuser alone may say it.
/// - Nothing is compiled (`jit`): the server would do so anew each time, for tens of milliseconds, whenever it takes a statement for expensive. Each of ours looks
///   a few rows up, or waits for the disk.
///
/// The server looks after a client that vanished as well: who holds the lock and lost its power gives it back.
fn setup(within: Duration, name: &str) -> String {
    let most = within.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "SET search_path = pg_catalog;
         SET statement_timeout = {most};
         SET lock_timeout = {most};
         SET client_min_messages = warning;
         SET plan_cache_mode = force_generic_plan;
         SET jit = off;
         SELECT set_config(name, '0', false)
             FROM pg_roles, LATERAL (VALUES ('transaction_timeout', true), ('log_parameter_max_length_on_error', true),
                 ('log_parameter_max_length', rolsuper)) AS own (name, may)
             WHERE rolname = current_user AND may AND current_setting(name, true) IS NOT NULL;
         SET idle_in_transaction_session_timeout = {most};
         SET default_transaction_isolation = 'read committed';
         SET tcp_keepalives_idle = 10;
         SET tcp_keepalives_interval = 5;
         SET tcp_keepalives_count = 3;
         SET tcp_user_timeout = 25000;
         SET oubliette.connection = '{name}';
         SELECT set_config('synchronous_commit',
             CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)"
    )
}

/// Has a connection served until it ends.
fn drive<T>(mut connection: Connection<tokio_postgres::Socket, T>, heard: &Arc<Heard>) -> AbortHandle
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let heard = heard.clone();
    let serve = async move {
        poll_fn(|context| {
            loop {
                match ready!(connection.poll_message(context)) {
                    Some(Ok(AsyncMessage::Notification(_))) => heard.notified.notify_one(),
                    // By where it comes from: its text is in the server's language.
                    Some(Ok(AsyncMessage::Notice(notice))) if notice.file() == Some("syncrep.c") => {
                        heard.not_confirmed.store(true, Ordering::Release);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(()),
                }
            }
        })
        .await;
        // The client must know of the end before whoever is told looks.
        drop(connection);
        heard.notified.notify_one();
    };
    tokio::spawn(serve).abort_handle()
}
