//! The application's rules, as the configuration says them once more.

use jiff::{SignedDuration, Span};
use oubliette::ReceiptContext;
use oubliette_register::{Keep, Rules};

use crate::config::{Column, Config, Retention, duration, span};
use crate::context::purpose;
use crate::exit::{Exit, Failure};
use crate::fields::{self, Kind, with_type};
use crate::receipts;

pub fn of_config(config: &Config) -> Result<Rules, Failure> {
    with(config, Ok)
}

/// The configuration's rules with each purpose kept for so many days longer: data that is due by these rules has been
/// due for that long.
pub fn lengthened(config: &Config, days: i32) -> Result<Rules, Failure> {
    with(config, |span| {
        let wrong = |error: jiff::Error| Failure::of(Exit::Config, &error);
        let all = span.get_days().checked_add(days).unwrap_or(i32::MAX);
        span.try_days(all).map_err(wrong)
    })
}

fn with(config: &Config, change: impl Fn(Span) -> Result<Span, Failure>) -> Result<Rules, Failure> {
    let mut rules = Rules::new();
    for (name, retention) in &config.retention {
        let kept = |text: &str| change(span(text)?);
        let keep = match retention {
            Retention::Grant(text) => Keep::after_grant(kept(text)?),
            Retention::Last(after) => Keep::after_last(after.mark.clone(), kept(&after.kept)?),
            Retention::End(after) => Keep::after_end(after.mark.clone(), kept(&after.kept)?),
        };
        rules = rules.keep(purpose(name)?, keep);
    }
    for table in &config.tables {
        rules = rules.record(&table.table, &fields::columns(table)?);
        if let Some(subject) = &table.subject {
            for number in std::iter::once(&table.number).chain(table.numbers.values()) {
                rules = rules.rows(&table.table, subject, number);
            }
        }
    }
    if let Some(grace) = &config.register.grace {
        let wrong = |_| Failure::new(Exit::Config, format!("the grace {grace:?} is too long"));
        rules = rules.grace(SignedDuration::try_from(duration(grace)?).map_err(wrong)?);
    }
    let mut context = receipts::receipt_context(config)?;
    for column in config.columns() {
        context = with_type!(&column, T => of_index::<T>(context, &column))?;
    }
    Ok(rules.keep_evidence(config.register.keep_evidence.iter().map(String::as_str)).receipt_context(context))
}

fn of_index<T: Kind>(mut context: ReceiptContext, column: &Column) -> Result<ReceiptContext, Failure> {
    for index in &column.index {
        context = context.index(fields::index::<T>(column, index)?);
    }
    Ok(context)
}
