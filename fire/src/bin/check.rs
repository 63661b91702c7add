//! Checks histories that were kept: `check DIRECTORY`.

use std::path::PathBuf;
use std::process::ExitCode;

use oubliette_fire::checker::{check, counts};
use oubliette_fire::history::History;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("check DIRECTORY, with histories that were kept");
        return ExitCode::from(2);
    };
    let history = match History::read(&directory) {
        Ok(history) => history,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            return ExitCode::from(2);
        }
    };
    println!("{:?}", counts(&history));
    let violations = check(&history);
    violations.iter().for_each(|violation| println!("{violation}"));
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
