//! Nonces for sealed values, and fresh random bytes for everything else.
//!
//! A nonce that repeats under one key breaks AES-GCM, so a nonce must not repeat in two threads, after a fork, or in two
//! virtual machines resumed from one snapshot. Asking the operating system each time would do, at several times the cost
//! of the encryption itself; `rand::rng()` is fast and repeats itself after a fork. So each thread keeps a batch: 32
//! bytes from the operating system, expanded at once by AES-256 in counter mode into 256 nonces. The key is wiped before
//! the first is used, so what is kept is only the nonces to come, each wiped as it leaves.
//!
//! - Threads: a batch never leaves its thread.
//! - Fork: a batch is used only in the process that drew it ([`fork::generation`]).
//! - Resumed snapshots: both copies hold the same batch and nothing in memory tells them apart, so the wall clock in
//!   nanoseconds is mixed in, and batches are discarded at every lease refresh. What remains: two copies resumed within
//!   one refresh whose wall clocks also give the same nanosecond for the same draw.
//!
//! Nonces are not secret: a batch left behind by another thread or by the parent is useless, not dangerous. Seeds, salts
//! and ids never come from a batch: [`fill`] asks the operating system.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::array::Array;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aes::{Aes256, Block};
use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use zeroize::Zeroizing;

use crate::fork::{self, ForkGeneration};

/// Enough to make the system call and the key schedule cheap; few enough that a refresh wastes little.
const BATCH: usize = 256;

/// The operating system gave no random bytes. Nothing can be sealed or committed until it does.
#[derive(Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomnessUnavailable(#[source] SysError);

/// Fills `bytes` from the operating system: for seeds, salts and ids. Never buffered, so never repeated by a copy.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
    SysRng.try_fill_bytes(bytes).map_err(RandomnessUnavailable)
}

/// As [`fill`], by value: for salts and ids. Secrets are filled in place, since a moved value leaves a copy behind.
pub(crate) fn fresh<const N: usize>() -> Result<[u8; N], RandomnessUnavailable> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Counts the times that all batches were discarded.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Makes every thread start a new batch at its next nonce: at each lease refresh, when the lease is lost, and when the
/// clocks disagree, since each may be the first sign of a resumed snapshot.
pub(crate) fn discard_buffered() {
    // A thread that learns of this call by any synchronisation also sees the new count. One that does not is drawing at
    // the same time as this call, and might as well have drawn before it.
    EPOCH.fetch_add(1, Ordering::Release);
}

/// A nonce no one else has, for one seal.
///
/// As one integer until it is used: bytes that are written in pieces and then loaded whole stall the processor.
pub(crate) struct Nonce(u128);

impl Nonce {
    /// `wall_nanos` is the wall clock now, in nanoseconds, neither coarse nor cached.
    ///
    /// All of it is inlined, so that the nonce comes in registers: from memory, where its halves were just written, it would be loaded whole.
    #[inline(always)]
    pub(crate) fn draw(wall_nanos: u64) -> Result<Nonce, RandomnessUnavailable> {
        Ok(Nonce::mix(random_block()?, wall_nanos))
    }

    #[inline]
    fn mix(random: u128, wall_nanos: u64) -> Nonce {
        Nonce(random ^ u128::from(wall_nanos) << 64)
    }

    #[inline]
    pub(crate) fn to_bytes(&self) -> [u8; 12] {
        let [nonce @ .., _, _, _, _] = self.0.to_be_bytes();
        nonce
    }
}

#[inline(always)]
fn random_block() -> Result<u128, RandomnessUnavailable> {
    let generation = fork::generation();
    if generation.sees_every_fork() {
        let epoch = EPOCH.load(Ordering::Acquire);
        let drawn = LOCAL.try_with(|batch| Some(batch.try_borrow_mut().ok()?.draw(generation, epoch)));
        if let Ok(Some(drawn)) = drawn {
            return drawn;
        }
    }
    // No way to notice a fork, a thread that is being torn down, or a signal handler that interrupted a draw.
    fresh().map(u128::from_be_bytes)
}

/// How often all batches were discarded.
#[cfg(test)]
pub(crate) fn epoch() -> u64 {
    EPOCH.load(Ordering::Acquire)
}

/// The nonce that this thread would draw next at that time, unless its batch is discarded meanwhile.
#[cfg(test)]
pub(crate) fn foreseen(wall_nanos: u64) -> Option<[u8; 12]> {
    LOCAL.with_borrow(|batch| {
        batch.blocks.get(batch.next).map(|block| Nonce::mix(u128::from_be_bytes(block.0), wall_nanos).to_bytes())
    })
}

struct Batch {
    /// Which process and which epoch may use it.
    generation: ForkGeneration,
    epoch: u64,
    next: usize,
    blocks: [Block; BATCH],
}

thread_local! {
    // Nothing to drop, so that nonces can be drawn until the very end of a thread.
    static LOCAL: RefCell<Batch> = const { RefCell::new(Batch::EMPTY) };
}

impl Batch {
    const EMPTY: Self =
        Self { generation: ForkGeneration::NONE, epoch: 0, next: BATCH, blocks: [Array([0; 16]); BATCH] };

    #[inline(always)]
    fn draw(&mut self, generation: ForkGeneration, epoch: u64) -> Result<u128, RandomnessUnavailable> {
        if self.generation != generation || self.epoch != epoch || self.next >= BATCH {
            self.refill(generation, epoch)?;
        }
        let Some(block) = self.blocks.get_mut(self.next) else { return fresh().map(u128::from_be_bytes) };
        self.next += 1;
        Ok(u128::from_be_bytes(std::mem::take(block).0))
    }

    /// `generation` and `epoch` were read before the bytes are drawn, so a batch is never labelled newer than it is.
    /// A refill that fails leaves no batch.
    #[cold]
    #[inline(never)]
    fn refill(&mut self, generation: ForkGeneration, epoch: u64) -> Result<(), RandomnessUnavailable> {
        self.next = BATCH;
        let mut key = Zeroizing::new([0; 32]);
        fill(key.as_mut())?;
        for (block, count) in self.blocks.iter_mut().zip(0u128..) {
            block.0 = count.to_be_bytes();
        }
        Aes256::new((&*key).into()).encrypt_blocks(&mut self.blocks);
        self.generation = generation;
        self.epoch = epoch;
        self.next = 0;
        Ok(())
    }
}

crate::journal::message::debug_as_message!(RandomnessUnavailable);

#[cfg(test)]
mod tests;
