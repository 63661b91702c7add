//! Networks that cut, delay, hold back; and machines that are cut off.

use std::time::Duration;

use super::proxy::Weather;
use super::site::{LEASE, MACHINES, PROCESSES, Site, rounds};

/// Bad weather between three machines and the server: what was held back arrives late, cut connections are made again. 25 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn network_cuts_delays_and_repeats() {
    let mut site = Site::new("the network cuts, delays and repeats");
    site.start_all();
    for _ in 0..40 * rounds() {
        let machine = site.random.below(MACHINES);
        let time = site.random.milliseconds(20, 600);
        match site.random.below(7) {
            0 => site.proxies[machine][0].cut(),
            1 => site.weather(machine, Weather::Delays(Duration::from_millis(3))),
            2 => site.weather(machine, Weather::Delays(time / 4)),
            3 => site.weather(machine, Weather::HoldsBack),
            4 => site.weather(machine, Weather::Refuses),
            5 => site.proxies[machine][0].half_close(true),
            _ => site.proxies[machine][0].half_close(false),
        }
        std::thread::sleep(time);
        if site.random.one_in(2) {
            site.weather(machine, Weather::Passes);
        }
    }
    (0..MACHINES).for_each(|machine| site.weather(machine, Weather::Passes));
    let all: Vec<u32> = (1..=PROCESSES).collect();
    println!("all back after {:?}", site.wait_until_back(&all));
    site.ends_well();
}

/// One machine is cut off for five leases, once by connections that end and once by connections that say nothing. 20 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn a_machine_is_cut_off_past_its_lease() {
    let mut site = Site::new("a machine is cut off");
    site.start_all();
    for round in 0..2 * rounds() {
        let weather = if round % 2 == 0 { Weather::Refuses } else { Weather::HoldsBack };
        cut_off(&mut site, round % MACHINES, weather);
    }
    site.ends_well();
}

pub fn cut_off(site: &mut Site, machine: usize, weather: Weather) {
    let processes: Vec<u32> = Site::on_machine(machine).collect();
    site.weather(machine, weather);
    // A call may wait for two seconds before it is refused.
    site.cut_off(&processes, |_| std::thread::sleep(LEASE * 5));
    site.weather(machine, Weather::Passes);
    println!("cut off ({weather:?}), and back after {:?}", site.wait_until_back(&processes));
}

/// Three processes are stopped for two and a half leases each, wherever they are, with the lock too: when they go on they open nobody who was
/// shredded meanwhile. 20 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn processes_are_stopped_past_their_lease() {
    let mut site = Site::new("processes are stopped");
    site.start_all();
    for _ in 0..3 * rounds() {
        let first = 1 + u32::try_from(site.random.below(PROCESSES as usize)).unwrap();
        let stopped: Vec<u32> = (0..3).map(|nth| (first + nth * 2) % PROCESSES + 1).collect();
        for process in &stopped {
            std::thread::sleep(site.random.milliseconds(0, 60));
            site.signal(*process, "STOP");
        }
        std::thread::sleep(LEASE * 5 / 2);
        stopped.iter().for_each(|process| site.signal(*process, "CONT"));
        println!("stopped, and back after {:?}", site.wait_until_back(&stopped));
    }
    site.ends_well();
}
