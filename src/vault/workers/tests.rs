//! The threads without a vault: what they do is written down here.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::{Once, Work, Workers};
use crate::sync::{Mutex, lock};

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(20);

struct Diary {
    workers: Workers<Diary>,
    lines: Mutex<Vec<String>>,
    wiped: Mutex<Option<Sender<()>>>,
    read: Mutex<Option<Sender<()>>>,
    between: Mutex<Duration>,
}

impl Diary {
    fn new() -> Arc<Diary> {
        let (workers, lines) = (Workers::new(), Mutex::new(Vec::new()));
        Arc::new(Diary {
            workers,
            lines,
            wiped: Mutex::new(None),
            read: Mutex::new(None),
            between: Mutex::new(Duration::from_millis(1)),
        })
    }

    fn write(&self, line: impl Into<String>) {
        lock(&self.lines).push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }
}

impl Work for Diary {
    type Shred = u32;

    fn workers(&self) -> &Workers<Diary> {
        &self.workers
    }

    fn shred_together(self: &Arc<Diary>, mut shreds: Vec<u32>, more: &mut dyn FnMut() -> Vec<u32>) {
        // A zero waits for another process.
        if shreds.contains(&0) {
            std::thread::sleep(Duration::from_millis(200));
            shreds.extend(more());
        }
        self.write(format!("shred {shreds:?}"));
    }

    fn sweep(self: &Arc<Diary>) {
        self.write("sweep");
    }

    fn read(self: &Arc<Diary>) {
        if let Some(read) = &*lock(&self.read) {
            let _ = read.send(());
        }
        panic!("a store of the application's");
    }

    fn read_told(self: &Arc<Diary>) {
        self.read();
    }

    fn between_reads(&self) -> Option<Duration> {
        Some(*lock(&self.between))
    }

    fn wipe_if_lapsed(&self) -> Option<Duration> {
        if let Some(wiped) = &*lock(&self.wiped) {
            let _ = wiped.send(());
        }
        Some(Duration::ZERO)
    }

    fn end(&self) {
        self.write("end");
    }
}

#[test]
fn without_threads_work_is_done_where_it_is_asked_for() {
    let diary = Diary::new();
    let here = std::thread::current().id();
    let commits = &diary.workers.commits;
    assert_eq!(commits.run(&diary, Some(LONG), move |_| std::thread::current().id() == here), Some(true));
    commits.shred(&diary, 1);
    diary.workers.reads.shred(&diary, 2);
    assert_eq!(diary.workers.commits.close(&*diary).wait(), Some(()));
    commits.shred(&diary, 3);
    assert_eq!(commits.run(&diary, None, |diary| diary.write("too late")), None);
    assert_eq!(commits.close(&*diary).wait(), None, "closed before");
    assert_eq!(diary.lines(), ["shred [1]", "shred [2]", "end"]);
}

#[test]
fn what_waits_together_is_shredded_together_and_nothing_overtakes_it() {
    let diary = Diary::new();
    Workers::start(&diary).unwrap();
    let commits = &diary.workers.commits;
    let (go, gate) = channel::<()>();
    let held = commits.post(&diary, move |diary| {
        let _ = gate.recv();
        diary.write("first");
    });
    commits.shred(&diary, 1);
    diary.workers.reads.shred(&diary, 2);
    // The reading thread hands it on.
    assert_eq!(diary.workers.reads.run(&diary, Some(LONG), |_| ()), Some(()));
    let between = commits.post(&diary, |diary| diary.write("between"));
    commits.shred(&diary, 3);
    let ended = diary.workers.close(&*diary);
    assert!(diary.lines().is_empty());
    drop(go);
    assert_eq!((held.wait(), between.wait(), ended.wait()), (Some(()), Some(()), Some(())));
    // What was asked for before is done before the end.
    assert_eq!(diary.lines(), ["first", "shred [1, 2]", "between", "shred [3]", "end"]);
}

/// What comes while a commit waits for another process goes into it, up to what is something else.
#[test]
fn what_comes_while_a_commit_waits_goes_into_it() {
    let diary = Diary::new();
    Workers::start(&diary).unwrap();
    let commits = &diary.workers.commits;
    // It looks only once these are there.
    commits.shred(&diary, 0);
    commits.shred(&diary, 1);
    commits.shred(&diary, 2);
    let between = commits.post(&diary, |diary| diary.write("between"));
    commits.shred(&diary, 3);
    let ended = diary.workers.close(&*diary);
    assert_eq!((between.wait(), ended.wait()), (Some(()), Some(())));
    assert_eq!(diary.lines(), ["shred [0, 1, 2]", "between", "shred [3]", "end"]);
}

/// The first change that the store tells of is read at once; where it tells of many, one read is enough for those that come soon after another.
#[test]
fn many_changes_cause_few_reads() {
    let diary = Diary::new();
    *lock(&diary.between) = LONG;
    let (read, reads) = channel();
    *lock(&diary.read) = Some(read);
    Workers::start(&diary).unwrap();
    // The first of all, which nobody asked for.
    assert!(reads.recv_timeout(LONG).is_ok());
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < Duration::from_millis(200) {
        if diary.workers.will_read.ask() {
            diary.workers.reads.tell(&diary);
            told += 1;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    let read = reads.try_iter().count();
    assert!((2..=9).contains(&read) && told <= read + 1, "{read} reads, told {told} times");
    std::thread::sleep(Duration::from_millis(50));
    reads.try_iter().for_each(drop);
    assert!(diary.workers.will_read.ask());
    diary.workers.reads.tell(&diary);
    assert!(reads.recv_timeout(LONG).is_ok());
    assert_eq!(diary.workers.close(&*diary).wait(), Some(()));
}

#[test]
fn a_job_that_panics_leaves_itself_alone_without_an_answer() {
    let diary = Diary::new();
    Workers::start(&diary).unwrap();
    let commits = &diary.workers.commits;
    assert_eq!(commits.run(&diary, Some(LONG), |_| -> u32 { panic!("a store of the application's") }), None);
    assert_eq!(commits.run(&diary, Some(LONG), |_| 7), Some(7));
    let busy = commits.run(&diary, Some(LONG), |diary| {
        std::thread::sleep(Duration::from_millis(2));
        diary.workers.commits.busy_for()
    });
    assert!(busy >= Some(Duration::from_millis(2)));
    assert_eq!(diary.workers.close(&*diary).wait(), Some(()));
    assert_eq!(commits.busy_for(), Duration::ZERO);
}

#[test]
fn reads_and_looks_at_the_lease_go_on_whatever_the_commits_do() {
    let diary = Diary::new();
    let ((wiped, wipes), (read, reads)) = (channel(), channel());
    (*lock(&diary.wiped), *lock(&diary.read)) = (Some(wiped), Some(read));
    Workers::start(&diary).unwrap();
    let (go, gate) = channel::<()>();
    let held = diary.workers.commits.post(&diary, move |_| {
        let _ = gate.recv();
    });
    for _ in 0..3 {
        assert!(wipes.recv_timeout(LONG).is_ok() && reads.recv_timeout(LONG).is_ok());
    }
    assert_eq!(diary.workers.reads.run(&diary, Some(LONG), |_| 7), Some(7));
    let ended = diary.workers.close(&*diary);
    drop(go);
    assert_eq!((held.wait(), ended.wait()), (Some(()), Some(())));
    // The other two end as well, and let go of the process.
    let begun = Instant::now();
    while Arc::strong_count(&diary) > 1 && begun.elapsed() < LONG {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(Arc::strong_count(&diary), 1);
}

#[test]
fn one_is_enough_until_it_is_answered() {
    let once = Once::default();
    assert_eq!([once.ask(), once.ask(), once.ask()], [true, false, false]);
    once.answer();
    assert_eq!([once.ask(), once.ask()], [true, false]);
}
