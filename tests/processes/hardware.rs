//! Hardware AES, carry-less multiplication and SHA are used in a build without any flags: seen, not assumed.
//!
//! A child process cold-seals and opens one value while its parent steps it instruction by instruction and looks at
//! each that is about to run. Built with `--cfg aes_backend="soft"`, `--cfg polyval_backend="soft"` or
//! `--cfg sha2_backend="soft"`, it fails.

#![allow(clippy::host_endian_bytes)]

use oubliette::personal::Email;
use oubliette::{Field, Purpose, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");

/// How often each kind of instruction ran.
#[derive(Debug, Default)]
struct Ran {
    all: u64,
    aes_rounds: u64,
    carryless_products: u64,
    sha256_rounds: u64,
}

impl Ran {
    /// Counts one instruction, given its first bytes.
    fn count(&mut self, code: [u8; 16]) {
        self.all += 1;
        let mut code = &code[..];
        // Legacy prefixes and REX.
        while let [0x66 | 0xf2 | 0xf3 | 0x40..=0x4f, rest @ ..] = code {
            code = rest;
        }
        let (map, opcode) = match code {
            [0x0f, 0x38, opcode, ..] => (2, *opcode),
            [0x0f, 0x3a, opcode, ..] => (3, *opcode),
            [0xc4, map, _, opcode, ..] => (map & 0x1f, *opcode), // VEX
            [0x62, map, _, _, opcode, ..] => (map & 0x07, *opcode), // EVEX
            _ => return,
        };
        match (map, opcode) {
            (2, 0xdc | 0xdd) => self.aes_rounds += 1,
            (3, 0x44) => self.carryless_products += 1,
            (2, 0xcb) => self.sha256_rounds += 1,
            _ => {}
        }
    }
}

/// Runs `prepare` in a child process, then what it gives, step by step.
fn step_through(prepare: impl FnOnce() -> Box<dyn FnOnce()>) -> Ran {
    // SAFETY: the child uses only what it makes itself, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let work = prepare();
            // SAFETY: no memory is involved; the parent traces from the first stop to the second.
            unsafe {
                assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0, "{}", std::io::Error::last_os_error());
                libc::raise(libc::SIGSTOP);
            }
            work();
            // SAFETY: as before.
            unsafe { libc::raise(libc::SIGSTOP) };
        }));
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(i32::from(done.is_err())) }
    }
    let mut ran = Ran::default();
    assert_eq!(wait(child), libc::SIGSTOP, "the child stops when it is ready");
    loop {
        // SAFETY: the child is stopped, and its memory is only read.
        unsafe {
            let mut registers: libc::user_regs_struct = std::mem::zeroed();
            assert_eq!(libc::ptrace(libc::PTRACE_GETREGS, child, 0, &raw mut registers), 0);
            let [low, high] = [0, 8].map(|at| libc::ptrace(libc::PTRACE_PEEKTEXT, child, registers.rip + at, 0));
            let mut code = [0; 16];
            code[..8].copy_from_slice(&low.to_ne_bytes());
            code[8..].copy_from_slice(&high.to_ne_bytes());
            ran.count(code);
            assert_eq!(libc::ptrace(libc::PTRACE_SINGLESTEP, child, 0, 0), 0);
        }
        match wait(child) {
            libc::SIGTRAP => {}
            libc::SIGSTOP => break,
            other => panic!("the child stopped for signal {other}"),
        }
    }
    // SAFETY: lets the child end by itself.
    unsafe { libc::ptrace(libc::PTRACE_CONT, child, 0, 0) };
    let mut status = 0;
    // SAFETY: `status` lives.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child's own work failed");
    ran
}

/// The signal that stopped the child.
fn wait(child: i32) -> i32 {
    let mut status = 0;
    // SAFETY: `status` lives.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFSTOPPED(status), "the child ended early, with status {status:#x}");
    libc::WSTOPSIG(status)
}

#[test]
fn the_processor_encrypts_authenticates_and_hashes() {
    let _alone = super::alone();
    let [aes, products, sha] = [
        std::arch::is_x86_feature_detected!("aes"),
        std::arch::is_x86_feature_detected!("pclmulqdq"),
        std::arch::is_x86_feature_detected!("sha"),
    ];
    let ran = step_through(|| {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let email: Email = "alice@example.com".parse().unwrap();
        // Once before, so that neither the detection of features nor the first batch of nonces is counted.
        let sealed = vault.seal(alice, EMAIL, &email).unwrap();
        drop(vault.open(alice, EMAIL, &sealed).unwrap());
        Box::new(move || {
            let sealed = vault.seal(alice, EMAIL, &email).unwrap();
            let _ = vault.open(alice, EMAIL, &sealed).unwrap();
        })
    });
    println!("{ran:?}");
    // Sealing and opening one value, of a customer whose leaf was met before: 11 blocks of SHA-256 each (32 instructions a block, which do two rounds), 6 blocks
    // of AES-256 (14 rounds) and 11 products for GHASH. One instruction of a wider processor may do four blocks of the
    // latter two at once; SHA-256 is done one by one, so none of it is left to software.
    assert!(!aes || ran.aes_rounds >= 2 * 6 * 14 / 4, "{ran:?}");
    assert!(!products || ran.carryless_products >= 2 * 11 / 4, "{ran:?}");
    assert!(!sha || ran.sha256_rounds >= 2 * 11 * 32, "{ran:?}");
}
