//! The tables of a key store in PostgreSQL, made and granted by their owner.

use crate::answer::Answer;
use crate::args::{KeyStore, MigrateKeyStore};
use crate::context::Context;
use crate::exit::Failure;

pub fn run(context: &Context, asked: &KeyStore) -> Result<Answer, Failure> {
    match asked {
        KeyStore::Migrate(asked) => migrate(context, asked),
    }
}

#[cfg(feature = "postgres-key-store")]
fn migrate(context: &Context, asked: &MigrateKeyStore) -> Result<Answer, Failure> {
    use serde_json::json;

    let url = crate::url::read(asked.owner_url_file.as_deref(), asked.owner_url_env.as_deref())?;
    let url =
        url.ok_or_else(|| Failure::usage("the URL of the tables' owner is missing; give --owner-url-file FILE"))?;
    let key_store = context.config.key_store.clone().unwrap_or_default();
    let location = crate::key_store::owned(&url, &key_store, |store| {
        store.migrate()?;
        asked.grant_to.iter().try_for_each(|role| store.grant_to(role))
    })?;
    let mut text = format!("The tables exist and are up to date: {location}.\n");
    for role in &asked.grant_to {
        text.push_str(&format!("The role {role:?} may do the daily work of a vault. It cannot change tables.\n"));
    }
    Answer::new(text, json!({ "migrated": location, "granted_to": asked.grant_to }))
}

#[cfg(not(feature = "postgres-key-store"))]
fn migrate(_: &Context, _: &MigrateKeyStore) -> Result<Answer, Failure> {
    Err(crate::key_store::missing())
}
