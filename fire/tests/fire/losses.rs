//! Processes and servers that end without a word.

use super::site::{PROCESSES, Site, rounds};
use super::support::sleep;

/// `kill -9` of any process at any moment, commits among them, and another one in its place. 20 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn processes_are_killed() {
    let mut site = Site::new("processes are killed");
    site.start_all();
    for _ in 0..24 * rounds() {
        std::thread::sleep(site.random.milliseconds(50, 600));
        let process = 1 + u32::try_from(site.random.below(PROCESSES as usize)).unwrap();
        site.kill(process);
        site.start(process);
    }
    for process in 1..=PROCESSES {
        site.wait_until_it_works(process);
    }
    sleep(1000);
    site.ends_well();
}

/// PostgreSQL is killed, or ends all its processes at once, in the middle of commits. 25 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn the_server_is_stopped_hard() {
    let mut site = Site::new("the server is stopped hard");
    site.start_all();
    for _ in 0..6 * rounds() {
        std::thread::sleep(site.random.milliseconds(300, 1800));
        match site.random.one_in(2) {
            true => site.servers[0].kill(),
            false => site.servers[0].stop_at_once(),
        }
        std::thread::sleep(site.random.milliseconds(0, 1500));
        site.servers[0].go_on();
    }
    let all: Vec<u32> = (1..=PROCESSES).collect();
    println!("all back after {:?}", site.wait_until_back(&all));
    site.ends_well();
}
