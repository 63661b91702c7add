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
mod key_store;
mod permissions;
mod receipts;
mod register;
mod secrets;
mod times;
mod token;
mod url;
mod words;
mod wrap;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                let failure = Failure::usage(error.render().to_string().trim_end());
                return ExitCode::from(answer::print(Err(failure), true));
            }
            if error.use_stderr() {
                let _ = error.print();
                return ExitCode::from(Exit::Usage as u8);
            }
            return ExitCode::from(answer::print_help(&error));
        }
    };
    let as_json = cli.common.json;
    ExitCode::from(answer::print(commands::run(cli), as_json))
}
