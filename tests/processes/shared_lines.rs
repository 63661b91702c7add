//! Threads that only seal and open write to no cache line in common: on many processors each such write would have all others wait.
//!
//! Two threads do the same, each for its own customer. Their parent steps them one after the other, and gathers the lines
//! - that a locked instruction works on (`lock`, and `xchg` with memory, which locks by itself): atomic counts and locks, also those that end as they began;
//! - whose bytes are others after the call than before: what plain stores leave.
//!
//! No line may be in what both gathered. Their stacks, arenas and handles are their own, so nothing else is either. What no instruction locks and what leaves a line as it was
//! is not seen: a plain store of what is there already. The vault's clock stands still, so neither is what comes once in a timer tick and not with each call: a lease that is
//! looked at anew.
//!
//! It runs on Linux on x86-64 with glibc, whose threads have arenas of their own; elsewhere nothing checks this but the bench `threads`. Seen to fail: with a `fetch_add` to a
//! static in `Operations::seal_encoded`, with a relaxed `store` of the nonce there, with one shard for all threads, and with a clone of the vault for each
//! bulk run, which was there.

#![allow(clippy::little_endian_bytes)] // as instructions have them

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use oubliette::audit::{Audit, Batch};
use oubliette::personal::Email;
use oubliette::{CustomerId, CustomerKeys, Field, Limits, Purpose, Sealed, Vault};

use super::steps::{Event, Step, Work, step_through};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

const LINE: u64 = 64;

/// What one thread wrote to.
#[derive(Default)]
struct Written {
    steps: u64,
    /// Lines of locked instructions, as often as they came.
    locked: Vec<u64>,
    changed: BTreeSet<u64>,
    before: Option<Memory>,
}

impl Written {
    fn see(&mut self, child: i32, event: Event<'_>) {
        match event {
            Event::Step(step) => {
                self.steps += 1;
                self.locked.extend(locked(&step).map(|address| address / LINE));
            }
            Event::Pause => {
                let now = Memory::of(child);
                match self.before.take() {
                    None => self.before = Some(now),
                    Some(before) => self.changed = before.lines_that_differ(&now),
                }
            }
        }
    }

    fn lines(&self) -> BTreeSet<u64> {
        self.locked.iter().chain(&self.changed).copied().collect()
    }
}

/// The address of what a locked instruction works on.
fn locked(step: &Step<'_>) -> Option<u64> {
    let registers = step.registers;
    let (mut code, mut is_locked, mut segment, mut rex) = (&step.code[..], false, 0, 0);
    while let [
        prefix @ (0xf0 | 0x66 | 0xf2 | 0xf3 | 0x64 | 0x65 | 0x2e | 0x36 | 0x3e | 0x26 | 0x40..=0x4f),
        rest @ ..,
    ] = code
    {
        match prefix {
            0xf0 => is_locked = true,
            0x64 => segment = registers.fs_base,
            0x65 => segment = registers.gs_base,
            0x40..=0x4f => rex = *prefix,
            _ => {}
        }
        code = rest;
    }
    let (operands, opcode) = match code {
        [0x0f, opcode, rest @ ..] => (rest, 0x0f00 | u16::from(*opcode)),
        [opcode, rest @ ..] => (rest, u16::from(*opcode)),
        [] => return None,
    };
    // An `xchg` with memory locks without saying so.
    if !is_locked && !matches!(opcode, 0x86 | 0x87) {
        return None;
    }
    let [mod_rm, rest @ ..] = operands else { return None };
    let (mode, low) = (mod_rm >> 6, mod_rm & 7);
    if mode == 3 {
        return None;
    }
    let register = |low: u8, extended: bool| {
        let all = [
            registers.rax,
            registers.rcx,
            registers.rdx,
            registers.rbx,
            registers.rsp,
            registers.rbp,
            registers.rsi,
            registers.rdi,
            registers.r8,
            registers.r9,
            registers.r10,
            registers.r11,
            registers.r12,
            registers.r13,
            registers.r14,
            registers.r15,
        ];
        all[usize::from(low) + if extended { 8 } else { 0 }]
    };
    let (x, b) = (rex & 2 != 0, rex & 1 != 0);
    let word =
        |rest: &[u8]| i64::from(i32::from_le_bytes(*rest.first_chunk().expect("an instruction has 15 bytes at most")));
    let (base, rest, has_word) = match (low, rest) {
        (4, [sib, rest @ ..]) => {
            let (scale, index, base) = (sib >> 6, sib >> 3 & 7, sib & 7);
            let index = if index == 4 && !x { 0 } else { register(index, x) << scale };
            match base {
                5 if mode == 0 => (index, rest, true),
                _ => (register(base, b).wrapping_add(index), rest, false),
            }
        }
        // Relative to the next instruction. None of these jumps.
        (5, rest) if mode == 0 => (step.next, rest, true),
        (low, rest) => (register(low, b), rest, false),
    };
    let offset = match (mode, rest) {
        (0, rest) if has_word => word(rest),
        (1, [byte, ..]) => i64::from(byte.cast_signed()),
        (2, rest) => word(rest),
        _ => 0,
    };
    Some(base.wrapping_add_signed(offset).wrapping_add(segment))
}

/// What a process may write to.
struct Memory(Vec<(u64, Vec<u8>)>);

impl Memory {
    fn of(process: i32) -> Memory {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let mut all = Vec::new();
        for mapping in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = mapping.split(' ').next().unwrap().split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            if memory.read_exact_at(&mut bytes, start).is_ok() {
                all.push((start, bytes));
            }
        }
        Memory(all)
    }

    fn lines_that_differ(&self, other: &Memory) -> BTreeSet<u64> {
        let mut lines = BTreeSet::new();
        for ((start, before), (_, after)) in
            self.0.iter().flat_map(|one| other.0.iter().filter(|two| two.0 == one.0).map(move |two| (one, two)))
        {
            let line = usize::try_from(LINE).unwrap();
            for (at, (before, after)) in before.chunks(line).zip(after.chunks(line)).enumerate() {
                if before != after {
                    lines.insert(start / LINE + at as u64);
                }
            }
        }
        lines
    }
}

/// What a thread does with its own customer, and with what all threads have in common.
struct Own {
    vault: Vault,
    shared: CustomerKeys,
    shared_value: Sealed<Email>,
    audit: Audit,
    customer: CustomerId,
    sealed: Sealed<Email>,
    email: Email,
}

/// Two threads do this; gives how many instructions each locked.
fn in_two_threads(what: &str, work: impl Fn(Own) -> Work) -> [usize; 2] {
    let prepare = || {
        let vault = Vault::in_memory([ORDERS]);
        let email = || -> Email { "alice@example.com".parse().unwrap() };
        let common = vault.enroll().unwrap();
        let shared = vault.customer(common);
        let shared_value = shared.seal(EMAIL, &email()).unwrap();
        // Its thread takes what was noted only once the work is done.
        let audit = Audit::to(|_: &Batch| Ok(())).interval(Duration::from_secs(3600)).start().unwrap();
        let own = |_| {
            let customer = vault.enroll().unwrap();
            let sealed = vault.seal(customer, EMAIL, &email()).unwrap();
            let (shared, shared_value) = (shared.clone(), shared_value.clone());
            let audit = audit.clone();
            Own { vault: (*vault).clone(), shared, shared_value, audit, customer, sealed, email: email() }
        };
        let all = [0, 1].map(own).map(&work).into();
        // As long as the child lives.
        std::mem::forget((vault, shared));
        all
    };
    let mut written: [Written; 2] = Default::default();
    step_through(prepare, |thread, child, event| written[thread].see(child, event));
    let [a, b] = &written;
    let locks = [a.locked.len(), b.locked.len()];
    println!(
        "{what}: {} and {} instructions, {locks:?} of them locked, {} and {} lines changed",
        a.steps,
        b.steps,
        a.changed.len(),
        b.changed.len()
    );
    assert!(written.iter().all(|one| one.steps > 1000 && !one.locked.is_empty()), "{what}: nothing is seen");
    let (ours, theirs) = (a.lines(), b.lines());
    let both: Vec<String> = ours
        .intersection(&theirs)
        .map(|line| {
            let how = if a.locked.contains(line) { "locked" } else { "stored" };
            format!("{:#x} ({how})", line * LINE)
        })
        .collect();
    assert!(both.is_empty(), "{what}: both threads write to {both:?}");
    locks
}

#[test]
fn threads_that_seal_and_open_write_to_no_line_in_common() {
    let _alone = super::alone();
    let locks = in_two_threads("a handle of its own", |own| {
        let mut keys = None;
        Box::new(move || {
            let keys = keys.get_or_insert_with(|| own.vault.customer(own.customer));
            let sealed = keys.seal(EMAIL, &own.email).unwrap();
            keys.open(EMAIL, &sealed).unwrap();
        })
    });
    // Now and then the allocator's own, too.
    assert!(locks.iter().all(|locks| *locks >= 4), "the handle's lock, taken and given back, by a seal and by an open");
    in_two_threads("a handle in common", |own| {
        Box::new(move || {
            own.shared.seal(EMAIL, &own.email).unwrap();
            own.shared.open(EMAIL, &own.shared_value).unwrap();
        })
    });
    in_two_threads("no handle", |own| {
        Box::new(move || {
            own.vault.seal(own.customer, EMAIL, &own.email).unwrap();
            own.vault.open(own.customer, EMAIL, &own.sealed).unwrap();
        })
    });
    in_two_threads("a handle for one value", |own| {
        Box::new(move || {
            own.vault.customer(own.customer).open(EMAIL, &own.sealed).unwrap();
        })
    });
    in_two_threads("audited", |own| {
        let mut keys = None;
        Box::new(move || {
            let keys = keys.get_or_insert_with(|| {
                let reader = own.vault.reader(Limits::nothing().purpose(ORDERS));
                reader.audited(&own.audit, "somebody".parse().unwrap(), "work".parse().unwrap()).customer(own.customer)
            });
            keys.open(EMAIL, &own.sealed).unwrap();
        })
    });
    in_two_threads("in bulk", |own| {
        Box::new(move || {
            for (sealed, keys) in own.vault.each_customer([&own.sealed; 3], |_| own.customer) {
                keys.open(EMAIL, sealed).unwrap();
            }
        })
    });
}
