//! The searches: within which bounds, under which rules, and what must come of each.

use crate::checks::{Aim, Fault, Goal};
use crate::ordered;
use crate::plan::Op::{Attach, Detach, Promote, Repair, Shred, Sweep, Tree};
use crate::protocol::Bounds;
use crate::rules::{Rule, Rules};
use crate::state::Set;

pub struct Run {
    pub title: String,
    pub within: Within,
    /// Any fault: none may be found. A fault, or a goal: it must be found.
    pub aim: Aim,
    /// One of those that every change of the repository has to pass.
    pub is_quick: bool,
}

/// What is explored: with which rules, and within which bounds.
pub enum Within {
    /// Places with two slots each.
    Places(Rules, Bounds),
    /// A store whose commits become durable in order; perhaps without a rule.
    Ordered(Option<ordered::Rule>, ordered::Bounds),
}

/// The name of a group on the command line, and its searches.
type Group = (&'static str, fn() -> Vec<Run>);

pub const GROUPS: [Group; 9] = [
    ("one", one),
    ("two", two),
    ("machines", machines),
    ("attach", attach),
    ("three", three),
    ("ordered", ordered::holds_runs),
    ("word", word),
    ("without", without),
    ("reached", reached),
];

/// No promise is broken.
fn holds(title: &str, bounds: Bounds) -> Run {
    Run { title: title.to_owned(), within: Within::Places(Rules::ALL, bounds), aim: Aim::AnyFault, is_quick: true }
}

/// The same, with more at once: it takes longer.
fn holds_deeper(title: &str, bounds: Bounds) -> Run {
    Run { is_quick: false, ..holds(title, bounds) }
}

fn finds(title: &str, bounds: Bounds, aim: Aim) -> Run {
    Run { aim, ..holds(title, bounds) }
}

fn one() -> Vec<Run> {
    let ops = [Shred, Shred, Tree, Sweep, Repair];
    vec![
        holds("two processes, two failed syncs", Bounds::places(1, &ops).fails(2)),
        holds_deeper("and two power cuts", Bounds::places(1, &ops).fails(2).cuts(2)),
        holds_deeper(
            "two kills, a tree twice",
            Bounds::places(1, &[Shred, Shred, Tree, Tree, Sweep]).kills(2).fails(2),
        ),
    ]
}

/// Two places: a list that shrinks, a place that is lost, a first place that is replaced.
fn two() -> Vec<Run> {
    let (tree, sweep, repair) =
        ([Shred, Tree, Detach, Promote], [Shred, Sweep, Detach, Promote], [Tree, Repair, Detach, Promote]);
    let lossy = |ops| Bounds::places(2, ops).losses(1);
    let back = |ops| lossy(ops).returns(1);
    vec![
        holds("shred, tree, loss", lossy(&tree).kills(0)),
        holds("shred, sweep, loss", lossy(&sweep).one_process()),
        holds("tree, repair, kill, loss", lossy(&repair).cuts(0)),
        holds("a lost place comes back", back(&tree).fails(0)),
        holds("and a sync fails, one process", back(&tree).one_process()),
        holds("and a sync fails, no power cut", back(&[Shred, Detach, Promote]).cuts(0)),
        holds_deeper("shred, tree, all faults", back(&tree)),
        holds_deeper("shred, sweep, all faults", back(&sweep)),
        holds_deeper(
            "all operations, all faults, one process",
            back(&[Shred, Tree, Sweep, Repair, Detach, Promote]).one_process(),
        ),
    ]
}

/// Two places, each on a machine with a process of its own. What a lost place that comes back can do then: group `word`.
fn machines() -> Vec<Run> {
    let tree = [Tree, Repair, Detach, Promote];
    let apart = |ops| Bounds::places(2, ops).apart().losses(1);
    vec![
        holds("shred, power cuts, links", apart(&[Shred, Detach, Promote]).fails(0).link_changes(2)),
        holds("tree, power cuts, a link", apart(&tree).kills(0).fails(0).link_changes(1)),
        holds_deeper("tree, power cuts, links", apart(&tree).kills(0).fails(0).link_changes(2)),
        holds_deeper("shred, all faults, a link", apart(&[Shred, Detach, Promote]).link_changes(1)),
        holds_deeper("tree, all faults, a link", apart(&[Tree, Detach, Promote]).link_changes(1)),
        holds_deeper("a lost place comes back", apart(&[Shred, Tree, Detach, Promote]).fails(0).returns(1)),
    ]
}

/// One place, and a new one.
fn attach() -> Vec<Run> {
    let fresh = |ops| Bounds::places(2, ops).listed(&[0]).losses(1);
    vec![
        holds("one process", fresh(&[Shred, Tree, Detach, Attach, Promote]).one_process()),
        holds("two processes", fresh(&[Shred, Tree, Attach, Promote]).fails(0)),
        holds_deeper("all faults", fresh(&[Shred, Tree, Detach, Attach, Promote])),
        holds_deeper("a lost place comes back", fresh(&[Shred, Detach, Attach, Promote]).returns(1)),
    ]
}

fn three() -> Vec<Run> {
    let lossy = |ops| Bounds::places(3, ops).losses(1);
    vec![
        holds(
            "shred, two detached, links",
            Bounds::places(3, &[Shred, Detach, Detach]).cuts(0).fails(0).link_changes(2),
        ),
        holds("tree, loss", lossy(&[Shred, Tree, Detach, Promote]).cuts(0).one_process()),
        holds_deeper("tree, loss, all faults", lossy(&[Shred, Tree, Detach, Promote]).one_process()),
        holds_deeper("shred, all faults, two processes", lossy(&[Shred, Detach, Promote]).returns(1)),
        holds_deeper("two detached, one lost", lossy(&[Shred, Detach, Detach, Promote]).returns(1).one_process()),
    ]
}

/// No fault of the protocol, but the limit of what places alone can do: nothing in them can check an operator's word, nor that
/// a process which reaches only a place that was given up is behind.
fn word() -> Vec<Run> {
    let undone = Aim::Fault(Fault::Undone);
    let wrong = Bounds::places(2, &[Shred, Promote]).links([&[0], &[1]]).kills(0).cuts(0).fails(0).false_word();
    let back = Bounds::places(2, &[Shred, Promote]).links([&[0], &[0, 1]]).kills(0).cuts(0).fails(0);
    vec![
        finds("it is wrong: the first place is in use", wrong, undone),
        finds("the old first place is put back where nothing else is reached", back.losses(1).returns(1), undone),
    ]
}

/// Each rule taken away, within the smallest bounds that show what it is for.
fn without() -> Vec<Run> {
    let run = |rule: Rule| {
        let (fault, bounds) = shown_by(rule);
        let title = format!("{:<9} {}", rule.name(), rule.without());
        Run { within: Within::Places(Rules::without(rule), bounds.clone()), ..finds(&title, bounds, Aim::Fault(fault)) }
    };
    Rule::ALL.into_iter().map(run).chain(ordered::without_runs()).collect()
}

fn shown_by(rule: Rule) -> (Fault, Bounds) {
    let calm = |places, ops| Bounds::places(places, ops).one_process().kills(0).cuts(0).fails(0);
    let one = |ops| calm(1, ops).cuts(1).fails(1);
    let two = |ops| calm(2, ops).losses(1);
    match rule {
        Rule::SettleFirst => (Fault::RolledBack, one(&[Shred, Tree])),
        Rule::WriteThenSync => (Fault::LostRecord, one(&[Shred, Tree])),
        Rule::StopInAPlace => (Fault::LostRecord, two(&[Tree]).cuts(1).fails(2)),
        Rule::FirstPlaceFirst => (Fault::Diverged, two(&[Tree, Detach]).kills(1).returns(1)),
        Rule::LeaseByTheFirstPlace => {
            (Fault::Undone, Bounds { processes: 2, ..calm(2, &[Shred, Detach]) }.links([&[0, 1], &[1]]))
        }
        Rule::SealUnderDurable => (Fault::LostTree, one(&[Tree]).kills(1).fails(0)),
        Rule::DoneIsMadeDurable => (Fault::LostTree, one(&[Tree, Tree])),
        Rule::InEveryPlace => (Fault::LostTree, two(&[Tree, Promote]).fails(1)),
        Rule::OnlyDurableProves => (Fault::RolledBack, one(&[Shred]).cuts(0)),
        Rule::SweepWhole => (Fault::LostPage, one(&[Shred, Sweep])),
        Rule::UnlistedIsSkipped | Rule::PromotionWins => (Fault::Diverged, two(&[Shred, Promote]).kills(1).returns(1)),
        Rule::PromotionMarksOne => (Fault::RolledBack, calm(2, &[Promote]).kills(1).link_changes(2).false_word()),
        Rule::PromotionOrder => (Fault::Stuck, calm(3, &[Promote]).kills(1).losses(1)),
        Rule::SettledInTheOldList => (Fault::LostTree, two(&[Tree, Detach, Promote]).fails(1).kills(2)),
        Rule::AttachedIsEmpty => (Fault::Diverged, two(&[Shred, Promote, Attach]).kills(2).returns(1)),
    }
}

/// That the searches above are not empty: every fault of the bounds happens, and in the end all is done and well.
fn reached() -> Vec<Run> {
    let goal = |list: &[usize], first| Goal { list: Set::of(list), first, swept: false };
    let swept = Goal { swept: true, ..goal(&[0], 0) };
    let two = Bounds::places(2, &[Shred, Tree]).losses(1);
    let promoted = Bounds::places(2, &[Shred, Tree, Promote]).losses(1);
    let attached = Bounds::places(2, &[Shred, Tree, Attach]).listed(&[0]);
    let three = Bounds::places(3, &[Shred, Tree, Promote]).losses(1).one_process();
    let mut runs = vec![
        finds("one place", Bounds::places(1, &[Shred, Tree, Sweep, Repair]), Aim::Goal(swept)),
        finds("two places, one lost that comes back", two.returns(1).fails(0), Aim::Goal(goal(&[0, 1], 0))),
        finds("two places, the first one lost", promoted, Aim::Goal(goal(&[1], 1))),
        finds("one place and a new one", attached, Aim::Goal(goal(&[0, 1], 0))),
        finds("three places, the first one lost", three, Aim::Goal(goal(&[1, 2], 1))),
    ];
    runs.extend(ordered::reached_runs());
    runs
}
