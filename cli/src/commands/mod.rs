//! The commands, a file each.

mod breach;
mod clear_alarm;
mod completions;
mod create;
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
pub mod verify;
mod withdraw;

use crate::answer::Answer;
use crate::args::{Cli, Command, Journal};
use crate::config::needs_vault;
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
    if context.config.is_desk() && !works_at_a_desk(&cli.command) {
        return Err(needs_vault());
    }
    let done = match cli.command {
        Command::Create(asked) => create::run(&mut context, &asked),
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

/// What an officer does, who has neither key store nor root key. Said of each command, so that none is let through by mistake.
fn works_at_a_desk(command: &Command) -> bool {
    match command {
        Command::Requests(_)
        | Command::Holds(_)
        | Command::Breach(_)
        | Command::Inventory(_)
        | Command::Verify(_)
        | Command::Doctor(_)
        | Command::Completions { .. }
        | Command::Man { .. } => true,
        Command::Sweep(asked) => asked.dry_run,
        Command::Journal(asked) => matches!(asked, Journal::Verify(_) | Journal::Show { .. }),
        // As the owner of a key store's tables: it opens no vault.
        Command::KeyStore(_) => true,
        Command::Create(_)
        | Command::Status
        | Command::Shred(_)
        | Command::Withdraw(_)
        | Command::Erase(_)
        | Command::Resume(_)
        | Command::Export(_)
        | Command::Rotate(_)
        | Command::Retire(_)
        | Command::Reindex(_)
        | Command::Mirror(_)
        | Command::ClearAlarm(_)
        | Command::Replay(_) => false,
    }
}
