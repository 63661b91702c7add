//! Sealed fields inside JSON events, in a file that is only ever appended to: `cargo run --example events`
//!
//! An event log cannot delete: whoever replays it needs every event. So personal properties are sealed before they are
//! written, and a shred makes them unreadable without touching the file. Events, their order and what is not personal
//! stay; projections get `None` in place of the person.
//!
//! The log and its vault lie in `target/events` (or the directory named by `EVENTS_DIR`), apart from each other. Each run
//! appends to the log of the one before. The passphrase is for this demonstration only.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use oubliette::personal::{Email, Name, Text};
use oubliette::{CustomerId, Field, Purpose, RootKey, Sealed, UnlessShredded, Vault};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ORDERS: Purpose = Purpose::new("orders");
// One field an event's property: the same text sealed as another property would not open.
const REGISTERED_NAME: Field<Name> = ORDERS.field("customer-registered.name");
const REGISTERED_EMAIL: Field<Email> = ORDERS.field("customer-registered.email");
const PLACED_NOTE: Field<Text> = ORDERS.field("order-placed.note");

/// `Sealed<T>` is text in JSON (`obl1.…`) and needs no vault to be read or written: only to be opened.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    CustomerRegistered { customer: CustomerId, name: Sealed<Name>, email: Sealed<Email> },
    OrderPlaced { customer: CustomerId, cents: u64, note: Option<Sealed<Text>> },
}

/// What a replay makes of the log.
#[derive(Debug, Default, PartialEq)]
struct Customer {
    /// `None` once shredded.
    name: Option<Name>,
    email: Option<Email>,
    orders: usize,
    cents: u64,
    notes: Vec<Option<Text>>,
}

fn append(log: &Path, events: &[Event]) -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    for event in events {
        writeln!(file, "{}", serde_json::to_string(event)?)?;
    }
    Ok(file.sync_all()?)
}

fn replay(vault: &Vault, log: &Path) -> Result<BTreeMap<CustomerId, Customer>> {
    let mut customers: BTreeMap<CustomerId, Customer> = BTreeMap::new();
    for line in BufReader::new(File::open(log)?).lines() {
        match serde_json::from_str(&line?)? {
            Event::CustomerRegistered { customer, name, email } => {
                let entry = customers.entry(customer).or_default();
                entry.name = vault.open(customer, REGISTERED_NAME, &name).unless_shredded()?;
                entry.email = vault.open(customer, REGISTERED_EMAIL, &email).unless_shredded()?;
            }
            Event::OrderPlaced { customer, cents, note } => {
                let entry = customers.entry(customer).or_default();
                entry.orders += 1;
                entry.cents += cents;
                if let Some(note) = note {
                    entry.notes.push(vault.open(customer, PLACED_NOTE, &note).unless_shredded()?);
                }
            }
        }
    }
    Ok(customers)
}

fn register(vault: &Vault, log: &Path, name: &str, email: &str, note: &str) -> Result<CustomerId> {
    let customer = vault.enroll()?;
    let keys = vault.customer(customer);
    let (name, email) = (keys.seal(REGISTERED_NAME, &name.parse()?)?, keys.seal(REGISTERED_EMAIL, &email.parse()?)?);
    let note = Some(keys.seal(PLACED_NOTE, &note.parse()?)?);
    append(
        log,
        &[
            Event::CustomerRegistered { customer, name, email },
            Event::OrderPlaced { customer, cents: 4_900, note },
            Event::OrderPlaced { customer, cents: 1_250, note: None },
        ],
    )?;
    Ok(customer)
}

fn show(title: &str, customers: &BTreeMap<CustomerId, Customer>, numbers: [CustomerId; 2]) {
    println!("\n{title}");
    for number in numbers {
        let Some(customer) = customers.get(&number) else { continue };
        let name = customer.name.as_ref().map_or("(shredded)", Name::expose_personal_data);
        let note = customer.notes.iter().map(|note| note.as_ref().map_or("(shredded)", Text::expose_personal_data));
        let notes = note.collect::<Vec<_>>().join("; ");
        let (orders, euros, cents) = (customer.orders, customer.cents / 100, customer.cents % 100);
        println!("  customer {number}: {name}, {orders} orders, {euros}.{cents:02} euros, note: {notes}");
    }
}

fn claim(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("this claim is false: {what}").into()) }
}

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = here.parent().ok_or("the examples lie in no directory")?.join("target/events");
    let home = std::env::var_os("EVENTS_DIR").map_or(target, PathBuf::from);
    fs::create_dir_all(home.join("log"))?;
    let log = home.join("log/events.jsonl");
    let builder = Vault::at(home.join("privacy")).purposes([ORDERS]);
    let key = RootKey::passphrase("for this demonstration only");
    // Once, by hand or by a script: a service only unlocks, so that a mistyped path or a disk that is not mounted is an error, and no new vault.
    let vault = if home.join("privacy").exists() { builder.unlock(key)? } else { builder.create(key)? };

    let alice = register(&vault, &log, "Aoife O’Brádaigh", "aoife@example.com", "ring twice, the bell is weak")?;
    let bruno = register(&vault, &log, "Bruno Sant'Anna", "bruno@example.org", "leave it with Mrs Ferreira")?;
    let before = replay(&vault, &log)?;
    let bytes = fs::read(&log)?;
    let line = String::from_utf8_lossy(&bytes).lines().rev().nth(2).unwrap_or_default().to_owned();
    println!(
        "{} events in {}; one of them begins\n  {:.110}...",
        bytes.split(|byte| *byte == b'\n').count() - 1,
        log.display(),
        line
    );
    show("Replayed:", &before, [alice, bruno]);

    let shredded = vault.shred([alice])?;
    claim(shredded.already_shredded().is_empty(), "the customer was not shredded before")?;
    let mut after = replay(&vault, &log)?;
    show(&format!("Customer {alice} was shredded. The same file, replayed again:"), &after, [alice, bruno]);

    claim(fs::read(&log)? == bytes, "the file was not touched")?;
    let gone = after.remove(&alice).ok_or("the events of the shredded customer stay")?;
    claim(gone.name.is_none() && gone.email.is_none() && gone.notes == [None], "nothing of the person is readable")?;
    claim((gone.orders, gone.cents) == (2, 6_150), "what is not personal stays")?;
    let others: BTreeMap<_, _> = before.into_iter().filter(|(number, _)| *number != alice).collect();
    claim(after == others, "the rest is intact, earlier runs included")?;
    println!("\nChecked: the file is the same to the byte, and {} others replay as before.", after.len());
    Ok(vault.close()?)
}
