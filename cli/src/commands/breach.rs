//! Who is concerned when something leaked.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use oubliette::journal::{self, Entry, PublicKey};
use oubliette_register::breach::{self, Column, Leak, Opened, Stored, Taken};
use serde_json::json;

use crate::answer::{Answer, count};
use crate::args::{Breach, Key};
use crate::commands::verify;
use crate::context::Context;
use crate::database::Database;
use crate::exit::{Exit, Failure};
use crate::fields;
use crate::receipts::PrivateFile;
use crate::register::{Office, Tables, Work, at_desk};
use crate::times::moment;

pub fn run(context: &mut Context, asked: &Breach) -> Result<Answer, Failure> {
    let tables = Tables::open(context)?;
    let purposes = tables.purposes(context)?;
    let known: Vec<&str> = purposes.iter().map(|purpose| purpose.name()).collect();
    let breach = breach_of(context, asked, &known)?;
    let columns = columns(context)?;
    let persons = asked.persons.as_deref().map(PrivateFile::create).transpose()?;
    let found = Office::of(tables, context, Work::Reads).and_then(|(office, _)| {
        let (key, newest) = match &office {
            Office::Vault(open) => (open.vault().public_key()?, open.vault().generation()?),
            Office::Desk(desk) => (verify::key(context, &Key::default())?, newest(&desk.database)?),
        };
        of_this_vault(asked, newest)?;
        let openings = openings(asked, &key)?;
        let facts = at_desk!(office, breach_situation(columns, openings))?;
        office.close()?;
        Ok(breach.assess(&facts, Timestamp::now()))
    });
    let (found, persons) = match (found, persons) {
        (Ok(found), persons) => (found, persons),
        (Err(failure), persons) => {
            persons.into_iter().for_each(PrivateFile::give_up);
            return Err(failure);
        }
    };
    let text = found.report().to_markdown();
    let json = serde_json::to_value(found.report()).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    let mut written = None;
    if let Some(mut file) = persons {
        let list =
            serde_json::to_string_pretty(found.customers()).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
        if let Err(error) = file.write(&list) {
            let message = format!("{}: {error}", file.path().display());
            file.give_up();
            return Err(Failure::new(Exit::TryAgain, message));
        }
        // Not in the report, which goes to the authority.
        let persons = count(found.customers().len() as u64, "person", "persons");
        let _ = writeln!(std::io::stderr(), "oubliette: the list of {persons} is in {}", file.path().display());
        written = Some(file.path().to_owned());
    }
    let late = found.report().is_late();
    let answer = Answer::new(text, json!({ "report": json, "late": late, "persons": written }))?;
    Ok(answer.ending(if late { Exit::Grave } else { Exit::Done }))
}

/// A clock may be a little wrong; a leak of tomorrow is a mistyped date.
const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// What has happened already.
fn past(text: &str) -> Result<Timestamp, Failure> {
    let time = moment(text)?;
    if time > Timestamp::now().saturating_add(SLACK).unwrap_or(Timestamp::MAX) {
        return Err(Failure::usage(format!(
            "{text:?} is in the future; give the past time of the leak, or when it became known"
        )));
    }
    Ok(time)
}

/// The generation that the journal's table ends with. What its signature is worth is found when the facts are read.
fn newest(database: &Database) -> Result<u64, Failure> {
    const LAST: &str = "SELECT line FROM oubliette_journal ORDER BY n DESC LIMIT 1";
    let rows = database.query(LAST, &[])?;
    let Some(row) = rows.first() else { return Ok(0) };
    let entry = Entry::parse(row.text(0)?.as_bytes());
    Ok(entry.map_err(|what| Failure::new(Exit::Investigate, format!("the journal's table: {what}")))?.generation())
}

/// A generation that the vault never had is a mistyped one, and the report a false comfort.
fn of_this_vault(asked: &Breach, newest: u64) -> Result<(), Failure> {
    let all = [&asked.root_key, &asked.root_record, &asked.pages, &asked.key_store];
    match all.into_iter().flatten().find(|generation| !(1..=newest).contains(*generation)) {
        Some(wrong) => Err(Failure::usage(format!(
            "the vault never had a generation {wrong}: it is at {newest}, and began with 1; \
             `oubliette journal show` tells when each was"
        ))),
        None => Ok(()),
    }
}

fn breach_of(context: &Context, asked: &Breach, known: &[&str]) -> Result<breach::Breach, Failure> {
    let mut breach = breach::Breach::known_since(past(&asked.known_since)?);
    for time in asked.database.iter().chain(&asked.backup) {
        breach = breach.leaked(Leak::Database { at: past(time)? });
    }
    for (services, taken) in [(&asked.service, Taken::Answers), (&asked.service_memory, Taken::Memory)] {
        for service in services.chunks(3) {
            breach = breach.leaked(of_service(service, taken, known)?);
        }
    }
    breach = breach.leaked_all(asked.root_key.iter().map(|generation| Leak::RootKey { generation: *generation }));
    breach = breach.leaked_all(asked.root_key_version.iter().map(|number| Leak::RootKeyVersion { number: *number }));
    for times in asked.token.chunks(2) {
        breach = breach.leaked(of_token(times)?);
    }
    breach = breach.leaked_all(asked.root_record.iter().map(|generation| Leak::RootRecord { generation: *generation }));
    breach = breach.leaked_all(asked.pages.iter().map(|generation| Leak::Pages { generation: *generation }));
    breach = breach.leaked_all(asked.key_store.iter().flat_map(|generation| Leak::key_store(*generation)));
    let mut whose: Vec<&str> = Vec::new();
    for who in context.config.purposes.iter().flat_map(|purpose| &purpose.whose) {
        if !whose.contains(&who.as_str()) {
            whose.push(who);
        }
    }
    if !whose.is_empty() {
        breach = breach.categories(whose.join(", "));
    }
    let controller = &context.config.controller;
    if let Some(contact) = controller.officer.as_ref().or(controller.name.as_ref()) {
        breach = breach.contact(contact.clone());
    }
    Ok(breach)
}

fn of_token(times: &[String]) -> Result<Leak, Failure> {
    let [from, until] = times else { return Err(Failure::usage("a token is given as FROM TO")) };
    let (from, until) = (moment(from)?, moment(until)?);
    if from > until {
        return Err(Failure::usage("the token's FROM is later than its TO"));
    }
    Ok(Leak::Token { from, until })
}

fn of_service(service: &[String], taken: Taken, known: &[&str]) -> Result<Leak, Failure> {
    let [purposes, from, until] = service else {
        return Err(Failure::usage("a service is given as PURPOSES FROM TO"));
    };
    let purposes: Vec<String> = purposes.split(',').map(|name| name.trim().to_owned()).collect();
    // A purpose that is misspelt would be nobody's, and the report a false comfort.
    if let Some(wrong) = purposes.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::usage(format!(
            "the purpose {wrong:?} is neither in the register nor in the configuration; correct its name"
        )));
    }
    let (from, until) = (past(from)?, past(until)?);
    if from > until {
        return Err(Failure::usage("the service's FROM is later than its TO"));
    }
    Ok(Leak::Service { purposes, from, until, taken })
}

/// Of all tables, with what is said of plaintext that they once held.
fn columns(context: &Context) -> Result<Vec<Column>, Failure> {
    let mut all = Vec::new();
    for table in &context.config.tables {
        for column in Column::all_of(&table.table, &fields::columns(table)?) {
            // A group's column holds several fields.
            let label = match &column.stored {
                Stored::Sealed { label, .. } => Some(label),
                _ => None,
            };
            let since = table
                .columns
                .iter()
                .find(|sealed| sealed.column == column.column && label.is_none_or(|label| *label == sealed.label));
            all.push(match since.and_then(|sealed| sealed.sealed_since.as_ref()) {
                Some(since) => column.sealed_since(moment(since)?),
                None => column,
            });
        }
    }
    if all.is_empty() {
        return Err(Failure::new(
            Exit::Config,
            "the configuration names no [[tables]], so nothing can be said about the leak; name them",
        ));
    }
    Ok(all)
}

/// What audits say, each entry checked with the vault's own key.
fn openings(asked: &Breach, key: &PublicKey) -> Result<Option<Vec<Opened>>, Failure> {
    if asked.audits.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for file in &asked.audits {
        let entries = journal::entries(file, key)?.collect::<Result<Vec<_>, _>>()?;
        all.extend(Opened::among(entries));
    }
    Ok(Some(all))
}
