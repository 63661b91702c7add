//! The register with the vault or, at an officer's desk, without it: for commands that need no key.

use oubliette::Vault;
use oubliette_register::{HoldId, KeylessRegister, Register, RequestId, Rules, Signed};
use serde_json::{Value, json};

use super::{Open, Resumed, Tables, Work, of_config, own_transaction, said_to_differ};
use crate::args::Key;
use crate::commands::verify;
use crate::context::{Context, close};
use crate::database::Database;
use crate::exit::{Exit, Failure};
use crate::receipts::Receipts;

/// Tables that are worked on with the public key alone.
pub struct AtDesk {
    pub database: Database,
    pub register: KeylessRegister,
}

/// Who works on the tables.
pub enum Office {
    Vault(Box<Open>),
    Desk(AtDesk),
}

/// A call that needs no key, within a transaction of its own.
macro_rules! at_desk {
    ($office:expr, $call:ident($($argument:expr),* $(,)?)) => {
        match &$office {
            $crate::register::Office::Vault(open) => $crate::register::in_transaction!(open, $call($($argument),*)),
            $crate::register::Office::Desk(desk) => $crate::register::in_transaction!(desk, $call($($argument),*)),
        }
    };
}

pub(crate) use at_desk;

impl Office {
    /// With what was interrupted finished, if there is a vault. A desk that writes has the application's rules, as a vault that writes does.
    pub fn of(tables: Tables, context: &mut Context, work: Work) -> Result<(Office, Resumed), Failure> {
        if context.config.is_desk() {
            let desk = Office::desk(tables, context)?;
            if let (Work::Writes, Some(disagreement)) = (work, desk.disagreement()?) {
                return Err(Failure::new(Exit::Config, disagreement));
            }
            return Ok((desk, Resumed::default()));
        }
        let mut open = tables.unlock(context, Receipts::new(&context.config)?)?;
        let resumed = open.resume(work)?;
        Ok((Office::Vault(Box::new(open)), resumed))
    }

    /// Without the vault, whatever is configured beside the public key.
    pub fn desk(tables: Tables, context: &Context) -> Result<Office, Failure> {
        let key = verify::key(context, &Key::default())?;
        let register = KeylessRegister::new(key, tables.purposes(context)?, of_config(&context.config)?)?;
        let desk = Office::Desk(AtDesk { database: tables.database, register });
        at_desk!(desk, check_tables())?;
        Ok(desk)
    }

    /// These tables under other rules, for reading only.
    pub fn with_rules(self, vault: Option<&Vault>, context: &Context, rules: Rules) -> Result<Office, Failure> {
        Ok(match (self, vault) {
            (Office::Vault(mut open), Some(vault)) => {
                open.register = Register::new(vault, rules)?;
                Office::Vault(open)
            }
            (office, _) => {
                let tables = Tables { database: office.into_database() };
                let register =
                    KeylessRegister::new(verify::key(context, &Key::default())?, tables.purposes(context)?, rules)?;
                Office::Desk(AtDesk { database: tables.database, register })
            }
        })
    }

    pub fn is_desk(&self) -> bool {
        matches!(self, Office::Desk(_))
    }

    pub fn database(&self) -> &Database {
        match self {
            Office::Vault(open) => &open.database,
            Office::Desk(desk) => &desk.database,
        }
    }

    fn into_database(self) -> Database {
        match self {
            Office::Vault(open) => open.into_database(),
            Office::Desk(desk) => desk.database,
        }
    }

    pub fn disagreement(&self) -> Result<Option<String>, Failure> {
        Ok(at_desk!(self, compare_rules())?.and_then(|found| said_to_differ(&found)))
    }

    /// Tells the journal at once what was just committed, where there is a vault.
    pub fn tell(&mut self) {
        if let Office::Vault(open) = self {
            // What cannot be told now lies in the outbox: the next flush tells it, and what is printed says that it is not signed.
            let _ = own_transaction!(open, flush());
        }
    }

    pub fn signed_request(&self, request: RequestId) -> Result<IsSigned, Failure> {
        Ok(self.signed_requests(&[request])?.into_iter().next().unwrap_or(IsSigned(Signed::Differs)))
    }

    pub fn signed_requests(&self, requests: &[RequestId]) -> Result<Vec<IsSigned>, Failure> {
        Ok(at_desk!(self, signed_requests(requests))?.into_iter().map(IsSigned).collect())
    }

    pub fn signed_hold(&self, hold: HoldId) -> Result<IsSigned, Failure> {
        Ok(self.signed_holds(&[hold])?.into_iter().next().unwrap_or(IsSigned(Signed::Differs)))
    }

    pub fn signed_holds(&self, holds: &[HoldId]) -> Result<Vec<IsSigned>, Failure> {
        Ok(at_desk!(self, signed_holds(holds))?.into_iter().map(IsSigned).collect())
    }

    pub fn close(self) -> Result<(), Failure> {
        match self {
            Office::Vault(open) => {
                let Open { register, vault, .. } = *open;
                drop(register);
                close(vault)
            }
            Office::Desk(_) => Ok(()),
        }
    }
}

/// Whether the journal has what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsSigned(pub Signed);

impl IsSigned {
    pub fn text(self) -> String {
        match self.0 {
            Signed::Entry(n) => format!("entry {n}"),
            Signed::NotYet => "not yet signed".to_owned(),
            _ => "NOT AS SIGNED".to_owned(),
        }
    }

    /// A sentence behind what was just done; nothing where it is signed.
    pub fn sentence(self) -> &'static str {
        match self.0 {
            Signed::Entry(_) => "",
            Signed::NotYet => {
                "It counts from now on. It is not yet signed: the application signs it, or the next \
                 `oubliette resume` where the vault is.\n"
            }
            _ => "The journal says something else: rows may have been changed by hand. `oubliette doctor` says more.\n",
        }
    }

    pub fn json(self) -> Value {
        match self.0 {
            Signed::Entry(n) => json!(n),
            Signed::NotYet => json!("not_yet"),
            _ => json!("differs"),
        }
    }
}
