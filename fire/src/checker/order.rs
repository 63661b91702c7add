//! Whether all opens and shreds can be put in one order.
//!
//! Each customer who was shredded has a moment at which she was; each open has the state of the vault that it saw, a moment as well.
//! Between these there are bounds:
//! - a shred happened after its first call began, and before the call ended that was answered Ok;
//! - an open that succeeded saw a state from before her shred; one that was answered "shredded" a state that has it;
//! - what a life of a process sees never goes back, and it sees its own shreds;
//! - a process that unlocks sees all that was done before; an open sees all that was done one lease before it began, and nothing of what began
//!   after it ended.
//!
//! Each bound is an edge of a graph, from what is earlier. They can all be kept if and only if the graph has no circle. Bounds in real
//! time lead through a chain of moments, so that the graph stays as small as the history.

use std::collections::HashMap;

use super::{Facts, end, ok};
use crate::history::{Answer, Call, Life, What};

/// A line of moments, each after the one before.
struct Chain {
    times: Vec<u64>,
    first: usize,
}

impl Chain {
    /// The moment by which all of `time` and before is over: the first that is later, strictly.
    fn after(&self, time: u64) -> Option<usize> {
        let at = self.times.partition_point(|moment| *moment <= time);
        (at < self.times.len()).then_some(self.first + at)
    }

    fn at(&self, time: u64) -> Option<usize> {
        let at = self.times.binary_search(&time).ok()?;
        Some(self.first + at)
    }
}

#[derive(Default)]
struct Graph<'h> {
    edges: Vec<Vec<usize>>,
    /// For messages.
    names: Vec<Name<'h>>,
}

#[derive(Clone, Copy)]
enum Name<'h> {
    Moment,
    Shred(u64),
    Call(&'h Call),
}

impl<'h> Graph<'h> {
    fn node(&mut self, name: Name<'h>) -> usize {
        self.edges.push(Vec::new());
        self.names.push(name);
        self.names.len() - 1
    }

    fn edge(&mut self, earlier: Option<usize>, later: Option<usize>) {
        if let (Some(earlier), Some(later)) = (earlier, later) {
            self.edges[earlier].push(later);
        }
    }

    fn chain(&mut self, mut times: Vec<u64>) -> Chain {
        times.sort_unstable();
        times.dedup();
        let first = self.edges.len();
        for at in 0..times.len() {
            let node = self.node(Name::Moment);
            if at > 0 {
                self.edges[node - 1].push(node);
            }
        }
        Chain { times, first }
    }

    /// A circle, if there is one: by taking away whatever nothing comes before any more.
    fn circle(&self) -> Option<Vec<usize>> {
        let mut before = vec![0_usize; self.edges.len()];
        self.edges.iter().flatten().for_each(|to| before[*to] += 1);
        let mut free: Vec<usize> = (0..before.len()).filter(|node| before[*node] == 0).collect();
        let mut left = before.len();
        while let Some(node) = free.pop() {
            left -= 1;
            for to in &self.edges[node] {
                before[*to] -= 1;
                if before[*to] == 0 {
                    free.push(*to);
                }
            }
        }
        if left == 0 {
            return None;
        }
        // Backwards from any node that is left: each has one before it that is left.
        let mut reverse: HashMap<usize, usize> = HashMap::new();
        for (from, to) in self.edges.iter().enumerate().filter(|(from, _)| before[*from] > 0) {
            to.iter().filter(|to| before[**to] > 0).for_each(|to| {
                reverse.entry(*to).or_insert(from);
            });
        }
        let mut path = vec![(0..before.len()).find(|node| before[*node] > 0)?];
        loop {
            let previous = *reverse.get(path.last()?)?;
            if let Some(at) = path.iter().position(|node| *node == previous) {
                let mut circle = path.split_off(at);
                circle.reverse();
                return Some(circle);
            }
            path.push(previous);
        }
    }
}

pub(super) fn check(facts: &mut Facts<'_>) {
    let calls = || facts.history.calls.iter();
    let mut graph = Graph::default();
    // When something begins: shreds, unlocks, and, a lease later, what an open must have seen.
    let begins = calls().filter(|call| matches!(call.what, What::Shred { .. } | What::Unlock)).map(|call| call.begun);
    let real = graph.chain(begins.chain(facts.shreds.values().map(|shred| shred.begun)).collect());
    let opens = calls().filter(|call| matches!(call.what, What::Open { .. })).map(|call| call.begun);
    let lease = graph.chain(opens.collect());
    let mut lives: HashMap<Life, Chain> = HashMap::new();
    let mut times: HashMap<Life, Vec<u64>> = HashMap::new();
    calls().for_each(|call| times.entry(call.by).or_default().push(call.begun));
    for (life, times) in times {
        let chain = graph.chain(times);
        lives.insert(life, chain);
    }
    let mut shreds: HashMap<u64, usize> = HashMap::new();
    for (customer, shred) in &facts.shreds {
        let node = graph.node(Name::Shred(*customer));
        shreds.insert(*customer, node);
        graph.edge(real.at(shred.begun), Some(node));
        if let Some(done) = shred.done.filter(|_| !shred.doubtful) {
            graph.edge(Some(node), real.after(done));
            graph.edge(Some(node), lease.after(done.saturating_add(facts.lease)));
        }
    }
    for call in calls() {
        let Some(chain) = lives.get(&call.by) else { continue };
        let (began, ended) = (chain.at(call.begun), chain.after(end(call)));
        match (&call.what, call.answer.as_ref().map(|(_, answer)| answer)) {
            (What::Open { customer, .. }, Some(answer @ (Answer::Ok(_) | Answer::Shredded))) => {
                let node = Some(graph.node(Name::Call(call)));
                graph.edge(began, node);
                graph.edge(node, ended);
                graph.edge(lease.at(call.begun), node);
                graph.edge(node, real.after(end(call)));
                let shred = shreds.get(customer).copied();
                match answer {
                    Answer::Shredded => graph.edge(shred, node),
                    _ if facts.shreds.get(customer).is_some_and(|shred| facts.holds_at(shred, end(call))) => {
                        graph.edge(node, shred);
                    }
                    _ => {}
                }
            }
            (What::Shred { customers }, Some(Answer::Ok(_))) => {
                customers.iter().for_each(|customer| graph.edge(shreds.get(customer).copied(), ended));
            }
            (What::Unlock, _) if ok(call).is_some() => {
                let node = Some(graph.node(Name::Call(call)));
                graph.edge(real.at(call.begun), node);
                graph.edge(node, ended);
            }
            _ => {}
        }
    }
    if let Some(circle) = graph.circle() {
        let named = circle.iter().filter_map(|node| match graph.names[*node] {
            Name::Moment => None,
            Name::Shred(customer) => Some(format!("customer {customer} is shredded: {:?}", facts.shreds[&customer])),
            Name::Call(call) => Some(format!("{call:?}")),
        });
        let says = named.collect::<Vec<_>>().join("\n    before ");
        facts.broken("order", format!("in no order:\n    {says}"));
    }
}
