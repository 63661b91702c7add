//! All that is held on a customer.

use std::io::{IsTerminal, Write};

use oubliette_register::DeclaredTables;
use oubliette_register::access::Document;
use serde_json::json;

use crate::answer::{Answer, count};
use crate::args::Export;
use crate::commands::inventory;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::fields;
use crate::receipts::{PrivateFile, Receipts};
use crate::register::{Tables, Work, in_transaction, subject};

pub fn run(context: &mut Context, asked: &Export) -> Result<Answer, Failure> {
    let whom = subject(&asked.whom)?;
    let declared = declared(context)?;
    let tables = Tables::open(context)?;
    tables.know(&whom)?;
    if asked.output.is_none() && std::io::stdout().is_terminal() {
        context.confirm(
            "Print all data on this customer on this terminal?\nThe terminal keeps it in its scrollback. To write \
             it to a file, stop here and give --output FILE.",
        )?;
    }
    let file = asked.output.as_deref().map(PrivateFile::create).transpose()?;
    let made = tables.unlock(context, Receipts::new(&context.config)?).and_then(|mut open| {
        open.resume(Work::Reads)?;
        let document = match asked.portable {
            false => in_transaction!(open, access(&declared, &whom))?,
            true => in_transaction!(open, portable(&declared, &whom))?,
        };
        // That it was asked for is to be in the journal, which is told at once if possible.
        open.finish()?;
        Ok(document)
    });
    let document = match (made, file) {
        (Ok(document), None) => {
            let exit = told(&document);
            return Ok(Answer::document(document).ending(exit));
        }
        (Ok(document), Some(file)) => (document, file),
        (Err(failure), file) => {
            file.into_iter().for_each(PrivateFile::give_up);
            return Err(failure);
        }
    };
    let (document, mut file) = document;
    if let Err(error) = file.write(document.expose_personal_data()) {
        let message = format!("{}: {error}", file.path().display());
        file.give_up();
        return Err(Failure::new(Exit::TryAgain, message));
    }
    let (exit, damaged, not_shown) = (told(&document), document.damaged(), document.not_shown());
    let path = file.path();
    let text = format!(
        "Written to {}. It shows the configuration's [[tables]] and the register. Logs, mails and paper are not in it.\n",
        path.display()
    );
    let json = json!({
        "exported": path, "portable": asked.portable, "bytes": document.len(), "damaged": damaged,
        "not_shown": not_shown,
    });
    Ok(Answer::new(text, json)?.ending(exit))
}

/// What is not in a document that looks whole is told beside it.
fn told(document: &Document) -> Exit {
    let mut told = Vec::new();
    if document.damaged() > 0 {
        let many = count(document.damaged(), "value is damaged and not shown", "values are damaged and not shown");
        told.push(format!(
            "{many}; each is marked under \"damaged\" in its row, with why. Mend or explain it before the answer is sent"
        ));
    }
    if !document.not_shown().is_empty() {
        told.push(format!(
            "the customer has data for {}, and no column of [[tables]] is for that: see \"not_shown\". Declare the columns, or add what is held elsewhere",
            document.not_shown().join(", ")
        ));
    }
    for told in &told {
        let _ = writeln!(std::io::stderr(), "caution: INCOMPLETE: {told}");
    }
    if told.is_empty() { Exit::Done } else { Exit::Incomplete }
}

/// With what the inventory says of each purpose, where the configuration has one.
fn declared(context: &Context) -> Result<DeclaredTables, Failure> {
    if context.config.tables.is_empty() {
        let message =
            "the configuration names no [[tables]], so an export would leave out the application's data; name them";
        return Err(Failure::new(Exit::Config, message));
    }
    if context.config.controller.name.is_some() {
        return Ok(DeclaredTables::of(inventory::of(context)?).marking_damaged());
    }
    let tables = context.config.tables.iter().map(fields::table).collect::<Result<Vec<_>, _>>()?;
    Ok(DeclaredTables::in_tables(tables).marking_damaged())
}
