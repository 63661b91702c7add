use crate::support::World;

#[test]
fn a_mirror_comes_and_goes() {
    let world = World::new();
    let customers = world.customers(2);
    world.vault().shred([customers[0].number]).unwrap();
    world.run(&["mirror", "attach", "third"]).ends(77);
    let (code, attached) = world.json(&["mirror", "attach", "third", "--yes"]);
    assert_eq!(code, 0, "{attached}");
    let place = attached["attached"].as_str().unwrap();
    // It is found, though the configuration does not name it.
    world.run(&["doctor"]).ends(0);
    world.run(&["shred", &customers[1].number.to_string(), "--yes"]).ends(0);
    // Unless what was left for others is lost.
    for at in ["privacy", "mirror"] {
        std::fs::remove_file(world.path(at).join("root/mirrors")).unwrap();
    }
    let (code, report) = world.json(&["doctor"]);
    assert_eq!((code, &report["findings"][0]["check"]), (2, &serde_json::json!("place-missing")));
    let config = std::fs::read_to_string(world.path("oubliette.toml")).unwrap();
    world.write("three.toml", &config.replace("[\"mirror\"]", "[\"mirror\", \"third\"]"));
    world.run(&["doctor", "--config", "three.toml"]).ends(0);
    world.run(&["shred", &customers[1].number.to_string(), "--yes", "--config", "three.toml"]).ends(0);

    world.run(&["mirror", "detach", "0123456789abcdef", "--yes"]).ends(64);
    world.run(&["mirror", "detach", place, "--config", "three.toml"]).ends(77);
    let ran = world.run(&["mirror", "detach", place, "--config", "three.toml", "--yes"]).ends(0);
    assert!(ran.out.contains("third"), "{ran:?}");
    world.run(&["doctor"]).ends(0);
    world.run(&["mirror", "attach", "third", "--yes"]).ends(64);
}

/// The first place is lost: the error names the command, which asks for an operator's word, and the vault goes on at the mirror.
#[test]
fn a_mirror_is_promoted() {
    let world = World::new();
    let customers = world.customers(2);
    world.vault().shred([customers[0].number]).unwrap();
    let (_, status) = world.json(&["status"]);
    let place = |n: usize| status["places"][n]["place"].as_str().unwrap().to_owned();
    let (first, mirror) = (place(0), place(1));
    let config = std::fs::read_to_string(world.path("oubliette.toml")).unwrap();
    let config = config.replace("\"privacy\"", "\"mirror\"").replace("mirrors = [\"mirror\"]", "");
    world.write("mirror.toml", &config);
    // As long as it is there, it is not lost.
    let promote = ["mirror", "promote", "--lost", &first, "--config", "mirror.toml"];
    let with_yes = [&promote[..], &["--yes"]].concat();
    let hidden = world.path("hidden");
    std::fs::rename(world.path("privacy"), &hidden).unwrap();

    let ran = world.run(&["status", "--config", "mirror.toml"]).ends(75);
    assert!(ran.err.contains(&format!("oubliette mirror promote --vault MIRROR --lost {first}")), "{ran:?}");
    world.run(&promote).ends(77);
    world.run(&["mirror", "promote", "--lost", "first", "--config", "mirror.toml", "--yes"]).ends(64);
    let ran = world.run(&["mirror", "promote", "--lost", &mirror, "--config", "mirror.toml", "--yes"]).ends(77);
    assert!(ran.err.contains("is not lost"), "{ran:?}");
    let (code, promoted) = world.json(&with_yes);
    assert_eq!((code, &promoted["first"], &promoted["lost"][0]), (0, &mirror.as_str().into(), &first.as_str().into()));
    world.run(&["shred", &customers[1].number.to_string(), "--yes", "--config", "mirror.toml"]).ends(0);
    let (_, status) = world.json(&["status", "--config", "mirror.toml"]);
    assert_eq!(
        (status["places"].as_array().unwrap().len(), &status["places"][0]["place"]),
        (1, &mirror.as_str().into())
    );
}

#[test]
fn the_first_place_is_handed_over() {
    let world = World::new();
    let (_, status) = world.json(&["status"]);
    let place = |n: usize| status["places"][n]["place"].as_str().unwrap().to_owned();
    let (first, mirror) = (place(0), place(1));
    let ran = world.run(&["mirror", "detach", &first, "--yes"]).ends(64);
    assert!(ran.err.contains("oubliette mirror hand-over"), "{ran:?}");
    world.run(&["mirror", "hand-over", &mirror]).ends(77);
    let (code, handed) = world.json(&["mirror", "hand-over", &mirror, "--yes"]);
    assert_eq!((code, &handed["places"]), (0, &serde_json::json!([mirror, first])));
    world.run(&["mirror", "detach", &first, "--yes"]).ends(0);
}
