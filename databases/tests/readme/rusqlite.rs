use oubliette::personal::{Canonical, Email};
use oubliette::{CustomerId, Field, Index, Purpose, Sealed, UnlessShredded, Vault, bits};
use rusqlite::{Connection, params, params_from_iter};

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

// CREATE TABLE customers (no INTEGER PRIMARY KEY, email BLOB NOT NULL, email_idx BLOB)
fn register(vault: &Vault, db: &Connection, email: &Email) -> Result<CustomerId> {
    let no = vault.enroll()?;
    let insert = "INSERT INTO customers (no, email, email_idx) VALUES (?, ?, ?)";
    db.execute(insert, params![no, vault.seal(no, EMAIL, email)?, vault.token(BY_EMAIL, email)?])?;
    Ok(no)
}

fn find(vault: &Vault, db: &Connection, email: &Email) -> Result<Option<CustomerId>> {
    let tokens = vault.tokens(BY_EMAIL, email)?;
    let places = vec!["?"; tokens.len()].join(", ");
    let mut select = db.prepare(&format!("SELECT no, email FROM customers WHERE email_idx IN ({places})"))?;
    for row in select.query_map(params_from_iter(tokens), |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (no, sealed): (CustomerId, Sealed<Email>) = row?;
        let found = vault.open(no, EMAIL, &sealed).unless_shredded()?;
        // Some tokens match by chance.
        if found.is_some_and(|found| found.canonical_form() == email.canonical_form()) {
            return Ok(Some(no));
        }
    }
    Ok(None)
}

fn forget(vault: &Vault, db: &Connection, no: CustomerId) -> Result<()> {
    let _ = vault.shred([no])?; // every copy, in every backup
    db.execute("DELETE FROM customers WHERE no = ?", [no])?;
    Ok(())
}
