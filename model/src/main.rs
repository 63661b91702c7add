//! `oubliette-model [quick | group] [most states]`: explores the commit protocol within small bounds. See README.md.

mod checks;
mod commit;
mod groups;
mod order;
mod ordered;
mod plan;
mod protocol;
mod readers;
mod rules;
mod search;
mod state;
mod trace;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use checks::{Aim, Finding};
use groups::{GROUPS, Run, Within};
use ordered::Ordered;
use protocol::Protocol;
use rules::{Rule, Rules};
use search::{Outcome, Space, search};

/// Room for these is 2 GB at most.
const MOST_STATES: usize = 20_000_000;

struct Request {
    /// All of them, if none is named.
    group: Option<&'static str>,
    only_quick: bool,
    /// In group `without`: this one only, and its trace.
    rule: Option<&'static str>,
    most: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(request) = understand(&arguments) else {
        eprintln!("{}", usage());
        return ExitCode::from(2);
    };
    let mut total = Total::default();
    for (name, runs) in GROUPS.into_iter().filter(|(name, _)| request.group.is_none_or(|group| group == *name)) {
        println!("{name}");
        let is_asked_for = |run: &Run| {
            (run.is_quick || !request.only_quick) && request.rule.is_none_or(|rule| run.within.lacks() == Some(rule))
        };
        let traces = if request.rule.is_some() { Traces::All } else { Traces::Unexpected };
        for run in runs().into_iter().filter(is_asked_for) {
            total.add(run, request.most, traces);
        }
    }
    let Total { searches, states, time, failed, bounded } = total;
    let verdict = if failed == 0 { "all as it should be".to_owned() } else { format!("{failed} NOT AS IT SHOULD BE") };
    let seen = if bounded == 0 { String::new() } else { format!("; {bounded} did not see all states") };
    println!("{searches} searches, {states} states, {:.1} s: {verdict}{seen}", time.as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// None if it makes no sense.
fn understand(arguments: &[String]) -> Option<Request> {
    let mut request = Request { group: None, only_quick: false, rule: None, most: MOST_STATES };
    let Some((first, rest)) = arguments.split_first() else { return Some(request) };
    match first.as_str() {
        "quick" => request.only_quick = true,
        name => request.group = Some(GROUPS.iter().find(|(group, _)| *group == name)?.0),
    }
    for argument in rest {
        let rule = rules().find(|rule| rule.eq_ignore_ascii_case(argument));
        match rule {
            Some(rule) if request.group == Some("without") => request.rule = Some(rule),
            _ => request.most = argument.parse().ok()?,
        }
    }
    Some(request)
}

fn rules() -> impl Iterator<Item = &'static str> {
    Rule::ALL.into_iter().map(Rule::name).chain(ordered::Rule::ALL.into_iter().map(ordered::Rule::name))
}

fn usage() -> String {
    let groups: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
    let rules: Vec<&str> = rules().collect();
    format!(
        "usage: oubliette-model [quick | GROUP] [MOST STATES]\n       oubliette-model without RULE\n\
         groups: {}\nrules: {}",
        groups.join(" "),
        rules.join(" ")
    )
}

/// Which findings are printed step by step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Traces {
    Unexpected,
    All,
}

/// What came of some searches.
#[derive(Default)]
struct Total {
    searches: usize,
    states: usize,
    time: Duration,
    /// What should be found was not, or what should not be was.
    failed: usize,
    /// Not all states were seen.
    bounded: usize,
}

impl Total {
    fn add(&mut self, run: Run, most: usize, traces: Traces) {
        let start = Instant::now();
        let outcome = run.within.explore(run.aim, most);
        // What a missing rule lets happen must not happen with it.
        let with_all = run.within.with_all_rules().map(|within| within.explore(run.aim, most));
        let time = start.elapsed();
        let verdict = judge(&run, &outcome, with_all.as_ref());
        println!("  {:<76} {:>9} states {:>7.2} s  {}", run.title, outcome.states, time.as_secs_f64(), verdict.text);
        if let Some(found) = &outcome.found
            && (verdict.failed || traces == Traces::All)
        {
            for (nth, line) in found.lines.iter().enumerate() {
                println!("    {:>3}. {line}", nth + 1);
            }
        }
        self.searches += 1;
        self.states += outcome.states + with_all.map_or(0, |outcome| outcome.states);
        self.time += time;
        self.failed += usize::from(verdict.failed);
        self.bounded += usize::from(verdict.bounded);
    }
}

/// What came of one search.
struct Explored {
    states: usize,
    /// All states were seen.
    complete: bool,
    found: Option<Way>,
}

struct Way {
    finding: Finding,
    steps: usize,
    /// In words.
    lines: Vec<String>,
}

impl Within {
    fn explore(&self, aim: Aim, most: usize) -> Explored {
        match self {
            Within::Places(rules, bounds) => {
                let protocol = Protocol::new(*rules, bounds.clone(), aim);
                explored(search(&protocol, most), |found| trace::lines(&protocol, found))
            }
            Within::Ordered(without, bounds) => {
                let ordered = Ordered::new(*without, bounds.clone(), aim);
                explored(search(&ordered, most), |found| ordered::lines(&ordered, found))
            }
        }
    }

    /// The name of the rule that was taken away.
    fn lacks(&self) -> Option<&'static str> {
        match self {
            Within::Places(rules, _) => Rule::ALL.into_iter().find(|rule| rules.lack(*rule)).map(Rule::name),
            Within::Ordered(without, _) => without.map(ordered::Rule::name),
        }
    }

    /// The same with all rules, if one is taken away.
    fn with_all_rules(&self) -> Option<Within> {
        self.lacks()?;
        Some(match self {
            Within::Places(_, bounds) => Within::Places(Rules::ALL, bounds.clone()),
            Within::Ordered(_, bounds) => Within::Ordered(None, bounds.clone()),
        })
    }
}

fn explored<S: Space<Finding = Finding>>(
    outcome: Outcome<S>,
    lines: impl Fn(&search::Found<S>) -> Vec<String>,
) -> Explored {
    let found = outcome.found.as_ref().map(|found| Way {
        finding: found.finding,
        steps: found.path.len(),
        lines: lines(found),
    });
    Explored { states: outcome.states, complete: outcome.complete, found }
}

struct Verdict {
    text: String,
    failed: bool,
    bounded: bool,
}

fn judge(run: &Run, outcome: &Explored, with_all: Option<&Explored>) -> Verdict {
    let is_complete = |outcome: &Explored| outcome.complete || outcome.found.is_some();
    let bounded = !is_complete(outcome) || with_all.is_some_and(|outcome| !is_complete(outcome));
    let found = outcome.found.as_ref().map(|found| (found.finding, found.steps));
    let (text, failed) = match (run.aim, found) {
        (Aim::AnyFault, None) if bounded => ("BOUNDED: nothing broken in the states that were seen".to_owned(), false),
        (Aim::AnyFault, None) => ("holds, all states seen".to_owned(), false),
        (Aim::AnyFault, Some((Finding::Broken(fault), _))) => (format!("BROKEN: {}", fault.describe()), true),
        (Aim::Fault(_), Some((Finding::Broken(fault), steps))) => {
            let text = format!("broken in {steps} steps, as expected: {}", fault.describe());
            match with_all {
                Some(Explored { found: Some(_), .. }) => {
                    (format!("BROKEN WITH THE RULE, TOO: {}", fault.describe()), true)
                }
                Some(Explored { states, .. }) => (format!("{text}; not in {states} with the rule"), false),
                None => (text, false),
            }
        }
        (Aim::Fault(fault), _) => (format!("NOT BROKEN, but should be: {}", fault.describe()), true),
        (Aim::Goal(_) | Aim::AllDone, Some((Finding::Reached, steps))) => (format!("reached in {steps} steps"), false),
        (Aim::Goal(_) | Aim::AllDone | Aim::AnyFault, _) => ("NOT REACHED".to_owned(), true),
    };
    Verdict { text, failed, bounded }
}
