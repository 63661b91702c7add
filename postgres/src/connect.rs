//! Which of several hosts a connection goes to: the first one that answers as it should, begun in their order.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::failure::Failure;

/// How long an attempt has before the next host is tried beside it. Whoever is there answers sooner; of a host that hangs nothing tells, and waiting for it
/// until it is given up would keep everybody from a standby that was promoted in its place.
const HEAD_START: Duration = Duration::from_millis(100);

/// One host of several, or one of its addresses.
#[derive(Clone)]
struct Target {
    host: Host,
    address: Option<IpAddr>,
    port: u16,
}

/// Connects to the first host that answers as it should. `attempt` is made with a configuration that names one host alone.
pub(crate) async fn connect<T, A>(
    config: &Config,
    attempt: impl Fn(Config) -> A + Clone + Send + Sync + 'static,
) -> Result<T, Failure>
where
    T: Send + 'static,
    A: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let config = config.clone();
    let hosts = targets(&config);
    race(hosts, move |target| {
        let (config, attempt) = (config.clone(), attempt.clone());
        async move {
            let addresses = addresses(&target).await?;
            race(addresses, move |target| attempt(only(&config, &target))).await
        }
    })
    .await
}

fn targets(config: &Config) -> Vec<Target> {
    let (addresses, ports) = (config.get_hostaddrs(), config.get_ports());
    let targets = config.get_hosts().iter().enumerate().map(|(nth, host)| Target {
        host: host.clone(),
        address: addresses.get(nth).copied(),
        port: ports.get(nth).or(ports.first()).copied().unwrap_or(5432),
    });
    targets.collect()
}

/// All that a name stands for.
async fn addresses(target: &Target) -> Result<Vec<Target>, Failure> {
    let name = match (&target.host, target.address) {
        (Host::Tcp(name), None) => name.as_str(),
        _ => return Ok(vec![target.clone()]),
    };
    let found = lookup_host((name, target.port)).await.map_err(Failure::Lookup)?;
    Ok(found.map(|found| Target { address: Some(found.ip()), ..target.clone() }).collect())
}

/// Makes attempts one after the other, each a head start after the one before or once that has failed; the first that succeeds counts, and the others
/// are given up. If none does, the last failure.
async fn race<T, A>(targets: Vec<Target>, attempt: impl Fn(Target) -> A) -> Result<T, Failure>
where
    T: Send + 'static,
    A: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut attempts: JoinSet<Result<T, Failure>> = JoinSet::new();
    let mut failure = Failure::NoHost;
    let mut targets = targets.into_iter();
    let mut next = targets.next();
    loop {
        if let Some(target) = next.take() {
            attempts.spawn(attempt(target));
            next = targets.next();
        }
        let ended = match next {
            Some(_) => match timeout(HEAD_START, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
            None => attempts.join_next().await,
        };
        match ended {
            Some(Ok(Ok(done))) => return Ok(done),
            Some(Ok(Err(other))) => failure = other,
            Some(Err(error)) => failure = ended_badly(error),
            None if next.is_none() => return Err(failure),
            None => {}
        }
    }
}

fn ended_badly(_: JoinError) -> Failure {
    Failure::DriverEnded
}

/// A configuration like this one, with this host alone.
fn only(config: &Config, target: &Target) -> Config {
    let mut one = Config::new();
    match &target.host {
        Host::Tcp(name) => one.host(name),
        #[cfg(unix)]
        Host::Unix(path) => one.host_path(path),
    };
    one.port(target.port);
    if let Some(address) = target.address {
        one.hostaddr(address);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle());
    one.ssl_mode(config.get_ssl_mode()).ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding());
    one.target_session_attrs(config.get_target_session_attrs());
    one
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::str::FromStr;

    use super::*;

    /// What a configuration says of several hosts, each host's alone says too: nothing that a newer driver knows may get lost.
    #[test]
    fn a_configuration_of_one_host_says_all_that_one_of_many_says() {
        let rest = "user=u password=p dbname=d options='-c x=y' application_name=a sslmode=require sslnegotiation=direct \
            connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 keepalives_interval=6 keepalives_retries=7 \
            target_session_attrs=read-write channel_binding=require";
        let many = Config::from_str(&format!("host=a,/b port=1,2 {rest}")).unwrap();
        let [first, second] = [("a", 1), ("/b", 2)]
            .map(|(host, port)| Config::from_str(&format!("host={host} port={port} {rest}")).unwrap());
        let made: Vec<Config> = targets(&many).iter().map(|target| only(&many, target)).collect();
        assert_eq!(made, [first, second]);
    }

    #[test]
    fn ports_and_addresses_belong_to_their_hosts() {
        let config = Config::from_str("host=a,b hostaddr=127.0.0.1,127.0.0.2 port=7").unwrap();
        let found: Vec<_> =
            targets(&config).into_iter().map(|target| (target.host, target.address.unwrap(), target.port)).collect();
        let host = |name: &str, last| (Host::Tcp(name.to_owned()), IpAddr::from([127, 0, 0, last]), 7);
        assert_eq!(found, [host("a", 1), host("b", 2)]);
    }
}
