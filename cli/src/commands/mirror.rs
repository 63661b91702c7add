//! Mirrors: whole copies of a vault that every commit writes.

use indicatif::ProgressBar;
use oubliette::store::RootStore;
use serde_json::json;

use crate::answer::Answer;
use crate::args::Mirror;
use crate::context::{Context, close};
use crate::exit::Failure;

pub fn run(context: &mut Context, asked: &Mirror) -> Result<Answer, Failure> {
    match asked {
        Mirror::Attach { directory } => {
            let shown = directory.display();
            context.confirm(&format!(
                "Attach a mirror in {shown}?\nFrom then on every program that opens the vault must name it among its mirrors, or its commits are refused."
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
            let directory = context.directory()?.open().map_err(oubliette::KeyStoreError::from)?;
            let vault = context.unlock(&[])?;
            let known = vault.status()?.places.into_iter().chain(directory.places());
            let found = known.into_iter().find(|known| known.to_string() == *place);
            let found = found.ok_or_else(|| {
                Failure::usage(format!("{place:?} is no place of this vault; `oubliette status` lists them"))
            })?;
            context.confirm(&format!(
                "Detach the place {place}?\nWhat lies there is a copy of the root record: destroy it, or it opens everyone who is shredded from now on."
            ))?;
            let root = vault.detach_mirror(found)?;
            close(vault)?;
            let destroy = root.as_ref().map_or_else(
                || "Destroy what is left of it.".to_owned(),
                |root| format!("Destroy {}, and take it out of `mirrors`.", root.display()),
            );
            Answer::new(format!("Place {place} is detached. {destroy}\n"), json!({ "detached": place, "root": root }))
        }
    }
}
