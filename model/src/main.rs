//! `oubliette-model [quick | group] [most states]`: explores the commit protocol within small bounds. See README.md.

mod checks;
mod commit;
mod groups;
mod order;
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
use groups::{GROUPS, Run};
use protocol::Protocol;
use rules::{Rule, Rules};
use search::{Outcome, search};

/// Room for these is 2 GB at most.
const MOST_STATES: usize = 20_000_000;

struct Request {
    /// All of them, if none is named.
    group: Option<&'static str>,
    only_quick: bool,
    /// In group `without`: this one only, and its trace.
    rule: Option<Rule>,
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
        let is_asked_for =
            |run: &Run| (run.is_quick || !request.only_quick) && request.rule.is_none_or(|rule| run.rules.lack(rule));
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
        let rule = Rule::ALL.into_iter().find(|rule| rule.name().eq_ignore_ascii_case(argument));
        match rule {
            Some(rule) if request.group == Some("without") => request.rule = Some(rule),
            _ => request.most = argument.parse().ok()?,
        }
    }
    Some(request)
}

fn usage() -> String {
    let groups: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
    let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
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
        let protocol = Protocol::new(run.rules, run.bounds.clone(), run.aim);
        let outcome = search(&protocol, most);
        // What a missing rule lets happen must not happen with it.
        let with_all = run.rules.is_one_missing().then(|| {
            let protocol = Protocol::new(Rules::ALL, run.bounds.clone(), run.aim);
            search(&protocol, most)
        });
        let time = start.elapsed();
        let verdict = judge(&run, &outcome, with_all.as_ref());
        println!("  {:<76} {:>9} states {:>7.2} s  {}", run.title, outcome.states, time.as_secs_f64(), verdict.text);
        if let Some(found) = &outcome.found
            && (verdict.failed || traces == Traces::All)
        {
            for (nth, line) in trace::lines(&protocol, found).iter().enumerate() {
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

struct Verdict {
    text: String,
    failed: bool,
    bounded: bool,
}

fn judge(run: &Run, outcome: &Outcome<Protocol>, with_all: Option<&Outcome<Protocol>>) -> Verdict {
    let is_complete = |outcome: &Outcome<Protocol>| outcome.complete || outcome.found.is_some();
    let bounded = !is_complete(outcome) || with_all.is_some_and(|outcome| !is_complete(outcome));
    let found = outcome.found.as_ref().map(|found| (found.finding, found.path.len()));
    let (text, failed) = match (run.aim, found) {
        (Aim::AnyFault, None) if bounded => ("BOUNDED: nothing broken in the states that were seen".to_owned(), false),
        (Aim::AnyFault, None) => ("holds, all states seen".to_owned(), false),
        (Aim::AnyFault, Some((Finding::Broken(fault), _))) => (format!("BROKEN: {}", fault.describe()), true),
        (Aim::Fault(_), Some((Finding::Broken(fault), steps))) => {
            let text = format!("broken in {steps} steps, as expected: {}", fault.describe());
            match with_all {
                Some(Outcome { found: Some(_), .. }) => {
                    (format!("BROKEN WITH THE RULE, TOO: {}", fault.describe()), true)
                }
                Some(Outcome { states, .. }) => (format!("{text}; not in {states} with the rule"), false),
                None => (text, false),
            }
        }
        (Aim::Fault(fault), _) => (format!("NOT BROKEN, but should be: {}", fault.describe()), true),
        (Aim::Goal(_), Some((Finding::Reached, steps))) => (format!("reached in {steps} steps"), false),
        (Aim::Goal(_) | Aim::AnyFault, _) => ("NOT REACHED".to_owned(), true),
    };
    Verdict { text, failed, bounded }
}
