//! `oubliette`, the operator's command: see `oubliette --help`, or the README of this package.

mod answer;
mod args;
mod commands;
mod config;
mod confirm;
mod context;
mod database;
mod exit;
mod fields;
mod permissions;
mod secrets;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::Exit;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { Exit::Done as u8 });
        }
    };
    let as_json = cli.common.json;
    ExitCode::from(answer::print(commands::run(cli), as_json))
}
