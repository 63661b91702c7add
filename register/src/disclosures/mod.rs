//! Handing data of a customer to somebody else (Art. 28 and 44 ff. GDPR): only with a grant, and never before it is written
//! down.

#[cfg(feature = "age")]
mod encrypt;
mod error;
mod recipients;
mod wanted;

use std::collections::BTreeMap;

use jiff::Timestamp;
use oubliette::journal::{Event, Label};
use oubliette::{Purpose, fields::FieldKind};

pub use error::DisclosureError;
pub use recipients::Received;
pub use wanted::Disclosure;

use super::answers::{self, DeclaredTables};
use super::database::{Database, Transactions, values};
use super::error::RegisterError;
use super::grants::{self, Found};
use super::ids;
use super::outbox;
use super::register::Register;
use super::subject::Subject;
use super::whose;
use crate::access::opening::{self, Numbers, Row};
use crate::access::table::Column;
use crate::access::tree::Tree;
use crate::access::{Document, Table};

/// Each on SQLite and PostgreSQL.
macro_rules! own_transaction {
    ($($(#[$doc:meta])* fn $name:ident -> $out:ty = $body:path;)*) => {
        impl crate::sqlite::OwnTransactionSqlite<'_> {
            $($(#[$doc])*
            pub fn $name(
                &mut self,
                declared: &DeclaredTables,
                subject: &Subject,
                disclosure: &Disclosure,
            ) -> Result<$out, DisclosureError> {
                let register = self.register;
                crate::sqlite::wait($body(register, &mut self.database(), declared, subject, disclosure))
            })*
        }

        #[cfg(feature = "postgres")]
        #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
        impl crate::postgres::OwnTransactionPostgres<'_> {
            $($(#[$doc])*
            pub async fn $name(
                &self,
                declared: &DeclaredTables,
                subject: &Subject,
                disclosure: &Disclosure,
            ) -> Result<$out, DisclosureError> {
                $body(self.register, &mut self.database(), declared, subject, disclosure).await
            })*
        }
    };
}

#[cfg(feature = "age")]
own_transaction! {
    /// Hands data of a customer to a recipient: the fields as JSON, in an age file that is encrypted to the key from
    /// `set_key`.
    ///
    /// Each field's purpose needs two live grants: one for this recipient, and one for the purpose itself. The register
    /// and the journal record the disclosure first. Shredded values are left out. A shred does not reach data that has
    /// left. The size of the file shows the length of the JSON, since age does not pad. The file names the recipient;
    /// it has no id of the customer.
    ///
    /// # Errors
    /// [`DisclosureError`]. Nothing was handed out.
    fn disclose -> Vec<u8> = encrypted;
}

own_transaction! {
    /// Hands data of a customer to a recipient in clear, as JSON; the transport must keep it secret. It needs the same
    /// grants as an encrypted disclosure, and is recorded in the same way, as handed out in clear.
    ///
    /// # Errors
    /// [`DisclosureError`]. Nothing was handed out.
    fn disclose_in_clear -> Document = in_clear;
}

#[cfg(feature = "age")]
async fn encrypted<D: Transactions>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
    disclosure: &Disclosure,
) -> Result<Vec<u8>, DisclosureError> {
    let key = recipients::key_of(db, &disclosure.recipient).await?;
    let key = key.ok_or_else(|| DisclosureError::NoKey { recipient: disclosure.recipient.clone() })?;
    encrypt::check(&key)?;
    let form = |tree: &Tree| encrypt::encrypted(&tree.pretty(), &key);
    disclose(register, db, declared, subject, disclosure, true, form).await
}

async fn in_clear<D: Transactions>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
    disclosure: &Disclosure,
) -> Result<Document, DisclosureError> {
    disclose(register, db, declared, subject, disclosure, false, |tree| Ok(Document::for_people(tree))).await
}

async fn disclose<D: Transactions, T>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
    disclosure: &Disclosure,
    encrypted: bool,
    form: impl Fn(&Tree) -> Result<T, DisclosureError>,
) -> Result<T, DisclosureError> {
    disclosure.check(declared)?;
    let wanted = |table: &Table, column: &Column| disclosure.is_wanted(table, column);
    opening::check(&register.reader, &declared.readers, &declared.tables, wanted)?;
    db.begin().await?;
    // Whatever can fail fails before it is written down for good.
    let made = match write_down(register, db, declared, subject, disclosure, encrypted).await {
        Ok(tree) => form(&tree).and_then(|made| Ok(register.step("write down a disclosure").map(|()| made)?)),
        Err(error) => Err(error),
    };
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            // The first error says more.
            let _ = db.roll_back().await;
            return Err(error);
        }
    };
    db.commit().await.map_err(DisclosureError::NotWrittenDown)?;
    if let Err(error) = outbox::flush(register, db).await {
        let _ = db.roll_back().await;
        return Err(DisclosureError::NotWrittenDown(error));
    }
    Ok(made)
}

/// Reads and opens what is wanted, and writes into the transaction that it is handed out.
async fn write_down<D: Database>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
    disclosure: &Disclosure,
    encrypted: bool,
) -> Result<Tree, DisclosureError> {
    // Locked: a withdrawal that has begun ends first, and one that begins now waits.
    let found = grants::lock(register, db, subject).await?.ok_or(RegisterError::UnknownSubject)?;
    if found.state != "live" {
        return Err(RegisterError::BeingErased.into());
    }
    whose::check(register, db, found.id, None, Some(subject)).await?;
    let now = register.now();
    let recipient = disclosure.recipient.as_str();
    let by_purpose = by_purpose(declared, disclosure);
    let mut grants = Vec::new();
    for purpose in by_purpose.keys() {
        let purpose = purpose.name();
        let grant = grant_of(db, &found, recipient, purpose, now).await?;
        let none = || DisclosureError::NoGrant { recipient: recipient.to_owned(), purpose };
        // What was kept long enough is handed to nobody, whether or not a sweep has been there.
        let is_kept = grants::is_kept(register, db, found.id, purpose, now).await?;
        grants.push(grant.filter(|_| is_kept).ok_or_else(none)?);
    }
    let whose = live_numbers(db, &found).await?;
    let wanted = |table: &Table, column: &Column| disclosure.is_wanted(table, column);
    let rows = answers::rows(register, db, declared, &whose, wanted, &disclosure.only, false).await?;
    let tables = tables(rows).ok_or(DisclosureError::NothingHeld)?;
    for ((purpose, columns), (grant, number)) in by_purpose.iter().zip(grants) {
        const INSERT: &str = "INSERT INTO oubliette_disclosures \
            (id, subject_id, recipient, purpose, grant_id, fields, encrypted, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (names, at) = (names(columns), now.as_millisecond());
        let row = values![ids::fresh()?, found.id, recipient, purpose.name(), grant, names, i64::from(encrypted), at];
        db.run(INSERT, row).await?;
        let event = Event::Disclosed {
            number: grants::stored(number)?.into(),
            recipient: recipients::label(recipient)?,
            purpose: Label::from(*purpose),
            fields: columns.iter().map(|(table, column)| label_of(table, column)).collect::<Result<_, _>>()?,
            encrypted,
        };
        outbox::tell(db, now, &event).await?;
    }
    Ok(Tree::object([
        ("format", Tree::text("oubliette/1/disclosure")),
        ("recipient", Tree::text(recipient)),
        ("at", Tree::text(now.to_string())),
        ("tables", tables),
    ]))
}

type Columns<'h> = Vec<(&'h Table, &'h Column)>;

fn by_purpose<'h>(declared: &'h DeclaredTables, disclosure: &Disclosure) -> BTreeMap<Purpose, Columns<'h>> {
    let mut found: BTreeMap<Purpose, Columns<'h>> = BTreeMap::new();
    for table in &declared.tables {
        for column in table.columns().iter().filter(|column| disclosure.is_wanted(table, column)) {
            if let Some(purpose) = wanted::purpose_of(table, column) {
                found.entry(purpose).or_default().push((table, column));
            }
        }
    }
    found
}

/// The newest live grant for a recipient, and the number that the purpose's values go by.
async fn grant_of<D: Database>(
    db: &mut D,
    found: &Found,
    recipient: &str,
    purpose: &str,
    now: Timestamp,
) -> Result<Option<(i64, i64)>, RegisterError> {
    const GRANT: &str = "SELECT g.id, n.number FROM oubliette_grants g \
        JOIN oubliette_numbers n ON n.subject_id = g.subject_id AND n.purpose = g.purpose AND n.state = 'live' \
        WHERE g.subject_id = ?1 AND g.recipient = ?2 AND g.purpose = ?3 AND g.ended_at IS NULL \
            AND g.granted_at <= ?4 AND (g.until IS NULL OR g.until > ?4) \
        ORDER BY g.granted_at DESC, coalesce(n.sealing, 0) DESC LIMIT 1";
    let rows = db.rows(GRANT, values![found.id, recipient, purpose, now.as_millisecond()]).await?;
    rows.first().map(|row| Ok((row.integer(0)?, row.integer(1)?))).transpose()
}

/// Not those of a purpose that was withdrawn and is yet to be shredded.
async fn live_numbers<D: Database>(db: &mut D, found: &Found) -> Result<Numbers, RegisterError> {
    const LIVE: &str = "SELECT number FROM oubliette_numbers WHERE subject_id = ?1 AND state = 'live'";
    let rows = db.rows(LIVE, values![found.id]).await?;
    rows.iter().map(|row| grants::stored(row.integer(0)?)).collect()
}

/// `None` if there is nothing in any of them.
fn tables(tables: Vec<(&Table, Vec<Row>)>) -> Option<Tree> {
    let mut found = false;
    let mut shown = Vec::new();
    for (table, rows) in tables {
        let mut kept = Vec::new();
        for row in rows {
            let opened = row.opened.into_iter().flat_map(|(_, columns)| columns);
            let columns: Vec<(String, Tree)> = row.plain.into_iter().chain(opened).collect();
            if columns.iter().any(|(_, value)| !matches!(value, Tree::Null)) {
                found = true;
                kept.push(Tree::Object(columns));
            }
        }
        shown.push(Tree::object([("table", Tree::text(table.name())), ("rows", Tree::List(kept))]));
    }
    found.then_some(Tree::List(shown))
}

/// As the register keeps them: `["users.name"]`.
fn names(columns: &Columns<'_>) -> String {
    let names = columns.iter().map(|(table, column)| format!("{}.{}", table.name(), column.name));
    String::from_utf8_lossy(Tree::texts(names).compact().as_bytes()).into_owned()
}

/// As the journal names it: a field by its label, what is stored as it is by table and column.
fn label_of(table: &Table, column: &Column) -> Result<Label, RegisterError> {
    if let FieldKind::Sealed { label, .. } | FieldKind::Member { label, .. } = column.info.kind {
        return recipients::label(label);
    }
    Label::new(format!("{}.{}", table.name(), column.name)).or_else(|_| recipients::label(&column.name))
}
