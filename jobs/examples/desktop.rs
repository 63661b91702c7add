//! A program on one computer, two kinds of backup, and somebody who leaves: `cargo run -p oubliette-jobs --example desktop`
//!
//! A club keeps its members in SQLite. One of them leaves, another withdraws the newsletter. Then every backup from
//! before is restored: opened through the vault, and searched byte by byte as a finder of the disk would. Every claim
//! printed is checked first; if one is false, the program says so and fails.
//!
//! What lies where, below `target/desktop` (or the directory named by `DESKTOP_DIR`):
//!
//! - `club/members.sqlite` and its `-wal`: the live database, made anew in each run;
//! - `backups/api.sqlite`: a backup by SQLite's own backup API;
//! - `backups/copied.sqlite` and its `-wal`: the files, copied. Half the members are in the `-wal` alone;
//! - `privacy/`: the vault, which no backup holds. The first run creates it, later ones unlock it.
//!
//! The passphrase is **for this demonstration only**. The web service in `examples/service` has the same table.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use oubliette::personal::{Email, Name, Text};
use oubliette::testing::assert_no_plaintext; // feature `testing`: for demonstrations and tests only
use oubliette::{CustomerId, Field, Held, Index, OpenError, Personal, Purpose, RootKey, UnlessShredded, Vault, bits};
use oubliette_jobs::{self as jobs, Job, Key};
use rusqlite::backup::Progress;
use rusqlite::{Connection, Row, params};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MEMBERS: Purpose = Purpose::new("members");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const NAME: Field<Name> = MEMBERS.field("name");
const EMAIL: Field<Email> = MEMBERS.field("email");
const PHONE: Field<Text> = MEMBERS.field("phone as typed");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
/// So many bits that no two emails have the same token: the column is UNIQUE.
const BY_EMAIL: Index<Email> = EMAIL.index("unique", bits(128));

/// Both numbers are the vault's. The newsletter has one of its own, new for each consent, since a member who withdrew
/// it may come back to it, and a number that was shredded never does.
const SCHEMA: &str = "CREATE TABLE members (
    id         INTEGER PRIMARY KEY,
    no         INTEGER NOT NULL UNIQUE,
    name       BLOB NOT NULL,
    email      BLOB NOT NULL,
    email_idx  BLOB NOT NULL UNIQUE,
    phone      BLOB,
    news_no    INTEGER UNIQUE,
    news_email BLOB
)";

/// A member in memory, decrypted. The derive makes `SealedMember`, which is what a row holds.
#[derive(PartialEq, Personal)]
#[personal(purpose = MEMBERS, sealed = SealedMember)]
struct Member {
    #[personal(plain)]
    id: i64,
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = NAME)]
    name: Name,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    email: Email,
    #[personal(seal = PHONE)]
    phone: Option<Text>,
    #[personal(customer = NEWSLETTER)]
    news_no: Option<CustomerId>,
    #[personal(seal = NEWS_EMAIL)]
    news_email: Held<Email>,
}

/// A line of the CSV; its other columns are not read.
#[derive(serde::Deserialize)]
struct Line {
    name: Name,
    email: Email,
    phone: Option<Text>,
}

impl Member {
    /// Every second member takes the newsletter.
    fn join(vault: &Vault, id: i64, line: Line) -> Result<Member> {
        let Line { name, email, phone } = line;
        let (news_no, news_email) = match id % 2 {
            0 => (None, Held::Absent),
            _ => (Some(vault.enroll()?), Held::Kept(email.clone())),
        };
        Ok(Member { id, no: vault.enroll()?, name, email, phone, news_no, news_email })
    }

    fn store(&self, vault: &Vault, db: &Connection) -> Result<()> {
        let row = self.seal(vault)?;
        db.prepare_cached("INSERT INTO members VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
            row.id,
            row.no,
            row.name,
            row.email,
            row.email_idx,
            row.phone,
            row.news_no,
            row.news_email
        ])?;
        Ok(())
    }

    /// Every text that must not stand in a file. The method's name is long so that a review finds every exposure.
    fn exposed(&self) -> impl Iterator<Item = &str> {
        [self.name.expose_personal_data(), self.email.expose_personal_data()]
            .into_iter()
            .chain(self.phone.as_ref().map(Text::expose_personal_data))
            .filter(|text| text.len() >= 6) // a shorter one could stand in ciphertext by chance
    }
}

impl SealedMember {
    fn read(row: &Row<'_>) -> rusqlite::Result<SealedMember> {
        Ok(SealedMember {
            id: row.get("id")?,
            no: row.get("no")?,
            name: row.get("name")?,
            email: row.get("email")?,
            email_idx: row.get("email_idx")?,
            phone: row.get("phone")?,
            news_no: row.get("news_no")?,
            news_email: row.get("news_email")?,
        })
    }

    /// In order of number: neighbours share most of the work of deriving keys.
    fn all(db: &Connection) -> Result<Vec<SealedMember>> {
        let mut select = db.prepare_cached("SELECT * FROM members ORDER BY no")?;
        Ok(select.query_map([], SealedMember::read)?.collect::<rusqlite::Result<_>>()?)
    }
}

/// Who has this email, however it is written.
fn find(vault: &Vault, db: &Connection, email: &Email) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM members WHERE email_idx = ?1")?;
    for token in vault.tokens(BY_EMAIL, email)? {
        if let Some(id) = select.query_map([token], |row| row.get(0))?.next() {
            return Ok(Some(id?));
        }
    }
    Ok(None)
}

/// Makes the tokens of all rows anew in the current epoch. Returns how many were of another.
fn renew_tokens(vault: &Vault, db: &mut Connection) -> Result<u64> {
    let job = Job::on("members", ("id", Key::Integer), "no").index("email_idx", "email", BY_EMAIL);
    let report = jobs::rusqlite::run(db, vault, &job, |_| ControlFlow::Continue(()))?;
    claim(jobs::rusqlite::left_behind(db, vault, &job)?.is_empty(), "every token is of the current epoch")?;
    Ok(report.progress.changed)
}

/// A database with its `-wal` as a finder of the disk reads them.
fn raw(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = fs::read(file)?;
    let wal = wal_of(file);
    if wal.exists() {
        bytes.extend(fs::read(wal)?);
    }
    Ok(bytes)
}

fn wal_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn claim(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("this claim is false: {what}").into()) }
}

fn step(number: u8, title: &str, text: &str) {
    println!("\n{number}. {title:<9} {}", text.replace('\n', "\n             "));
}

/// What a backup still says after the shred: to whoever searches its bytes, and to the program that restores it.
fn drill(vault: &Vault, backup: &Path, members: &[Member], leaving: &Member, withdrawn: &Member) -> Result<String> {
    // The bytes first: to open a database changes its files.
    let bytes = raw(backup)?;
    assert_no_plaintext(&bytes, members.iter().flat_map(Member::exposed));
    let mut matching = 0;
    for member in members {
        let tokens = vault.tokens(BY_EMAIL, &member.email)?;
        matching += tokens.iter().filter(|token| holds(&bytes, token.as_bytes())).count();
    }
    claim(matching == 0, "no token that can still be made is in the backup")?;

    let mut db = Connection::open(backup)?;
    let rows = SealedMember::all(&db)?;
    claim(rows.len() == members.len(), "the backup holds every row")?;
    let mut opened = 0;
    for (row, member) in rows.iter().zip(SealedMember::open_all(&rows, vault)) {
        let then = members.iter().find(|member| member.no == row.no).ok_or("a row of nobody")?;
        match member.unless_shredded()? {
            None => claim(row.no == leaving.no, "nobody else is unreadable")?,
            Some(member) if row.no == withdrawn.no => {
                claim(member.news_email == Held::Shredded, "the withdrawn newsletter is gone")?;
                claim(member.name == then.name && member.email == then.email, "the membership is not")?;
                opened += 1;
            }
            Some(member) => {
                claim(member == *then, "every survivor opens to what was stored")?;
                opened += 1;
            }
        }
    }
    claim(opened + 1 == members.len(), "every survivor opens")?;
    if let Some(news) = &leaving.news_no {
        let row = rows.iter().find(|row| row.no == leaving.no).and_then(|row| row.news_email.as_ref());
        let gone = vault.open(*news, NEWS_EMAIL, row.ok_or("the leaving member took the newsletter")?);
        claim(matches!(gone, Err(OpenError::Shredded { .. })), "the leaving member's newsletter is gone too")?;
    }

    // Put back into use: those shredded since are deleted again, and the tokens made anew.
    for gone in vault.shredded_among(MEMBERS, rows.iter().map(|row| row.no))? {
        db.execute("DELETE FROM members WHERE no = ?1", [gone])?;
    }
    let renewed = renew_tokens(vault, &mut db)?;
    claim(renewed == opened as u64 && find(vault, &db, &withdrawn.email)? == Some(withdrawn.id), "search works again")?;
    claim(find(vault, &db, &leaving.email)?.is_none(), "search does not find who left")?;
    Ok(format!("{} bytes: no plaintext, no token that still matches; {opened} members open, 1 is gone", bytes.len()))
}

fn run() -> Result<()> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = env::var_os("DESKTOP_DIR").map_or_else(|| base.with_file_name("target").join("desktop"), PathBuf::from);
    let live = home.join("club/members.sqlite");
    let (by_api, copied) = (home.join("backups/api.sqlite"), home.join("backups/copied.sqlite"));
    for file in [&live, &by_api, &copied] {
        fs::create_dir_all(file.parent().ok_or("a file without a directory")?)?;
        for old in [file, &wal_of(file)] {
            let _ = fs::remove_file(old);
        }
    }
    println!("oubliette desktop: a club's member leaves, and every backup from before is searched for what is left.");
    let builder = || Vault::at(home.join("privacy")).purposes([MEMBERS, NEWSLETTER]);
    let key = || RootKey::passphrase("for this demonstration only");
    // Once, by hand or by a script: a service only unlocks, so that a mistyped path or a disk that is not mounted is an error, and no new vault.
    if !home.join("privacy").exists() {
        builder().create(key())?.close()?;
    }
    let unlock = || builder().unlock(key());
    let vault = unlock()?;

    let mut db = Connection::open(&live)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.execute_batch(SCHEMA)?;
    let mut lines = csv::Reader::from_path(base.join("examples/members.csv"))?;
    let members: Vec<Member> =
        (1..).zip(lines.deserialize()).map(|(id, line)| Member::join(&vault, id, line?)).collect::<Result<_>>()?;
    let (older, newer) = members.split_at(members.len() / 2);
    for half in [older, newer] {
        // SQLite moves what is in the -wal into the database, and empties it: the second half stays in the -wal.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let store = db.transaction()?;
        half.iter().try_for_each(|member| member.store(&vault, &store))?;
        store.commit()?;
    }
    let takers = members.iter().filter(|member| member.news_no.is_some()).count();
    let text = format!(
        "{} members join, {takers} of them take the newsletter. All that is personal is sealed.",
        members.len()
    );
    step(1, "Join", &text);

    let takes_news = |member: &&Member| member.news_no.is_some();
    let leaving = newer.iter().find(takes_news).ok_or("nobody in the second half takes the newsletter")?;
    let withdrawn = older.iter().find(takes_news).ok_or("nobody in the first half takes the newsletter")?;
    let shouted: Email = leaving.email.expose_personal_data().to_uppercase().parse()?;
    claim(find(&vault, &db, &shouted)? == Some(leaving.id), "search finds who has an email")?;
    claim(leaving.store(&vault, &db).is_err(), "an email has one member")?;
    step(
        2,
        "Find",
        &format!("By email, however it is written: member {}. The table holds tokens, no emails.", leaving.id),
    );

    db.backup("main", &by_api, None::<fn(Progress)>)?;
    fs::copy(&live, &copied)?;
    fs::copy(wal_of(&live), wal_of(&copied))?;
    let token = vault.token(BY_EMAIL, &leaving.email)?;
    let (in_database, in_wal) = (fs::read(&copied)?, fs::read(wal_of(&copied))?);
    claim(
        holds(&in_wal, token.as_bytes()) && !holds(&in_database, token.as_bytes()),
        "the newest rows are in the -wal",
    )?;
    claim(holds(&raw(&by_api)?, token.as_bytes()), "the search for tokens finds one that is there")?;
    let text = format!("Two: by SQLite's backup API, and the files copied, {} bytes of -wal with them.", in_wal.len());
    step(3, "Backup", &text);

    // The shred first: after a crash the row is still there, with the numbers that say whom to shred. Deleting the row
    // takes its token along.
    let shredded = vault.shred([leaving.no].into_iter().chain(leaving.news_no))?;
    claim(shredded.commit().is_wiped_here() && shredded.already_shredded().is_empty(), "the shred is complete here")?;
    db.execute("DELETE FROM members WHERE no = ?1", [leaving.no])?;
    let _ = vault.shredding(withdrawn.news_no).purpose(NEWSLETTER).run()?;
    db.execute("UPDATE members SET news_no = NULL, news_email = NULL WHERE no = ?1", [withdrawn.no])?;
    let text = format!(
        "Member {} leaves: shredded, row deleted. Member {} withdraws the newsletter: shredded for that alone.",
        leaving.id, withdrawn.id
    );
    step(4, "Leave", &text);

    // A token is not the customer's but the index's, so the shred did not reach those in backups.
    claim(vault.tokens(BY_EMAIL, &leaving.email)?.contains(&token), "the old token could still be made")?;
    let retiring = vault.epochs(BY_EMAIL)?.live;
    let _ = vault.begin_epoch(BY_EMAIL)?;
    let renewed = renew_tokens(&vault, &mut db)?;
    claim(renewed + 1 == members.len() as u64, "every token is renewed")?;
    for epoch in retiring {
        let _ = vault.retire_epoch(BY_EMAIL, epoch)?;
    }
    claim(!vault.tokens(BY_EMAIL, &leaving.email)?.contains(&token), "the old token cannot be made any more")?;
    claim(find(&vault, &db, &withdrawn.email)? == Some(withdrawn.id), "search works in the new epoch")?;
    step(
        5,
        "Epoch",
        &format!("{renewed} tokens are made anew and the old epoch is retired: old tokens say nothing now."),
    );

    vault.close()?;
    let vault = unlock()?;
    let drills = [
        ("backup API", drill(&vault, &by_api, &members, leaving, withdrawn)?),
        ("copied files", drill(&vault, &copied, &members, leaving, withdrawn)?),
    ];
    let text = drills.map(|(kind, found)| format!("{kind}, {found}.")).join("\n");
    step(
        6,
        "Restore",
        &format!("{text}\nBoth were put back into use: {} deleted again, tokens renewed, search works.", leaving.id),
    );

    println!("\nEvery claim above was checked. The vault is in {}", home.join("privacy").display());
    println!("Not reached: what was read, printed or exported before. See SECURITY.md.");
    vault.close()?;
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("\ndesktop failed: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
