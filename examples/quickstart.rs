//! From a CSV to a shredded customer, in six steps: `cargo run --example quickstart`
//!
//! A small shop keeps its customers in SQLite, the personal columns sealed. One of them asks to be forgotten. Then last
//! night's backup is restored over the live database, and brings the customer's row back, but not what stood in it.
//! Every claim printed is checked first; if one is false, the program says so and fails.
//!
//! What lies where, below `target/quickstart` (or the directory named by `QUICKSTART_DIR`):
//!
//! - `shop/customers.sqlite`: the live database, made anew in each run;
//! - `backups/last-night.sqlite`: its backup;
//! - `privacy/`: the vault, created by the first run and unlocked by later ones, which issue numbers of their own. It lies
//!   outside of what is backed up and restored, since a backup that held the root record would bring the shredded back.
//!   In production it is best on two disks: see `VaultBuilder::mirror`.
//!
//! The passphrase comes from `QUICKSTART_PASSPHRASE`. **The default is for this demonstration only.** Another CSV with
//! the same columns may be given as an argument. By default telephone numbers in national notation are kept as typed; with
//! `--features phone` they are read in the customer's country.
//!
//! Left out: a web framework, several processes, purposes (a newsletter could be shredded alone), and recovery.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use oubliette::personal::{Address, Country, Email, Name, Phone, Text};
use oubliette::testing::assert_no_plaintext; // feature `testing`: for demonstrations and tests only
use oubliette::{CustomerId, CustomerKeys, Field, OpenError, Outcome, Purpose, RootKey, Sealed, UnlessShredded, Vault};
use rusqlite::backup::Progress;
use rusqlite::{Connection, named_params};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ORDERS: Purpose = Purpose::new("orders");
const NAME: Field<Name> = ORDERS.field("name");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const PHONE_AS_TYPED: Field<Text> = ORDERS.field("phone as typed");
const ADDRESS: Field<Address> = ORDERS.field("address");

/// `customer` is the vault's number, and UNIQUE: two rows that shared one would be shredded together. A customer who is
/// shredded and comes back gets a new number. Personal columns are BLOBs; what is not personal stays as it is.
const SCHEMA: &str = "CREATE TABLE customers (
    id             INTEGER PRIMARY KEY,
    customer       BIGINT NOT NULL UNIQUE,
    name           BLOB NOT NULL,
    email          BLOB NOT NULL,
    phone          BLOB,
    phone_as_typed BLOB,
    address        BLOB NOT NULL,
    plan           TEXT NOT NULL,
    since          TEXT NOT NULL
)";

/// A line of the CSV. Names and emails are checked as they are read, and an error never repeats the value.
#[derive(serde::Deserialize)]
struct Line {
    name: Name,
    email: Email,
    phone: Text,
    country: Country,
    address: String,
    plan: String,
    since: String,
}

/// A customer in memory, decrypted. All of it prints as `redacted` and is wiped on drop.
#[derive(PartialEq)]
struct Person {
    name: Name,
    email: Email,
    phone: Option<Phone>,
    phone_as_typed: Option<Text>,
    address: Address,
}

/// A row of the database: sealed.
struct Row {
    customer: CustomerId,
    name: Sealed<Name>,
    email: Sealed<Email>,
    phone: Option<Sealed<Phone>>,
    phone_as_typed: Option<Sealed<Text>>,
    address: Sealed<Address>,
    plan: String,
    since: String,
}

impl Person {
    fn read(line: Line) -> Result<(Person, String, String)> {
        let typed = line.phone.expose_personal_data();
        #[cfg(feature = "phone")]
        let phone = if typed.is_empty() { None } else { Some(Phone::parse(typed, line.country)?) };
        #[cfg(not(feature = "phone"))]
        let phone = typed.parse::<Phone>().ok();
        let phone_as_typed = (phone.is_none() && !typed.is_empty()).then(|| line.phone.clone());
        let address = Address::new(line.country, line.address.lines())?;
        Ok((Person { name: line.name, email: line.email, phone, phone_as_typed, address }, line.plan, line.since))
    }

    /// Enrolls a customer and stores the row. `keys` derives this customer's key once for all fields.
    fn store(&self, vault: &Vault, db: &Connection, plan: &str, since: &str) -> Result<CustomerId> {
        let customer = vault.enroll()?;
        let keys = vault.customer(customer);
        let phone = self.phone.as_ref().map(|phone| keys.seal(PHONE, phone)).transpose()?;
        let typed = self.phone_as_typed.as_ref().map(|typed| keys.seal(PHONE_AS_TYPED, typed)).transpose()?;
        db.prepare_cached(
            "INSERT INTO customers (customer, name, email, phone, phone_as_typed, address, plan, since)
             VALUES (:customer, :name, :email, :phone, :typed, :address, :plan, :since)",
        )?
        .execute(named_params! {
            ":customer": customer.to_stored(),
            ":name": keys.seal(NAME, &self.name)?.as_bytes(),
            ":email": keys.seal(EMAIL, &self.email)?.as_bytes(),
            ":phone": phone.as_ref().map(Sealed::as_bytes),
            ":typed": typed.as_ref().map(Sealed::as_bytes),
            ":address": keys.seal(ADDRESS, &self.address)?.as_bytes(),
            ":plan": plan,
            ":since": since,
        })?;
        Ok(customer)
    }

    fn open(row: &Row, keys: &CustomerKeys) -> std::result::Result<Person, OpenError> {
        Ok(Person {
            name: keys.open(NAME, &row.name)?,
            email: keys.open(EMAIL, &row.email)?,
            phone: row.phone.as_ref().map(|sealed| keys.open(PHONE, sealed)).transpose()?,
            phone_as_typed: row.phone_as_typed.as_ref().map(|sealed| keys.open(PHONE_AS_TYPED, sealed)).transpose()?,
            address: keys.open(ADDRESS, &row.address)?,
        })
    }

    /// Every text that must not stand in a file. The method's name is long so that a review finds every exposure.
    fn exposed(&self) -> impl Iterator<Item = &str> {
        let phones = [
            self.phone.as_ref().map(Phone::expose_personal_data),
            self.phone_as_typed.as_ref().map(Text::expose_personal_data),
        ];
        [self.name.expose_personal_data(), self.email.expose_personal_data()]
            .into_iter()
            .chain(phones.into_iter().flatten())
            .chain(self.address.expose_personal_data_parts().1)
            .filter(|text| text.len() >= 6) // a shorter one could stand in ciphertext by chance
    }
}

impl Row {
    fn all(db: &Connection) -> Result<Vec<Row>> {
        // In order of number: neighbours share most of the work of deriving keys.
        let mut select = db.prepare_cached("SELECT * FROM customers ORDER BY customer")?;
        select.query_and_then([], Row::read)?.collect()
    }

    fn of(db: &Connection, customer: CustomerId) -> Result<Row> {
        let mut select = db.prepare_cached("SELECT * FROM customers WHERE customer = ?1")?;
        select.query_and_then([customer.to_stored()], Row::read)?.next().ok_or("there is no such row")?
    }

    fn read(row: &rusqlite::Row<'_>) -> Result<Row> {
        fn sealed<T>(row: &rusqlite::Row<'_>, column: &str) -> Result<Option<Sealed<T>>> {
            Ok(row.get::<_, Option<Vec<u8>>>(column)?.map(Sealed::from_bytes).transpose()?)
        }
        Ok(Row {
            customer: CustomerId::from_stored(row.get("customer")?)?,
            name: sealed(row, "name")?.ok_or("name is NULL")?,
            email: sealed(row, "email")?.ok_or("email is NULL")?,
            phone: sealed(row, "phone")?,
            phone_as_typed: sealed(row, "phone_as_typed")?,
            address: sealed(row, "address")?.ok_or("address is NULL")?,
            plan: row.get("plan")?,
            since: row.get("since")?,
        })
    }
}

/// Opens every row through the bulk API, and compares each with what was imported. Returns how many opened, and who did
/// not since they were shredded; any other error is one.
fn open_all(
    vault: &Vault,
    db: &Connection,
    imported: &HashMap<CustomerId, Person>,
) -> Result<(usize, Vec<CustomerId>)> {
    let (mut opened, mut erased) = (0, Vec::new());
    for (row, keys) in vault.each_customer(Row::all(db)?, |row| row.customer) {
        match Person::open(&row, &keys).unless_shredded()? {
            None => erased.push(row.customer),
            Some(person) => {
                claim(imported.get(&row.customer) == Some(&person), "every row opens to what was imported")?;
                opened += 1;
            }
        }
    }
    Ok((opened, erased))
}

fn claim(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("this claim is false: {what}").into()) }
}

fn step(number: u8, title: &str, text: &str) {
    println!("\n{number}. {title:<9} {}", text.replace('\n', "\n             "));
}

fn more(text: &str) {
    println!("             {}", text.replace('\n', "\n             "));
}

fn run() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = here.parent().ok_or("the examples lie in no directory")?.join("target/quickstart");
    let home = env::var_os("QUICKSTART_DIR").map_or(target, PathBuf::from);
    let csv = env::args_os().nth(1).map_or_else(|| here.join("customers.csv"), PathBuf::from);
    let passphrase = env::var("QUICKSTART_PASSPHRASE").unwrap_or_else(|_| "for this demonstration only".into());
    let (live, backup) = (home.join("shop/customers.sqlite"), home.join("backups/last-night.sqlite"));
    for file in [&live, &backup] {
        fs::create_dir_all(file.parent().ok_or("a file without a directory")?)?;
        let _ = fs::remove_file(file);
    }

    println!("oubliette quickstart: one of a shop's customers asks to be forgotten, and then a backup is restored.");
    let builder = || Vault::at(home.join("privacy")).purposes([ORDERS]);
    let key = || RootKey::passphrase(passphrase.as_str());
    // Once, by hand or by a script: a service only unlocks, so that a mistyped path or a disk that is not mounted is an error, and no new vault.
    if !home.join("privacy").exists() {
        builder().create(key())?.close()?;
    }
    let unlock = || builder().unlock(key());
    let vault = unlock()?;

    let mut db = Connection::open(&live)?;
    db.execute_batch(SCHEMA)?;
    let mut imported = HashMap::new();
    let import = db.transaction()?;
    for line in csv::Reader::from_path(&csv)?.into_deserialize() {
        let (person, plan, since) = Person::read(line?)?;
        imported.insert(person.store(&vault, &import, &plan, &since)?, person);
    }
    import.commit()?;
    let rows = Row::all(&db)?;
    claim(rows.len() >= 3 && rows.len() == imported.len(), "at least three customers were imported")?;
    let countries: HashSet<Country> =
        imported.values().map(|person| person.address.expose_personal_data_parts().0).collect();
    let as_typed = match imported.values().filter(|person| person.phone_as_typed.is_some()).count() {
        0 => String::new(),
        count => format!(
            "\n({count} phone numbers in national forms are sealed as typed; `--features phone` would read them.)"
        ),
    };
    step(
        1,
        "Import",
        &format!(
            "{} customers from {} countries are now in SQLite. Name, email, phone and address are encrypted\n\
             (\"sealed\") under keys of each customer's own. No key was written for anybody: they are derived\n\
             from the vault, a small directory apart from the database.{as_typed}",
            rows.len(),
            countries.len(),
        ),
    );

    step(2, "At rest", "What a thief of the database sees. Plan and date are not personal, and stay readable:");
    for row in rows.iter().take(3) {
        more(&format!(
            "customer {:<5} {:<7} {}   name {}   email {}",
            row.customer,
            row.plan,
            row.since,
            tail(row.name.as_bytes()),
            tail(row.email.as_bytes())
        ));
    }
    let texts: Vec<&str> = imported.values().flat_map(Person::exposed).collect();
    let bytes = fs::read(&live)?;
    let plan = rows.first().map(|row| row.plan.as_str()).unwrap_or_default();
    claim(bytes.windows(plan.len()).any(|window| window == plan.as_bytes()), "what is not sealed is found")?;
    assert_no_plaintext(&bytes, texts.iter().copied());
    more(&format!(
        "{} personal texts were searched for in the file's {} bytes: none is there.",
        texts.len(),
        bytes.len()
    ));

    let row = rows.get(1).ok_or("no rows")?;
    let leaving = row.customer;
    let person = Person::open(&Row::of(&db, leaving)?, &vault.customer(leaving))?;
    claim(imported.get(&leaving) == Some(&person), "a customer reads back as imported")?;
    step(
        3,
        "Read",
        &format!(
            "The shop itself, with the vault unlocked, reads customer {leaving}:\n{}, {}",
            person.name.expose_personal_data(),
            person.email.expose_personal_data(),
        ),
    );
    drop(person);

    db.backup("main", &backup, None::<fn(Progress)>)?;
    assert_no_plaintext(&fs::read(&backup)?, texts.iter().copied());
    step(4, "Backup", "SQLite's own backup of the database, as every night. The vault is not part of it.");

    let shredded = vault.shred([leaving])?;
    claim(shredded.commit().is_wiped_here() && shredded.already_shredded().is_empty(), "the shred is complete here")?;
    let gone = match vault.open(leaving, NAME, &row.name) {
        Err(error @ OpenError::Shredded { .. }) => error,
        other => return Err(format!("this claim is false: opening says Shredded, not {other:?}").into()),
    };
    claim(gone.outcome() == Outcome::Erased, "the outcome is Erased")?;
    db.execute("DELETE FROM customers WHERE customer = ?1", [leaving.to_stored()])?;
    step(
        5,
        "Shred",
        &format!(
            "Customer {leaving} asks to be forgotten: vault.shred([{leaving}]), and the row is deleted as usual.\n\
             The backup still has it, where no deletion reaches. But opening it now fails, with an error of its\n\
             own kind (OpenError::Shredded, outcome {:?}, HTTP 410):\n\"{gone}\"",
            gone.outcome()
        ),
    );

    db.restore("main", &backup, None::<fn(Progress)>)?;
    vault.close()?;
    let vault = unlock()?;
    let restored = Row::of(&db, leaving)?;
    claim(restored.name == row.name && restored.address == row.address, "the backup brings the same bytes back")?;
    let (opened, erased) = open_all(&vault, &db, &imported)?;
    claim(erased == [leaving], "the shredded customer, and nobody else, stays unreadable")?;
    claim(opened == imported.len() - 1, "all others open")?;
    step(
        6,
        "Restore",
        &format!(
            "The disk fails: the backup of step 4 goes back over the live database, and the shop restarts.\n\
             Row {leaving} is back, byte for byte, but its content is not: its key can no longer be derived.\n\
             Customer {leaving}: unreadable for good. {opened} others: all open, and equal the CSV."
        ),
    );

    let shredded = vault.status()?.purposes.first().map_or(0, |purpose| purpose.shredded);
    println!(
        "\nEvery claim above was checked. Shredded in this vault so far, earlier runs included: {shredded}.\n\
         What this rests on: the vault must not be lost (mirror it), nor restored from before a shred. It is in\n\
         {}\n\
         What it cannot reach: what was read, printed or exported before the shred. See SECURITY.md.",
        home.join("privacy").display(),
    );
    vault.close()?;
    Ok(())
}

/// The end of a sealed value, since all values of a vault begin alike.
fn tail(bytes: &[u8]) -> String {
    let tail: String = bytes.iter().skip(bytes.len().saturating_sub(6)).map(|byte| format!("{byte:02x}")).collect();
    format!("..{tail}")
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("\nquickstart failed: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
