//! What processes recorded: a file a life of a process, a line as each call begins and another as it ends.
//!
//! A line is one write to a file that is open for appending, so what a process recorded before it was killed is there; at most the last
//! line is torn. Times are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share and nothing sets.
//!
//! ```text
//! b 7 81234567 open 42 obl1....        the seventh call begins: the customer, and the sealed value
//! e 7 81299999 ok alice                what came of it
//! ```
//! Beside these files lies `faults`, in which the scenario says what it did to whom.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// Now, on the clock of all histories.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// One life of one process: a process that was killed and started again has two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Life {
    pub process: u32,
    pub life: u32,
}

/// What was called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Unlock,
    Enroll,
    Seal { customer: u64, text: String },
    Open { customer: u64, sealed: String },
    Shred { customers: Vec<u64> },
}

/// What came of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The number, the sealed value, the text, or from when a shred holds everywhere: by the clock of histories.
    Ok(String),
    /// The customer is shredded.
    Shredded,
    /// Nothing happened, and it may be tried again.
    Unavailable(String),
    /// It may or may not have happened.
    Unknown(String),
    /// Something is wrong.
    Refused(String),
}

/// A call of some process. One that has no answer was under way when its process ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    pub by: Life,
    pub what: What,
    pub begun: u64,
    pub answer: Option<(u64, Answer)>,
}

/// As it stands in its file, and short: of a sealed value its end is enough to find it.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}.{} at {}: ", self.by.process, self.by.life, self.begun)?;
        match &self.what {
            What::Open { customer, sealed } => {
                write!(f, "open {customer} ..{}", sealed.get(sealed.len().saturating_sub(10)..).unwrap_or(sealed))?;
            }
            what => write!(f, "{what:?}")?,
        }
        match &self.answer {
            None => write!(f, ", and no answer]"),
            Some((at, Answer::Ok(what))) if matches!(self.what, What::Seal { .. }) => {
                write!(f, ", and at {at} ok ..{}]", what.get(what.len().saturating_sub(10)..).unwrap_or(what))
            }
            Some((at, answer)) => write!(f, ", and at {at} {answer:?}]"),
        }
    }
}

/// What the scenario did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The vault's lease.
    Lease(u64),
    /// This process could not reach the key store.
    CutOff { process: u32, from: u64, to: u64 },
    /// What was committed after `from` may have been lost with a server, or a restore; at `to` another state took its place.
    Lost { from: u64, to: u64 },
    /// The vault was recovered, with a list of those who were shredded.
    Recovered(u64),
    /// From here on there are no faults, and every value is looked at once more, by this process.
    Judged { by: u32, from: u64 },
}

/// All that was recorded in a directory.
#[derive(Default, Debug)]
pub struct History {
    pub calls: Vec<Call>,
    pub faults: Vec<Fault>,
}

impl History {
    /// Reads all files of a directory.
    pub fn read(directory: &Path) -> std::io::Result<History> {
        let mut history = History::default();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            if path.ends_with("faults") {
                history.faults = text.lines().map(|line| fault(line).expect("a line of faults")).collect();
            } else if let Some(by) = life(&path) {
                let mut lines = Lines::default();
                lines.take(by, &text);
                history.calls.append(&mut lines.calls);
            }
        }
        history.calls.sort_by_key(|call| (call.begun, call.by));
        Ok(history)
    }
}

/// The calls of one file, as far as it was read.
#[derive(Default)]
struct Lines {
    calls: Vec<Call>,
    begun: HashMap<u64, usize>,
}

impl Lines {
    /// Takes whole lines; what a torn last one says is not known.
    fn take(&mut self, by: Life, text: &str) {
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<&str> = line.split(' ').collect();
            let known = match words.as_slice() {
                ["b", call, time, what @ ..] => (|| {
                    let (call, begun) = (call.parse().ok()?, time.parse().ok()?);
                    self.begun.insert(call, self.calls.len());
                    self.calls.push(Call { by, what: what_of(what)?, begun, answer: None });
                    Some(())
                })(),
                ["e", call, time, answer @ ..] => (|| {
                    let at = *self.begun.get(&call.parse().ok()?)?;
                    self.calls[at].answer = Some((time.parse().ok()?, answer_of(answer)?));
                    Some(())
                })(),
                _ => None,
            };
            known.unwrap_or_else(|| panic!("{by:?} recorded a line that is none: {line}"));
        }
    }
}

fn what_of(words: &[&str]) -> Option<What> {
    Some(match words {
        ["unlock"] => What::Unlock,
        ["enroll"] => What::Enroll,
        ["seal", customer, text] => What::Seal { customer: customer.parse().ok()?, text: (*text).to_owned() },
        ["open", customer, sealed] => What::Open { customer: customer.parse().ok()?, sealed: (*sealed).to_owned() },
        ["shred", customers] => {
            What::Shred { customers: customers.split(',').map(|one| one.parse().ok()).collect::<Option<_>>()? }
        }
        _ => return None,
    })
}

fn answer_of(words: &[&str]) -> Option<Answer> {
    let says = |words: &[&str]| words.join(" ");
    Some(match words {
        ["ok"] => Answer::Ok(String::new()),
        ["ok", what] => Answer::Ok((*what).to_owned()),
        ["shredded"] => Answer::Shredded,
        ["unavailable", why @ ..] => Answer::Unavailable(says(why)),
        ["unknown", why @ ..] => Answer::Unknown(says(why)),
        ["refused", why @ ..] => Answer::Refused(says(why)),
        _ => return None,
    })
}

fn fault(line: &str) -> Option<Fault> {
    let words: Vec<&str> = line.split(' ').collect();
    let numbers: Vec<u64> = words.iter().skip(1).map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some(match (words[0], numbers.as_slice()) {
        ("lease", [lease]) => Fault::Lease(*lease),
        ("cut", [process, from, to]) => Fault::CutOff { process: u32::try_from(*process).ok()?, from: *from, to: *to },
        ("lost", [from, to]) => Fault::Lost { from: *from, to: *to },
        ("recovered", [at]) => Fault::Recovered(*at),
        ("judged", [by, from]) => Fault::Judged { by: u32::try_from(*by).ok()?, from: *from },
        _ => return None,
    })
}

/// Adds a fault to those of a directory.
pub fn record_fault(directory: &Path, fault: &Fault) {
    let line = match fault {
        Fault::Lease(lease) => format!("lease {lease}\n"),
        Fault::CutOff { process, from, to } => format!("cut {process} {from} {to}\n"),
        Fault::Lost { from, to } => format!("lost {from} {to}\n"),
        Fault::Recovered(at) => format!("recovered {at}\n"),
        Fault::Judged { by, from } => format!("judged {by} {from}\n"),
    };
    appended(&directory.join("faults")).write_all(line.as_bytes()).expect("faults are recorded");
}

fn appended(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `3.2` is the second life of the third process.
fn life(path: &Path) -> Option<Life> {
    let (process, life) = path.file_name()?.to_str()?.split_once('.')?;
    Some(Life { process: process.parse().ok()?, life: life.parse().ok()? })
}

/// Records the calls of one life of a process, from all of its threads.
pub struct Recorder {
    file: Mutex<File>,
    next: AtomicU64,
}

impl Recorder {
    pub fn new(directory: &Path, by: Life) -> Recorder {
        let file = appended(&directory.join(format!("{}.{}", by.process, by.life)));
        Recorder { file: Mutex::new(file), next: AtomicU64::new(0) }
    }

    fn write(&self, line: &str) {
        self.file.lock().unwrap().write_all(line.as_bytes()).expect("what happens is recorded");
    }

    /// Records a call before and after it is made. What it answers is kept.
    pub fn call(&self, what: &What, call: impl FnOnce() -> Answer) -> Answer {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let said = match what {
            What::Unlock => "unlock".to_owned(),
            What::Enroll => "enroll".to_owned(),
            What::Seal { customer, text } => format!("seal {customer} {text}"),
            What::Open { customer, sealed } => format!("open {customer} {sealed}"),
            What::Shred { customers } => {
                let customers: Vec<String> = customers.iter().map(u64::to_string).collect();
                format!("shred {}", customers.join(","))
            }
        };
        self.write(&format!("b {number} {} {said}\n", now()));
        let answer = call();
        let (ended, line) =
            (now(), |word: &str, why: &str| format!("{word} {}", why.replace(char::is_whitespace, " ")));
        let said = match &answer {
            Answer::Ok(what) if what.is_empty() => "ok".to_owned(),
            Answer::Ok(what) => format!("ok {what}"),
            Answer::Shredded => "shredded".to_owned(),
            Answer::Unavailable(why) => line("unavailable", why),
            Answer::Unknown(why) => line("unknown", why),
            Answer::Refused(why) => line("refused", why),
        };
        self.write(&format!("e {number} {ended} {said}\n"));
        answer
    }
}

/// A file that is followed: how far it was read, and which calls have no answer yet.
struct Followed {
    file: File,
    read: u64,
    lines: Lines,
    open: Vec<usize>,
}

/// Follows what all processes record, as an application's processes share a database.
pub struct Follower {
    directory: PathBuf,
    files: HashMap<PathBuf, Followed>,
}

impl Follower {
    pub fn new(directory: &Path) -> Follower {
        Follower { directory: directory.to_owned(), files: HashMap::new() }
    }

    /// The calls of which something is new: that began, or that were answered.
    pub fn news(&mut self) -> Vec<Call> {
        let mut news = Vec::new();
        for entry in std::fs::read_dir(&self.directory).expect("the histories are there").flatten() {
            let path = entry.path();
            let Some(by) = life(&path) else { continue };
            let followed = self.files.entry(path).or_insert_with_key(|path| Followed {
                file: File::open(path).expect("a history can be read"),
                read: 0,
                lines: Lines::default(),
                open: Vec::new(),
            });
            let Followed { file, read, lines, open } = followed;
            let mut text = Vec::new();
            file.seek(SeekFrom::Start(*read)).and_then(|_| file.read_to_end(&mut text)).expect("a history is read");
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            *read += whole as u64;
            let before = lines.calls.len();
            lines.take(by, std::str::from_utf8(&text[..whole]).expect("histories are text"));
            let answered = open.iter().map(|at| &lines.calls[*at]).filter(|call| call.answer.is_some());
            news.extend(answered.chain(&lines.calls[before..]).cloned());
            open.extend(before..lines.calls.len());
            open.retain(|at| lines.calls[*at].answer.is_none());
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_again_and_a_torn_line_is_not_known() {
        let directory = tempfile::tempdir().unwrap();
        let by = Life { process: 3, life: 2 };
        let recorder = Recorder::new(directory.path(), by);
        let calls = [
            (What::Unlock, Answer::Ok(String::new())),
            (What::Enroll, Answer::Ok("7".to_owned())),
            (What::Seal { customer: 7, text: "a".to_owned() }, Answer::Refused("too much".to_owned())),
            (What::Open { customer: 7, sealed: "s".to_owned() }, Answer::Shredded),
            (What::Shred { customers: vec![7, 8] }, Answer::Unknown("lost".to_owned())),
            (What::Shred { customers: vec![7] }, Answer::Unavailable("away".to_owned())),
        ];
        let mut follower = Follower::new(directory.path());
        for (what, answer) in &calls {
            recorder.call(what, || answer.clone());
        }
        assert_eq!(follower.news().len(), calls.len());
        let faults = [
            Fault::Lease(5),
            Fault::CutOff { process: 1, from: 2, to: 3 },
            Fault::Lost { from: 4, to: 5 },
            Fault::Recovered(6),
            Fault::Judged { by: 99, from: 7 },
        ];
        faults.iter().for_each(|fault| record_fault(directory.path(), fault));
        recorder.write(&format!("b 90 {} enroll\nb 91 ", u64::MAX));
        assert_eq!(follower.news().len(), 1);
        let history = History::read(directory.path()).unwrap();
        assert_eq!(history.faults, faults);
        assert_eq!(history.calls.len(), calls.len() + 1);
        for (what, answer) in &calls {
            let found = history.calls.iter().find(|call| call.what == *what).unwrap();
            assert!(found.by == by && found.answer.as_ref().unwrap().1 == *answer, "{found:?}");
        }
    }
}
