//! Random histories of everything that the register does, with kills, failures and restores of any of database, journal and
//! vault in between, against a model of who may be read, who is held, which requests are open and which receipts are true.
//!
//! A history is made of its seed. `OUBLIETTE_WALK_SEED` runs the one of a seed, `OUBLIETTE_WALK_HISTORIES` says how many, and one that fails is printed
//! with what can be left out of it left out.

mod act;
mod checks;
mod mend;
mod model;
mod ops;
mod returned;
mod seen;
mod world;

use std::time::{Duration, Instant};

use model::Truth;
use ops::Act;
use world::World;

use crate::Db;

/// Acts of one history.
const LENGTH: usize = 50;

/// How long is looked for a shorter history that fails as well.
const SHRINKING: Duration = Duration::from_secs(60);

/// A history from its beginning; which act failed, and why.
async fn live(acts: &[Act]) -> Result<(), (usize, String)> {
    let (mut world, mut truth) = (World::open().await, Truth::default());
    for (at, act) in acts.iter().enumerate() {
        world.act(&mut truth, act).await.map_err(|error| (at, error))?;
    }
    let end = async {
        world.check_values(&truth).await?;
        own_transaction!(world.db, world.register, flush()).map_err(|error| format!("{error:?}"))?;
        truth.seen = world.seen().await;
        world.check_journal(&truth)
    };
    let ended = end.await.map_err(|error| (acts.len(), error));
    world.stop();
    ended
}

/// The same without whatever can be left out, as far as time allows.
async fn shrunk(acts: &[Act], failed: usize, error: &str) -> (Vec<Act>, String) {
    let (begun, mut acts) = (Instant::now(), acts[..acts.len().min(failed + 1)].to_vec());
    let mut last = error.to_owned();
    // Another failure may be another fault.
    let kind = |error: &str| error.chars().filter(|c| c.is_alphabetic()).take(30).collect::<String>();
    let mut width = acts.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < acts.len() && begun.elapsed() < SHRINKING {
            let mut fewer = acts.clone();
            fewer.drain(at..(at + width).min(acts.len()));
            match live(&fewer).await {
                Err((failed, found)) if kind(&found) == kind(error) => {
                    last = found;
                    acts = fewer[..fewer.len().min(failed + 1)].to_vec();
                }
                _ => at += width,
            }
        }
        if width == 1 || begun.elapsed() >= SHRINKING {
            return (acts, last);
        }
        width = width.div_ceil(2);
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// The first history from a seed on that fails: its seed, the act, and why.
pub async fn first_failure(first: u64, histories: u64) -> Option<(u64, usize, String)> {
    for seed in first..first + histories {
        println!("OUBLIETTE_WALK_SEED={seed}");
        if let Err((failed, error)) = live(&ops::history(seed, LENGTH)).await {
            return Some((seed, failed, error));
        }
    }
    None
}

bodies! {
    async fn whatever_happens_and_whatever_is_restored() {
        let seed = variable("OUBLIETTE_WALK_SEED");
        let histories = variable("OUBLIETTE_WALK_HISTORIES").unwrap_or(if seed.is_some() { 1 } else { Db::WALKS });
        // The same ones in each run: what others would find is looked for with the variables, by whoever changes something here.
        let seed = seed.unwrap_or(1);
        if let Some((seed, failed, error)) = first_failure(seed, histories).await {
            let (fewer, last) = shrunk(&ops::history(seed, LENGTH), failed, &error).await;
            let list: String = fewer.iter().map(|act| format!("    {act:?}\n")).collect();
            panic!("OUBLIETTE_WALK_SEED={seed}, act {failed}: {error}\nshorter:\n{list}    {last}");
        }
    }
}
