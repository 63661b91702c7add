//! SHA-256, HMAC, HKDF-Expand and the AES-256 key schedule, written out: their inner states are what the search looks
//! for. Used in the child process only.

const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

pub const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

pub fn compress(state: [u32; 8], block: &[u8; 64]) -> [u32; 8] {
    let mut w = [0u32; 64];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for i in 16..64 {
        let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
        let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    for i in 0..64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(K[i]).wrapping_add(w[i]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
    }
    let worked = [a, b, c, d, e, f, g, h];
    std::array::from_fn(|i| state[i].wrapping_add(worked[i]))
}

fn hash_on(mut state: [u32; 8], before: usize, bytes: &[u8]) -> [u8; 32] {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend(((before + bytes.len()) as u64 * 8).to_be_bytes());
    for block in padded.as_chunks::<64>().0 {
        state = compress(state, block);
    }
    let mut out = [0; 32];
    out.iter_mut().zip(state.into_iter().flat_map(u32::to_be_bytes)).for_each(|(place, byte)| *place = byte);
    out
}

/// The keyed inner and outer states of HMAC.
pub fn midstates(key: &[u8; 32]) -> [[u32; 8]; 2] {
    [0x36, 0x5c].map(|pad| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
        compress(START, &block)
    })
}

pub fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let [inner, outer] = midstates(key);
    hash_on(outer, 64, &hash_on(inner, 64, text))
}

pub fn expand(key: &[u8; 32], info: &[&[u8]], bytes: usize) -> Vec<u8> {
    let (mut out, mut last, info) = (Vec::new(), Vec::new(), info.concat());
    for count in 1.. {
        if out.len() >= bytes {
            break;
        }
        last = hmac(key, &[&last[..], &info, &[count]].concat()).to_vec();
        out.extend(&last);
    }
    out.truncate(bytes);
    out
}

fn times_x(byte: u8) -> u8 {
    byte << 1 ^ if byte & 0x80 == 0 { 0 } else { 0x1b }
}

fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        (a, b) = (times_x(a), b >> 1);
    }
    product
}

fn s_box(byte: u8) -> u8 {
    // The inverse is the 254th power.
    let inverse = (0..254).fold(1, |power, _| times(power, byte));
    (1..5).fold(inverse, |sum, turn| sum ^ inverse.rotate_left(turn)) ^ 0x63
}

/// Round keys for encryption, and those for decryption that are not among them.
pub fn round_keys(key: &[u8; 32]) -> Vec<[u8; 16]> {
    let mut words: Vec<[u8; 4]> = key.as_chunks::<4>().0.to_vec();
    let mut constant = 1;
    for i in 8..60 {
        let mut word = words[i - 1];
        if i % 8 == 0 {
            word.rotate_left(1);
            word = word.map(s_box);
            word[0] ^= constant;
            constant = times_x(constant);
        } else if i % 8 == 4 {
            word = word.map(s_box);
        }
        words.push(std::array::from_fn(|at| words[i - 8][at] ^ word[at]));
    }
    let inverted = |w: &[u8; 4]| -> [u8; 4] {
        std::array::from_fn(|at| {
            let of = |turn: usize| w[(at + turn) % 4];
            times(of(0), 14) ^ times(of(1), 11) ^ times(of(2), 13) ^ times(of(3), 9)
        })
    };
    let decryption: Vec<[u8; 4]> = words[4..56].iter().map(inverted).collect();
    words.extend(decryption);
    words.chunks(4).map(|four| four.concat().try_into().unwrap()).collect()
}

/// Round keys for encryption as the `aes` crate keeps them where the processor has no instructions for AES, fixsliced for one block: eight words of a round key have a bit of
/// each of its bytes, row by row. ShiftRows is left out of the rounds, so that of each four round keys three are turned back by as many rows; and so is a NOT of
/// four of the bits that SubBytes gives.
pub fn fixsliced(key: &[u8; 32]) -> Vec<[u8; 16]> {
    let sliced = |(round, bytes): (usize, &[u8; 16])| {
        let turned = if round == 14 { 0 } else { round % 4 };
        let words: [u16; 8] = std::array::from_fn(|bit| {
            let place = |at: usize| {
                let (row, column) = (at / 4, at % 4);
                let byte = bytes[(column + 4 - turned * row % 4) % 4 * 4 + row];
                u16::from(byte >> bit & 1) << at
            };
            let word = (0..16).map(place).sum::<u16>();
            if round > 0 && [0, 1, 5, 6].contains(&bit) { !word } else { word }
        });
        words.map(u16::to_ne_bytes).concat().try_into().unwrap()
    };
    round_keys(key)[..15].iter().enumerate().map(sliced).collect()
}

/// The published examples: what follows is worth nothing if these are wrong.
pub fn check() {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    // FIPS 197, appendix C.3: the last round key.
    assert_eq!(hex::encode(round_keys(&key)[14]), "24fc79ccbf0979e9371ac23c6d68de36");
    // FIPS 197, appendix C.3, equivalent inverse cipher: the second round key used.
    let inverse: Vec<_> = round_keys(&key)[15..].iter().map(hex::encode).collect();
    assert!(inverse.contains(&"34f1d1ffbfceaa2ffce9e25f2558016e".to_owned()), "{inverse:?}");
    // RFC 4231, test case 2, with the key padded to 32 bytes, which HMAC does not tell apart.
    let mut jefe = [0; 32];
    jefe[..4].copy_from_slice(b"Jefe");
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hex::encode(hmac(&jefe, b"what do ya want for nothing?")), expected);
}
