//! Shell completions and man pages, made from the arguments themselves.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::answer::{Answer, count};
use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::permissions;

pub fn print(shell: Shell) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "oubliette", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    Answer::new(script.clone(), json!({ "shell": shell.to_string(), "script": script }))
}

/// `oubliette.1`, and a page for each command below it.
pub fn pages(directory: &Path) -> Result<Answer, Failure> {
    std::fs::create_dir_all(directory).map_err(|error| permissions::of_io(directory, &error))?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(|error| permissions::of_io(directory, &error))?;
    let entries = std::fs::read_dir(directory).map_err(|error| permissions::of_io(directory, &error))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("oubliette") && name.ends_with(".1")).collect();
    names.sort_unstable();
    let text = format!("{} in {}\n", count(names.len() as u64, "man page", "man pages"), directory.display());
    Answer::new(text, json!({ "directory": directory, "pages": names }))
}
