//! What the vault holds.

use std::fmt::Write;
use std::path::PathBuf;

use oubliette::status::{Health, Status};
use oubliette::store::{CopyContent, PlaceId};
use serde_json::{Value, json};

use crate::answer::{Answer, count, size};
use crate::context::{Context, close};
use crate::exit::{Exit, Failure, chain, of_key_store, told};
use crate::key_store::Store;

pub fn run(context: &mut Context) -> Result<Answer, Failure> {
    let vault = context.unlock(&[])?;
    let store = context.store()?;
    let status = vault.status()?;
    let mut seen = Seen {
        shown: context.shown()?,
        journal: context.config.journal.clone(),
        public_key: vault.public_key().ok().map(|key| key.to_string()),
        health: vault.health(),
        places: places(&store, &status.places),
        is_replicated: store.is_replicated(),
        status,
    };
    if context.config.copy {
        // Its record may list the places of its original, which are not for it to look at.
        seen.places.iter_mut().for_each(|place| place.away = None);
    }
    close(vault)?;
    let exit = match (&seen.health.trouble, seen.is_ready()) {
        (_, false) if seen.away().next().is_some() => Exit::TryAgain,
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
    /// Why nothing of it can be read, if so.
    pub away: Option<String>,
}

/// What is to be done about a place that is away.
pub fn bring_back(id: &str) -> String {
    format!(
        "no shred is possible until it is back; mount it, or correct `mirrors` (--mirror). If it is lost for \
         good, run `oubliette mirror detach {id}`"
    )
}

/// Every place that is listed or open.
pub fn places(store: &Store, listed: &[PlaceId]) -> Vec<PlaceSeen> {
    let open = store.places();
    let others = open.iter().filter(|id| !listed.contains(id));
    let all = listed.iter().chain(others);
    all.map(|id| PlaceSeen {
        id: *id,
        root: store.location_of(*id),
        is_listed: listed.contains(id),
        away: away(store, *id),
    })
    .collect()
}

fn away(store: &Store, place: PlaceId) -> Option<String> {
    let mut why = None;
    for copy in store.read(place) {
        match &copy.content {
            CopyContent::Unreachable(error) => why = Some(chain(error)),
            _ => return None,
        }
    }
    Some(why.unwrap_or_else(|| "it is not open here".to_owned()))
}

impl Seen {
    /// Listed places of which nothing can be read: a commit needs them all.
    fn away(&self) -> impl Iterator<Item = (&PlaceSeen, &String)> {
        self.places.iter().filter(|place| place.is_listed).filter_map(|place| Some((place, place.away.as_ref()?)))
    }

    fn is_ready(&self) -> bool {
        self.health.ready && self.away().next().is_none()
    }

    /// What the vault says of itself, or what was seen here.
    fn trouble(&self) -> Option<String> {
        let seen = self.away().next().map(|(place, why)| {
            let id = place.id.to_string();
            format!("place {id} is away ({why}): {}", bring_back(&id))
        });
        seen.or_else(|| self.health.trouble.as_ref().map(told))
    }

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
        json!({ "place": place.id.to_string(), "root": place.root, "listed": place.is_listed, "open": place.root.is_some(), "away": place.away })
    });
        json!({
            "vault": shown,
            "generation": status.generation,
            "lease_ms": u64::try_from(status.lease.as_millis()).unwrap_or(u64::MAX),
            "numbers_reserved": status.issued,
            "purposes": purposes.collect::<Vec<_>>(),
            "pages": { "pages": status.pages.pages, "bytes": status.pages.bytes, "superseded": status.superseded },
            "root_key_version": status.root_key_version.map(|(number, _)| number),
            "older_root_key": status.older_root_key.as_ref().map(ToString::to_string),
            "places": places.collect::<Vec<_>>(),
            "journal": { "file": journal, "vouched_to": status.journalled },
            "public_key": public_key,
            "has_mirror": !status.has_no_mirror(),
            "replicated": is_replicated,
            "health": {
                "ready": self.is_ready(),
                "can_open": health.can_open,
                "lease_left_ms": u64::try_from(health.lease_left.as_millis()).unwrap_or(u64::MAX),
                "trouble": self.trouble(),
                "alarm": health.alarm,
            },
        })
    }

    fn text(&self) -> String {
        let Seen { shown, status, health, places, public_key, is_replicated, .. } = self;
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(out, "vault        {shown}");
        let ready = match (self.is_ready(), health.can_open) {
            (true, _) => "ready",
            (false, true) => "READS ONLY: no shred is possible",
            (false, false) => "NOT READY",
        };
        let _ = writeln!(out, "health       {ready}");
        if let Some(trouble) = self.trouble() {
            let _ = writeln!(out, "trouble      {trouble}");
        }
        if let Some(seen) = health.alarm {
            let _ = writeln!(
                out,
                "ALARM        a value names generation {seen}, which does not belong to this vault's history; \
                 `oubliette doctor` says more"
            );
        }
        let _ = writeln!(out, "generation   {}", status.generation);
        let _ = writeln!(out, "lease        {:?}", status.lease);
        if let Some((number, begun)) = status.root_key_version {
            let since = oubliette::journal::Time::from(begun);
            let _ = writeln!(out, "root key     version {number}, since {since}");
        }
        if let Some(waits) = &status.older_root_key {
            let _ = writeln!(out, "             {waits}");
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
            let root = match (&place.root, &place.away) {
                (Some(root), None) => root.clone(),
                (Some(root), Some(_)) => format!("{root} (away)"),
                (None, _) => "not open here: name it with --mirror".to_owned(),
            };
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
            None if status.has_no_mirror() => "\nThere is no mirror: if this one place is lost, every value is lost.\n",
            None => "",
        };
        out.push_str(alone);
        out
    }
}

fn state(purpose: &oubliette::status::PurposeStatus) -> &'static str {
    match (purpose.retired, purpose.active) {
        (true, _) => "retired",
        (false, true) => "active",
        (false, false) => "replaced",
    }
}
