//! Series of keys in the token that are left: listed, and destroyed.

use std::fmt::Write;

use oubliette::{
    RootKey, Vault,
    root_keys::{SeriesInToken, SeriesName},
};
use serde_json::{Value, json};

use super::shred;
use crate::answer::{Answer, count, time};
use crate::context::{Context, close};
use crate::exit::Failure;

pub fn run(
    context: &mut Context,
    series: Option<&str>,
    why: Option<&str>,
    not_in_token: bool,
) -> Result<Answer, Failure> {
    let wrong = |_| Failure::usage("a series is named by 32 hexadecimal digits, as `oubliette retire series` lists it");
    let series = series.map(|text| text.parse::<SeriesName>().map_err(wrong)).transpose()?;
    let why = why.map(shred::reason).transpose()?;
    let Some(series) = series else {
        let (vault, token) = open(context, not_in_token)?;
        let all = vault.series_in(&token)?;
        close(vault)?;
        return Answer::new(text(&all), json!({ "series": all.iter().map(facts).collect::<Vec<_>>() }));
    };
    context.confirm(&format!(
        "Destroy the keys of the series {series} in the token?\nAfter that nobody can read what it protects: a \
         copy of the vault, or root records from before a rotation.\nFirst make sure that you need no such copy, \
         and that no vault that replaced this one uses the series. You cannot undo this."
    ))?;
    let (vault, token) = open(context, not_in_token)?;
    let destroyed = vault.destroy_series(&token, series, why)?;
    close(vault)?;
    let keys = count(destroyed, "key", "keys");
    let text = format!("Destroyed: {keys} of the series {series}. What they protected is unreadable now.\n");
    Answer::new(text, json!({ "retired": "series", "series": series.to_string(), "keys": destroyed }))
}

/// The vault, and the root key in the token of the configuration, which it may have left.
fn open(context: &mut Context, not_in_token: bool) -> Result<(Vault, RootKey), Failure> {
    context.is_there()?;
    let token = context.secrets.of_token()?;
    if not_in_token {
        context.secrets.before_the_token();
        return Ok((context.unlock(&[])?, token));
    }
    Ok((context.opened(context.builder()?.unlock(token.clone())?), token))
}

fn what(series: &SeriesInToken) -> &'static str {
    match (series.is_in_use, series.is_of_this_vault, series.keys) {
        (true, ..) => "in use by the root record",
        (false, false, _) => "not of this vault",
        (false, true, 0) => "destroyed; its dates are left",
        (false, true, _) => "unused: of a copy or a rotation",
    }
}

fn text(all: &[SeriesInToken]) -> String {
    let mut out = format!("{:<32} {:>5}  {:<24}  what\n", "series", "keys", "complete since");
    for series in all {
        let since = series.completed.map(time).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{:<32} {:>5}  {since:<24}  {}", series.series.to_string(), series.keys, what(series));
    }
    out
}

fn facts(series: &SeriesInToken) -> Value {
    json!({
        "series": series.series.to_string(),
        "keys": series.keys,
        "complete_since": series.completed.map(time),
        "in_use": series.is_in_use,
        "of_this_vault": series.is_of_this_vault,
    })
}
