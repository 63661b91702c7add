//! Whether programs that work on one register go by the same rules.
//!
//! The application's rules are written down beside the tables, for whoever else has the register open: an operator's
//! command that swept by a shorter rule would shred what is still needed, and one that knew fewer columns of tokens would
//! leave some behind.

use super::agreed;
use super::database::{Database, values};
use super::error::RegisterError;
use super::keyless::AnyRegister;
use super::operations::at_desk;
use super::register::Register;
use super::rules::{From, Rules};

/// How the rules of two programs differ: one sentence for each rule.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, vault, register, db, .. } = shop_with(Rules::new().keep(NEWSLETTER, Keep::after_grant(2.years())))?;
/// // A program beside the application, whose rules are older.
/// let beside = Register::new(&vault, Rules::new().keep(NEWSLETTER, Keep::after_grant(3.years())))?;
/// let differ = beside.in_transaction(&db).compare_rules()?.ok_or("the application has rules")?;
/// assert_eq!(differ.only_there, ["\"newsletter\" is kept for P2Y after the grant"]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// Rules that only this program has.
    pub only_here: Vec<String>,
    /// Rules that only the other program has: the one that called `create_tables` last.
    pub only_there: Vec<String>,
}

impl Disagreement {
    /// Whether the rules are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.only_here.is_empty() && self.only_there.is_empty()
    }
}

at_desk! {
    /// Checks that the tables have this version, belong to this vault, and know no more of the journal than the vault
    /// does. It makes no tables. A program that works beside the application calls it before it opens a value.
    ///
    /// # Errors
    /// [`RegisterError::OtherSchema`], [`RegisterError::OtherVault`] and [`RegisterError::JournalDiffers`]; the
    /// database's own error if the tables are missing.
    read fn check_tables() -> () = agreed::check_tables;

    /// How these rules differ from those of the program that called `create_tables` last. `None` if that program had no
    /// rules, or has a version that did not write them down.
    ///
    /// The comparison covers the evidence that stays, retention, the grace, the columns of tokens and the columns of
    /// customers' rows. It goes by the letter: two years and 24 months are two rules.
    ///
    /// # Errors
    /// If the database fails.
    read fn compare_rules() -> Option<Disagreement> = compare;
}

/// The rules in sentences, in one order whatever the order they were given in.
fn sentences(rules: &Rules) -> Vec<String> {
    let keeps = rules.keeps.iter().map(|(purpose, keep)| {
        let (purpose, span) = (purpose.name(), &keep.span);
        match &keep.from {
            From::Grant => format!("{purpose:?} is kept for {span} after the grant"),
            From::Last(mark) => format!("{purpose:?} is kept for {span} after the last {mark:?}"),
            From::End(mark) => format!("{purpose:?} is kept for {span} after the end {mark:?}"),
        }
    });
    let tokens = rules
        .tokens
        .iter()
        .map(|token| format!("{:?}.{:?} is cleared by {:?}", token.table, token.column, token.number_column));
    let rows = rules
        .rows
        .iter()
        .map(|of| format!("{:?}.{:?} is compared by the id in {:?}", of.table, of.number_column, of.id_column));
    let evidence = rules.kept_evidence.iter().map(|name| format!("{name:?} of the evidence stays after an erasure"));
    let grace = rules.grace.iter().map(|grace| format!("an erasure that was asked for waits for {grace}"));
    let mut all: Vec<String> = keeps.chain(tokens).chain(rows).chain(evidence).chain(grace).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Writes the rules down, if there are any: a program without rules may well be a second one.
pub(crate) async fn write<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    let rules = sentences(&register.rules);
    if rules.is_empty() {
        return Ok(());
    }
    let rules = serde_json::Value::from(rules).to_string();
    const WRITE: &str = "INSERT INTO oubliette_meta (name, value) VALUES ('rules', ?1) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value <> oubliette_meta.value";
    db.run(WRITE, values![rules]).await?;
    Ok(())
}

async fn compare<O: AnyRegister, D: Database>(register: &O, db: &mut D) -> Result<Option<Disagreement>, RegisterError> {
    let rows = db.rows("SELECT value FROM oubliette_meta WHERE name = 'rules'", values![]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let theirs: Vec<String> =
        serde_json::from_str(row.text(0)?).map_err(|_| RegisterError::NotOurs { what: "invalid rules" })?;
    let ours = sentences(register.rules());
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|rule| !those.contains(rule)).cloned().collect::<Vec<_>>()
    };
    Ok(Some(Disagreement { only_here: only(&ours, &theirs), only_there: only(&theirs, &ours) }))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, ToSpan};

    use super::*;
    use crate::Keep;
    use oubliette::Purpose;

    const ORDERS: Purpose = Purpose::new("orders");
    const NEWS: Purpose = Purpose::new("newsletter");

    #[test]
    fn every_rule_has_its_sentence_in_any_order() {
        let orders = |rules: Rules| rules.keep(ORDERS, Keep::after_last("order", 10.years()));
        let news = |rules: Rules| rules.keep(NEWS, Keep::after_grant(2.years()));
        let rules = sentences(&news(orders(Rules::new())));
        assert_eq!(rules, sentences(&orders(news(Rules::new()))));
        assert_eq!(
            rules,
            ["\"newsletter\" is kept for P2Y after the grant", "\"orders\" is kept for P10Y after the last \"order\""]
        );
        let base = || Rules::new().keep(ORDERS, Keep::after_end("order", 10.years()));
        let others = [
            Rules::new().keep(ORDERS, Keep::after_end("order", 9.years())),
            Rules::new().keep(ORDERS, Keep::after_last("order", 10.years())),
            Rules::new().keep(NEWS, Keep::after_end("order", 10.years())),
            base().tokens("customers", "no", ["email_idx"]),
            base().rows("customers", "id", "no"),
            base().grace(SignedDuration::from_hours(24)),
            base().keep_evidence(["when"]),
        ];
        for other in others {
            assert_ne!(sentences(&base()), sentences(&other), "{other:?}");
        }
    }
}
