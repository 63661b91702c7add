use crate::support::World;

#[test]
fn a_restored_record_is_refused_and_mended_from_the_journal() {
    let world = World::journalled();
    let customers = world.customers(3);
    for place in ["privacy", "mirror"] {
        world.copy(place, &format!("backup/{place}"));
    }
    world.run(&["shred", &customers[0].number.to_string(), "--yes"]).ends(0);
    world.run(&["shred", &customers[1].number.to_string(), "--purpose", "newsletter", "--yes"]).ends(0);
    for place in ["privacy", "mirror"] {
        std::fs::remove_dir_all(world.path(place).join("pages")).unwrap();
        world.copy(&format!("backup/{place}"), place);
        world.mode(&format!("{place}/pages"), 0o700);
    }
    let ran = world.run(&["status"]).ends(65);
    assert!(ran.err.contains("rolled back"), "{ran:?}");

    let highest = customers[2].number.to_string();
    let replay = ["replay", "--highest-number", &highest, "--generate", "new-key"];
    world.run(&replay).ends(77);
    assert!(!world.path("new-key").exists());
    world.run(&["replay", "--highest-number", &highest, "--new-key-file", "key", "--yes"]).ends(77);
    world.run(&["replay", "--highest-number", "many", "--generate", "new-key", "--yes"]).ends(64);
    let (code, done) = world.json(&[&replay[..], &["--yes"]].concat());
    assert_eq!(code, 0, "{done}");
    world.run(&["status"]).ends(77);
    let (code, status) = world.json(&["status", "--key-file", "new-key"]);
    assert_eq!((code, &status["generation"]), (0, &done["generation"]));
    let digits = std::fs::read_to_string(world.path("new-key")).unwrap();
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    }
    let vault = world.unlock(oubliette::RootKey::bytes(key));
    let opens: Vec<_> = customers.iter().map(|customer| customer.opens(&vault)).collect();
    assert_eq!(opens, [(false, false), (true, false), (true, true)]);
}
