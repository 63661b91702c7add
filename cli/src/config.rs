//! `oubliette.toml`: where the vault is and what the application keeps, so that it need not be said each time.

mod declared;
mod forms;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::args::Common;
use crate::exit::{Exit, Failure};
use crate::permissions;
use crate::token::TokenSource;

pub use declared::{Controller, DeclaredPurpose, Retention};
pub use forms::{Form, IndexColumn, Indexes, KeyType, OneOrMore};

/// The file that is read if there is one.
const DEFAULT: &str = "oubliette.toml";
const MOST_BYTES: u64 = 1 << 20;
const ONE: &str = "a vault is in one of the two; name one";
const PARTS: &str = "root_at, pages_at and mirrors are for directories; a server has standbys instead of mirrors";

/// The configuration, with what the arguments said in its place. Paths are as they can be opened.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which file it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    pub vault: Option<PathBuf>,
    /// In place of `vault`.
    pub key_store: Option<KeyStore>,
    pub root_at: Option<PathBuf>,
    pub pages_at: Option<PathBuf>,
    pub mirrors: Vec<PathBuf>,
    pub journal: Option<PathBuf>,
    /// The vault is a copy of one that is in use elsewhere.
    pub copy: bool,
    /// What journal and receipts are checked with: `obl-key-1.…`.
    pub public_key: Option<String>,
    pub backups: Vec<PathBuf>,
    /// How long copies of the root record, and backups of the database, are kept: for receipts.
    pub root_copies_kept: Option<String>,
    pub backups_kept: Option<String>,
    pub longest_lease: Option<String>,
    pub root_key: RootKeySource,
    pub database: Database,
    pub register: Register,
    /// How long each purpose is kept: as the application's `Rules` say.
    pub retention: BTreeMap<String, Retention>,
    pub controller: Controller,
    pub purposes: Vec<DeclaredPurpose>,
    pub tables: Vec<Table>,
}

/// Where the root key comes from unless an argument says so. Never the key itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RootKeySource {
    pub passphrase_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub token: Option<TokenSource>,
}

/// A key store in PostgreSQL, in place of the vault's directory. A URL holds a password, so only where it is kept is said here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyStore {
    pub postgres_url_file: Option<PathBuf>,
    pub postgres_url_env: Option<String>,
    /// `oubliette` unless said otherwise.
    pub schema: Option<String>,
    /// A PEM file with the certificates to trust, instead of the system's.
    pub certificates: Option<PathBuf>,
    /// What is written survives the loss of a machine, although the server names no standbys.
    pub replicated_disk: bool,
    /// Every server that may be promoted: needed where the root key has versions, `[]` if there is none.
    pub standbys: Option<Vec<String>>,
    /// Standbys and replication slots that nobody promotes.
    pub never_promoted: Vec<String>,
    pub confirm_reads: ConfirmReads,
    /// How long each answer of the server is waited for, and each statement of a sweep.
    pub answer_within: Option<String>,
    pub work_within: Option<String>,
}

/// Whether each read of the root record is confirmed by the standbys.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ConfirmReads {
    #[default]
    #[serde(rename = "when synchronous")]
    WhenSynchronous,
    Required,
    Always,
    Never,
}

/// The application's database. A URL holds a password, so only where it is kept is said here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    pub sqlite: Option<PathBuf>,
    pub postgres_url_file: Option<PathBuf>,
    pub postgres_url_env: Option<String>,
}

impl Database {
    /// Whether the configuration names one.
    pub fn is_named(&self) -> bool {
        self.sqlite.is_some() || self.postgres_url_file.is_some() || self.postgres_url_env.is_some()
    }
}

/// What the application's `Rules` say beside retention.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Register {
    /// How long an erasure that was asked for waits.
    pub grace: Option<String>,
    /// What stays of the evidence of an erased customer's grants.
    pub keep_evidence: Vec<String>,
    /// The directory for receipts of erasures that were finished, or swept.
    pub receipts: Option<PathBuf>,
}

/// A table of the application's that holds sealed values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub table: String,
    /// The columns of the table's key, for jobs, and what they hold.
    #[serde(default)]
    pub key: OneOrMore<String>,
    #[serde(default)]
    pub key_type: OneOrMore<KeyType>,
    /// The column of customers' ids, as the register knows them: rows are compared before somebody is erased.
    pub subject: Option<String>,
    /// The column of customer numbers, and the purpose that they are for.
    pub number: String,
    pub purpose: String,
    /// Columns of numbers for other purposes, by purpose.
    #[serde(default)]
    pub numbers: BTreeMap<String, String>,
    /// Columns that are stored as they are.
    #[serde(default)]
    pub plain: Vec<String>,
    #[serde(default)]
    pub columns: Vec<ColumnInTable>,
}

/// A sealed column, and the column of its tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnInTable {
    pub column: String,
    /// The table's own unless said otherwise.
    pub purpose: Option<String>,
    /// The label of the group that is in the column, if it holds several fields. Each has an entry of its own.
    pub group: Option<String>,
    pub label: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The column that values are bound to, if any.
    pub context: Option<String>,
    /// How many bytes of it, if it is an integer that the application does not bind as eight.
    pub context_bytes: Option<u8>,
    /// Since when it holds no plaintext any more, if it once did: for breaches.
    pub sealed_since: Option<String>,
    #[serde(default)]
    pub index: Indexes,
}

/// A sealed column with all that is known of it and its table.
#[derive(Clone, Debug)]
pub struct Column {
    pub table: String,
    pub column: String,
    pub key: OneOrMore<String>,
    pub key_type: OneOrMore<KeyType>,
    pub number: String,
    pub purpose: String,
    pub group: Option<String>,
    pub label: String,
    pub kind: String,
    pub context: Option<String>,
    pub context_bytes: Option<u8>,
    pub index: Vec<IndexColumn>,
}

impl KeyStore {
    /// What the arguments say, if they name another key store than the configuration.
    fn given(common: &Common, configured: Option<&KeyStore>) -> Result<Option<KeyStore>, Failure> {
        let (file, variable) = (&common.key_store_url_file, &common.key_store_url_env);
        let key_store = match (file, variable, &common.key_store_schema) {
            (None, None, None) => return Ok(None),
            (Some(_), Some(_), _) => {
                return Err(Failure::usage(
                    "both --key-store-url-file and --key-store-url-env are given; give one of them",
                ));
            }
            (None, None, Some(_)) => configured.cloned().unwrap_or_default(),
            _ => {
                KeyStore { postgres_url_file: file.clone(), postgres_url_env: variable.clone(), ..KeyStore::default() }
            }
        };
        if common.vault.is_some() {
            return Err(Failure::usage(format!(
                "the arguments name a directory (--vault) and a key store in PostgreSQL; {ONE}"
            )));
        }
        Ok(Some(KeyStore { schema: common.key_store_schema.clone().or(key_store.schema), ..key_store }))
    }
}

impl Table {
    /// Its sealed columns.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.columns.iter().map(|column| {
            let purpose = column.purpose.clone().unwrap_or_else(|| self.purpose.clone());
            Column {
                table: self.table.clone(),
                column: column.column.clone(),
                key: self.key.clone(),
                key_type: self.key_type.clone(),
                number: self.numbers.get(&purpose).unwrap_or(&self.number).clone(),
                purpose,
                group: column.group.clone(),
                label: column.label.clone(),
                kind: column.kind.clone(),
                context: column.context.clone(),
                context_bytes: column.context_bytes,
                index: column.index.0.clone(),
            }
        })
    }
}

impl Config {
    /// Reads the file that was named, or the default one if it is there, and lets the arguments overrule it.
    pub fn load(common: &Common) -> Result<Config, Failure> {
        let file = match &common.config {
            Some(file) => Some(file.clone()),
            None => Some(PathBuf::from(DEFAULT)).filter(|file| file.exists()),
        };
        let mut config = match file {
            Some(file) => Config::read(&file)?,
            None => Config::default(),
        };
        if let Some(key_store) = KeyStore::given(common, config.key_store.as_ref())? {
            config.is_another_vault();
            config.key_store = Some(key_store);
        } else if let Some(vault) = &common.vault {
            config.is_another_vault();
            config.vault = Some(vault.clone());
        }
        config.root_at = common.root_at.clone().or(config.root_at);
        config.pages_at = common.pages_at.clone().or(config.pages_at);
        config.journal = common.journal.clone().or(config.journal);
        config.copy |= common.copy;
        if !common.mirrors.is_empty() {
            config.mirrors.clone_from(&common.mirrors);
        }
        if config.key_store.is_some() && config.has_parts_of_a_directory() {
            return Err(Failure::usage(format!("the key store is in PostgreSQL: {PARTS}")));
        }
        Ok(config)
    }

    /// Its parts are not where the configured one's are.
    fn is_another_vault(&mut self) {
        self.vault = None;
        self.key_store = None;
        self.root_at = None;
        self.pages_at = None;
        self.mirrors = Vec::new();
        self.journal = None;
        self.copy = false;
        self.public_key = None;
    }

    fn has_parts_of_a_directory(&self) -> bool {
        self.root_at.is_some() || self.pages_at.is_some() || !self.mirrors.is_empty()
    }

    fn read(file: &Path) -> Result<Config, Failure> {
        let wrong = |message: String| Failure::new(Exit::Config, format!("{}: {message}", file.display()));
        let text = permissions::read_bounded(file, MOST_BYTES)?;
        let text = std::str::from_utf8(&text).map_err(|_| wrong("it is not UTF-8".into()))?;
        let mut config: Config = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let base = file.parent().unwrap_or(Path::new(""));
        let mut paths: Vec<&mut PathBuf> = Vec::new();
        paths.extend(&mut config.vault);
        if let Some(key_store) = &mut config.key_store {
            paths.extend(&mut key_store.postgres_url_file);
            paths.extend(&mut key_store.certificates);
        }
        paths.extend(&mut config.root_at);
        paths.extend(&mut config.pages_at);
        paths.extend(&mut config.mirrors);
        paths.extend(&mut config.journal);
        paths.extend(&mut config.backups);
        paths.extend(&mut config.root_key.passphrase_file);
        paths.extend(&mut config.root_key.key_file);
        if let Some(token) = &mut config.root_key.token {
            paths.extend(&mut token.pin_file);
            paths.extend(token.others.iter_mut().flat_map(|other| &mut other.pin_file));
        }
        paths.extend(&mut config.database.sqlite);
        paths.extend(&mut config.database.postgres_url_file);
        paths.extend(&mut config.register.receipts);
        for path in paths {
            *path = base.join(&*path);
        }
        if config.root_key.passphrase_file.is_some() && config.root_key.key_file.is_some() {
            return Err(wrong("[root_key] names both a passphrase_file and a key_file; name one of them".into()));
        }
        if let Some(Err(why)) = config.root_key.token.as_ref().map(TokenSource::check) {
            return Err(wrong(why.into()));
        }
        let named = [
            config.database.sqlite.is_some(),
            config.database.postgres_url_file.is_some(),
            config.database.postgres_url_env.is_some(),
        ];
        if named.iter().filter(|named| **named).count() > 1 {
            return Err(wrong("[database] names more than one database; name one".into()));
        }
        if let Some(key_store) = &config.key_store {
            let named =
                [config.vault.is_some(), key_store.postgres_url_file.is_some(), key_store.postgres_url_env.is_some()];
            match named {
                [true, ..] => return Err(wrong(format!("it names a directory (`vault`) and a [key_store]; {ONE}"))),
                [_, true, true] => {
                    return Err(wrong(
                        "[key_store] names both a postgres_url_file and a postgres_url_env; name one of them".into(),
                    ));
                }
                [_, false, false] => {
                    let how = "postgres_url_file = \"FILE\" or postgres_url_env = \"NAME\"";
                    return Err(wrong(format!("[key_store] does not say where its URL is kept: {how}")));
                }
                _ if config.has_parts_of_a_directory() => return Err(wrong(format!("it has a [key_store]: {PARTS}"))),
                _ => {}
            }
        }
        config.file = Some(file.to_path_buf());
        Ok(config)
    }

    /// Nothing is said of a vault, and its public key is: what needs no key is done without it.
    pub fn is_desk(&self) -> bool {
        self.vault.is_none() && self.key_store.is_none() && self.public_key.is_some()
    }

    /// The vault's directory.
    pub fn vault(&self) -> Result<&Path, Failure> {
        self.vault.as_deref().ok_or_else(|| {
            if self.is_desk() {
                return needs_vault();
            }
            Failure::usage("the vault is not named; give --vault DIR, or `vault = \"DIR\"` or a [key_store] in oubliette.toml (--config FILE)")
        })
    }

    /// Every sealed column.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.tables.iter().flat_map(Table::columns)
    }

    /// A sealed column, by `TABLE.COLUMN`; a field within a group by `TABLE.COLUMN.LABEL`; and with one of its indexes alone
    /// by `:INDEX` behind that.
    pub fn column(&self, name: &str) -> Result<Column, Failure> {
        let named = |name: &str| self.columns().find(|column| format!("{}.{}", column.table, column.name()) == name);
        if let Some(column) = named(name) {
            return Ok(column);
        }
        if let Some((of, label)) = name.rsplit_once(':')
            && let Some(mut column) = named(of)
        {
            column.index.retain(|index| index.label == label);
            if column.index.is_empty() {
                return Err(Failure::usage(format!(
                    "the configuration has no index {label:?} of {of}; correct the name, or add the index"
                )));
            }
            return Ok(column);
        }
        Err(Failure::usage(format!("the configuration has no sealed column {name:?} in its [[tables]]")))
    }
}

/// What a desk is told that cannot do what is asked.
pub fn needs_vault() -> Failure {
    Failure::new(
        Exit::NeedsVault,
        "nothing happened: this command needs the vault, but the configuration names none (an officer's desk). \
         Run it where the vault is, or name the vault: `vault`, or [key_store]. These commands need no vault: \
         requests, holds, sweep --dry-run, breach, inventory, verify, journal verify, journal show, doctor",
    )
}

impl Column {
    /// What the command calls it: the column, and within a group the field's label after it.
    pub fn name(&self) -> String {
        match self.group {
            Some(_) => format!("{}.{}", self.column, self.label),
            None => self.column.clone(),
        }
    }
}

/// A length of time by the calendar, as the register counts it: `2 years`, `30 days`.
pub fn span(text: &str) -> Result<jiff::Span, Failure> {
    let wrong =
        |_| Failure::new(Exit::Config, format!("{text:?} is not a length of time; write it as `2 years` or `30 days`"));
    text.parse().map_err(wrong)
}

/// A length of time: `500ms`, `5s`, `30 days`, `2 years`; a day is 24 hours, a month 31 days, a year 366.
pub fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong = || Failure::usage(format!("{text:?} is not a length of time; write it as `500ms`, `5s` or `30 days`"));
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let days = i64::from(span.get_years()) * 366 + i64::from(span.get_months()) * 31;
    let rest = span.years(0).months(0).to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let all = jiff::SignedDuration::from_hours(days * 24).checked_add(rest).ok_or_else(wrong)?;
    Duration::try_from(all).map_err(|_| wrong())
}
