//! The register: its tables, then the vault beside them, then the two together.

mod known;
mod office;
mod resume;
mod rules;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, Read};

use oubliette::{Purpose, Vault};
use oubliette_register::{Disagreement, Register, Rules, Subject};
use serde_json::{Value, json};

use crate::args::Whom;
use crate::context::{Context, close, purpose};
use crate::database::Database;
use crate::exit::{Exit, Failure};
use crate::receipts::Receipts;

pub use known::{Held, HeldNumber, Known, of_holds, of_numbers, shown_hold};
pub use office::{IsSigned, Office};
pub use resume::Resumed;
pub use rules::{lengthened, of_config};

/// A call within a transaction of its own: done whole or not at all.
macro_rules! in_transaction {
    ($open:expr, $call:ident($($argument:expr),* $(,)?)) => {
        match &$open.database {
            $crate::database::Database::Sqlite(connection) => {
                $open.register.in_transaction(connection).$call($($argument),*).map_err($crate::exit::Failure::from)
            }
            #[cfg(feature = "postgres")]
            $crate::database::Database::Postgres(it) => it.runtime.block_on(async {
                let mut connection = it.connection().await?;
                $open.register.in_transaction_postgres(&mut connection).$call($($argument),*).await.map_err($crate::exit::Failure::from)
            }),
        }
    };
}

/// A call that shreds, and may come half-way.
macro_rules! own_transaction {
    ($open:expr, $call:ident($($argument:expr),* $(,)?)) => {
        match &mut $open.database {
            $crate::database::Database::Sqlite(connection) => {
                $open.register.own_transaction(connection).$call($($argument),*).map_err($crate::exit::half_way)
            }
            #[cfg(feature = "postgres")]
            $crate::database::Database::Postgres(it) => {
                let done = it.runtime.block_on($open.register.own_transaction_postgres(&it.pool).$call($($argument),*));
                done.map_err($crate::exit::half_way)
            }
        }
    };
}

pub(crate) use office::at_desk;
pub(crate) use {in_transaction, own_transaction};

/// The database with the register's tables, before the vault is asked for its root key.
#[derive(Debug)]
pub struct Tables {
    pub database: Database,
}

/// The vault and its register.
pub struct Open {
    pub database: Database,
    pub register: Register,
    pub receipts: Receipts,
    vault: Vault,
}

/// What a command does to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It reads: what cannot be finished before is told, and does not stop it.
    Reads,
    /// It writes, and the rules of others must be its own.
    Writes,
}

impl Tables {
    pub fn open(context: &Context) -> Result<Tables, Failure> {
        let database = Database::open(&context.config.database)?;
        if !database.has_register()? {
            let message = "the database has no register; check [database], or let the application start first, which makes the tables";
            return Err(Failure::new(Exit::Missing, message));
        }
        Ok(Tables { database })
    }

    /// The register that the configuration names, if it names one: its holds bind what destroys by number, too.
    pub fn if_configured(context: &Context) -> Result<Option<Tables>, Failure> {
        if !context.config.database.is_named() {
            return Ok(None);
        }
        let database = Database::open(&context.config.database).map_err(|mut failure| {
            failure.message.push_str("; nothing happened, since legal holds cannot be checked without it");
            failure
        })?;
        Ok(database.has_register()?.then_some(Tables { database }))
    }

    /// What the register knows of a customer. An erased one is not known any more.
    pub fn know(&self, subject: &Subject) -> Result<Known, Failure> {
        Known::of(&self.database, subject)?.ok_or_else(unknown)
    }

    /// Every purpose that the register names: what was decided on is of any of them.
    pub fn own_purposes(&self) -> Result<BTreeSet<String>, Failure> {
        const NAMES: &str =
            "SELECT DISTINCT purpose FROM oubliette_numbers UNION SELECT DISTINCT purpose FROM oubliette_grants";
        let mut names = BTreeSet::new();
        for row in self.database.query(NAMES, &[])? {
            names.insert(row.text(0)?.to_owned());
        }
        Ok(names)
    }

    /// The purposes of the register and those of the configuration.
    pub fn purposes(&self, context: &Context) -> Result<Vec<Purpose>, Failure> {
        let mut names = self.own_purposes()?;
        for table in &context.config.tables {
            names.insert(table.purpose.clone());
            names.extend(table.numbers.keys().cloned());
            names.extend(table.columns().map(|column| column.purpose));
        }
        names.extend(context.config.retention.keys().cloned());
        names.iter().map(|name| purpose(name)).collect()
    }

    /// Opens the vault with them.
    pub fn unlock(self, context: &mut Context, receipts: Receipts) -> Result<Open, Failure> {
        self.unlock_also(context, receipts, None)
    }

    /// Opens the vault with them and another.
    pub fn unlock_also(
        self,
        context: &mut Context,
        receipts: Receipts,
        also: Option<Purpose>,
    ) -> Result<Open, Failure> {
        if context.config.journal.is_none() {
            return Err(Failure::usage(
                "the register needs the vault's journal; name it with --journal, or as `journal` in the configuration",
            ));
        }
        let keep = receipts.clone();
        let rules = rules::of_config(&context.config)?.receipts(move |receipt| keep.take(receipt));
        let mut purposes = self.purposes(context)?;
        purposes.extend(also.filter(|also| !purposes.contains(also)));
        let vault = context.unlock(&purposes)?;
        self.with(vault, rules, receipts)
    }

    /// With a vault that is open.
    pub fn with(self, vault: Vault, rules: Rules, receipts: Receipts) -> Result<Open, Failure> {
        let register = Register::new(&vault, rules)?;
        let open = Open { database: self.database, register, receipts, vault };
        in_transaction!(open, check_tables())?;
        Ok(open)
    }
}

impl Open {
    /// The register, with what was interrupted finished.
    pub fn of(context: &mut Context, work: Work) -> Result<(Open, Resumed), Failure> {
        let receipts = Receipts::new(&context.config)?;
        let mut open = Tables::open(context)?.unlock(context, receipts)?;
        let resumed = open.resume(work)?;
        Ok((open, resumed))
    }

    /// Where the configuration's rules are not those that the application wrote down.
    pub fn disagreement(&self) -> Result<Option<String>, Failure> {
        Ok(in_transaction!(self, compare_rules())?.and_then(|found| said_to_differ(&found)))
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The database alone, once it was checked.
    pub fn into_database(self) -> Database {
        self.database
    }

    /// Tells the journal at once what was just committed, and closes the vault.
    pub fn finish(mut self) -> Result<(), Failure> {
        // What cannot be told now lies in the outbox: the next flush tells it.
        let _ = own_transaction!(self, flush());
        self.close()
    }

    pub fn close(self) -> Result<(), Failure> {
        drop(self.register);
        close(self.vault)
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Open")
    }
}

fn said_to_differ(found: &Disagreement) -> Option<String> {
    if found.is_empty() {
        return None;
    }
    let mut said = String::from("the rules of the configuration differ from those of the application.");
    for (whose, rules) in
        [("Only the application has", &found.only_there), ("Only the configuration has", &found.only_here)]
    {
        rules.iter().for_each(|rule| said.push_str(&format!("\n  {whose}: {rule}")));
    }
    said.push_str(
        "\nCorrect [retention], [register] and the indexes of [[tables]]. If the application's rules are new, let it start first",
    );
    Some(said)
}

/// An id in no error: what was typed is on the screen, and a log is no place for it.
fn unknown() -> Failure {
    Failure::usage(
        "nothing happened: the register does not know a customer of this id. Write the id exactly as the \
         application does; the ids of erased customers are forgotten",
    )
}

/// Most bytes of a customer's id, and of the line it comes in.
const MOST_BYTES: u64 = 1024;

/// Whom an argument names.
pub fn subject(whom: &Whom) -> Result<Subject, Failure> {
    of_text(&whom.subject)
}

pub fn of_text(text: &str) -> Result<Subject, Failure> {
    let mut line = String::new();
    let text = if text == "-" {
        let read = std::io::stdin().lock().take(MOST_BYTES).read_line(&mut line);
        read.map_err(|error| Failure::of(Exit::TryAgain, &error))?;
        line.trim_end_matches(['\n', '\r'])
    } else {
        text
    };
    Subject::new(text).map_err(|error| Failure::usage(error.to_string()))
}

/// For machines, beside a command's own answer: what else was done before.
pub fn with_resumed(mut json: Value, resumed: &Resumed) -> Value {
    if let Value::Object(members) = &mut json {
        members.insert("finished_before".to_owned(), resumed.json());
    }
    json
}

/// What is shown of the files with receipts, by a command that is about no one customer.
pub fn receipts_json(receipts: &Receipts) -> Value {
    json!(receipts.of_others())
}
