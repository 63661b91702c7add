//! Moving to a new root key, a new key tree, a new epoch.

use oubliette::Vault;
use serde_json::json;

use crate::answer::{Answer, time};
use crate::args::{NewKey, Rotate};
use crate::config::Column;
use crate::context::{Context, close, purpose};
use crate::exit::Failure;
use crate::fields::{self, Kind, with_type};

pub fn run(context: &mut Context, asked: &Rotate) -> Result<Answer, Failure> {
    match asked {
        Rotate::RootKey(new) => root_key(context, new),
        Rotate::Tokens { from_one } => tokens(context, *from_one),
        Rotate::Purpose { name } => of_purpose(context, name),
        Rotate::Index { column } => of_index(context, column),
    }
}

fn root_key(context: &mut Context, new: &NewKey) -> Result<Answer, Failure> {
    if new.next_version {
        return next_version(context);
    }
    if new.to_token {
        context.secrets.before_the_token();
    }
    context.confirm(
        "Move the vault to a new root key?\nFirst give the new key to every running process, as its next root \
         key: a process without it stops within a lease.\nIf you lose the new key, you lose every value.",
    )?;
    let vault = context.unlock(&[])?;
    let new = context.secrets.new_root_key(new)?;
    let rotated = vault.rotate_root_key(new).map_err(Failure::from);
    context.settle_key(rotated)?;
    let generation = vault.generation()?;
    close(vault)?;
    let text = format!(
        "The new root key protects the vault since generation {generation}. Next: destroy the old key, which \
         opens older copies of the root record.\n"
    );
    Answer::new(text, json!({ "rotated": "root-key", "generation": generation }))
}

fn next_version(context: &mut Context) -> Result<Answer, Failure> {
    context.confirm(
        "Begin the next version of the root key?\nThe token destroys older versions, as the configuration says. \
         After that nobody can read a copy of an older root record, and neither can you.",
    )?;
    let vault = context.unlock(&[])?;
    vault.begin_root_key_version()?;
    let (generation, version) = (vault.generation()?, vault.status()?.root_key_version.map(|(number, _)| number));
    close(vault)?;
    let text = format!(
        "Version {} of the root key has begun, with generation {generation}. Older root records are unreadable \
         now, unless the configuration keeps their versions.\n",
        version.unwrap_or_default()
    );
    Answer::new(text, json!({ "rotated": "root-key", "version": version, "generation": generation }))
}

/// Whichever tokens the record lists: those of the configuration are listed from then on.
fn tokens(context: &mut Context, from_one: bool) -> Result<Answer, Failure> {
    let names = context.secrets.token_names()?;
    context.confirm(&format!(
        "Make these tokens hold the root key, and no other token: {}?\nFirst give them to every running process: \
         a process without them stops within a lease.\nA token that is left out does not open this vault any \
         more, but its keys still open older copies of the root record: destroy it, or its keys. If you lose all \
         tokens that are left, you lose every value.",
        names.join(", ")
    ))?;
    let all = context.secrets.of_all_tokens()?;
    if from_one {
        context.secrets.one_token()?;
    }
    let vault = context.unlock(&[])?;
    vault.rotate_root_key(all)?;
    let (generation, version) = (vault.generation()?, vault.status()?.root_key_version.map(|(number, _)| number));
    close(vault)?;
    let text = format!(
        "The root key is held by these tokens since generation {generation}, version {}: {}.\n",
        version.unwrap_or_default(),
        names.join(", ")
    );
    Answer::new(text, json!({ "rotated": "tokens", "tokens": names, "version": version, "generation": generation }))
}

fn of_purpose(context: &mut Context, name: &str) -> Result<Answer, Failure> {
    let purpose = purpose(name)?;
    context.confirm(&format!(
        "Give the purpose {name:?} a new key tree?\nNew values are sealed under it. Values under the old tree \
         open until you retire it."
    ))?;
    let vault = context.unlock(&[purpose])?;
    let (tree, commit) = vault.rotate_purpose(purpose)?;
    close(vault)?;
    let effective = time(commit.effective_everywhere_at());
    let text = format!(
        "{name} has the new key tree {tree} since generation {}. By {effective} every process seals under \
         it.\nNext: reseal its columns (`oubliette reindex --reseal`), then \
         `oubliette retire tree {name} {tree}`.\n",
        commit.generation()
    );
    Answer::new(
        text,
        json!({
            "rotated": "purpose",
            "purpose": name,
            "tree": tree.to_string(),
            "generation": commit.generation(),
            "effective_everywhere_at": effective,
        }),
    )
}

fn of_index(context: &mut Context, name: &str) -> Result<Answer, Failure> {
    let column = context.config.column(name)?;
    fields::index_of(&column)?;
    context.confirm(&format!("Begin a new epoch of the index on {name}?\nAn index has 128 epochs in all."))?;
    let vault = context.unlock(&[purpose(&column.purpose)?])?;
    let answer = with_type!(&column, T => begin::<T>(&vault, &column, name));
    close(vault)?;
    answer
}

fn begin<T: Kind>(vault: &Vault, column: &Column, name: &str) -> Result<Answer, Failure> {
    let (epoch, commit) = vault.begin_epoch(fields::index::<T>(column, fields::index_of(column)?)?)?;
    let (epoch, effective) = (epoch.number(), time(commit.effective_everywhere_at()));
    let before = epoch.saturating_sub(1);
    let text = format!(
        "Epoch {epoch} of the index on {name} has begun. By {effective} every process writes its tokens.\nNext: \
         `oubliette reindex {name}`, then `oubliette retire epoch {name} {before}`.\n"
    );
    Answer::new(
        text,
        json!({
            "rotated": "index",
            "column": name,
            "epoch": epoch,
            "generation": commit.generation(),
            "effective_everywhere_at": effective,
        }),
    )
}
