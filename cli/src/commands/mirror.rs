//! Mirrors: whole copies of a vault that every commit writes.

use indicatif::ProgressBar;
use oubliette::Vault;
use oubliette::store::PlaceId;
use serde_json::json;

use crate::answer::Answer;
use crate::args::Mirror;
use crate::context::{Context, close};
use crate::exit::Failure;

pub fn run(context: &mut Context, asked: &Mirror) -> Result<Answer, Failure> {
    context.in_directory(instead(asked))?;
    match asked {
        Mirror::Attach { directory } => {
            let shown = directory.display();
            context.confirm(&format!(
                "Attach a mirror in {shown}?\nRunning programs find it by themselves if they see it under the \
                 same path. From then on each commit writes it: while it is away, no shred is possible."
            ))?;
            let vault = context.unlock(&[])?;
            let bar = ProgressBar::new(0).with_message("pages");
            let place = vault.attach_mirror(directory, &mut |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            let place = place?;
            close(vault)?;
            let text = format!(
                "{shown} is a mirror of the vault: place {place}. Name it among `mirrors`, here and in the application.\n"
            );
            Answer::new(text, json!({ "attached": place.to_string(), "directory": directory }))
        }
        Mirror::Detach { place } => {
            let vault = context.unlock(&[])?;
            let found = listed(&vault, place)?;
            context.confirm(&format!(
                "Detach the place {place}?\nA copy of the root record stays there. Destroy it: it opens all data \
                 that is shredded from now on."
            ))?;
            let root = vault.detach_mirror(found)?;
            close(vault)?;
            let destroy = root.as_ref().map_or_else(
                || "Destroy what is left there, and remove it from `mirrors`.".to_owned(),
                |root| format!("Destroy {}, and remove it from `mirrors`.", root.display()),
            );
            Answer::new(format!("Place {place} is detached. {destroy}\n"), json!({ "detached": place, "root": root }))
        }
        Mirror::HandOver { place } => {
            let vault = context.unlock(&[])?;
            let found = listed(&vault, place)?;
            context.confirm(&format!("Make {place} the first place, which decides for all?"))?;
            vault.hand_over(found)?;
            let places = names(&vault.status()?.places);
            close(vault)?;
            let text =
                format!("Place {place} decides from now on. Name it as `vault`, and the other ones among `mirrors`.\n");
            Answer::new(text, json!({ "first": place, "places": places }))
        }
        Mirror::Promote { lost } => promote(context, lost),
    }
}

/// What is done where the key store is in PostgreSQL.
fn instead(asked: &Mirror) -> &'static str {
    match asked {
        Mirror::Attach { .. } => {
            "set up a standby, and name it in the server's synchronous_standby_names; `oubliette doctor` says what that promises"
        }
        Mirror::Detach { .. } => {
            "take the standby out of synchronous_standby_names, stop it and drop its replication slot, then \
             destroy its data directory: it holds the root record"
        }
        Mirror::HandOver { .. } => {
            "let your failover manager switch over to a standby that confirms, and see that the URL names it \
             (several hosts are allowed)"
        }
        Mirror::Promote { .. } => {
            "stop the old server for good, promote a standby that confirmed (`SELECT pg_promote()`), and name it in the URL. DRILLS.md, 8, has it step by step"
        }
    }
}

fn promote(context: &mut Context, lost: &[String]) -> Result<Answer, Failure> {
    let shown = context.config.vault()?.display().to_string();
    let places = lost.iter().map(|place| parse(place)).collect::<Result<Vec<PlaceId>, _>>()?;
    let gone = lost.join(", ");
    context.confirm(&format!(
        "Promote the mirror in {shown}, and give up {gone}?\nThe command cannot check this: no program may use \
         the place that is given up, and it must stay away until you have emptied it. A program that still sees \
         it goes on there, and opens data that is shredded from now on."
    ))?;
    let vault = context.promote(places)?;
    let places = names(&vault.status()?.places);
    close(vault)?;
    let text = format!(
        "The mirror in {shown} decides from now on: place {}. {gone} is given up: if it comes back, empty it \
         before any program sees it.\nNext: attach a new mirror (`oubliette mirror attach`), and name {shown} as \
         `vault` in every program's configuration.\n",
        places.first().cloned().unwrap_or_default(),
    );
    Answer::new(text, json!({ "first": places.first(), "places": places, "lost": lost }))
}

fn names(places: &[PlaceId]) -> Vec<String> {
    places.iter().map(PlaceId::to_string).collect()
}

/// One of the vault's places, by what `status` calls it.
fn listed(vault: &Vault, place: &str) -> Result<PlaceId, Failure> {
    let status = vault.status()?;
    let found = status.places.into_iter().find(|known| known.to_string() == place);
    found.ok_or_else(|| {
        Failure::usage(format!("{place:?} is not a place of this vault; `oubliette status` lists its places"))
    })
}

/// A place that need not be there.
fn parse(place: &str) -> Result<PlaceId, Failure> {
    let number = u64::from_str_radix(place, 16).ok().filter(|_| place.len() == 16);
    let found = number.map(|number| PlaceId(number.to_be_bytes())).filter(|found| found.to_string() == place);
    found.ok_or_else(|| {
        Failure::usage(format!("{place:?} is not a place; a place has 16 hexadecimal digits, as the error shows it"))
    })
}
