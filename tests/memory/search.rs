//! Needles, kept masked, and the search for them in every writable mapping of this process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

const MASK: u64 = 0x5aa5_c33c_6996_0ff1;
/// What is looked for: every eight bytes of a key in a row, so that a spilled register is found too.
const PIECE: usize = 8;

/// Secrets by label, as masked pieces of eight bytes.
#[derive(Default)]
pub struct Needles(BTreeMap<String, Vec<u64>>);

/// A piece as it would be read from memory, masked.
fn masked(piece: &[u8; PIECE]) -> u64 {
    u64::from_ne_bytes(*piece) ^ MASK
}

impl Needles {
    /// Only in the child process, whose memory is not searched.
    pub fn add(&mut self, label: &str, secret: &[u8]) {
        let pieces = secret.as_chunks().0.iter().map(masked);
        self.0.entry(label.to_owned()).or_default().extend(pieces);
    }

    pub fn write(&self) -> String {
        let line = |(label, pieces): (&String, &Vec<u64>)| {
            let pieces: Vec<String> = pieces.iter().map(|piece| format!("{piece:016x}")).collect();
            format!("{label}\t{}\n", pieces.join(" "))
        };
        self.0.iter().map(line).collect()
    }

    pub fn read(text: &str) -> Needles {
        let line = |line: &str| {
            let (label, pieces) = line.split_once('\t').unwrap();
            let pieces = pieces.split(' ').map(|piece| u64::from_str_radix(piece, 16).unwrap());
            (label.to_owned(), pieces.collect())
        };
        let needles = Needles(text.lines().map(line).collect());
        assert!(!needles.0.is_empty(), "nothing to look for");
        needles
    }

    pub fn labels(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    pub fn without(mut self, labels: &[&str]) -> Needles {
        for label in labels {
            assert!(self.0.remove(*label).is_some(), "no needle {label}");
        }
        self
    }

    /// One secret in clear on the heap: a residue made on purpose.
    pub fn plant(&self, label: &str) -> Box<[u64]> {
        self.0[label].iter().map(|piece| piece ^ MASK).collect()
    }

    /// Where pieces of each label were found.
    pub fn find(&self) -> Found {
        // Several to a piece: when clamping a hash changes none of its bits, one time in 32, it is the scalar, too.
        let mut wanted: HashMap<u64, BTreeSet<&str>> = HashMap::new();
        let mut starts = vec![false; 1 << 16];
        for (label, pieces) in &self.0 {
            for piece in pieces {
                wanted.entry(*piece).or_default().insert(label);
                starts[usize::from(*piece as u16)] = true;
            }
        }
        let mut found = Found::default();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let mut chunk = vec![0; 1 << 20];
        for mapping in maps.lines().filter(|line| line.contains(" rw")) {
            let (start, end) = mapping.split(' ').next().unwrap().split_once('-').unwrap();
            let (mut at, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
            while at + PIECE as u64 <= end {
                let size = chunk.len().min((end - at) as usize);
                // Some mappings cannot be read (vvar), and others went away meanwhile.
                let Ok(read @ PIECE..) = memory.read_at(&mut chunk[..size], at) else { break };
                // At once, so that the copy is not found in its turn.
                let masks = MASK.to_ne_bytes();
                chunk[..read].as_chunks_mut::<PIECE>().0.iter_mut().for_each(|eight| {
                    *eight = masked(eight).to_ne_bytes();
                });
                let tail = read - read % PIECE;
                chunk[tail..read].iter_mut().zip(masks).for_each(|(byte, mask)| *byte ^= mask);
                for offset in 0..=read - PIECE {
                    let turned = MASK.rotate_right(8 * (offset % PIECE) as u32) ^ MASK;
                    let piece = u64::from_ne_bytes(*chunk[offset..].first_chunk().unwrap()) ^ turned;
                    if starts[usize::from(piece as u16)]
                        && let Some(labels) = wanted.get(&piece)
                    {
                        let around = around(&chunk[..read], offset);
                        let place = format!("{:#x} in {mapping}, {around}", at + offset as u64);
                        for label in labels {
                            found.0.entry((*label).to_owned()).or_default().push(place.clone());
                        }
                    }
                }
                chunk.fill(0);
                if at + read as u64 == end {
                    break;
                }
                at += (read - PIECE + 1) as u64;
            }
        }
        found
    }
}

/// The bytes beside a piece, redacted: what is zero, and what is not.
fn around(masked: &[u8], offset: usize) -> String {
    let masks = MASK.to_ne_bytes();
    let shown = (offset.saturating_sub(32)..masked.len().min(offset + PIECE + 32)).map(|at| match at {
        _ if (offset..offset + PIECE).contains(&at) => '#',
        _ if masked[at] == masks[at % PIECE] => '.',
        _ => 'x',
    });
    shown.collect()
}

/// The threads there are, what each is doing, and where its stack is: a piece in that mapping is on it, and others are on the heap.
fn threads() -> String {
    let mut all = String::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let told = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default().trim().to_owned();
        // The call, its arguments, the stack pointer, the program counter.
        let call = told("syscall");
        let words: Vec<&str> = call.split(' ').collect();
        let stack = words.iter().rev().nth(1).copied().unwrap_or("unknown");
        all += &format!("  {}: call {}, stack at {stack}\n", told("comm"), words[0]);
    }
    all
}

#[derive(Default)]
pub struct Found(BTreeMap<String, Vec<String>>);

impl Found {
    pub fn has(&self, label: &str) -> bool {
        self.0.contains_key(label)
    }

    #[track_caller]
    pub fn expect_nothing(&self, when: &str) {
        let mut all = String::new();
        for (label, places) in &self.0 {
            all += &format!("  {label}: {} pieces\n", places.len());
            places.iter().take(6).for_each(|place| all += &format!("      {place}\n"));
        }
        assert!(self.0.is_empty(), "{when}, memory still holds\n{all}threads:\n{}", threads());
    }
}
