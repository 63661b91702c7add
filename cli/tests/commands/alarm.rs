//! A row of a staging system in the database of production: an alarm that an operator finds, understands and clears.

use std::time::Duration;

use oubliette::{OpenError, RootKey, Vault};
use serde_json::json;

use crate::support::{Customer, EMAIL, NEWS, ORDERS, World};

#[test]
fn an_alarm_is_shown_and_cleared() {
    let world = World::journalled();
    let production = world.application();
    let alice = Customer::new(&production);
    production.copy_to(world.path("staging")).unwrap();
    world.copy("log", "staging-log");
    let staging =
        || Vault::at(world.path("staging")).purposes([ORDERS, NEWS]).journal(world.path("staging-log/journal"));
    let copy = staging().unlock(RootKey::bytes([7; 32])).unwrap();
    let mirror = copy.status().unwrap().places[1];
    copy.detach_mirror(mirror).unwrap();
    copy.enroll().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let stray = copy.seal(alice.number, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
    copy.close().unwrap();
    let refused = production.open(alice.number, EMAIL, &stray);
    assert!(matches!(refused, Err(OpenError::NotOfThisHistory { .. })), "{refused:?}");
    production.close().unwrap();

    let ran = world.run(&["status"]).ends(2);
    assert!(ran.out.contains("ready") && ran.out.contains("ALARM"), "{ran:?}");
    let (code, status) = world.json(&["status"]);
    assert!(code == 2 && status["health"]["alarm"].is_u64() && status["health"]["ready"] == json!(true), "{status}");
    let (code, report) = world.json(&["doctor"]);
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "alarm");
    assert!(code == 2 && found.is_some_and(|found| found.to_string().contains("clear-alarm")), "{report}");
    world.run(&["shred", &alice.number.to_string(), "--yes", "--purpose", "newsletter"]).ends(0);

    world.run(&["clear-alarm", "--yes"]).ends(64);
    world.run(&["clear-alarm", "--why", "a row of the staging system"]).ends(77);
    let clear = ["clear-alarm", "--why", "a row of the staging system", "--highest-number", "100", "--yes"];
    let (code, cleared) = world.json(&clear);
    assert_eq!((code, &cleared["alarm"], &cleared["ready"]), (0, &json!(null), &json!(true)), "{cleared}");
    world.run(&["status"]).ends(0);
    world.run(&["doctor"]).ends(0);
    let shown = world.run(&["journal", "show", "--key", &world.application().public_key().unwrap().to_string()]);
    assert!(shown.ends(0).out.contains("a row of the staging system"));
    let production = world.application();
    assert!(production.open(alice.number, EMAIL, &stray).is_ok());
    assert!(production.enroll().unwrap().get() > 100);

    // Whoever had said that it is a copy would have been told so, and nobody would have been alarmed.
    let copy = staging().as_copy().unlock(RootKey::bytes([7; 32])).unwrap();
    let marked = copy.seal(alice.number, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
    let _ = copy.enroll().unwrap();
    let refused = production.open(alice.number, EMAIL, &marked);
    assert!(matches!(refused, Err(OpenError::SealedInCopy { .. })), "{refused:?}");
    copy.close().unwrap();
    let ran = world.run(&["status", "--vault", "staging"]).ends(65);
    assert!(ran.err.contains("--copy") && ran.err.contains("clear-alarm"), "{ran:?}");
    let ran = world.run(&["status", "--vault", "staging", "--journal", "staging-log/journal", "--copy"]).ends(0);
    assert!(ran.out.contains("ready"), "{ran:?}");
}
