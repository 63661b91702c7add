//! Tells a process that it is a forked copy.
//!
//! A forked child starts with its parent's memory: the same buffered random bytes, the same reserved customer numbers,
//! the same lease. Using them in both would repeat nonces under one key, which is fatal to AES-GCM. Neither `rand` nor
//! the standard library says that a fork happened; `pthread_atfork` misses a raw `clone`, and a process id costs a
//! system call and may be reused by a descendant.
//!
//! So we keep one page of memory that Linux (4.14 and later) hands to every copy of the address space as zeroes:
//! `MADV_WIPEONFORK`. It needs a raw pointer, which makes this the one file of the crate with unsafe code. Elsewhere,
//! and where the kernel refuses, we compare process ids and say so through [`ForkGeneration::sees_every_fork`].
//!
//! Not seen here: a virtual machine resumed twice from one snapshot, which is no fork and leaves no mark in memory.
//! `vfork` and threads share the address space rather than copy it, so there is nothing to tell apart.

#![allow(unsafe_code)]

/// Differs between a process and each of its forked descendants.
///
/// The low half counts the copies in this line of descent and lives in ordinary memory, so that a child always goes
/// beyond every ancestor. The high half is the process id, which parts siblings. A low half of zero means that only the
/// process id was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForkGeneration(u64);

impl ForkGeneration {
    /// No process has it: for state that belongs to nobody yet.
    pub(crate) const NONE: Self = Self(0);

    /// Whether equality proves that no fork lies between. If not, a descendant may have been given the process id of an
    /// ancestor, and nothing that must not repeat may be buffered.
    #[inline]
    pub(crate) const fn sees_every_fork(self) -> bool {
        self.0 << 32 != 0
    }

    fn of(process: u32, copy: u32) -> Self {
        Self(u64::from(process) << 32 | u64::from(copy))
    }
}

/// The generation of the calling process: one load, except the first time in each process.
///
/// It takes no lock, since a lock may have been held by a thread that does not exist in the child.
#[inline]
pub(crate) fn generation() -> ForkGeneration {
    imp::generation()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    use super::ForkGeneration;

    /// The kernel rounds up to whole pages in each call below, so this is one page whatever its size.
    const LENGTH: usize = 4096;

    /// Where the generation lies: null until first asked, then the wiped page or [`REFUSED`], for ever.
    static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

    /// Pointed to when there is no such page. It stays zero, which sends each call to the process id.
    static REFUSED: AtomicU64 = AtomicU64::new(0);

    /// Copies so far in this line of descent. Inherited on purpose: see [`ForkGeneration`].
    static COPIES: AtomicU32 = AtomicU32::new(0);

    #[inline]
    pub(super) fn generation() -> ForkGeneration {
        let page = PAGE.load(Ordering::Acquire);
        // SAFETY: PAGE is null, which `as_ref` answers with None, or points to REFUSED or to the mapping published by
        // `find_page`: aligned, readable and writable, holding a valid AtomicU64 whatever its bytes are, and never
        // unmapped once published. A forked child inherits both at the same address. All access is atomic.
        let value = unsafe { page.as_ref() }.map_or(0, |generation| generation.load(Ordering::Acquire));
        if value != 0 { ForkGeneration(value) } else { first_in_this_process(page) }
    }

    #[cold]
    fn first_in_this_process(page: *mut AtomicU64) -> ForkGeneration {
        let page = if page.is_null() { find_page() } else { page };
        if ptr::eq(page, &REFUSED) {
            return ForkGeneration::of(std::process::id(), 0);
        }
        let copy = COPIES.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
        let new = ForkGeneration::of(std::process::id(), copy);
        // SAFETY: as in `generation`; `find_page` and the caller give no null.
        let generation = unsafe { &*page };
        // Threads of one new child may race here; the first decides, and the number the other drew stays unused.
        match generation.compare_exchange(0, new.0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(decided) => ForkGeneration(decided),
        }
    }

    /// Maps the page, or finds that another thread was first. Never null.
    fn find_page() -> *mut AtomicU64 {
        let mapped = map_page();
        let ours = mapped.unwrap_or_else(|| (&raw const REFUSED).cast_mut());
        match PAGE.compare_exchange(ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => ours,
            Err(theirs) => {
                if let Some(page) = mapped {
                    // SAFETY: made by `map_page` with this length, and never published, so nobody else points into it.
                    let _ = unsafe { munmap(page.cast(), LENGTH) };
                }
                theirs
            }
        }
    }

    fn map_page() -> Option<*mut AtomicU64> {
        // SAFETY: a new private mapping at an address of the kernel's choice touches no memory of ours.
        let page = unsafe {
            mmap_anonymous(ptr::null_mut(), LENGTH, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE).ok()?
        };
        // SAFETY: this advice changes what a forked child sees of these pages, which hold nothing yet.
        let wiped = unsafe { madvise(page, LENGTH, Advice::LinuxWipeOnFork) }.is_ok();
        // Emulators have been seen to answer "done" to every madvise and do nothing. A kernel refuses an address inside
        // a page, so one that accepts it is not believed.
        // SAFETY: the range is inside our own mapping; a kernel that rounded it would only repeat the advice above.
        let believable = unsafe { madvise(page.wrapping_byte_add(1), 1, Advice::LinuxWipeOnFork) }.is_err();
        if wiped && believable {
            return Some(page.cast());
        }
        // SAFETY: mapped above with this length, and the pointer goes no further.
        let _ = unsafe { munmap(page, LENGTH) };
        None
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
mod imp {
    use super::ForkGeneration;

    pub(super) fn generation() -> ForkGeneration {
        ForkGeneration::of(std::process::id(), 0)
    }
}

/// No fork to see.
#[cfg(not(unix))]
mod imp {
    use super::ForkGeneration;

    pub(super) fn generation() -> ForkGeneration {
        ForkGeneration::of(0, 1)
    }
}

/// Real copies of a process, for the tests of whatever must not survive one.
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod copies {
    use std::io::{Read, Write};

    /// How to make a copy.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum How {
        /// libc's `fork`, which runs `pthread_atfork` handlers.
        Fork,
        /// The system call alone, which nothing in user space notices.
        RawClone,
    }

    impl How {
        pub(crate) const ALL: [Self; 2] = [Self::Fork, Self::RawClone];

        fn copy(self) -> i32 {
            // SAFETY: the copy runs `descend` alone: no lock, no allocation, and it ends by `_exit`.
            let id = match self {
                Self::Fork => i64::from(unsafe { libc::fork() }),
                Self::RawClone => unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) },
            };
            assert!(id >= 0, "no copy of the process: {}", std::io::Error::last_os_error());
            i32::try_from(id).unwrap()
        }
    }

    fn succeeded(id: i32) -> bool {
        let mut status = -1;
        // SAFETY: `status` outlives the call.
        let waited = unsafe { libc::waitpid(id, &mut status, 0) };
        waited == id && status == 0
    }

    /// Copies the process, lets the copy `draw` and then copy itself, `depth` times; gives what each drew, eldest first.
    ///
    /// `draw` must neither allocate nor panic: other threads of the test process may have held the allocator's lock.
    pub(crate) fn draws<const N: usize>(how: How, depth: usize, draw: fn(&mut [u8; N]) -> bool) -> Vec<[u8; N]> {
        assert!(N * depth <= 60_000, "more than a pipe holds");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = how.copy();
        if child == 0 {
            descend(how, depth, draw, writer);
        }
        drop(writer);
        assert!(succeeded(child), "a copy failed");
        (0..depth)
            .map(|_| {
                let mut drawn = [0; N];
                reader.read_exact(&mut drawn).unwrap();
                drawn
            })
            .collect()
    }

    fn descend<const N: usize>(how: How, depth: usize, draw: fn(&mut [u8; N]) -> bool, mut out: impl Write) -> ! {
        // SAFETY: neither touches memory; a copy that hangs is killed rather than hanging the tests.
        unsafe { libc::alarm(30) };
        let mut drawn = [0; N];
        let mut well = draw(&mut drawn) && out.write_all(&drawn).is_ok();
        if well && depth > 1 {
            let child = how.copy();
            if child == 0 {
                descend(how, depth - 1, draw, out);
            }
            well = succeeded(child);
        }
        // SAFETY: ends the copy without running the test harness's exit handlers.
        unsafe { libc::_exit(i32::from(!well)) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::copies::{How, draws};
    use super::*;

    fn draw(out: &mut [u8; 8]) -> bool {
        let first = generation();
        *out = first.0.to_be_bytes();
        first == generation()
    }

    #[test]
    fn a_process_keeps_its_generation() {
        let here = generation();
        assert!(here.sees_every_fork(), "this kernel has no MADV_WIPEONFORK");
        assert_ne!(here, ForkGeneration::NONE);
        let others: Vec<_> = (0..8).map(|_| std::thread::spawn(generation)).collect();
        for other in others {
            assert_eq!(other.join().unwrap(), here);
        }
    }

    #[test]
    fn every_copy_has_its_own() {
        for how in How::ALL {
            let mut seen = vec![generation().0.to_be_bytes()];
            seen.extend(draws(how, 5, draw));
            seen.extend(draws(how, 1, draw));
            seen.extend(draws(how, 1, draw));
            let distinct: std::collections::HashSet<_> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len(), "{how:?}: {seen:?}");
            // Process ids are reused, so the count alone must rise from each to its child.
            let counts: Vec<_> = seen[..6].iter().map(|bytes| bytes.last_chunk::<4>().unwrap()).collect();
            assert!(counts.is_sorted_by(|older, younger| older < younger), "{how:?}: {counts:?}");
            assert_eq!(generation().0.to_be_bytes(), seen[0], "{how:?}: the parent's moved");
        }
    }

    #[test]
    fn a_process_id_alone_is_not_trusted() {
        assert!(!ForkGeneration::of(std::process::id(), 0).sees_every_fork());
        assert!(!ForkGeneration::NONE.sees_every_fork());
        assert!(ForkGeneration::of(u32::MAX, 1).sees_every_fork());
    }
}
