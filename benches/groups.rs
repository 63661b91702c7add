//! A row of eight fields stored as it is, sealed in eight columns, and sealed as one group: bytes, the time of a row, and of a
//! list of a thousand rows from SQLite to JSON. `cargo bench -p oubliette-benches --bench groups`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "common/eight.rs"]
mod eight;

use common::ours;
use common::race::{Race, heading, table, verdict};
use eight::{Apart, COLUMNS, CONTACT, EMAIL, Grouped, Plain, SealedApart, SealedGrouped, apart, grouped, plain};
use oubliette::personal::{Email, ExposePersonalData};
use oubliette::{Sealed, Token, Vault};
use rusqlite::{Connection, Row, params};

const ROWS: i64 = 1_000;
const ROUNDS: usize = 101;

fn text(out: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(&mut *out, value).unwrap();
    out.push(b',');
}

fn shown(out: &mut Vec<u8>, value: &impl ExposePersonalData) {
    value.serialize_exposed(&mut serde_json::Serializer::new(&mut *out)).unwrap();
    out.push(b',');
}

/// Rows as JSON: the same work for all three, but for the addresses, which are objects where they are typed.
fn document<T>(rows: &[T], each: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 * rows.len());
    for row in rows {
        out.push(b'[');
        each(&mut out, row);
        out.extend_from_slice(b"0],");
    }
    out
}

macro_rules! values {
    ($show:ident, $out:expr, $row:expr) => {{
        let row = $row;
        $show($out, &row.name);
        $show($out, &row.email);
        $show($out, &row.phone);
        $show($out, &row.address);
        $show($out, &row.company);
        $show($out, &row.born);
        $show($out, &row.iban);
        $show($out, &row.note);
    }};
}

fn fill(vault: &Vault) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE plain (id INTEGER PRIMARY KEY, {COLUMNS});
         CREATE TABLE apart (id INTEGER PRIMARY KEY, {COLUMNS}, email_idx);
         CREATE TABLE grouped (id INTEGER PRIMARY KEY, no, contact, email_idx);
         BEGIN"
    ))
    .unwrap();
    for id in 1..=ROWS {
        let no = ours::customer(id);
        let row = plain(no);
        let s = apart(&row).seal(vault).unwrap();
        let g = grouped(&row).seal(vault).unwrap();
        let Plain { no, name, email, phone, address, company, born, iban, note } = row;
        let sql = "INSERT INTO plain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        db.execute(sql, params![id, no, name, email, phone, address, company, born, iban, note]).unwrap();
        let sql = "INSERT INTO apart VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values =
            params![id, s.no, s.name, s.email, s.phone, s.address, s.company, s.born, s.iban, s.note, s.email_idx];
        db.execute(sql, values).unwrap();
        db.execute("INSERT INTO grouped VALUES (?, ?, ?, ?)", params![id, g.no, g.contact, g.email_idx]).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    db
}

fn plain_of(row: &Row<'_>) -> Plain {
    let text = |at: usize| row.get(at).unwrap();
    Plain {
        no: row.get(0).unwrap(),
        name: text(1),
        email: text(2),
        phone: text(3),
        address: text(4),
        company: text(5),
        born: text(6),
        iban: text(7),
        note: text(8),
    }
}

fn token(row: &Row<'_>, at: usize) -> Token<Email> {
    row.get(at).unwrap()
}

fn apart_of(row: &Row<'_>) -> SealedApart {
    SealedApart {
        no: row.get(0).unwrap(),
        name: row.get(1).unwrap(),
        email: row.get(2).unwrap(),
        phone: row.get(3).unwrap(),
        address: row.get(4).unwrap(),
        company: row.get(5).unwrap(),
        born: row.get(6).unwrap(),
        iban: row.get(7).unwrap(),
        note: row.get(8).unwrap(),
        email_idx: token(row, 9),
    }
}

fn grouped_of(row: &Row<'_>) -> SealedGrouped {
    SealedGrouped { no: row.get(0).unwrap(), contact: row.get(1).unwrap(), email_idx: token(row, 2) }
}

fn read<T>(db: &Connection, sql: &str, of: impl Fn(&Row<'_>) -> T) -> Vec<T> {
    let mut statement = db.prepare_cached(sql).unwrap();
    statement.query_map([], |row| Ok(of(row))).unwrap().map(Result::unwrap).collect()
}

/// Bytes of content a row.
fn bytes(db: &Connection, table: &str, columns: &str) -> f64 {
    let columns: Vec<String> = columns.split(", ").map(|column| format!("length(CAST({column} AS BLOB))")).collect();
    let sql = format!("SELECT avg({}) FROM {table}", columns.join(" + "));
    db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let vault = ours::vault(&dir.path().join("vault"), ROWS);
    let db = fill(&vault);

    let sizes = [
        ("as it is", bytes(&db, "plain", COLUMNS)),
        ("sealed in eight columns, and a token", bytes(&db, "apart", &format!("{COLUMNS}, email_idx"))),
        ("sealed as one group, and a token", bytes(&db, "grouped", "no, contact, email_idx")),
    ];
    heading("A row of eight fields", &["row", "bytes", "times the plain row"]);
    for (what, bytes) in sizes {
        println!("| {what} | {bytes:.0} | {:.2} |", bytes / sizes[0].1);
    }
    println!();

    let (list_plain, list_apart, list_grouped) = (
        format!("SELECT {COLUMNS} FROM plain ORDER BY no"),
        format!("SELECT {COLUMNS}, email_idx FROM apart ORDER BY no"),
        "SELECT no, contact, email_idx FROM grouped ORDER BY no",
    );
    let mut race = Race::new();
    race.lane("as it is", || document(&read(&db, &list_plain, plain_of), |out, row| values!(text, out, row)));
    race.lane("sealed in eight columns", || {
        let rows = read(&db, &list_apart, apart_of);
        let opened: Vec<Apart> = SealedApart::open_all(&rows, &vault).map(Result::unwrap).collect();
        document(&opened, |out, row| values!(shown, out, row))
    });
    race.lane("sealed as one group", || {
        let rows = read(&db, list_grouped, grouped_of);
        let opened: Vec<Grouped> = SealedGrouped::open_all(&rows, &vault).map(Result::unwrap).collect();
        document(&opened, |out, row| values!(shown, out, row))
    });
    let list = race.run(ROUNDS);
    table("A list of 1000 rows, from SQLite in memory to JSON", "list", &[("ns", &list)]);

    let no = ours::customer(ROWS / 2);
    let (one_apart, one_grouped) = (apart(&plain(no)), grouped(&plain(no)));
    let (sealed_apart, sealed_grouped) = (one_apart.seal(&vault).unwrap(), one_grouped.seal(&vault).unwrap());
    let kept = vault.customer(no);
    let apart_email: &Sealed<Email> = &sealed_apart.email;
    let mut race = Race::new();
    race.lane("eight columns: seal", || one_apart.seal(&vault).unwrap());
    race.lane("one group: seal", || one_grouped.seal(&vault).unwrap());
    race.lane("eight columns: open", || sealed_apart.open(&vault).unwrap());
    race.lane("one group: open", || sealed_grouped.open(&vault).unwrap());
    race.lane("one of eight columns, kept keys: open", || kept.open(EMAIL, apart_email).unwrap());
    race.lane("one member of the group, kept keys: open", || {
        kept.open_member(CONTACT, EMAIL, &sealed_grouped.contact).unwrap()
    });
    let row = race.run(ROUNDS);
    table("A row of a customer, with its token when it is sealed", "row", &[("ns", &row)]);

    // What a server does besides comes to either list alike: the microseconds that opening adds tell more than the rate here.
    heading("Microseconds that a row of the list takes more than the plain one", &["list", "us"]);
    for lane in ["sealed in eight columns", "sealed as one group"] {
        println!("| {lane} | {:.1} |", (list.of(lane) - list.of("as it is")) / 1000.0 / ROWS as f64);
    }
    println!();

    heading("Targets", &["what", "measured", "target", "met"]);
    verdict("bytes of a group's row / of the plain row", sizes[2].1 / sizes[0].1, 3.0, true);
    verdict(
        "rate of the group's list / of the plain list",
        list.of("as it is") / list.of("sealed as one group"),
        0.8,
        false,
    );
    let ratio = |what: &str| row.of(&format!("one group: {what}")) / row.of(&format!("eight columns: {what}"));
    verdict("time of a row: seal as a group / in eight columns", ratio("seal"), 0.5, true);
    verdict("time of a row: open as a group / in eight columns", ratio("open"), 0.5, true);
    vault.close().unwrap();
}
