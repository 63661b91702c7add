//! The searches: within which bounds, and what must come of each.

use crate::checks::{Aim, Fault};
use crate::groups::{Run, Within};
use crate::ordered::Bounds;
use crate::ordered::Op::{Shred, Tree, Version};
use crate::ordered::rules::Rule;

fn run(title: &str, without: Option<Rule>, bounds: Bounds, aim: Aim) -> Run {
    Run { title: title.to_owned(), within: Within::Ordered(without, bounds), aim, is_quick: true }
}

/// No promise is broken.
pub fn holds_runs() -> Vec<Run> {
    let holds = |title: &str, bounds| run(title, None, bounds, Aim::AnyFault);
    let deeper = |title: &str, bounds| Run { is_quick: false, ..holds(title, bounds) };
    let (some, two) = ([Shred, Tree, Version], [Shred, Shred, Tree, Tree]);
    let all = [Shred, Shred, Tree, Tree, Version];
    vec![
        holds("one step, each with a flush of its own", Bounds::of(&all).alone().kills(1).crashes(1)),
        holds("shared flushes", Bounds::of(&two).kills(1).cuts(1).crashes(1)),
        holds("and versions of the root key", Bounds::of(&some).kills(1).cuts(1).crashes(1)),
        holds(
            "and readers that have nothing flushed",
            Bounds::of(&[Shred, Tree, Tree]).plain_reads().kills(1).cuts(1).crashes(1),
        ),
        holds("a mark in another store", Bounds::of(&some).mark_elsewhere().kills(1).cuts(1).crashes(1)),
        holds("a standby that is promoted", Bounds::of(&[Shred, Tree]).standby(1).kills(1).cuts(1).moves(2)),
        holds("alone, a standby that is promoted", Bounds::of(&some).alone().standby(1).cuts(1).moves(1)),
        deeper("one step, all faults", Bounds::of(&all).alone().kills(1).cuts(1).crashes(2)),
        deeper("shared flushes, two crashes", Bounds::of(&two).plain_reads().kills(1).cuts(1).crashes(2)),
        deeper("all operations", Bounds::of(&all).kills(1).cuts(1).crashes(1)),
        deeper("a standby, versions, a crash", Bounds::of(&some).standby(1).kills(1).cuts(1).crashes(1).moves(1)),
        deeper("a standby, more operations", Bounds::of(&two).standby(1).cuts(1).crashes(1).moves(1)),
        deeper("all faults twice", Bounds::of(&[Shred, Tree]).plain_reads().kills(2).cuts(2).crashes(2)),
    ]
}

/// Each rule taken away, within the smallest bounds that show what it is for.
pub fn without_runs() -> Vec<Run> {
    let each = |rule: Rule| {
        let (fault, bounds) = shown_by(rule);
        run(&format!("{:<9} {}", rule.name(), rule.without()), Some(rule), bounds, Aim::Fault(fault))
    };
    Rule::ALL.into_iter().map(each).collect()
}

fn shown_by(rule: Rule) -> (Fault, Bounds) {
    let crash = |ops| Bounds::of(ops).crashes(1);
    match rule {
        Rule::AnswerAfterFlush => (Fault::Undone, crash(&[Shred])),
        Rule::StandbyConfirms => (Fault::Undone, Bounds::of(&[Shred]).standby(1).moves(2)),
        Rule::LockedUntilSeen => (Fault::Undone, Bounds::of(&[Shred, Tree])),
        Rule::ReadsAreFlushed => (Fault::RolledBack, crash(&[Shred])),
        Rule::LeaseIsConfirmed => (Fault::Undone, Bounds::of(&[Shred]).standby(1).moves(1)),
        Rule::SettledWasDurable => (Fault::RolledBack, crash(&[Shred, Tree]).plain_reads()),
        Rule::DoneAfterFlush => (Fault::LostTree, crash(&[Tree, Tree])),
        Rule::FoundAfterFlush => (Fault::Undone, crash(&[Shred]).cuts(1)),
        Rule::DestroyedAfterFlush => (Fault::LostRecord, crash(&[Version])),
        Rule::ElsewhereAfterFlush => (Fault::RolledBack, crash(&[Shred, Tree]).mark_elsewhere().cuts(1).kills(1)),
        Rule::AlarmIsConfirmed => (Fault::RolledBack, Bounds::of(&[Shred, Tree]).standby(1).moves(2)),
        Rule::OneLog => (Fault::LostPage, crash(&[Shred, Tree])),
    }
}

/// That the searches are not empty.
pub fn reached_runs() -> Vec<Run> {
    let done = |title, bounds| run(title, None, bounds, Aim::AllDone);
    vec![
        done("one step, alone", Bounds::of(&[Shred, Tree, Version]).alone().kills(1).cuts(1).crashes(1)),
        done("shared flushes", Bounds::of(&[Shred, Tree, Version]).plain_reads().kills(1).cuts(1).crashes(1)),
        done("a standby that is promoted", Bounds::of(&[Shred, Shred, Tree]).standby(1).cuts(1).crashes(1).moves(1)),
    ]
}
