//! The command beside the application: another process that has the vault open.

use std::time::{Duration, Instant};

use crate::support::World;

#[test]
fn a_running_application_hears_of_a_shred_within_its_lease() {
    let world = World::new();
    let customers = world.customers(2);
    let application = world.vault();
    assert_eq!(customers[0].opens(&application), (true, true));
    world.run(&["status"]).ends(0);
    world.run(&["shred", &customers[0].number.to_string(), "--yes", "--wait"]).ends(0);
    assert_eq!(customers[0].opens(&application), (false, false));
    assert_eq!(customers[1].opens(&application), (true, true));
    application.shred([customers[1].number]).unwrap();
    let (_, status) = world.json(&["status"]);
    assert_eq!(status["purposes"][0]["shredded"], 2);
    application.close().unwrap();
}

#[test]
fn many_commands_at_once_take_turns() {
    let world = World::new();
    let customers = world.customers(4);
    let running: Vec<_> = customers
        .iter()
        .map(|customer| {
            world
                .command(&["shred", &customer.number.to_string(), "--yes"])
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    let vault = world.vault();
    assert!(customers.iter().all(|customer| customer.opens(&vault) == (false, false)));
}

#[test]
fn an_application_goes_on_under_the_new_key_it_was_given() {
    let world = World::new();
    let customers = world.customers(1);
    world.write("new-key", &"08".repeat(32));
    let application = oubliette::Vault::at(world.path("privacy"))
        .mirror(world.path("mirror"))
        .purposes([crate::support::ORDERS, crate::support::NEWS])
        .next_root_key(oubliette::RootKey::bytes([8; 32]))
        .unlock(oubliette::RootKey::bytes([7; 32]))
        .unwrap();
    world.run(&["rotate", "root-key", "--new-key-file", "new-key", "--yes"]).ends(0);
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert_eq!(customers[0].opens(&application), (true, true));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_application_with_the_register_open_goes_on() {
    use oubliette_register::{Basis, Grant, Register, RegisterError, Subject};

    use crate::support::ORDERS;
    let shop = crate::shop::Shop::new();
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let application = shop.world.application();
    let register = Register::new(&application, crate::shop::rules()).unwrap();
    let connection = shop.connection();
    let who = |id: &str| Subject::new(id).unwrap();
    let keys = register.in_transaction(&connection).keys(&who("alice"), ORDERS).unwrap();
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    // The lease is a second.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!((alice.opens(&application), bob.opens(&application)), ((false, false), (true, true)));
    let email = crate::shop::secret("alice").parse().unwrap();
    assert!(keys.seal(crate::support::EMAIL, &email).is_err(), "a handle from before seals no more");
    let refused = register.in_transaction(&connection).keys(&who("alice"), ORDERS);
    assert!(matches!(refused, Err(RegisterError::NoGrant { .. })));
    register.in_transaction(&connection).grant(&who("carol"), Grant::on(ORDERS, Basis::Contract)).unwrap();
    // Both at once: what either does is there, and told once.
    let running: Vec<_> = ["bob", "carol"]
        .map(|id| {
            let mut erase = shop.world.command(&["erase", id, "--why", "request", "--yes"]);
            erase.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .into_iter()
        .collect();
    for at in 0..20 {
        let id = format!("customer {at}");
        register.in_transaction(&connection).grant(&who(&id), Grant::on(ORDERS, Basis::Contract)).unwrap();
    }
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'erased'"), 3);
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'live'"), 20);
    drop((register, keys));
    application.close().unwrap();
    let key = shop.world.run(&["journal", "key"]).ends(0).out;
    shop.world.run(&["resume"]).ends(0);
    let (code, journal) = shop.world.json(&["journal", "show", "--key", key.trim()]);
    let text = journal.to_string();
    assert_eq!(
        (code, text.matches("\"erased\"").count(), text.matches("\"granted\"").count()),
        (0, 3, 25),
        "{journal:#}"
    );
}
