//! What may happen in a history, and histories made up from a seed.

/// Who may be in it.
pub const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A number that a seed makes: the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % below as u64).unwrap()
    }

    fn yes(&mut self, of: usize) -> bool {
        self.draw(of) == 0
    }
}

/// Whose it is, and whether it is of the newsletter or of the orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Of {
    pub who: usize,
    pub news: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A consent to the newsletter, or a contract.
    Grant(Of),
    /// By law, for so many days: a withdrawal leaves it.
    GrantByLaw(usize, i64),
    ToRecipient(usize),
    Mark(usize),
    Withdraw(Of),
    EndPurpose(Of),
    Erase(usize),
    /// While somebody hides one of their numbers from the register.
    EraseHidden(usize),
    /// While somebody exchanges their id with another's.
    EraseSwapped(usize, usize),
    /// Of one purpose or of all, for so many days.
    Hold(usize, Option<bool>, i64),
    EndHold(usize),
    /// The kind of the request, and how many days ago it arrived.
    Request(usize, usize, i64),
    Extend(usize),
    /// Done, refused or withdrawn.
    Close(usize, usize),
    Sweep,
    Flush,
    Resume,
    Days(i64),
    /// All numbers of somebody; despite holds or not.
    ShredNumbers(usize, bool),
    /// A new key tree for the newsletter or the orders, values moved to it, and the old one given up unless somebody is held.
    Retire(bool),
    /// Another process begins.
    Reopen,
    /// Copies of database, journal and vault are made.
    Night,
    /// Each is put back to the copies of a night, or stays. What is lost is shredded or not.
    Restore {
        database: Option<usize>,
        journal: Option<usize>,
        vault: Option<usize>,
        shreds_lost: bool,
    },
}

/// How the process ends, or what fails, at which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    Killed { step: u64, torn: bool },
    Fails { step: u64 },
}

/// One of a history: what is done, and what goes wrong meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    pub op: Op,
    pub trip: Option<Trip>,
}

/// The history of a seed.
pub fn history(seed: u64, length: usize) -> Vec<Act> {
    let mut random = Random::new(seed);
    let random = &mut random;
    // Nobody is in it at first.
    let mut acts: Vec<Act> =
        (0..NAMES.len()).map(|who| Act { op: Op::Grant(Of { who, news: who % 2 == 0 }), trip: None }).collect();
    while acts.len() < length {
        let op = op(random);
        let trip = random.yes(5).then(|| trip(random)).filter(|_| may_trip(op));
        acts.push(Act { op, trip });
    }
    acts
}

fn may_trip(op: Op) -> bool {
    !matches!(op, Op::Days(_) | Op::Night | Op::Reopen | Op::EraseHidden(_) | Op::EraseSwapped(..) | Op::Retire(_))
}

fn trip(random: &mut Random) -> Trip {
    let step = 1 + random.draw(24) as u64;
    match random.draw(4) {
        0 => Trip::Fails { step },
        1 => Trip::Killed { step, torn: true },
        _ => Trip::Killed { step, torn: false },
    }
}

fn op(random: &mut Random) -> Op {
    let who = random.draw(NAMES.len());
    let of = Of { who, news: random.yes(2) };
    let days = |random: &mut Random, most: usize| 1 + i64::try_from(random.draw(most)).unwrap();
    match random.draw(100) {
        0..=11 => Op::Grant(of),
        12..=14 => Op::GrantByLaw(who, days(random, 60)),
        15..=16 => Op::ToRecipient(who),
        17..=19 => Op::Mark(who),
        20..=25 => Op::Withdraw(of),
        26..=28 => Op::EndPurpose(of),
        29..=34 => Op::Erase(who),
        35 => Op::EraseHidden(who),
        36 => Op::EraseSwapped(who, random.draw(NAMES.len())),
        37..=43 => Op::Hold(who, [None, Some(false), Some(true)][random.draw(3)], days(random, 60)),
        44..=46 => Op::EndHold(random.draw(8)),
        47..=54 => Op::Request(who, random.draw(6), i64::try_from(random.draw(4)).unwrap()),
        55..=56 => Op::Extend(random.draw(8)),
        57..=62 => Op::Close(random.draw(8), random.draw(3)),
        63..=69 => Op::Sweep,
        70 => Op::Flush,
        71..=72 => Op::Resume,
        73..=78 => Op::Days(days(random, 45)),
        79..=81 => Op::ShredNumbers(who, random.yes(3)),
        82 => Op::Retire(random.yes(2)),
        83 => Op::Reopen,
        84..=91 => Op::Night,
        _ => restore(random),
    }
}

/// At least one of the three stays: with nothing that is current, nothing tells.
fn restore(random: &mut Random) -> Op {
    let [one, two, three] = [random.draw(8), random.draw(8), random.draw(8)];
    let (mut database, mut journal, mut vault) = match random.draw(8) {
        0..=1 => (Some(one), None, None),
        2 => (None, Some(two), None),
        3 => (None, None, Some(three)),
        4 => (Some(one), Some(two), None),
        5 => (Some(one), None, Some(three)),
        _ => (None, Some(two), Some(three)),
    };
    // Of one day, more often than by chance.
    if random.yes(2) {
        [&mut database, &mut journal, &mut vault].into_iter().flatten().for_each(|day| *day = one);
    }
    Op::Restore { database, journal, vault, shreds_lost: random.yes(2) }
}
