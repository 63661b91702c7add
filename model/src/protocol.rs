//! The model as a whole: rules and bounds, where it begins, and the bounds' defaults.

use std::cell::RefCell;

use crate::checks::{Aim, Finding};
use crate::plan::Op;
use crate::rules::Rules;
use crate::search::{Seen, Space, digest};
use crate::state::{Content, Counts, Place, Process, Record, Set, Short, Slot, State};
use crate::trace::Event;

/// How much may happen in a search.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub places: usize,
    pub processes: usize,
    /// The places that have a record at the start, place 0 the first of them.
    pub list: Set,
    /// What each process can reach at the start.
    pub links: [Set; 2],
    /// The machine of each place, and of each process. Only what is on a machine goes down with it.
    pub machine_of_place: [u8; 3],
    pub machine_of_process: [u8; 2],
    pub most: Counts,
    /// Most records, the first one included.
    pub records: u8,
    /// An operator may say that the first place is lost when it is only out of reach.
    pub false_word: bool,
}

impl Bounds {
    /// So many places on one machine, all of them listed; two processes; one kill, one power cut, one failed sync.
    pub fn places(places: usize, ops: &[Op]) -> Bounds {
        let all: Set = (0..places).collect();
        let mut most = Counts { kills: 1, cuts: 1, fails: 1, ..Counts::default() };
        for op in ops {
            most.ops[*op as usize] += 1;
        }
        Bounds {
            places,
            processes: 2,
            list: all,
            links: [all; 2],
            machine_of_place: [0; 3],
            machine_of_process: [0; 2],
            most,
            records: 5,
            false_word: false,
        }
    }

    pub fn kills(mut self, kills: u8) -> Bounds {
        self.most.kills = kills;
        self
    }

    pub fn cuts(mut self, cuts: u8) -> Bounds {
        self.most.cuts = cuts;
        self
    }

    pub fn fails(mut self, fails: u8) -> Bounds {
        self.most.fails = fails;
        self
    }

    pub fn link_changes(mut self, links: u8) -> Bounds {
        self.most.links = links;
        self
    }

    pub fn losses(mut self, losses: u8) -> Bounds {
        self.most.losses = losses;
        self
    }

    pub fn returns(mut self, returns: u8) -> Bounds {
        self.most.returns = returns;
        self
    }

    pub fn one_process(mut self) -> Bounds {
        self.processes = 1;
        self
    }

    /// Only these are listed at the start; the others are new and empty.
    pub fn listed(mut self, list: &[usize]) -> Bounds {
        self.list = Set::of(list);
        self
    }

    pub fn links(mut self, links: [&[usize]; 2]) -> Bounds {
        self.links = links.map(Set::of);
        self
    }

    /// A machine for A and place 0, one for B and place 1, and one for place 2.
    pub fn apart(mut self) -> Bounds {
        self.machine_of_place = [0, 1, 2];
        self.machine_of_process = [0, 1];
        self
    }

    pub fn false_word(mut self) -> Bounds {
        self.false_word = true;
        self
    }

    /// Whether A and B can do the same, so that it does not matter which of them does it.
    fn are_alike(&self) -> bool {
        self.processes == 2 && self.links[0] == self.links[1] && self.machine_of_process == [0, 0]
    }
}

pub struct Protocol {
    pub rules: Rules,
    pub bounds: Bounds,
    pub aim: Aim,
    /// What promise (e) was checked of already.
    pub tried: RefCell<Seen>,
}

impl Protocol {
    pub fn new(rules: Rules, bounds: Bounds, aim: Aim) -> Protocol {
        Protocol { rules, bounds, aim, tried: RefCell::default() }
    }
}

impl Space for Protocol {
    type State = State;
    type Event = Event;
    type Finding = Finding;

    /// One record, whole in every place, which every process holds and knows to be durable.
    fn initial(&self) -> State {
        let bounds = &self.bounds;
        let record = Record { generation: 1, list: bounds.list, trees: Set::of(&[0]), ..Record::default() };
        let place = |place: usize| {
            let listed = bounds.list.has(place);
            let content = if listed { Content::Record(0) } else { Content::Empty };
            let pages = if listed { Set::of(&[0]) } else { Set::EMPTY };
            // What is beyond the bounds does not exist.
            let lost = place >= bounds.places;
            Place { slots: [Slot::clean(content); 2], mark: u8::from(listed), pages, lost }
        };
        let process = |process: usize| {
            let held = (process < bounds.processes).then_some(0);
            Process { held, durable: held, links: bounds.links[process], commit: None }
        };
        State {
            records: Short::of(&[record]),
            places: std::array::from_fn(place),
            processes: std::array::from_fn(process),
            ok_shred: false,
            relied: Set::of(&[0]),
            next_tree: 1,
            spent: Counts::default(),
            wrong: None,
        }
    }

    fn key(&self, state: &State) -> u128 {
        let [a, b] = &state.processes;
        if self.bounds.are_alike() && digest(a) > digest(b) {
            let mut exchanged = state.clone();
            exchanged.processes.swap(0, 1);
            return digest(&exchanged);
        }
        digest(state)
    }

    fn next(&self, state: &State, out: &mut Vec<(Event, State)>) {
        // Nothing follows a broken promise.
        if state.wrong.is_none() {
            self.processes_go_on(state, out);
            self.world_goes_on(state, out);
        }
    }

    fn finding(&self, state: &State) -> Option<Finding> {
        self.look(state)
    }
}
