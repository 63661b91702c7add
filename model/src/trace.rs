//! What happened, in words: for whoever reads how a promise was broken.

use crate::commit::Sync;
use crate::plan::Op;
use crate::protocol::Protocol;
use crate::search::{Found, Space};
use crate::state::{Content, State, What};

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Read { process: usize },
    Begun { process: usize, op: Op, place: usize },
    Advanced { process: usize, sync: Sync },
    Killed { process: usize },
    Link { process: usize, place: usize },
    Dropped { place: usize, slot: usize },
    WriteBackFailed { place: usize, slot: usize, is_torn: bool },
    Lost { place: usize },
    Returned { place: usize },
    PowerCut { machine: u8 },
}

/// A line an event.
pub fn lines(protocol: &Protocol, found: &Found<Protocol>) -> Vec<String> {
    let mut before = protocol.initial();
    let mut lines = Vec::new();
    for (event, after) in &found.path {
        lines.push(describe(protocol, &before, *event, after));
        before = after.clone();
    }
    if before.wrong.is_none() {
        lines.push("all faults end, perhaps with one more power cut, and somebody tries to go on".to_owned());
    }
    lines
}

fn describe(protocol: &Protocol, before: &State, event: Event, after: &State) -> String {
    match event {
        Event::Read { process } => {
            let seen: Vec<String> = protocol.reach(before, process).iter().map(|place| shown(before, place)).collect();
            let holds = match (after.wrong, after.processes[process].held) {
                (None, Some(held)) => format!("and holds r{held}"),
                _ => "which it should not find".to_owned(),
            };
            format!("{} reads {} {holds}", name(process), seen.join(" "))
        }
        Event::Begun { process, op, place } => begun(protocol, process, op, place, after),
        Event::Advanced { process, sync } => advanced(process, sync, before, after),
        Event::Killed { process } => format!("{} is KILLED, and started again", name(process)),
        Event::Link { process, place } => {
            let how = if after.processes[process].links.has(place) { "reaches again" } else { "can no longer reach" };
            format!("{} {how} place {place}", name(process))
        }
        Event::Dropped { place, slot } => format!("the page cache DROPS {}", target(place, slot)),
        Event::WriteBackFailed { place, slot, is_torn } => {
            let how = if is_torn { ", half written" } else { "" };
            format!("writing back {} FAILS{how}, and nobody is told", target(place, slot))
        }
        Event::Lost { place } => format!("place {place} is LOST"),
        Event::Returned { place } => format!("place {place} COMES BACK as it was"),
        Event::PowerCut { machine } => {
            let left: Vec<String> = (0..protocol.bounds.places).map(|place| shown(after, place)).collect();
            format!("POWER CUT of machine {machine}: left is {}", left.join(" "))
        }
    }
}

fn begun(protocol: &Protocol, process: usize, op: Op, place: usize, after: &State) -> String {
    let on =
        if op.names_a_place() && protocol.bounds.places > 1 { format!(" of place {place}") } else { String::new() };
    let what = match after.processes[process].commit {
        None => "done at once".to_owned(),
        Some(commit) if commit.new == commit.base => format!("r{} is to be made whole", commit.base),
        Some(commit) => {
            let generation = after.record(commit.new).generation;
            format!("r{} is to become r{}, of generation {generation}", commit.base, commit.new)
        }
    };
    format!("{} begins {op:?}{on}: {what}", name(process))
}

fn advanced(process: usize, sync: Sync, before: &State, after: &State) -> String {
    let who = name(process);
    let Some(commit) = before.processes[process].commit else { return who.to_owned() };
    let step = commit.steps[commit.at];
    let target = target(step.place.into(), step.slot.into());
    let does = match step.what {
        What::Put => "puts its pages and raises the mark".to_owned(),
        What::Sync => format!("syncs {target} without writing it"),
        _ if commit.syncing => format!("syncs {target}"),
        What::Again => format!("writes {target} again as it is"),
        What::Base | What::Over => format!("writes r{} to {target}", commit.base),
        What::New => format!("writes r{} to {target}", commit.new),
    };
    let how = match sync {
        Sync::Works => "",
        Sync::Fails => ": the sync FAILS",
        Sync::FailsTorn => ": the sync FAILS, half written",
    };
    let end = match after.processes[process].commit {
        Some(_) => String::new(),
        None if after.ok_shred && !before.ok_shred => format!(" [{:?} ends: Ok, shredded]", commit.op),
        None => format!(" [{:?} ends]", commit.op),
    };
    format!("{who} {does}{how}{end}")
}

fn name(process: usize) -> &'static str {
    ["A", "B"][process]
}

fn target(place: usize, slot: usize) -> String {
    format!("place {place} slot {}", ["a", "b"][slot])
}

fn shown(s: &State, place: usize) -> String {
    let [a, b] = s.shown(place).map(|content| match content {
        Content::Record(record) => format!("r{record}"),
        Content::Torn => "torn".to_owned(),
        Content::Empty => "-".to_owned(),
    });
    format!("{place}:[{a} {b}]")
}
