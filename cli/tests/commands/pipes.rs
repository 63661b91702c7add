//! A pipe that nobody writes into, where a file is expected: the command says so, and does not wait for ever.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shop::Shop;
use crate::support::{Ran, World};

/// Runs a command, which must end by itself.
#[track_caller]
fn ends(world: &World, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("{arguments:?} waits for ever");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ran::of(child.wait_with_output().unwrap())
}

fn fifo(world: &World, name: &str) {
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(world.path(name)).status().unwrap();
    assert!(made.success());
}

#[test]
fn nothing_waits_for_a_pipe_that_nobody_writes_into() {
    let shop = Shop::new();
    let world = &shop.world;
    shop.customer("alice");
    let key = world.run(&["journal", "key"]).ends(0).out.trim().to_owned();
    let now = jiff::Timestamp::now().to_string();
    fifo(world, "pipe");
    let toml = std::fs::read_to_string(world.path("oubliette.toml")).unwrap();
    world.write("oubliette.toml", &format!("{toml}\n[controller]\nname = \"Shop Ltd\"\n"));
    for arguments in [
        &["status", "--config", "pipe"][..],
        &["verify", "pipe", "--key", &key],
        &["journal", "verify", "pipe", "--key", &key],
        &["journal", "verify", "--receipt", "pipe", "--key", &key],
        &["journal", "verify", "--head", "pipe", "--key", &key],
        &["journal", "show", "pipe", "--key", &key],
        &["journal", "accept-loss", "--why", "x", "--journal", "pipe", "--yes"],
        &["status", "--journal", "pipe"],
        &["shred", "1", "--journal", "pipe", "--yes"],
        &["replay", "--highest-number", "1", "--generate", "new", "--journal", "pipe", "--yes"],
        &["clear-alarm", "--why", "x", "--journal", "pipe", "--yes"],
        &["shred", "--from", "pipe", "--yes"],
        &["breach", "--known-since", &now, "--service", "orders", &now, &now, "--audit", "pipe"],
        &["inventory", "--check", "pipe"],
        &["inventory", "--write", "pipe"],
    ] {
        let ran = ends(world, arguments);
        assert!(ran.code >= 2, "{arguments:?}: {ran:?}");
        assert!(ran.out.contains("pipe") || ran.err.contains("pipe") || ran.code == 2, "{arguments:?}: {ran:?}");
    }
    // The doctor has a finding, and goes on with the rest.
    let ran = ends(world, &["doctor", "--journal", "pipe"]);
    assert!(ran.code == 2 && ran.out.contains("to see to"), "{ran:?}");
    // What a shell has opened has a writer; paths in a configuration from there are relative to it.
    world.shell("oubliette status --config <(cat oubliette.toml)").ends(66);
    world.shell("oubliette shred --from <(echo 1) --yes").ends(0);
    world.shell("oubliette shred --from /dev/stdin --yes < <(echo 1)").ends(0);
}
