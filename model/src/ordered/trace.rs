//! What happened, in words.

use crate::ordered::state::{Stage, State};
use crate::ordered::{Op, Ordered};
use crate::search::{Found, Space};

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Read { process: usize, is_plain: bool },
    Begun { process: usize, op: Op },
    Again { process: usize },
    Advanced { process: usize },
    Killed { process: usize },
    Cut { process: usize },
    Moved { process: usize },
    Flushed { server: usize },
    Replicated,
    Crashed { server: usize },
    Promoted { is_gone: bool },
}

/// A line an event.
pub fn lines(ordered: &Ordered, found: &Found<Ordered>) -> Vec<String> {
    let mut before = ordered.initial();
    let mut lines = Vec::new();
    for (event, after) in &found.path {
        lines.push(describe(&before, *event, after));
        before = after.clone();
    }
    lines
}

fn describe(before: &State, event: Event, after: &State) -> String {
    match event {
        Event::Read { process, is_plain } => {
            let how = if is_plain { ", without a flush," } else { "" };
            let holds = match (after.wrong, after.processes[process].held, after.processes[process].durable) {
                (None, Some(held), Some(durable)) => format!("holds r{held}, and takes r{durable} for durable"),
                _ => "finds what it should not".to_owned(),
            };
            format!("{} reads{how} server {} and {holds}", name(process), before.processes[process].server)
        }
        Event::Begun { process, op } => format!("{} begins {op:?}: {}", name(process), plan(process, after)),
        Event::Again { process } => format!("{} tries again: {}", name(process), plan(process, after)),
        Event::Advanced { process } => advanced(process, before, after),
        Event::Killed { process } => format!("{} is KILLED, and started again", name(process)),
        Event::Cut { process } => format!("{} loses its CONNECTION", name(process)),
        Event::Moved { process } => {
            format!("{} connects to server {}", name(process), after.processes[process].server)
        }
        Event::Flushed { server } => format!("server {server} flushes one more: {}", log(after, server)),
        Event::Replicated => format!("the standby has one more: {}", log(after, 1)),
        Event::Crashed { server } => format!("server {server} GOES DOWN, and comes back with {}", log(after, server)),
        Event::Promoted { is_gone } => {
            let how = if is_gone { "is lost" } else { "is cut off, and does not know" };
            format!("the primary {how}; the standby is PROMOTED with {}", log(after, 1))
        }
    }
}

fn plan(process: usize, after: &State) -> String {
    match after.processes[process].commit {
        None => "done at once".to_owned(),
        Some(commit) if commit.new == commit.base => format!("r{} is to be made durable", commit.base),
        Some(commit) => format!("r{} is to become r{}", commit.base, commit.new),
    }
}

fn advanced(process: usize, before: &State, after: &State) -> String {
    let who = name(process);
    let Some(commit) = before.processes[process].commit else { return who.to_owned() };
    let server = before.processes[process].server;
    let does = match commit.stage {
        Stage::Locked if commit.new == commit.base => format!("has server {server} flush"),
        Stage::Locked if after.processes[process].commit.is_some_and(|commit| commit.stage == Stage::Based) => {
            "goes by its base".to_owned()
        }
        Stage::Locked | Stage::Marked => format!("sends r{}", commit.new),
        Stage::Based => "raises the mark".to_owned(),
        Stage::Sent => format!("r{} is written: server {server} has {}", commit.new, log(after, usize::from(server))),
        Stage::Written | Stage::Lost => format!("has its answer for r{}", commit.new),
    };
    let end =
        if after.processes[process].commit.is_none() { format!(" [{:?} ends: Ok]", commit.op) } else { String::new() };
    format!("{who} {does}{end}")
}

/// What is behind the bar is in memory alone.
fn log(s: &State, server: usize) -> String {
    let server = &s.servers[server];
    let (disk, memory) = server.log.as_slice().split_at(usize::from(server.flushed));
    let each = |records: &[u8]| records.iter().map(|record| format!("r{record}")).collect::<Vec<_>>().join(" ");
    format!("[{} | {}]", each(disk), each(memory))
}

fn name(process: usize) -> &'static str {
    ["A", "B"][process]
}
