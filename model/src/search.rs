//! The search: every state that can be reached, breadth first, and the shortest way to the first finding.
//!
//! It knows nothing of the protocol. Of each state that was seen 128 bits of hash are kept, and how it was reached, so that tens of
//! millions fit into memory: that two of them have one hash is far less likely than a mistake in the model.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What can be searched.
pub trait Space {
    type State;
    type Event;
    type Finding;

    fn initial(&self) -> Self::State;

    /// States with one key are one state.
    fn key(&self, state: &Self::State) -> u128;

    /// Adds every step that can follow, always in the same order.
    fn next(&self, state: &Self::State, out: &mut Vec<(Self::Event, Self::State)>);

    /// What ends the search, if a state shows it.
    fn finding(&self, state: &Self::State) -> Option<Self::Finding>;
}

pub struct Outcome<S: Space> {
    pub states: usize,
    /// All states were seen, within the bounds of the space.
    pub complete: bool,
    pub found: Option<Found<S>>,
}

pub struct Found<S: Space> {
    pub finding: S::Finding,
    /// What happened, each with the state after it.
    pub path: Vec<(S::Event, S::State)>,
}

/// Looks at states until there is a finding, or none is left, or `most` were seen.
pub fn search<S: Space>(space: &S, most: usize) -> Outcome<S> {
    let mut seen = Seen::default();
    let mut origins = Origins::default();
    let first = space.initial();
    seen.insert(space.key(&first));
    let mut layer = vec![(origins.add(0, 0), first)];
    let mut out = Vec::new();
    while !layer.is_empty() {
        let mut following = Vec::new();
        for (from, state) in layer {
            space.next(&state, &mut out);
            for (nth, (_, next)) in out.drain(..).enumerate() {
                if !seen.insert(space.key(&next)) {
                    continue;
                }
                let id = origins.add(from, nth);
                if let Some(finding) = space.finding(&next) {
                    let path = replay(space, &origins.steps_to(id));
                    return Outcome { states: seen.len(), complete: false, found: Some(Found { finding, path }) };
                }
                if seen.len() >= most {
                    return Outcome { states: seen.len(), complete: false, found: None };
                }
                following.push((id, next));
            }
        }
        layer = following;
    }
    Outcome { states: seen.len(), complete: true, found: None }
}

/// Of each state, in the order in which they were first seen: from which one it was reached, and by which of the steps there.
#[derive(Default)]
struct Origins(Vec<(u32, u16)>);

impl Origins {
    fn add(&mut self, from: u32, nth: usize) -> u32 {
        let id = u32::try_from(self.0.len()).expect("fewer states than memory holds");
        self.0.push((from, u16::try_from(nth).expect("few steps can follow a state")));
        id
    }

    /// The first state is 0.
    fn steps_to(&self, mut id: u32) -> Vec<usize> {
        let mut steps = Vec::new();
        while id != 0 {
            let (from, nth) = self.0[id as usize];
            steps.push(usize::from(nth));
            id = from;
        }
        steps.reverse();
        steps
    }
}

fn replay<S: Space>(space: &S, steps: &[usize]) -> Vec<(S::Event, S::State)> {
    let mut path: Vec<(S::Event, S::State)> = Vec::new();
    for step in steps {
        let mut out = Vec::new();
        match path.last() {
            Some((_, state)) => space.next(state, &mut out),
            None => space.next(&space.initial(), &mut out),
        }
        path.push(out.swap_remove(*step));
    }
    path
}

/// Hashes that were seen before.
pub type Seen = HashSet<u128, BuildHasherDefault<AsItIs>>;

/// What is a hash already needs no hashing.
#[derive(Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only digests are hashed")
    }
    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

pub fn digest<T: Hash>(value: &T) -> u128 {
    let mut hasher = Wide { lanes: [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344], word: 0, filled: 0 };
    value.hash(&mut hasher);
    // What is left in the word. No state's bytes are the beginning of another's, so that zeros after them say nothing.
    hasher.mix();
    hasher.mix();
    (u128::from(hasher.lanes[0]) << 64) | u128::from(hasher.lanes[1])
}

/// Two lanes of multiply and shift, eight bytes at a time.
struct Wide {
    lanes: [u64; 2],
    word: u64,
    filled: u32,
}

impl Wide {
    fn mix(&mut self) {
        let [one, other] = &mut self.lanes;
        *one = (*one ^ self.word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        *one ^= *one >> 29;
        *other = (other.rotate_left(23) ^ self.word).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        *other ^= *other >> 31;
        (self.word, self.filled) = (0, 0);
    }
}

impl Hasher for Wide {
    fn write_u8(&mut self, byte: u8) {
        self.word |= u64::from(byte) << self.filled;
        self.filled += 8;
        if self.filled == 64 {
            self.mix();
        }
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }
    /// Lengths: all of them are small.
    fn write_usize(&mut self, length: usize) {
        self.write_u8(length as u8);
    }
    /// Which variant of an enum.
    fn write_isize(&mut self, variant: isize) {
        self.write_u8(variant as u8);
    }
    fn finish(&self) -> u64 {
        self.lanes[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 1: add one or double, up to a bound. Finds a number.
    struct Numbers {
        most: u32,
        wanted: u32,
    }

    impl Space for Numbers {
        type State = u32;
        type Event = char;
        type Finding = ();

        fn initial(&self) -> u32 {
            1
        }

        fn key(&self, state: &u32) -> u128 {
            digest(state)
        }

        fn next(&self, state: &u32, out: &mut Vec<(char, u32)>) {
            let steps = [('+', state + 1), ('*', state * 2)];
            out.extend(steps.into_iter().filter(|(_, next)| *next <= self.most));
        }

        fn finding(&self, state: &u32) -> Option<()> {
            (*state == self.wanted).then_some(())
        }
    }

    #[test]
    fn the_shortest_way_is_found() {
        let found = search(&Numbers { most: 100, wanted: 25 }, 1000).found.expect("25 can be reached");
        let states: Vec<u32> = found.path.iter().map(|(_, state)| *state).collect();
        assert_eq!(states, [2, 3, 6, 12, 24, 25]);
        let events: String = found.path.iter().map(|(event, _)| *event).collect();
        assert_eq!(events, "++***+");
    }

    #[test]
    fn a_search_says_whether_it_saw_everything() {
        let all = search(&Numbers { most: 100, wanted: 0 }, 1000);
        assert!(all.complete && all.found.is_none());
        assert_eq!(all.states, 100);
        let some = search(&Numbers { most: 100, wanted: 0 }, 50);
        assert!(!some.complete);
        assert_eq!(some.states, 50);
    }

    #[test]
    fn states_differ_in_their_digests() {
        let pairs = (0..300_u16).flat_map(|one| (0..300_u16).map(move |other| (one, Some(other))));
        let digests: HashSet<u128> = pairs.map(|pair| digest(&pair)).collect();
        assert_eq!(digests.len(), 300 * 300);
    }
}
