use std::collections::HashSet;

use super::*;

/// The clock is held still, so that its bits cannot hide a batch used twice.
const WALL: u64 = 1_795_000_000_123_456_789;

fn nonce(wall: u64) -> Result<[u8; 12], RandomnessUnavailable> {
    Nonce::draw(wall).map(|nonce| nonce.to_bytes())
}

fn mix(random: u128, wall: u64) -> [u8; 12] {
    Nonce::mix(random, wall).to_bytes()
}

fn drawn(count: usize) -> Vec<[u8; 12]> {
    (0..count).map(|_| nonce(WALL).unwrap()).collect()
}

#[test]
fn threads_share_no_nonce() {
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| drawn(10_000))).collect();
    let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 80_000);
}

/// What the thread would draw next, without drawing it.
fn buffered() -> Vec<u128> {
    LOCAL.with_borrow(|batch| batch.blocks[batch.next..].iter().map(|block| u128::from_be_bytes(block.0)).collect())
}

fn mixed(block: u128) -> [u8; 12] {
    mix(block, WALL)
}

#[test]
fn a_batch_is_used_in_order_wiped_and_bound_to_process_and_epoch() {
    let here = fork::generation();
    let mut batch = Batch::EMPTY;
    batch.draw(here, 5).unwrap();
    let coming: Vec<_> = batch.blocks.iter().map(|block| u128::from_be_bytes(block.0)).collect();
    for (at, &expected) in coming.iter().enumerate().skip(1) {
        assert_eq!(batch.draw(here, 5).unwrap(), expected);
        assert!(batch.blocks[..=at].iter().all(|block| block.0 == [0; 16]));
        assert!(batch.blocks[at + 1..].iter().all(|block| block.0 != [0; 16]));
    }
    // Full again, and full again with others when the process or the epoch is another.
    for (process, epoch) in [(here, 5), (here, 6), (ForkGeneration::NONE, 6), (here, 6)] {
        let drawn = batch.draw(process, epoch).unwrap();
        assert_eq!(batch.next, 1);
        assert!(!coming.contains(&drawn));
    }
}

#[test]
fn discarded_batches_are_never_used() {
    drawn(3);
    let before: HashSet<_> = buffered().into_iter().map(mixed).collect();
    assert!(before.len() > 200 || !fork::generation().sees_every_fork());
    discard_buffered();
    assert!(drawn(1000).iter().all(|nonce| !before.contains(nonce)));

    // In a thread other than the one that discards, too.
    let (ask, asked) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        drawn(3);
        let before: HashSet<_> = buffered().into_iter().map(mixed).collect();
        ask.send(()).unwrap();
        gone.recv().unwrap();
        assert!(drawn(1000).iter().all(|nonce| !before.contains(nonce)));
    });
    asked.recv().unwrap();
    discard_buffered();
    go.send(()).unwrap();
    other.join().unwrap();
}

#[test]
fn the_wall_clock_parts_two_copies_of_a_batch() {
    let block = u128::from_be_bytes([7; 16]);
    let (one, other) = (mix(block, WALL), mix(block, WALL + 1));
    assert_ne!(one, other);
    for (nonce, wall) in [(one, WALL), (other, WALL + 1)] {
        assert_eq!(nonce[8..], [7; 4]);
        assert_eq!(u64::from_be_bytes(nonce[..8].try_into().unwrap()) ^ wall, 0x0707_0707_0707_0707);
    }
    let walls: HashSet<_> = (0..1000).map(|nanos| mix(block, WALL + nanos)).collect();
    assert_eq!(walls.len(), 1000);
}

#[test]
fn every_bit_is_random() {
    let nonces = drawn(4000);
    for bit in 0..96 {
        let ones = nonces.iter().filter(|nonce| nonce[bit / 8] >> (bit % 8) & 1 == 1).count();
        assert!((1700..2300).contains(&ones), "bit {bit} was set {ones} times of 4000");
    }
}

#[test]
fn a_draw_interrupted_by_another_asks_the_system() {
    LOCAL.with_borrow_mut(|_| assert_ne!(nonce(WALL).unwrap(), nonce(WALL).unwrap()));
}

#[test]
fn nonces_can_be_drawn_while_a_thread_ends() {
    struct AtTheEnd(std::sync::mpsc::Sender<[u8; 12]>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            self.0.send(nonce(WALL).unwrap()).unwrap();
        }
    }
    thread_local!(static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) });
    let (sender, receiver) = std::sync::mpsc::channel();
    let first = std::thread::spawn(move || {
        LAST.set(Some(AtTheEnd(sender)));
        nonce(WALL).unwrap()
    });
    assert_ne!(receiver.recv().unwrap(), first.join().unwrap());
}

#[test]
fn fresh_bytes_differ() {
    let mut filled = [0; 32];
    fill(&mut filled).unwrap();
    assert_ne!(filled, [0; 32]);
    assert_ne!(fresh::<32>().unwrap(), fresh::<32>().unwrap());
    assert_eq!(fresh::<0>().unwrap(), [0; 0]);
}

#[cfg(target_os = "linux")]
mod process_copies {
    use super::*;
    use crate::fork::copies::{How, draws};

    const DRAWS: usize = 1000;
    type Drawn = [u8; 12 * DRAWS];

    fn draw(out: &mut Drawn) -> bool {
        out.as_chunks_mut::<12>().0.iter_mut().all(|out| nonce(WALL).map(|nonce| *out = nonce).is_ok())
    }

    fn draw_with_rand(out: &mut Drawn) -> bool {
        rand::Rng::fill_bytes(&mut rand::rng(), out);
        true
    }

    /// Draws in this thread, a fresh one so that other tests cannot disturb it, before, in and after its copies.
    fn distinct_and_all(how: How, depth: usize, draw: fn(&mut Drawn) -> bool) -> (usize, usize) {
        let run = move || {
            let mut here = vec![[0; 12 * DRAWS]];
            assert!(draw(&mut here[0]));
            here.extend(draws(how, depth, draw));
            // Siblings of the first line, from the same warm buffer.
            here.extend(draws(how, 1, draw));
            here.push([0; 12 * DRAWS]);
            assert!(draw(here.last_mut().unwrap()));
            let all: Vec<&[u8; 12]> = here.iter().flat_map(|drawn| drawn.as_chunks().0).collect();
            (all.iter().collect::<HashSet<_>>().len(), all.len())
        };
        std::thread::spawn(run).join().unwrap()
    }

    #[test]
    fn no_copy_of_the_process_repeats_a_nonce() {
        for how in How::ALL {
            for depth in [1, 4] {
                let (distinct, all) = distinct_and_all(how, depth, draw);
                assert_eq!(distinct, all, "{how:?}, {depth} deep");
            }
        }
    }

    /// The control: the same test sees the repeats of a generator that does not look out for forks.
    #[test]
    fn rands_own_generator_repeats_itself() {
        for how in How::ALL {
            let (distinct, all) = distinct_and_all(how, 1, draw_with_rand);
            // One parent and two children that draw the same as its next thousand.
            assert_eq!(all, 4 * DRAWS);
            assert_eq!(distinct, 2 * DRAWS, "{how:?}: rand now notices forks; is our own way still needed?");
        }
    }
}
