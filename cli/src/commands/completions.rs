//! Shell completions and man pages, made from the arguments themselves.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use crate::answer::{Answer, count};
use crate::args::Cli;
use crate::exit::{CODES, Exit, Failure};
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
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut names = Vec::new();
    page(&command, directory, &mut names)?;
    names.sort_unstable();
    let text = format!("{} in {}\n", count(names.len() as u64, "man page", "man pages"), directory.display());
    Answer::new(text, json!({ "directory": directory, "pages": names }))
}

fn page(command: &clap::Command, directory: &Path, names: &mut Vec<String>) -> Result<(), Failure> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        page(below, directory, names)?;
    }
    let man = Man::new(command.clone());
    let path = directory.join(man.get_filename());
    let unwritten = |error: &std::io::Error| {
        let exit = match permissions::of_io(&path, error).exit {
            Exit::TryAgain => Exit::Unwritten,
            other => other,
        };
        Failure::new(exit, format!("{}: {error}", path.display()))
    };
    let text = roff(&man, command).map_err(|error| unwritten(&error))?;
    std::fs::write(&path, text).map_err(|error| unwritten(&error))?;
    names.push(man.get_filename());
    Ok(())
}

/// As the crate renders it, but for the exit codes: a text after the help becomes one paragraph, in which nobody finds a code.
fn roff(man: &Man, command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    writeln!(out, ".SH \"EXIT STATUS\"")?;
    for (exit, text) in CODES {
        // A hyphen would be a dash, and a dot or an apostrophe at the beginning of a line a command.
        let text = text.replace('-', "\\-").replace('\'', "\\(aq");
        writeln!(out, ".TP 4\n{}\n{text}", exit as u8)?;
    }
    man.render_version_section(&mut out)?;
    Ok(out)
}
