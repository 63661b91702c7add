//! Asking before what cannot be undone.

use std::io::{BufRead, IsTerminal, Write};

use crate::exit::{Exit, Failure};
use crate::wrap;

/// Asks, unless `yes` was given. Without a terminal there is nobody to ask, and the answer is no.
pub fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !output.is_terminal() {
        let message = format!(
            "{question}\nNothing happened, since there is no terminal to ask on. If you want this, give --yes."
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let mut answer = String::new();
    let question = wrap::lines(question);
    let _ = write!(output, "{question}\nType `yes` to go on: ");
    let _ = output.flush();
    input.lock().read_line(&mut answer).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::new(Exit::Refused, "not confirmed; nothing happened")) }
}
