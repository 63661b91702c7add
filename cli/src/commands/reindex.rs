//! Renewing tokens and resealing values, over the application's tables.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use oubliette::Vault;
use oubliette_jobs::{GroupInRow, InRow, Job, Key, LeftBehind, Progress, Remaining, Report};
use serde_json::{Value, json};

use crate::answer::{self, Answer, count};
use crate::args::Reindex;
use crate::config::{Column, KeyType};
use crate::context::{Context, close, purpose};
use crate::database::{Database, of_job};
use crate::exit::{Exit, Failure};
use crate::fields::{self, Kind, with_type};
use crate::receipts::Receipts;
use crate::register::{Tables, of_config};

/// How often a job says how far it is, where no bar shows it.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

pub fn run(context: &mut Context, asked: &Reindex) -> Result<Answer, Failure> {
    let groups = groups(context, asked)?;
    if groups.len() > 1 && asked.after.is_some() {
        return Err(Failure::usage("--after is for the columns of one table; name them"));
    }
    let mut purposes = Vec::new();
    for column in groups.iter().flatten() {
        purposes.push(purpose(&column.purpose)?);
    }
    purposes.sort_unstable();
    purposes.dedup();
    let jobs = groups.iter().map(|columns| job(columns, asked)).collect::<Result<Vec<_>, _>>()?;
    let mut database = Database::open(&context.config.database)?;
    let vault = context.unlock(&purposes)?;
    // Before a value is opened: whoever was shredded must not be readable again.
    if database.has_register()? {
        let open = Tables { database }.with(vault.clone(), of_config(&context.config)?, Receipts::default())?;
        database = open.into_database();
    }
    let mut done = Done::default();
    for (columns, job) in groups.iter().zip(&jobs) {
        let table = columns.first().map_or("", |column| column.table.as_str());
        if asked.check {
            done.looked(table, &database.left_behind(&vault, job).map_err(|error| of_job(&error))?);
            continue;
        }
        let bar = bar(table);
        let mut told = Instant::now();
        let report = database.run(&vault, job, |progress| {
            bar.set_length(progress.total.max(progress.done()));
            bar.set_position(progress.done());
            // Where no bar shows, such as in a log.
            if bar.is_hidden() && told.elapsed() >= BETWEEN_LINES {
                told = Instant::now();
                answer::progress(&format!("{table}: {progress}{}", time_left(progress)));
            }
        });
        bar.finish_and_clear();
        done.worked(table, &report.map_err(|error| of_job(&error))?);
    }
    close(vault)?;
    done.answer(asked.check)
}

/// Rows of these columns that a job would change in this way: what `retire` would lose.
pub fn rows_that_need(
    context: &Context,
    vault: &Vault,
    columns: Vec<Column>,
    what: Needs,
) -> Result<Vec<Remaining>, Failure> {
    let left = rows_left(context, vault, columns)?.into_iter().map(|(_, left)| left);
    Ok(left.filter(|left| left.what == what.as_job_says()).collect())
}

/// All that a job could find in these columns without opening a value, each with its table.
pub fn rows_left(context: &Context, vault: &Vault, columns: Vec<Column>) -> Result<Vec<(String, Remaining)>, Failure> {
    let asked =
        Reindex { columns: Vec::new(), reseal: true, check: true, verify: false, batch: 500, tolerate: 0, after: None };
    let database = Database::open(&context.config.database)?;
    let mut all = Vec::new();
    for columns in grouped(columns) {
        let left = database.left_behind(vault, &job(&columns, &asked)?).map_err(|error| of_job(&error))?;
        let table = columns.first().map_or("", |column| column.table.as_str());
        all.extend(left.remaining.into_iter().map(|left| (table.to_owned(), left)));
    }
    Ok(all)
}

/// What a job says of values under another number.
pub const OTHER_NUMBER: &str = "sealed under another number than the row's";

/// What rows need before something is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Resealing,
    Token,
}

impl Needs {
    pub fn as_job_says(self) -> &'static str {
        match self {
            Needs::Resealing => "under a replaced key tree",
            Needs::Token => "without its token of the current epoch",
        }
    }
}

/// Columns that one pass over a table can do: of one table and one column of numbers.
fn groups(context: &Context, asked: &Reindex) -> Result<Vec<Vec<Column>>, Failure> {
    let mut columns = Vec::new();
    for name in &asked.columns {
        let column = context.config.column(name)?;
        if !asked.reseal && column.index.is_empty() {
            fields::index_of(&column)?;
        }
        columns.push(column);
    }
    if asked.columns.is_empty() {
        columns.extend(context.config.columns().filter(|column| asked.reseal || !column.index.is_empty()));
    }
    if columns.is_empty() {
        return Err(Failure::usage(
            "the configuration's [[tables]] have no such column, and nothing happened; correct the name, or the configuration",
        ));
    }
    Ok(grouped(columns))
}

fn grouped(columns: Vec<Column>) -> Vec<Vec<Column>> {
    let mut groups: Vec<Vec<Column>> = Vec::new();
    for column in columns {
        let same = |group: &&mut Vec<Column>| {
            group.first().is_some_and(|first| {
                (&first.table, &first.key, &first.number) == (&column.table, &column.key, &column.number)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(column),
            None => groups.push(vec![column]),
        }
    }
    groups
}

fn job(columns: &[Column], asked: &Reindex) -> Result<Job, Failure> {
    let first = columns.first().ok_or_else(|| Failure::usage("a job without columns"))?;
    let kinds = first.key_type.0.iter().map(|kind| match kind {
        KeyType::Integer => Key::Integer,
        KeyType::Text => Key::Text,
        KeyType::Uuid => Key::Uuid,
        KeyType::Bytes => Key::Bytes,
        KeyType::Number => Key::Number,
    });
    let kinds: Vec<Key> = kinds.collect();
    // One type is that of every column.
    let kinds = if let [only] = kinds[..] { vec![only; first.key.0.len()] } else { kinds };
    if kinds.len() != first.key.0.len() {
        let (columns, types) = (first.key.0.len(), kinds.len());
        let message = format!("{}: `key` names {columns} columns, and `key_type` {types} types", first.table);
        return Err(Failure::new(Exit::Config, message));
    }
    let key: Vec<(String, Key)> = first.key.0.iter().cloned().zip(kinds).collect();
    let mut job = Job::on(first.table.clone(), key, first.number.clone());
    for (at, column) in columns.iter().enumerate() {
        // A group is resealed once, whatever of it is named.
        let is_new = !columns.iter().take(at).any(|before| before.column == column.column);
        job = with_type!(column, T => steps::<T>(job, column, asked.reseal && is_new))?;
    }
    job = job.batch(asked.batch).tolerate(asked.tolerate);
    if asked.verify {
        job = job.verify_indexes();
    }
    Ok(match &asked.after {
        Some(bookmark) => job.resume_after(bookmark),
        None => job,
    })
}

fn steps<T: Kind>(mut job: Job, column: &Column, reseal: bool) -> Result<Job, Failure> {
    let field = fields::field::<T>(column)?;
    if column.context_bytes.is_some_and(|bytes| bytes != 8) {
        let message = format!("{}.{}: a job binds integers as eight bytes", column.table, column.column);
        return Err(Failure::new(Exit::Config, message));
    }
    let placed = || match &column.context {
        Some(context) => InRow::new(field).within_column(context.clone()),
        None => InRow::new(field),
    };
    if let Some(group) = fields::group(column)? {
        let group = match &column.context {
            Some(context) => GroupInRow::new(group).within_column(context.clone()),
            None => GroupInRow::new(group),
        };
        if reseal {
            job = job.reseal_group(column.column.clone(), group.clone());
        }
        for tokens in &column.index {
            let index = fields::index::<T>(column, tokens)?;
            job = job.index_member(tokens.column.clone(), column.column.clone(), group.clone(), index);
            job = job.forget_tokens(tokens.column.clone(), index);
        }
        return Ok(job);
    }
    if reseal {
        job = job.reseal(column.column.clone(), placed());
    }
    for tokens in &column.index {
        let index = fields::index::<T>(column, tokens)?;
        job = job.index_within(tokens.column.clone(), column.column.clone(), index, placed());
        job = job.forget_tokens(tokens.column.clone(), index);
    }
    Ok(job)
}

fn time_left(progress: &Progress) -> String {
    progress.time_left().map_or(String::new(), |left| format!(", {} seconds left", left.as_secs()))
}

fn bar(table: &str) -> ProgressBar {
    // Hidden by itself where nobody looks.
    let bar = ProgressBar::new(0).with_message(table.to_owned());
    let style = "{msg} [{bar:40}] {human_pos}/{human_len} rows, {per_sec}, {eta} left";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[derive(Default)]
struct Done {
    text: String,
    tables: Vec<Value>,
    problems: usize,
}

impl Done {
    fn worked(&mut self, table: &str, report: &Report) {
        let made = &report.progress;
        let rows = count(made.looked_at, "row", "rows");
        // Writing to a string does not fail.
        let _ = writeln!(
            self.text,
            "{table}: {rows} looked at, {} changed, {} of shredded customers, {} with problems",
            made.changed, made.erased, made.problems
        );
        for problem in &report.problems {
            let _ = writeln!(self.text, "    {problem}");
        }
        self.problems += report.problems.len();
        let problems = report.problems.iter();
        self.tables.push(json!({
            "table": table,
            "looked_at": made.looked_at,
            "changed": made.changed,
            "of_shredded": made.erased,
            "bookmark": made.bookmark,
            "problems": problems.map(|it| json!({ "key": it.key, "column": it.column, "cause": it.cause.to_string() })).collect::<Vec<_>>(),
        }));
    }

    fn looked(&mut self, table: &str, left: &LeftBehind) {
        let _ = writeln!(self.text, "{table}: {left}");
        self.problems += left.remaining.len();
        let remaining = left.remaining.iter();
        self.tables.push(json!({
            "table": table,
            "looked_at": left.looked_at,
            "remaining": remaining.map(|it| json!({ "column": it.column, "what": it.what, "rows": it.rows, "first": it.first })).collect::<Vec<_>>(),
        }));
    }

    fn answer(self, checked: bool) -> Result<Answer, Failure> {
        let what = if checked { "checked" } else { "reindexed" };
        let exit = if self.problems == 0 { Exit::Done } else { Exit::Found };
        Ok(Answer::new(self.text, json!({ what: self.tables }))?.ending(exit))
    }
}
