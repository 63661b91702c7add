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
    width: Filling,
}

/// A width sixteen times, beside types that are aligned to as many bytes: alone it would leave padding, to which a move copies what lay on the stack before, a
/// piece of the key as well, and which no drop wipes.
pub(super) type Filling = [Width; 16];

impl Aes {
    #[inline]
    pub(super) fn new(key: &[u8; 32], width: Width) -> Aes {
        Aes { encrypt: Aes256Enc::new(key.into()), width: [width; 16] }
    }
}

impl BlockSizeUser for Aes {
    type BlockSize = U16;
}

impl BlockCipherEncrypt for Aes {
    #[inline]
    fn encrypt_with_backend(&self, work: impl BlockCipherEncClosure<BlockSize = U16>) {
        let [width, ..] = self.width;
        match width {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use aes_gcm::aead::AeadInOut;
    use aes_gcm::{Aes256Gcm, KeyInit};

    use super::*;
    use crate::cipher::{FieldCipher, NotAuthentic};

    /// How many blocks whoever works with it is told of.
    struct Told<'t>(&'t Cell<usize>);

    impl BlockSizeUser for Told<'_> {
        type BlockSize = U16;
    }

    impl BlockCipherEncClosure for Told<'_> {
        fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, _: &B) {
            self.0.set(B::ParBlocksSize::USIZE);
        }
    }

    fn told(aes: &impl BlockCipherEncrypt<BlockSize = U16>) -> usize {
        let blocks = Cell::new(0);
        aes.encrypt_with_backend(Told(&blocks));
        blocks.get()
    }

    #[test]
    fn a_narrow_cipher_tells_of_eight_blocks() {
        let of = |width| told(&Aes::new(&[7; 32], width));
        assert_eq!(of(Width::Narrow), 8);
        assert_eq!(of(Width::Wide), told(&Aes256Enc::new(&[7; 32].into())));
    }

    #[test]
    fn there_is_no_padding() {
        assert_eq!(size_of::<Aes>(), size_of::<Aes256Enc>() + size_of::<Filling>());
    }

    #[test]
    fn short_texts_are_narrow_where_there_are_instructions_for_aes() {
        let short = if hardware_accelerated() { Width::Narrow } else { Width::Wide };
        assert_eq!([0, 64, 1023, 1024, 1 << 20].map(Width::for_text), [short, short, short, Width::Wide, Width::Wide]);
    }

    /// Were GCM told of 64 blocks again, its stack would show it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_narrow_cipher_takes_less_stack() {
        let depth = |width| {
            let cipher = FieldCipher::with(&[7; 32], &[8; 32], width);
            let mut text = vec![0; 4096];
            let seal = || cipher.seal(&[1; 12], b"x", &mut text, &mut [0; 16]);
            crate::stack::measure::depth_after(seal).unwrap()
        };
        let (narrow, wide) = (depth(Width::Narrow), depth(Width::Wide));
        println!("{narrow} bytes, {wide} when it is wide");
        if told(&Aes256Enc::new(&[7; 32].into())) > 8 {
            assert!(narrow + 1024 < wide, "{narrow} bytes, {wide} when it is wide");
        }
    }

    #[test]
    fn both_are_plain_aes_gcm() {
        let key = std::array::from_fn(|at| at as u8);
        let plain = Aes256Gcm::new(&key.into());
        let ours = [Width::Narrow, Width::Wide].map(|width| FieldCipher::with(&key, &[8; 32], width));
        for length in (0..300).chain([511, 512, 1023, 1024, 1025, 1039, 1040, 2048, 5000, 66_000]) {
            let text: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let (nonce, associated) = ([length as u8; 12], &text[..length.min(40)]);
            let mut sealed = text.clone();
            let tag = plain.encrypt_inout_detached(&nonce.into(), associated, sealed.as_mut_slice().into()).unwrap();
            for cipher in &ours {
                let (mut made, mut made_tag) = (text.clone(), [0; 16]);
                cipher.seal(&nonce, associated, &mut made, &mut made_tag).unwrap();
                assert!(made == sealed && made_tag[..] == tag[..], "{length}");
                cipher.open(&nonce, &[8; 32], associated, &mut made, &made_tag).unwrap();
                assert!(made == text, "{length}");
                made_tag[15] ^= 1;
                let refused = cipher.open(&nonce, &[8; 32], associated, &mut sealed.clone(), &made_tag);
                assert_eq!(refused, Err(NotAuthentic), "{length}");
            }
        }
    }
}
