//! What the vault holds.

use std::fmt::Write;
use std::path::PathBuf;

use oubliette::store::PlaceId;
use oubliette::{Health, Status};
use serde_json::{Value, json};

use crate::answer::{Answer, count, size};
use crate::context::{Context, close};
use crate::exit::{Exit, Failure, of_key_store, told};
use crate::key_store::Store;

pub fn run(context: &mut Context) -> Result<Answer, Failure> {
    let vault = context.unlock(&[])?;
    let store = context.store()?;
    let status = vault.status()?;
    let seen = Seen {
        shown: context.shown()?,
        journal: context.config.journal.clone(),
        public_key: vault.public_key().ok().map(|key| key.to_string()),
        health: vault.health(),
        places: places(&store, &status.places),
        is_replicated: store.is_replicated(),
        status,
    };
    close(vault)?;
    let exit = match (&seen.health.trouble, seen.health.ready) {
        (_, true) if seen.health.alarm.is_some() => Exit::Grave,
        (_, true) => Exit::Done,
        (Some(trouble), false) => of_key_store(trouble),
        (None, false) => Exit::TryAgain,
    };
    Ok(Answer::new(seen.text(), seen.json())?.ending(exit))
}

/// What is shown.
struct Seen {
    shown: String,
    journal: Option<PathBuf>,
    public_key: Option<String>,
    status: Status,
    health: Health,
    places: Vec<PlaceSeen>,
    /// Of a server: whether what is written there survives the loss of a machine, as far as it says.
    is_replicated: Option<bool>,
}

/// A place that the record lists, or that was opened without being listed.
pub struct PlaceSeen {
    pub id: PlaceId,
    pub root: Option<String>,
    pub is_listed: bool,
}

/// Every place that is listed or open.
pub fn places(store: &Store, listed: &[PlaceId]) -> Vec<PlaceSeen> {
    let open = store.places();
    let others = open.iter().filter(|id| !listed.contains(id));
    let all = listed.iter().chain(others);
    all.map(|id| PlaceSeen { id: *id, root: store.location_of(*id), is_listed: listed.contains(id) }).collect()
}

impl Seen {
    fn json(&self) -> Value {
        let Seen { shown, journal, public_key, status, health, places, is_replicated } = self;
        let purposes = status.purposes.iter().map(|purpose| {
            json!({
                "purpose": purpose.purpose,
                "tree": purpose.tree.to_string(),
                "state": state(purpose),
                "shredded": purpose.shredded,
                "pages": purpose.pages,
                "bytes": purpose.bytes,
            })
        });
        let places = places.iter().map(|place| {
        json!({ "place": place.id.to_string(), "root": place.root, "listed": place.is_listed, "open": place.root.is_some() })
    });
        json!({
            "vault": shown,
            "generation": status.generation,
            "lease_ms": u64::try_from(status.lease.as_millis()).unwrap_or(u64::MAX),
            "numbers_reserved": status.issued,
            "purposes": purposes.collect::<Vec<_>>(),
            "pages": { "pages": status.pages.pages, "bytes": status.pages.bytes, "superseded": status.superseded },
            "root_key_version": status.root_key_version.map(|(number, _)| number),
            "places": places.collect::<Vec<_>>(),
            "journal": { "file": journal, "vouched_to": status.journalled },
            "public_key": public_key,
            "has_mirror": !status.has_no_mirror(),
            "replicated": is_replicated,
            "health": {
                "ready": health.ready,
                "can_open": health.can_open,
                "lease_left_ms": u64::try_from(health.lease_left.as_millis()).unwrap_or(u64::MAX),
                "trouble": health.trouble.as_ref().map(told),
                "alarm": health.alarm,
            },
        })
    }

    fn text(&self) -> String {
        let Seen { shown, status, health, places, public_key, is_replicated, .. } = self;
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(out, "vault        {shown}");
        let ready = match (health.ready, health.can_open) {
            (true, _) => "ready",
            (false, true) => "READS ONLY: nobody can be shredded",
            (false, false) => "NOT READY",
        };
        let _ = writeln!(out, "health       {ready}");
        if let Some(trouble) = &health.trouble {
            let _ = writeln!(out, "trouble      {}", told(trouble));
        }
        if let Some(seen) = health.alarm {
            let _ = writeln!(
                out,
                "ALARM        a value names generation {seen}, which is not of this vault's history: `oubliette doctor` says more"
            );
        }
        let _ = writeln!(out, "generation   {}", status.generation);
        let _ = writeln!(out, "lease        {:?}", status.lease);
        if let Some((number, begun)) = status.root_key_version {
            let since = oubliette::journal::Time::from(begun);
            let _ = writeln!(out, "root key     version {number}, since {since}");
        }
        let _ = writeln!(out, "numbers      {} reserved", status.issued);
        let pages = count(status.pages.pages, "page", "pages");
        let _ = writeln!(out, "pages        {pages}, {}; {} superseded", size(status.pages.bytes), status.superseded);
        if let Some(entry) = status.journalled {
            let _ = writeln!(out, "journal      entry {entry} at least");
        }
        if let Some(key) = public_key {
            let _ = writeln!(out, "public key   {key}");
        }
        let _ = writeln!(out, "\n{:<32} {:<16} {:<8} {:>9} {:>6}", "purpose", "key tree", "state", "shredded", "pages");
        for purpose in &status.purposes {
            let (name, tree) = (&purpose.purpose, purpose.tree.to_string());
            let _ = writeln!(
                out,
                "{name:<32} {tree:<16} {:<8} {:>9} {:>6}",
                state(purpose),
                purpose.shredded,
                purpose.pages
            );
        }
        let _ = writeln!(out, "\n{:<16} root record in", "place");
        for place in places {
            let root = place.root.as_deref().unwrap_or("not open here: name it with --mirror");
            let _ = writeln!(
                out,
                "{:<16} {root}{}",
                place.id.to_string(),
                if place.is_listed { "" } else { " (not listed)" }
            );
        }
        let alone = match is_replicated {
            Some(true) => "",
            Some(false) => "\nThe server has no synchronous standbys: `oubliette doctor` says what that means.\n",
            None if status.has_no_mirror() => "\nThere is no mirror: losing this one place loses every value.\n",
            None => "",
        };
        out.push_str(alone);
        out
    }
}

fn state(purpose: &oubliette::PurposeStatus) -> &'static str {
    match (purpose.retired, purpose.active) {
        (true, _) => "retired",
        (false, true) => "active",
        (false, false) => "replaced",
    }
}
