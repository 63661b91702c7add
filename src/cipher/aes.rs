//! The AES that GCM works with: that of the `aes` crate, with keys to encrypt alone, and offered few blocks at a time.
//!
//! On a processor with AVX-512 that crate works on 64 blocks at once, for which it takes kilobytes of stack, however short the text. All of it has
//! to be overwritten after each value, which costs as much as the cipher does; and most values are a few dozen bytes. So GCM is told of eight
//! blocks at a time, unless the text is a long one: from 64 blocks on, the wide way is worth what it leaves.

use aes_gcm::aead::consts::{U8, U16};
use aes_gcm::aes::cipher::typenum::Unsigned;
use aes_gcm::aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InOut, KeyInit, ParBlocksSizeUser,
};
use aes_gcm::aes::{Aes256Enc, Block, hardware_accelerated};

use crate::stack::Work;

/// How many blocks at a time a cipher works on. It is chosen for the length of a text; those of any other length come out the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Eight at most.
    Narrow,
    /// As many as the `aes` crate likes best on this processor.
    Wide,
}

impl Width {
    /// Texts of so many bytes and more are worth the wide way: fewer do not fill its 64 blocks.
    pub(crate) const WIDE_FROM: usize = 1024;

    /// Without instructions for AES all texts go the wide way: several blocks at once are what makes it bearable.
    #[inline]
    pub(crate) fn for_text(bytes: usize) -> Width {
        if bytes < Width::WIDE_FROM && hardware_accelerated() { Width::Narrow } else { Width::Wide }
    }

    /// What it takes of the stack to derive a cipher's key and use it.
    #[inline]
    pub(crate) fn to_derive(self) -> Work {
        match self {
            Width::Narrow => Work::ShortText,
            Width::Wide => Work::Derivation,
        }
    }

    /// What it takes to use one that is there.
    #[inline]
    pub(super) fn to_use(self) -> Work {
        match self {
            Width::Narrow => Work::KeptCipher,
            Width::Wide => Work::Derivation,
        }
    }
}

pub(super) struct Aes {
    encrypt: Aes256Enc,
    width: Width,
}

impl Aes {
    #[inline]
    pub(super) fn new(key: &[u8; 32], width: Width) -> Aes {
        Aes { encrypt: Aes256Enc::new(key.into()), width }
    }
}

impl BlockSizeUser for Aes {
    type BlockSize = U16;
}

impl BlockCipherEncrypt for Aes {
    #[inline]
    fn encrypt_with_backend(&self, work: impl BlockCipherEncClosure<BlockSize = U16>) {
        match self.width {
            Width::Narrow => self.encrypt.encrypt_with_backend(Narrow(work)),
            Width::Wide => wide(&self.encrypt, work),
        }
    }
}

/// In a frame of its own, which texts that are not long never enter.
#[inline(never)]
fn wide(aes: &Aes256Enc, work: impl BlockCipherEncClosure<BlockSize = U16>) {
    aes.encrypt_with_backend(work);
}

/// Work that hears of eight blocks at a time where the implementation offers more.
struct Narrow<W>(W);

impl<W: BlockCipherEncClosure<BlockSize = U16>> BlockSizeUser for Narrow<W> {
    type BlockSize = U16;
}

impl<W: BlockCipherEncClosure<BlockSize = U16>> BlockCipherEncClosure for Narrow<W> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        if B::ParBlocksSize::USIZE == U8::USIZE { self.0.call(backend) } else { self.0.call(&ByEight(backend)) }
    }
}

struct ByEight<'b, B>(&'b B);

impl<B> BlockSizeUser for ByEight<'_, B> {
    type BlockSize = U16;
}

impl<B> ParBlocksSizeUser for ByEight<'_, B> {
    type ParBlocksSize = U8;
}

impl<B: BlockCipherEncBackend<BlockSize = U16>> BlockCipherEncBackend for ByEight<'_, B> {
    #[inline(always)]
    fn encrypt_block(&self, block: InOut<'_, '_, Block>) {
        self.0.encrypt_block(block);
    }
}
