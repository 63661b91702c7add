//! Hardware AES, carry-less multiplication and SHA are used in a build without any flags: seen, not assumed.
//!
//! A child process cold-seals and opens one value while its parent steps it instruction by instruction and looks at
//! each that is about to run. Built with `--cfg aes_backend="soft"`, `--cfg polyval_backend="soft"` or
//! `--cfg sha2_backend="soft"`, it fails.

use oubliette::personal::Email;
use oubliette::{Field, Purpose, Vault};

use super::steps::{Code, Event, Work, step_through};

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
    fn count(&mut self, code: &Code) {
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

#[test]
fn the_processor_encrypts_authenticates_and_hashes() {
    let _alone = super::alone();
    let [aes, products, sha] = [
        std::arch::is_x86_feature_detected!("aes"),
        std::arch::is_x86_feature_detected!("pclmulqdq"),
        std::arch::is_x86_feature_detected!("sha"),
    ];
    let prepare = || {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let email: Email = "alice@example.com".parse().unwrap();
        let work: Work = Box::new(move || {
            let sealed = vault.seal(alice, EMAIL, &email).unwrap();
            let _ = vault.open(alice, EMAIL, &sealed).unwrap();
        });
        vec![work]
    };
    let mut ran = Ran::default();
    step_through(prepare, |_, _, event| {
        if let Event::Step(step) = event {
            ran.count(step.code);
        }
    });
    println!("{ran:?}");
    // Sealing and opening one value, of a customer whose leaf was met before: 11 blocks of SHA-256 each (32 instructions a block, which do two rounds), 6 blocks
    // of AES-256 (14 rounds) and 11 products for GHASH. One instruction of a wider processor may do four blocks of the
    // latter two at once; SHA-256 is done one by one, so none of it is left to software.
    assert!(!aes || ran.aes_rounds >= 2 * 6 * 14 / 4, "{ran:?}");
    assert!(!products || ran.carryless_products >= 2 * 11 / 4, "{ran:?}");
    assert!(!sha || ran.sha256_rounds >= 2 * 11 * 32, "{ran:?}");
}
