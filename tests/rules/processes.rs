//! Rule 10 and the promise of the lease, with real processes. This test binary runs itself as the other process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use oubliette::{CustomerId, OpenError, Sealed, personal::Email};

use super::support::*;

const AT: &str = "OUBLIETTE_TEST_VAULT";
/// What a loaded machine may add between a clock being read here and there.
const SCHEDULING: Duration = Duration::from_millis(50);

/// Not a test of its own: what the other process does. Without its variable it has nothing to do.
///
/// It is told customers and values, one a line, and opens the last of them again and again, directly and through a
/// handle that it keeps. It says when it began each call that came out otherwise than the one before, and when it began
/// the last one that opened.
#[test]
fn other_process() {
    let Ok(at) = std::env::var(AT) else { return };
    let vault = super::support::at(Path::new(&at)).unlock(key()).unwrap();
    let (told, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if told.send(line.unwrap()).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    let mut line: String = lines.recv().unwrap();
    loop {
        let (customer, sealed) = line.split_once(' ').unwrap();
        let customer: CustomerId = customer.parse().unwrap();
        let sealed: Sealed<Email> = sealed.parse().unwrap();
        let keys = vault.customer(customer);
        let mut before = "";
        let mut opened_at = SystemTime::UNIX_EPOCH;
        line = loop {
            for by_handle in [false, true] {
                let began = SystemTime::now();
                let opened = if by_handle { keys.open(EMAIL, &sealed) } else { vault.open(customer, EMAIL, &sealed) };
                let now = match opened {
                    Ok(_) => {
                        opened_at = began;
                        "opened"
                    }
                    Err(OpenError::Shredded { .. }) => "shredded",
                    Err(_) => "unavailable",
                };
                if now != before {
                    before = now;
                    let at = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
                    println!("\n> {customer} {now} {} {}", at(began), at(opened_at));
                }
            }
            match lines.try_recv() {
                Ok(line) => break line,
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        };
    }
}

struct Other {
    child: Child,
    stdin: ChildStdin,
    said: Receiver<String>,
}

/// One thing the other process said.
struct Said {
    what: String,
    last_opened: SystemTime,
}

impl Other {
    fn start(at: &Path) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::other_process", "--nocapture"])
            .env(AT, at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, said) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines() {
                if let Ok(line) = line
                    && let Some(line) = line.strip_prefix("> ")
                {
                    let _ = tell.send(line.to_owned());
                }
            }
        });
        Other { stdin: child.stdin.take().unwrap(), child, said }
    }

    fn open(&mut self, customer: CustomerId, sealed: &Sealed<Email>) {
        writeln!(self.stdin, "{customer} {sealed}").unwrap();
    }

    fn next(&self, customer: CustomerId) -> Said {
        loop {
            let line = self.said.recv_timeout(Duration::from_secs(20)).expect("the other process says something");
            let words: Vec<&str> = line.split(' ').collect();
            if words[0] == customer.to_string() {
                let last_opened = SystemTime::UNIX_EPOCH + Duration::from_nanos(words[3].parse().unwrap());
                return Said { what: words[1].to_owned(), last_opened };
            }
        }
    }

    fn expect(&self, customer: CustomerId, what: &str) -> Said {
        loop {
            let said = self.next(customer);
            if said.what == what {
                return said;
            }
            assert_eq!(said.what, "unavailable", "before it is {what}");
        }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_process_stops_within_the_lease() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let mut other = Other::start(&scratch.join("main"));
    let mut slowest = Duration::ZERO;
    for _ in 0..8 {
        let (alice, a) = enroll(&vault);
        other.open(alice, &a);
        other.expect(alice, "opened");
        let shredded = vault.shred([alice]).unwrap();
        let returned = SystemTime::now();
        assert!(shredded.commit().effective_everywhere_at() <= returned + LEASE);
        let said = other.expect(alice, "shredded");
        let after = said.last_opened.duration_since(returned).unwrap_or_default();
        assert!(after <= LEASE + SCHEDULING, "opened {after:?} after the shred returned");
        slowest = slowest.max(after);
    }
    println!("the last call that opened began at most {slowest:?} after the shred returned; the lease is {LEASE:?}");
}

/// A process that is stopped for longer than its lease, as a laptop or a virtual machine is, opens nothing of those
/// shredded meanwhile when it goes on, not even once, wherever it was stopped; and all others again.
#[test]
fn a_stopped_process_fails_closed_when_it_goes_on() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let mut other = Other::start(&scratch.join("main"));
    let (bob, b) = enroll(&vault);
    for round in 0..6 {
        let (alice, a) = enroll(&vault);
        other.open(alice, &a);
        other.expect(alice, "opened");
        std::thread::sleep(Duration::from_millis(20 + round));
        other.signal("-STOP");
        let _ = vault.shred([alice]).unwrap();
        std::thread::sleep(LEASE * 2);
        let goes_on = SystemTime::now();
        other.signal("-CONT");
        let said = other.expect(alice, "shredded");
        let before = goes_on.duration_since(said.last_opened);
        assert!(before.is_ok(), "it opened once more after it went on");
        other.open(bob, &b);
        other.expect(bob, "opened");
    }
}
