//! A protection is taken away, and the checker must notice it: these show that the others can fail.

use super::failover::{deposed, synchronous};
use super::network::cut_off;
use super::proxy::Weather;
use super::server::Server;
use super::site::{PROCESSES, Site};
use super::support::sleep;

fn planted(name: &str) -> Site {
    Site::on(&format!("planted: {name}"), vec![Server::start(&[])], &[&format!("plant={name}")], Vec::new())
}

/// The lease does not run out, since the vault's clocks stand still: who is cut off goes on, and opens who was shredded. 12 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_lease_that_never_runs_out_is_noticed() {
    let mut site = planted("its lease never runs out");
    site.start_all();
    cut_off(&mut site, 1, Weather::HoldsBack);
    site.ends_badly(&["late", "not closed"]);
}

/// What a deposed primary answers is believed: reads are not confirmed by its standby. 20 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_deposed_primary_that_is_believed_is_noticed() {
    let mut site = synchronous("planted: believes any primary", &["plant=believes any primary"]);
    deposed(&mut site);
    site.ends_badly(&["late", "not closed"]);
}

/// Commits do not exclude each other: what one wrote another one overwrites. The vault notices that by itself, and refuses all. 10 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_lock_that_is_not_taken_is_noticed() {
    let mut site = planted("takes no lock");
    (1..=PROCESSES).for_each(|process| site.start(process));
    sleep(6000);
    site.ends_badly(&["late", "number twice", "survivor", "again", "order", "verdict"]);
}
