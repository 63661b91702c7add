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
