//! Hosts with a network of their own: a namespace each, on one switch, from which one can be unplugged.
//!
//! What is unplugged notices nothing: no connection ends, no address is refused, packets are gone. So TCP hangs, as it does when a cable or a switch
//! fails; a proxy cannot do that, since it answers for whoever is behind it. Needs root (`ip netns`), on Linux.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// Each a namespace; the switch is one as well. They are gone when this is dropped.
pub struct Hosts {
    prefix: String,
    names: Vec<&'static str>,
}

/// Of the network that documentation uses: no other host has these.
fn address(nth: usize) -> String {
    format!("192.0.2.{}", 10 + nth)
}

fn hardware(nth: usize) -> String {
    format!("02:00:00:00:00:{:02x}", 10 + nth)
}

/// Nobody has it.
const NOBODY: &str = "02:00:00:00:00:fe";

impl Hosts {
    pub fn new(names: &[&'static str]) -> Hosts {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("oubliette-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let hosts = Hosts { prefix, names: names.to_vec() };
        ip(&["netns", "add", &hosts.namespace("switch")]);
        let switch = hosts.namespace("switch");
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"]);
        ip(&["-n", &switch, "link", "set", "switch", "up"]);
        for (nth, name) in names.iter().enumerate() {
            let host = hosts.namespace(name);
            ip(&["netns", "add", &host]);
            ip(&["-n", &host, "link", "set", "lo", "up"]);
            let card = ["link", "add", "eth0", "address", &hardware(nth), "type", "veth"];
            let port = ["peer", "name", name, "netns", &switch];
            ip(&[&["-n", &host], &card[..], &port].concat());
            ip(&["-n", &host, "address", "add", &format!("{}/24", address(nth)), "dev", "eth0"]);
            ip(&["-n", &host, "link", "set", "eth0", "up"]);
            ip(&["-n", &switch, "link", "set", name, "up"]);
            hosts.plug_in(name);
        }
        // Known for ever: that a host does not answer is not found out by asking for its hardware.
        for (from, name) in names.iter().enumerate() {
            (0..names.len()).filter(|to| *to != from).for_each(|to| hosts.knows(name, to, &hardware(to)));
        }
        hosts
    }

    pub fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn nth(&self, name: &str) -> usize {
        self.names.iter().position(|other| *other == name).expect("a host of that name")
    }

    pub fn address(&self, name: &str) -> String {
        address(self.nth(name))
    }

    fn knows(&self, name: &str, other: usize, hardware: &str) {
        let entry = ["neigh", "replace", &address(other), "lladdr", hardware, "dev", "eth0", "nud", "permanent"];
        ip(&[&["-n", &self.namespace(name)], &entry[..]].concat());
    }

    /// Takes a host off the switch. It reaches nobody, and nobody reaches it.
    pub fn unplug(&self, name: &str) {
        ip(&["-n", &self.namespace("switch"), "link", "set", name, "nomaster"]);
    }

    pub fn plug_in(&self, name: &str) {
        ip(&["-n", &self.namespace("switch"), "link", "set", name, "master", "switch"]);
    }

    /// What `from` sends to `to` gets lost; the other way it arrives.
    pub fn lose(&self, from: &str, to: &str) {
        self.knows(from, self.nth(to), NOBODY);
    }

    pub fn lose_no_more(&self, from: &str, to: &str) {
        let to = self.nth(to);
        self.knows(from, to, &hardware(to));
    }

    /// These hosts have a switch of their own from now on.
    pub fn part(&self, names: &[&str]) {
        let switch = self.namespace("switch");
        ip(&["-n", &switch, "link", "add", "other", "type", "bridge"]);
        ip(&["-n", &switch, "link", "set", "other", "up"]);
        names.iter().for_each(|name| ip(&["-n", &switch, "link", "set", name, "master", "other"]));
    }

    /// There is one switch again.
    pub fn join(&self) {
        self.names.iter().for_each(|name| self.plug_in(name));
        ip(&["-n", &self.namespace("switch"), "link", "del", "other"]);
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in self.names.iter().chain(&["switch"]) {
            let _ = output(&["netns", "del", &self.namespace(name)]);
        }
    }
}

fn output(arguments: &[&str]) -> Output {
    Command::new("ip").args(arguments).output().expect("ip is needed: apt-get install iproute2")
}

fn ip(arguments: &[&str]) {
    let output = output(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {said} (network namespaces need root)", arguments.join(" "));
}
