//! A primary that is lost, or deposed, and its standby.

use oubliette_fire::history::{Fault, now};

use super::proxy::Weather;
use super::restores::{all_refuse, recover};
use super::server::Server;
use super::site::{LEASE, MACHINES, PROCESSES, Site, expect_well, rounds};
use super::support::{sleep, wait_for};

/// A primary, and a standby that confirms each commit.
pub fn synchronous(name: &str, options: &[&str]) -> Site {
    let primary = Server::start(&[]);
    let standby = Server::follow(&primary);
    primary.set("synchronous_standby_names", "standby");
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
    Site::on(name, vec![primary, standby], options, Vec::new())
}

fn promote(server: &Server) {
    assert_eq!(server.sql("SELECT pg_promote(true, 30)"), "t");
}

/// The primary is killed in the middle of commits, and the standby that confirmed them takes its place: nothing that was answered is
/// undone. 20 s a round.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_primary_is_lost_and_its_synchronous_standby_promoted() {
    for _ in 0..rounds() {
        let mut site = synchronous("a synchronous primary is lost", &[]);
        site.start_all();
        std::thread::sleep(site.random.milliseconds(500, 1500));
        site.servers[0].kill();
        std::thread::sleep(site.random.milliseconds(0, 500));
        promote(&site.servers[1]);
        let all: Vec<u32> = (1..=PROCESSES).collect();
        println!("all back after {:?}", site.wait_until_back(&all));
        sleep(1500);
        site.ends_well();
    }
}

/// The standby is promoted while the primary lives on, and one machine reaches the old one alone: it must stop within the lease. 20 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_primary_is_deposed_and_does_not_know() {
    let mut site = synchronous("a primary is deposed", &[]);
    deposed(&mut site);
    site.ends_well();
}

/// Machine 0 stays with the old primary, the others go to the new one.
pub fn deposed(site: &mut Site) {
    site.start_all();
    let theirs: Vec<u32> = Site::on_machine(0).collect();
    site.proxies[0][1].set(Weather::Refuses);
    (1..MACHINES).for_each(|machine| site.proxies[machine][0].set(Weather::Refuses));
    promote(&site.servers[1]);
    site.cut_off(&theirs, |site| {
        let others: Vec<u32> = (1..=PROCESSES).filter(|process| Site::machine(*process) != 0).collect();
        println!("the others went on after {:?}", site.wait_until_back(&others));
        std::thread::sleep(LEASE * 5);
    });
    // Somebody found out.
    site.servers[0].kill();
    site.proxies[0][1].set(Weather::Passes);
    println!("the others back after {:?}", site.wait_until_back(&theirs));
    sleep(1000);
}

/// The standby lacks the last seconds. Who saw them refuses the new primary, and has all refuse it; until then, as the README says, whoever
/// was shredded in these seconds may be opened by who did not see it, and numbers may be issued twice. Then an operator recovers it. 25 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_primary_is_lost_and_its_asynchronous_standby_promoted() {
    for _ in 0..rounds() {
        let primary = Server::start(&[]);
        let standby = Server::follow(&primary);
        let mut site = Site::on("an asynchronous primary is lost", vec![primary, standby], &[], Vec::new());
        site.start_all();
        // What was committed by now arrives.
        let from = now();
        let position = site.servers[0].sql("SELECT pg_current_wal_flush_lsn()");
        wait_for("the standby to have it", || {
            site.servers[1].sql(&format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")) == "t"
        });
        site.servers[1].stop_at_once();
        std::thread::sleep(site.random.milliseconds(1000, 2000));
        site.servers[0].kill();
        site.servers[1].go_on();
        let to = now();
        promote(&site.servers[1]);
        site.fault(&Fault::Lost { from, to });
        all_refuse(&site);
        recover(&mut site, 1);
        let (counts, violations) = site.checked();
        expect_well(counts, &violations);
    }
}
