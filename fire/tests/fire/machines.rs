//! Machines with a network of their own, which fails without a word: nothing ends and nothing is refused, packets are gone.

use std::time::{Duration, Instant};

use oubliette_fire::history::now;

use super::hosts::Hosts;
use super::server::Server;
use super::site::{LEASE, PROCESSES, Site, rounds};
use super::support::{sleep, wait_for};

fn one_server(name: &str) -> Site {
    let hosts = Hosts::new(&["db0", "m0", "m1", "m2"]);
    let server = Server::start_in(&hosts.namespace("db0"), &[]);
    Site::on_hosts(name, hosts, vec![server])
}

/// Each machine is cut off for five leases: the first one wholly; the second hears nothing, while what it asks for is done; what the third one asks for gets
/// lost, while it is told of others' commits. 35 s.
#[test]
#[ignore = "needs root, PostgreSQL, and half a minute"]
fn machines_are_cut_off_without_a_word() {
    let mut site = one_server("machines are cut off without a word");
    site.start_all();
    for round in 0..3 * rounds() {
        let machine = round % 3;
        let name = ["m0", "m1", "m2"][machine];
        let theirs: Vec<u32> = Site::on_machine(machine).collect();
        match round % 3 {
            0 => site.hosts().unplug(name),
            1 => site.hosts().lose("db0", name),
            _ => site.hosts().lose(name, "db0"),
        }
        site.cut_off(&theirs, |_| std::thread::sleep(LEASE * 5));
        match round % 3 {
            0 => site.hosts().plug_in(name),
            1 => site.hosts().lose_no_more("db0", name),
            _ => site.hosts().lose_no_more(name, "db0"),
        }
        println!("{name} back after {:?}", site.wait_until_back(&theirs));
    }
    site.ends_well();
}

/// A machine loses its power while one of its processes has the lock, and the server is not told. All go on reading; commits go on once the server has
/// found out, in some 25 seconds as the README of the store says. 45 s.
#[test]
#[ignore = "needs root, PostgreSQL, and three quarters of a minute"]
fn a_machine_loses_power_with_the_lock() {
    let mut site = one_server("a machine loses power with the lock");
    site.start_all();
    let theirs: Vec<u32> = Site::on_machine(0).collect();
    let others: Vec<u32> = (1..=PROCESSES).filter(|process| Site::machine(*process) != 0).collect();
    let mut holder = site.hold_the_lock(0);
    site.hosts().unplug("m0");
    // Its end cannot be told to anybody.
    holder.kill().unwrap();
    holder.wait().unwrap();
    theirs.iter().for_each(|process| site.kill(*process));
    let (lost, begun) = (now(), Instant::now());
    sleep(1000);
    site.wait_until_back(&others);
    wait_for("somebody to be shredded", || site.shredded_since(lost));
    let took = begun.elapsed();
    println!("commits went on after {took:?}");
    // That it was the lock they waited for, and that it was no minute.
    assert!(took > Duration::from_secs(15) && took < Duration::from_secs(40), "{took:?}");
    site.hosts().plug_in("m0");
    theirs.iter().for_each(|process| site.start(*process));
    theirs.iter().for_each(|process| site.wait_until_it_works(*process));
    site.ends_well();
}

/// The network falls into two halves: the primary and one machine, the standby and two. The standby is promoted. The primary does not know, and its
/// machine stops in one lease, since no standby confirms its reads. 40 s.
#[test]
#[ignore = "needs root, PostgreSQL, and half a minute"]
fn the_network_falls_into_two_halves() {
    let hosts = Hosts::new(&["db0", "db1", "m0", "m1", "m2"]);
    let primary = Server::start_in(&hosts.namespace("db0"), &[]);
    let standby = Server::follow_in(&hosts.namespace("db1"), &primary, &hosts.address("db0"));
    primary.set("synchronous_standby_names", "standby");
    wait_for("the standby to be synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
    let mut site = Site::on_hosts("the network falls into two halves", hosts, vec![primary, standby]);
    site.start_all();
    let theirs: Vec<u32> = Site::on_machine(0).collect();
    let others: Vec<u32> = (1..=PROCESSES).filter(|process| Site::machine(*process) != 0).collect();
    site.hosts().part(&["db0", "m0"]);
    site.cut_off(&theirs, |site| {
        assert_eq!(site.servers[1].sql("SELECT pg_promote(true, 30)"), "t");
        println!("the others went on after {:?}", site.wait_until_back(&others));
        site.shreds(3);
        std::thread::sleep(LEASE * 5);
    });
    // Somebody found out.
    site.servers[0].kill();
    site.hosts().join();
    println!("all back after {:?}", site.wait_until_back(&theirs));
    sleep(1000);
    site.ends_well();
}
