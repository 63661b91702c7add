//! Processes with one audit file between them: killed with openings noted and not yet written, with half a line written,
//! with the disk full. The parent runs this test binary again as the child, which does as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use oubliette::audit::{Audit, AuditFile, OpeningResult};
use oubliette::journal::{self, Event, Expectations, JournalError};
use oubliette::{CreateError, CustomerId, Limits, OpenError, RootKey, Sealed, Vault};

use super::{EMAIL, ORDERS};

const PLACE: &str = "OUBLIETTE_TEST_AUDIT_PLACE";
const ROLE: &str = "OUBLIETTE_TEST_AUDIT_ROLE";
const WHO: &str = "OUBLIETTE_TEST_AUDIT_WHO";

/// A vault in a directory, an audit file, a customer with an address.
struct Desk {
    place: tempfile::TempDir,
    vault: Vault,
}

fn unlock(place: &Path) -> Vault {
    let builder = || Vault::at(place.join("vault")).purposes([ORDERS]);
    match builder().create(RootKey::bytes([7; 32])) {
        Err(CreateError::Exists) => builder().unlock(RootKey::bytes([7; 32])).unwrap(),
        created => created.unwrap(),
    }
}

impl Desk {
    fn new() -> Desk {
        let place = tempfile::tempdir().unwrap();
        let vault = unlock(place.path());
        let number = vault.enroll().unwrap();
        assert_eq!(number, CustomerId::from_stored(1).unwrap());
        let email = vault.seal(number, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        std::fs::write(place.path().join("email"), email.as_bytes()).unwrap();
        drop(AuditFile::create(place.path().join("openings"), &vault).unwrap());
        Desk { place, vault }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("openings")
    }

    fn command(&self, shell: Option<&str>, role: &str, who: &str) -> Command {
        let this = std::env::current_exe().unwrap();
        let mut command = match shell {
            None => Command::new(&this),
            Some(first) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]).arg(&this);
                shell
            }
        };
        command.args(["--exact", "reader::killed::child", "--include-ignored", "--nocapture"]);
        command.env(PLACE, self.place.path()).env(ROLE, role).env(WHO, who);
        command.stdout(Stdio::piped());
        command
    }

    /// How many openings of each are in the file, which is mended if need be and then verified as a stranger would.
    fn counted(&self) -> BTreeMap<String, u64> {
        // Writing anything mends what a killed process left.
        let audit = Audit::to(AuditFile::open(self.path(), &self.vault).unwrap()).start().unwrap();
        let reader = self.vault.reader(Limits::nothing().purpose(ORDERS));
        let reader = reader.audited(&audit, "parent".parse().unwrap(), "to see".parse().unwrap());
        let email = std::fs::read(self.place.path().join("email")).unwrap();
        reader.open(CustomerId::from_stored(1).unwrap(), EMAIL, &Sealed::from_bytes(email).unwrap()).unwrap();
        audit.flush().unwrap();
        let key = self.vault.public_key().unwrap();
        journal::verify(self.path(), &key, &Expectations::new(), |_| ()).unwrap();
        let mut counted = BTreeMap::new();
        for entry in journal::entries(self.path(), &key).unwrap() {
            if let Event::Openings { who, result, count, .. } = entry.unwrap().event() {
                assert_eq!(*result, OpeningResult::Opened);
                *counted.entry(who.as_str().to_owned()).or_default() += count;
            }
        }
        counted
    }
}

/// What a child has said, line by line: how many openings it had at `durable` flushes, and in all.
struct Said {
    child: Child,
    lines: Receiver<(String, u64)>,
    /// The last number of each kind that was heard.
    heard: BTreeMap<String, u64>,
}

impl Said {
    fn by(mut child: Child) -> Said {
        let (send, lines) = channel();
        let out: ChildStdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some((what, number)) = line.strip_prefix("child: ").and_then(|line| line.split_once(' ')) {
                    let _ = send.send((what.to_owned(), number.parse().unwrap()));
                }
            }
        });
        Said { child, lines, heard: BTreeMap::new() }
    }

    fn wait_for(&mut self, wanted: &str) -> u64 {
        loop {
            let (what, number) = self.lines.recv_timeout(Duration::from_secs(120)).unwrap();
            self.heard.insert(what.clone(), number);
            if what == wanted {
                return number;
            }
        }
    }

    /// Kills it; the last durable count and the last count of all that it told.
    fn kill(mut self) -> (u64, u64) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Ok((what, number)) = self.lines.recv() {
            self.heard.insert(what, number);
        }
        let last = |what: &str| self.heard.get(what).copied().unwrap_or(0);
        (last("durable"), last("opened"))
    }
}

impl Drop for Said {
    /// A test that failed leaves nobody behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "child: {what} {number}").unwrap();
    out.flush().unwrap();
}

#[test]
#[ignore = "the child of this module's tests"]
fn child() {
    let (Ok(place), Ok(role), Ok(who)) = (std::env::var(PLACE), std::env::var(ROLE), std::env::var(WHO)) else {
        return;
    };
    let place = Path::new(&place);
    let vault = unlock(place);
    let sealed = Sealed::from_bytes(std::fs::read(place.join("email")).unwrap()).unwrap();
    let file = AuditFile::open(place.join("openings"), &vault).unwrap();
    let interval = if role == "flushes" { Duration::from_secs(3600) } else { Duration::from_millis(50) };
    let audit = Audit::to(file).interval(interval).room_for(1_024).start().unwrap();
    let mut opened = 0;
    let mut open = |audit: &Audit| -> Result<u64, OpenError> {
        let reader = vault.reader(Limits::nothing().purpose(ORDERS));
        // Reasons of their own, so that each opening is an entry of its own.
        let why = format!("ticket {opened} {}", "x".repeat(150));
        let reader = reader.audited(audit, who.parse().unwrap(), why.parse().unwrap());
        reader.open(CustomerId::from_stored(1).unwrap(), EMAIL, &sealed)?;
        opened += 1;
        Ok(opened)
    };
    match &*role {
        "flushes" => loop {
            for _ in 0..5 {
                say("opened", open(&audit).unwrap());
            }
            audit.flush().unwrap();
            let all = open(&audit).unwrap();
            say("durable", all - 1);
        },
        "waits" => {
            for _ in 0..7 {
                open(&audit).unwrap();
            }
            say("opened", 7);
            std::thread::sleep(Duration::from_secs(120));
        }
        _ => {
            // Until the disk is full, and on until the buffer is.
            let mut before = 0;
            while audit.flush().is_ok() {
                before = open(&audit).unwrap();
            }
            assert!(audit.trouble().is_some());
            let refused = loop {
                match open(&audit) {
                    Ok(all) => assert!(all < before + 5_000, "the buffer is bounded"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(refused, OpenError::NotAudited { .. }), "{refused:?}");
            let freed = Command::new("prlimit")
                .args(["--fsize=unlimited", "--pid", &std::process::id().to_string()])
                .status()
                .unwrap();
            assert!(freed.success());
            while audit.flush().is_err() {}
            let all = open(&audit).unwrap();
            audit.flush().unwrap();
            assert!(audit.trouble().is_none() && audit.lost() == 0);
            say("done", all);
        }
    }
}

/// Two processes at a time on one file, each killed wherever it is: what a flush has returned for is there, what was noted
/// since may be lost, and nothing is there that was not opened.
#[test]
fn a_killed_process_loses_no_more_than_it_had_not_flushed() {
    let desk = Desk::new();
    let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for round in 0..6_u64 {
        let names = [format!("round {round} a"), format!("round {round} b")];
        let mut children: Vec<Said> = names
            .iter()
            .map(|who| Said::by(desk.command(None, "flushes", who).stderr(Stdio::null()).spawn().unwrap()))
            .collect();
        for child in &mut children {
            child.wait_for("durable");
        }
        std::thread::sleep(Duration::from_millis(7 * round));
        for (who, child) in names.into_iter().zip(children) {
            expected.insert(who, child.kill());
        }
    }
    let counted = desk.counted();
    for (who, (durable, opened)) in expected {
        let noted = counted[&who];
        // It may have opened one more than it had time to tell, twice.
        assert!(durable <= noted && noted <= opened + 2, "{who}: {durable} <= {noted} <= {opened}");
    }
}

/// Without a flush all is written an interval later, and a kill after that takes nothing away.
#[test]
fn an_interval_later_nothing_can_be_lost() {
    let desk = Desk::new();
    let mut child = Said::by(desk.command(None, "waits", "waiting").stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(child.wait_for("opened"), 7);
    std::thread::sleep(Duration::from_secs(3));
    child.kill();
    assert_eq!(desk.counted()["waiting"], 7);
}

#[test]
fn half_a_line_is_cut_off_and_said_to_have_been_there() {
    let desk = Desk::new();
    desk.counted();
    let key = desk.vault.public_key().unwrap();
    // Longer than what is written next, so that nothing of it may be left behind that.
    let half = [br#"{"n":3,"prev":""#.as_slice(), &[b'0'; 5_000]].concat();
    std::fs::OpenOptions::new().append(true).open(desk.path()).unwrap().write_all(&half).unwrap();
    let torn = journal::verify(desk.path(), &key, &Expectations::new(), |_| ());
    assert!(matches!(torn, Err(JournalError::Torn { .. })), "{torn:?}");
    assert_eq!(desk.counted()["parent"], 2);
    let entries = journal::entries(desk.path(), &key).unwrap();
    let torn = entries.filter(|entry| matches!(entry.as_ref().unwrap().event(), Event::Torn { bytes: 5_015 })).count();
    assert_eq!(torn, 1);
}

/// With the disk full the audit keeps what it has and opens no more than it can keep; with room again it goes on, in the
/// same process, and nothing is missing or there twice.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_opening_and_loses_nothing() {
    let desk = Desk::new();
    // A limit on the size of a file: the write that crosses it is done in part, as on a disk that is full.
    let shell = "trap '' XFSZ; ulimit -S -f 128";
    let mut child = Said::by(desk.command(Some(shell), "fills the disk", "filling").spawn().unwrap());
    let all = child.wait_for("done");
    assert!(all > 1_024, "{all}");
    assert!(child.child.wait().unwrap().success());
    assert_eq!(desk.counted()["filling"], all);
}
