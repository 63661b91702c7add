//! A mirror that is lost: what changes something says so before it begins, and the mirror can be given up.

use std::fs;

use serde_json::json;

use crate::shop::Shop;
use crate::support::World;

/// How a mirror is lost.
const WAYS: [&str; 3] = ["not there", "an empty directory, as where nothing is mounted", "its root record is gone"];

fn lose(world: &World, way: usize) {
    match way {
        0 => fs::rename(world.path("mirror"), world.path("hidden")).unwrap(),
        1 => {
            fs::rename(world.path("mirror"), world.path("hidden")).unwrap();
            fs::create_dir(world.path("mirror")).unwrap();
            world.mode("mirror", 0o700);
        }
        _ => fs::remove_dir_all(world.path("mirror/root")).unwrap(),
    }
}

fn mirror_of(world: &World) -> String {
    let (_, status) = world.json(&["status"]);
    status["places"][1]["place"].as_str().unwrap().to_owned()
}

#[test]
fn nobody_is_half_erased_when_a_mirror_is_lost() {
    for (way, what) in WAYS.iter().enumerate() {
        let shop = Shop::new();
        let world = &shop.world;
        for id in ["alice", "bob"] {
            shop.customer(id);
        }
        shop.age("newsletter", "alice", 800);
        let mirror = mirror_of(world);
        lose(world, way);
        for arguments in [
            &["erase", "alice", "--why", "request", "--receipt", "r.json", "--yes"][..],
            &["withdraw", "alice", "--purpose", "newsletter", "--why", "mail", "--yes"],
            &["sweep", "--yes"],
            &["shred", "1", "--yes"],
        ] {
            let ran = world.run(arguments).ends(75);
            assert!(ran.err.contains(&format!("oubliette mirror detach {mirror}")), "{what}: {arguments:?} {ran:?}");
            assert!(!ran.err.contains("create"), "{what}: {arguments:?} {ran:?}");
        }
        assert!(!world.path("r.json").exists());
        assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'live'"), 2, "{what}");
        assert_eq!(shop.ask("SELECT count(*) FROM oubliette_numbers WHERE state <> 'live'"), 0, "{what}");
        assert_eq!(shop.ask("SELECT count(*) FROM oubliette_grants WHERE ended_at IS NOT NULL"), 0, "{what}");
        // What is not shredded can still be read and recorded.
        world.run(&["export", "alice"]).ends(0);
        world.run(&["requests", "add", "bob", "--kind", "access"]).ends(0);
        let (code, status) = world.json(&["status"]);
        assert_eq!(
            (code, &status["health"]["ready"], &status["health"]["can_open"]),
            (75, &json!(false), &json!(true))
        );
        let ran = world.run(&["status"]).ends(75);
        assert!(ran.out.contains("READS ONLY") && ran.out.contains("mirror detach"), "{what}: {ran:?}");
        // It is given up as the configuration is, and all goes on.
        let ran = world.run(&["mirror", "detach", &mirror, "--yes"]).ends(0);
        assert!(ran.out.contains("remove it from `mirrors`"), "{what}: {ran:?}");
        world.run(&["erase", "alice", "--why", "request", "--receipt", "r.json", "--yes"]).ends(0);
        assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'erased'"), 1, "{what}");
    }
}
