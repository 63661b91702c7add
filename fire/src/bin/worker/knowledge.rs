//! What a process knows of others' customers and values: what all recorded.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use oubliette_fire::history::{Answer, Call, Follower, What};
use oubliette_fire::random::Random;

/// How many of those who were to be shredded last are looked at most.
const LATELY: usize = 30;

pub struct Knowledge {
    follower: Follower,
    /// Whose, and the sealed value.
    values: Vec<(u64, String)>,
    survivors: BTreeSet<u64>,
    /// Of whom it was asked that they be shredded, in the order in which that was seen.
    condemned: Vec<u64>,
    known: HashSet<u64>,
    looked: Option<Instant>,
}

impl Knowledge {
    pub fn new(directory: &Path) -> Knowledge {
        let follower = Follower::new(directory);
        let (values, survivors, condemned, known) = Default::default();
        let mut knowledge = Knowledge { follower, values, survivors, condemned, known, looked: None };
        knowledge.refresh();
        knowledge
    }

    /// Looks at what is new, now and then.
    pub fn refresh(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < Duration::from_millis(40)) {
            return;
        }
        self.looked = Some(Instant::now());
        for call in self.follower.news() {
            self.learn(call);
        }
    }

    fn learn(&mut self, call: Call) {
        match (call.what, call.answer) {
            (What::Seal { customer, .. }, Some((_, Answer::Ok(sealed)))) => {
                if !self.known.contains(&customer) {
                    self.survivors.insert(customer);
                }
                self.values.push((customer, sealed));
            }
            (What::Shred { customers }, None) => self.seen(&customers),
            // What was not done is asked for again by whoever likes.
            (What::Shred { customers }, Some((_, Answer::Ok(_) | Answer::Unknown(_)))) => self.seen(&customers),
            _ => {}
        }
    }

    fn seen(&mut self, customers: &[u64]) {
        for customer in customers {
            self.survivors.remove(customer);
            if self.known.insert(*customer) {
                self.condemned.push(*customer);
            }
        }
    }

    pub fn values(&self) -> &[(u64, String)] {
        &self.values
    }

    pub fn survivors(&self) -> usize {
        self.survivors.len()
    }

    pub fn survivor(&self, random: &mut Random) -> Option<u64> {
        self.survivors.iter().nth(random.below(self.survivors.len())).copied()
    }

    /// A value to open.
    pub fn value(&self, random: &mut Random) -> Option<(u64, String)> {
        let lately = &self.condemned[self.condemned.len().saturating_sub(LATELY)..];
        if !lately.is_empty() && random.one_in(2) {
            let of = lately[random.below(lately.len())];
            let value = self.values.iter().rev().find(|(customer, _)| *customer == of);
            return value.cloned();
        }
        self.values.get(random.below(self.values.len())).cloned()
    }

    /// Whom to shred: mostly one or two survivors; now and then somebody of whom that was asked before.
    pub fn condemn(&mut self, random: &mut Random) -> Vec<u64> {
        let lately = self.condemned.len().min(LATELY);
        if lately > 0 && random.one_in(4) {
            return vec![self.condemned[self.condemned.len() - 1 - random.below(lately)]];
        }
        let many = if random.one_in(3) { 2 } else { 1 };
        let chosen: BTreeSet<u64> = (0..many).filter_map(|_| self.survivor(random)).collect();
        let chosen: Vec<u64> = chosen.into_iter().collect();
        self.seen(&chosen);
        chosen
    }
}
