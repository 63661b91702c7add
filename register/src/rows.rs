//! The application's own rows of a customer, compared with the register's numbers before a receipt is signed.
//!
//! The register says which numbers a customer has. Whoever can write its tables can take one away for as long as an erasure lasts; the
//! application's row with the customer's id and that number is still there, and readable.

use oubliette::journal::Reason;
use oubliette::{CustomerId, ReceiptContext};

use super::database::{Database, Value, values};
use super::error::RegisterError;
use super::grants::stored;
use super::register::Register;
use super::rules::Rules;

/// Where a table has a customer's id and a number of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowsOf {
    pub(crate) table: String,
    pub(crate) id_column: String,
    pub(crate) number_column: String,
}

impl Rules {
    /// Names a table, its column with customers' ids as the register knows them, and a column of customer numbers. Call
    /// it once for each column of numbers. Write the names as the database has them.
    ///
    /// Before an erasure, the register looks up the customer's rows by the id, compared as text. If a row has a number
    /// that is not shredded and that the register does not list for the customer, the erasure stops
    /// ([`RegisterError::RowsDiffer`]). The receipt says of all other tables that they were not compared. In
    /// PostgreSQL, an index on the column's text (`CREATE INDEX ON customers ((id::text))`) spares a scan of the table.
    pub fn rows(mut self, table: &str, id_column: &str, number_column: &str) -> Rules {
        self.check_names(table, &[id_column, number_column]);
        let [table, id_column, number_column] = [table, id_column, number_column].map(str::to_owned);
        self.rows.push(RowsOf { table, id_column, number_column });
        self
    }
}

/// Refuses if a row of the customer's has a number that is not among these.
pub(crate) async fn compare<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
    numbers: &[CustomerId],
) -> Result<(), RegisterError> {
    if register.rules.rows.is_empty() {
        return Ok(());
    }
    #[cfg(planted)]
    if crate::planted::is_planted(crate::planted::Bug::RowsNotCompared) {
        return Ok(());
    }
    // Rows of whoever was merged into them still have the id of then.
    const IDS: &str =
        "SELECT subject FROM oubliette_subjects WHERE (id = ?1 OR merged_into = ?1) AND subject IS NOT NULL";
    let mut ids = Vec::new();
    for row in db.rows(IDS, values![owner]).await? {
        ids.push(Value::from(row.text(0)?));
    }
    for of in &register.rules.rows {
        let [id, number] = [&of.id_column, &of.number_column].map(|name| D::DIALECT.quoted(name));
        let (table, places) = (D::DIALECT.quoted_table(&of.table), D::DIALECT.parameters(1, ids.len()));
        let select = format!(
            "SELECT DISTINCT {number} FROM {table} WHERE CAST({id} AS TEXT) IN ({places}) AND {number} IS NOT NULL"
        );
        let mut others = Vec::new();
        for row in db.rows_made(select.into(), ids.clone()).await? {
            let number = stored(row.integer(0)?)?;
            if !numbers.contains(&number) {
                others.push(number);
            }
        }
        if !are_unreadable(register, others)? {
            return Err(RegisterError::RowsDiffer { table: of.table.clone() });
        }
    }
    Ok(())
}

/// Whether nothing under these numbers can be read: they were shredded in every purpose, as are those of a customer who was erased, came back
/// under the same id, and whose old rows nobody has deleted.
fn are_unreadable(register: &Register, numbers: Vec<CustomerId>) -> Result<bool, RegisterError> {
    if numbers.is_empty() {
        return Ok(true);
    }
    let unlocked = register.vault.unlocked_purposes()?;
    // Nobody can ask of a purpose that is not unlocked.
    let is_unlocked = |name: &str| unlocked.iter().any(|purpose| purpose.name() == name);
    if !register.vault.status()?.purposes.iter().all(|tree| is_unlocked(&tree.purpose)) {
        return Ok(false);
    }
    let mut left = numbers.clone();
    for purpose in unlocked {
        left = register.vault.shredded_among(purpose, left)?;
    }
    Ok(left.len() == numbers.len())
}

/// What a receipt says of tables whose rows nobody compared.
pub(crate) fn told(rules: &Rules) -> ReceiptContext {
    let is_compared = |table: &str| rules.rows.iter().any(|of| of.table == table);
    let mut tables: Vec<&str> = rules.tokens.iter().map(|tokens| tokens.table.as_str()).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.retain(|table| !is_compared(table));
    let all = "values under numbers that the register does not have for this person: the application's tables were not compared";
    let mut told = rules.receipt_context.clone();
    let Ok(until) = Reason::new("somebody compares them") else { return told };
    let whats: Vec<String> = match (rules.rows.is_empty(), tables.is_empty()) {
        (true, true) => vec![all.to_owned()],
        _ => tables.iter().map(|table| format!("values in {table} under numbers that the register does not have for this person: it was not compared")).collect(),
    };
    for what in whats {
        // A table's name may be longer than a text of the journal.
        if let Ok(what) = Reason::new(what).or_else(|_| Reason::new(all)) {
            told = told.remains(what, until.clone());
        }
    }
    told
}
