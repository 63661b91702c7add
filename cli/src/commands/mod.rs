//! The commands, a file each.

mod breach;
mod clear_alarm;
mod completions;
mod doctor;
mod erase;
mod export;
mod holds;
mod inventory;
mod journal;
mod key_store;
mod mirror;
mod reindex;
mod replay;
mod requests;
mod resume;
mod retire;
mod rotate;
mod series;
mod shred;
pub mod status;
mod sweep;
mod verify;
mod withdraw;

use crate::answer::Answer;
use crate::args::{Cli, Command};
use crate::context::Context;
use crate::exit::Failure;

/// Does what was asked.
pub fn run(cli: Cli) -> Result<Answer, Failure> {
    // These need no configuration, which may be broken or somebody else's.
    match &cli.command {
        Command::Completions { shell } => return completions::print(*shell),
        Command::Man { directory } => return completions::pages(directory),
        _ => {}
    }
    let mut context = Context::new(&cli.common)?;
    let done = match cli.command {
        Command::Status => status::run(&mut context),
        Command::Doctor(asked) => doctor::run(&mut context, &asked),
        Command::Shred(asked) => shred::run(&mut context, &asked),
        Command::Withdraw(asked) => withdraw::run(&mut context, &asked),
        Command::Erase(asked) => erase::run(&mut context, &asked),
        Command::Requests(asked) => requests::run(&mut context, asked),
        Command::Holds(asked) => holds::run(&mut context, asked),
        Command::Sweep(asked) => sweep::run(&mut context, &asked),
        Command::Resume(asked) => resume::run(&mut context, &asked),
        Command::Export(asked) => export::run(&mut context, &asked),
        Command::Breach(asked) => breach::run(&mut context, &asked),
        Command::Rotate(asked) => rotate::run(&mut context, &asked),
        Command::Retire(asked) => retire::run(&mut context, &asked),
        Command::Reindex(asked) => reindex::run(&mut context, &asked),
        Command::Inventory(asked) => inventory::run(&context, &asked),
        Command::KeyStore(asked) => key_store::run(&context, &asked),
        Command::Mirror(asked) => mirror::run(&mut context, &asked),
        Command::Verify(asked) => verify::run(&context, &asked),
        Command::Journal(asked) => journal::run(&mut context, asked),
        Command::ClearAlarm(asked) => clear_alarm::run(&mut context, &asked),
        Command::Replay(asked) => replay::run(&mut context, &asked),
        Command::Completions { .. } | Command::Man { .. } => Err(Failure::usage("not reached")),
    };
    if done.is_err() {
        context.close_all();
    }
    done
}
