//! A new vault.

use std::collections::BTreeSet;

use oubliette::{CreateError, Purpose, Vault};
use serde_json::json;

use crate::answer::Answer;
use crate::args::Create;
use crate::config::{self, Config};
use crate::context::{Context, close, purpose};
use crate::exit::{Exit, Failure};
use crate::permissions;

pub fn run(context: &mut Context, asked: &Create) -> Result<Answer, Failure> {
    let names = names(&context.config, &asked.purposes)?;
    let purposes = names.iter().map(|name| purpose(name)).collect::<Result<Vec<Purpose>, _>>()?;
    let lease = asked.lease.as_deref().map(config::duration).transpose()?;
    let shown = context.shown()?;
    context.confirm(&format!(
        "Make a new, empty vault in {shown}, with the purposes {}?\nIt does not replace a lost vault: it opens \
         only values that it sealed itself. If you lose the vault or its root key, you lose every value.",
        names.join(", ")
    ))?;
    if let Some(journal) = &context.config.journal {
        permissions::no_pipe(journal)?;
    }
    let builder = context.builder_for_new()?.purposes(purposes);
    let builder = lease.into_iter().fold(builder, oubliette::VaultBuilder::lease);
    let key = context.secrets.for_new_vault(asked.generate.as_deref())?;
    let created = builder.create(key).map(|vault| context.opened(vault)).map_err(|error| failure(error, &shown));
    let vault: Vault = context.settle_new_vault(created)?;
    let (generation, places) = (vault.generation()?, vault.status()?.places.len());
    close(vault)?;
    let mut text = format!("There is a new vault in {shown}, with the purposes {}.\n", names.join(", "));
    if places == 1 && context.config.key_store.is_none() {
        text.push_str(
            "It is in one place, and one disk error loses every value. Next: `oubliette mirror attach DIRECTORY`.\n",
        );
    }
    Answer::new(text, json!({ "vault": shown, "purposes": names, "generation": generation, "places": places }))
}

/// The names of the purposes that were given, or else of all in the configuration, in a fixed order.
fn names(config: &Config, given: &[String]) -> Result<Vec<String>, Failure> {
    let mut names: BTreeSet<String> = given.iter().cloned().collect();
    if names.is_empty() {
        names.extend(config.purposes.iter().map(|purpose| purpose.name.clone()));
        names.extend(config.retention.keys().cloned());
        names.extend(config.tables.iter().flat_map(|table| table.numbers.keys().chain([&table.purpose])).cloned());
        names.extend(config.columns().map(|column| column.purpose));
    }
    if names.is_empty() {
        return Err(Failure::usage(
            "no purpose is given; give --purpose NAME for each thing that data is kept for, or [[purposes]] in the configuration",
        ));
    }
    Ok(names.into_iter().collect())
}

fn failure(error: CreateError, shown: &str) -> Failure {
    match error {
        CreateError::KeyStore(error) => error.into(),
        CreateError::Exists => Failure::new(
            Exit::Refused,
            format!("there already is a vault in {shown}, and nothing happened; `oubliette status` shows it"),
        ),
        other => Failure::of(Exit::Usage, &other),
    }
}
