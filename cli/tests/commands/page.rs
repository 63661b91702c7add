//! The drills of DRILLS.md as they stand there: each line after a `$` is run in a shell, and what it prints must be what the page says. In the
//! page `...` stands for anything, and lines may be wrapped.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::World;

const PAGE: &str = include_str!("../../DRILLS.md");

/// A command of the page, and what it says of its output.
pub struct Step {
    command: String,
    expected: String,
}

/// The steps of a drill, by its heading.
pub fn steps(heading: &str) -> Vec<Step> {
    in_text(drill(heading))
}

/// Those before a place in the drill's text, and those behind it.
#[allow(dead_code)] // for drills with a call of the library in between
pub fn steps_around(heading: &str, place: &str) -> (Vec<Step>, Vec<Step>) {
    let (before, after) = drill(heading).split_once(place).expect("the drill has this place");
    (in_text(before), in_text(after))
}

fn drill(heading: &str) -> &'static str {
    let (_, drill) = PAGE.split_once(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no drill {heading:?}"));
    drill.split("\n##").next().unwrap()
}

fn in_text(drill: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in drill.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), expected: String::new() }),
                None => {
                    let last = &mut steps.last_mut().expect("a command comes first").expected;
                    last.push_str(line);
                    last.push('\n');
                }
            }
        }
    }
    assert!(steps.len() > 1, "the drill has its steps");
    steps
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the parts between the dots come one after the other, and nothing after the last one unless dots do.
fn is_said(output: &str, expected: &str) -> bool {
    let (output, expected) = (words(output), words(expected));
    let mut rest = output.as_str();
    let mut parts = expected.split("...").map(str::trim).filter(|part| !part.is_empty());
    let is_there = parts.all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    });
    let last = expected.rsplit("...").next().unwrap_or_default();
    is_there && output.ends_with(last.trim())
}

#[test]
fn what_a_page_says_is_compared() {
    for (output, expected) in
        [("a b\nc", "a b c"), ("a b c", "a ... c"), ("x a b c", "a b ..."), ("a 75", "... 75"), ("", "")]
    {
        assert!(is_said(output, expected), "{output:?} {expected:?}");
    }
    for (output, expected) in [("a b", "a c"), ("b a", "a ... b"), ("75 a", "75"), ("a", "a ... a")] {
        assert!(!is_said(output, expected), "{output:?} {expected:?}");
    }
}

/// Runs a step, in a shell in which `oubliette` is the command, and `prelude` was run before.
pub fn run(world: &World, prelude: &str, variables: &[(&str, String)], step: &Step) {
    let binary = Path::new(env!("CARGO_BIN_EXE_oubliette")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let script = format!("exec 2>&1\n{prelude}\n{}\n", step.command);
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(world.path("")).env("PATH", path).stdin(Stdio::null());
    let output = shell.envs(variables.iter().cloned()).output().unwrap();
    // What says nothing is done.
    assert!(!step.expected.is_empty() || output.status.success(), "{}: {output:?}", step.command);
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(
        is_said(&output, &step.expected),
        "$ {}\n{output}\n--- and the page says:\n{}",
        step.command,
        step.expected
    );
}
