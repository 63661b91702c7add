//! A child process whose threads are stepped, instruction by instruction, while its parent looks at each.

#![allow(clippy::host_endian_bytes)]

use std::fs;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// The first bytes of an instruction, whichever it is.
pub type Code = [u8; 16];

/// A thread that is stepped: its registers before an instruction, the instruction, and where the next one is.
pub struct Step<'s> {
    pub code: &'s Code,
    pub registers: &'s libc::user_regs_struct,
    pub next: u64,
}

/// What happens to a thread that is stepped.
pub enum Event<'s> {
    /// Its work is about to begin, or has ended. All other threads of the process sleep until it is let go.
    Pause,
    Step(Step<'s>),
}

/// Work of one thread.
pub type Work = Box<dyn FnMut() + Send>;

/// In a child process each piece of work is done again and again, on a thread of its own. The first times are for what is done once: features that are detected, the first batch of
/// nonces, a derived key, memory that the allocator keeps at hand. The last time is stepped through, one thread after the other; a thread lives until the last one is through, so that none comes by the memory of
/// another. `see` is told which thread it is, and the child's number.
pub fn step_through(prepare: impl FnOnce() -> Vec<Work>, mut see: impl FnMut(usize, i32, Event<'_>)) {
    // SAFETY: the child uses only what it makes itself, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| do_work(prepare())));
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(i32::from(done.is_err())) }
    }
    let mut thread = 0;
    while let Some(id) = stopped(child) {
        others_sleep(child, id);
        see(thread, child, Event::Pause);
        while let Some(step) = one_step(id) {
            see(thread, child, Event::Step(Step { code: &step.0, registers: &step.1, next: step.2 }));
        }
        see(thread, child, Event::Pause);
        // SAFETY: it goes on by itself.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_DETACH, id, 0, 0) }, 0);
        thread += 1;
    }
    assert!(thread > 0, "nothing was stepped through");
}

/// The child's side.
fn do_work(all: Vec<Work>) {
    let mut alive = Vec::new();
    for mut work in all {
        let ((done, is_done), (end, ends)) = (channel(), channel::<()>());
        let thread = std::thread::spawn(move || {
            (0..8).for_each(|_| work());
            // SAFETY: no memory is involved; the parent traces from the first stop to the second.
            unsafe {
                assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0, "{}", std::io::Error::last_os_error());
                libc::raise(libc::SIGSTOP);
            }
            work();
            // SAFETY: as before.
            unsafe { libc::raise(libc::SIGSTOP) };
            let _ = done.send(());
            let _ = ends.recv();
        });
        is_done.recv().expect("its work failed");
        alive.push((end, thread));
    }
    let (ends, threads): (Vec<_>, Vec<_>) = alive.into_iter().unzip();
    drop(ends);
    threads.into_iter().for_each(|thread| thread.join().expect("its work failed"));
}

/// The thread that stops next for its work to be stepped through; `None` once the child has ended well.
fn stopped(child: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` lives.
    let id = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
    if id == child && libc::WIFEXITED(status) {
        assert_eq!(libc::WEXITSTATUS(status), 0, "the child's own work failed");
        return None;
    }
    assert!(id > 0 && libc::WIFSTOPPED(status), "{id} ended early, with status {status:#x}");
    assert_eq!(libc::WSTOPSIG(status), libc::SIGSTOP, "a thread stops when it is ready");
    Some(id)
}

/// Waits until the child's other threads sleep: one that was stepped before has something left to do when it is let go.
fn others_sleep(child: i32, id: i32) {
    let asleep = || {
        fs::read_dir(format!("/proc/{child}/task")).unwrap().all(|task| {
            let task = task.unwrap();
            let state = fs::read_to_string(task.path().join("stat")).unwrap();
            let state = state.rsplit_once(") ").expect("a name in brackets").1.to_owned();
            task.file_name().to_str() == Some(id.to_string().as_str()) || state.starts_with('S')
        })
    };
    let begun = Instant::now();
    while !asleep() {
        assert!(begun.elapsed() < Duration::from_secs(60), "another thread goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Does one instruction; `None` when the thread stops by itself, since its work is done.
fn one_step(id: i32) -> Option<(Code, libc::user_regs_struct, u64)> {
    // SAFETY: the thread is stopped, and its memory is only read.
    let (code, before) = unsafe {
        let before = registers(id);
        let [low, high] = [0, 8].map(|at| libc::ptrace(libc::PTRACE_PEEKTEXT, id, before.rip + at, 0));
        let mut code = [0; 16];
        code[..8].copy_from_slice(&low.to_ne_bytes());
        code[8..].copy_from_slice(&high.to_ne_bytes());
        assert_eq!(libc::ptrace(libc::PTRACE_SINGLESTEP, id, 0, 0), 0);
        (code, before)
    };
    let mut status = 0;
    // SAFETY: `status` lives.
    assert_eq!(unsafe { libc::waitpid(id, &raw mut status, libc::__WALL) }, id);
    assert!(libc::WIFSTOPPED(status), "the thread ended early, with status {status:#x}");
    match libc::WSTOPSIG(status) {
        libc::SIGTRAP => Some((code, before, registers(id).rip)),
        libc::SIGSTOP => None,
        other => panic!("the thread stopped for signal {other}"),
    }
}

fn registers(id: i32) -> libc::user_regs_struct {
    // SAFETY: the thread is stopped, and the place has the right size.
    unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        assert_eq!(libc::ptrace(libc::PTRACE_GETREGS, id, 0, &raw mut registers), 0);
        registers
    }
}
