use serde_json::json;

use crate::shop::{DATABASE, RULES, Shop, TABLES};
use crate::support::World;

#[test]
fn customers_are_shredded_in_every_purpose() {
    let world = World::new();
    let customers = world.customers(4);
    let [a, b, c, d] = [0, 1, 2, 3].map(|at: usize| &customers[at]);
    let ran = world.run(&["shred", &a.number.to_string(), &format!("{}-{}", b.number, c.number), "--yes"]).ends(0);
    assert!(ran.out.contains("3 customers"), "{ran:?}");
    let vault = world.vault();
    assert_eq!(
        [a, b, c, d].map(|customer| customer.opens(&vault)),
        [(false, false), (false, false), (false, false), (true, true)]
    );
}

#[test]
fn one_purpose_can_be_shredded_alone() {
    let world = World::new();
    let customers = world.customers(1);
    let number = customers[0].number;
    let (code, done) = world.json(&["shred", &number.to_string(), "--purpose", "newsletter", "--yes", "--wait"]);
    assert_eq!(code, 0);
    assert_eq!(done["shredded"]["numbers"], json!([number]));
    assert_eq!((&done["purpose"], &done["newly_shredded"]), (&json!("newsletter"), &json!(1)));
    assert_eq!(done["already_shredded"], json!([]));
    assert!(done["effective_everywhere_at"].as_str().unwrap().ends_with('Z'));
    let vault = world.vault();
    assert_eq!(customers[0].opens(&vault), (true, false));
    assert_eq!(done["generation"], vault.generation().unwrap());
    drop(vault);
    let (code, again) = world.json(&["shred", &number.to_string(), "--purpose", "newsletter", "--yes"]);
    assert_eq!((code, &again["already_shredded"]), (0, &json!([number])));
}

#[test]
fn everyone_up_to_a_number_is_shredded() {
    let world = World::new();
    let customers = world.customers(9);
    let through = customers[2].number.to_string();
    world.run(&["shred", "--through", &through, "--yes"]).ends(0);
    let vault = world.vault();
    assert!(customers[..3].iter().all(|customer| customer.opens(&vault) == (false, false)));
    assert!(customers[3..].iter().all(|customer| customer.opens(&vault) == (true, true)));
}

#[test]
fn numbers_come_from_a_file_or_the_input() {
    let world = World::new();
    let customers = world.customers(3);
    world.write("numbers", &format!("{}\n{} \n\n", customers[0].number, customers[1].number));
    world.run(&["shred", "--from", "numbers", "--yes"]).ends(0);
    world.shell(&format!("echo {} | oubliette shred --from - --yes", customers[2].number)).ends(0);
    let vault = world.vault();
    assert!(customers.iter().all(|customer| customer.opens(&vault) == (false, false)));
}

#[test]
fn nobody_is_shredded_without_a_yes() {
    let world = World::new();
    let customers = world.customers(1);
    let ran = world.run(&["shred", &customers[0].number.to_string()]).ends(77);
    assert!(ran.err.contains("--yes") && ran.err.contains("every purpose"), "{ran:?}");
    let (code, refused) = world.json(&["shred", &customers[0].number.to_string()]);
    assert_eq!((code, &refused["error"]["kind"]), (77, &json!("refused")));
    assert_eq!(customers[0].opens(&world.vault()), (true, true));
}

#[test]
fn a_mistake_shreds_nobody() {
    let world = World::new();
    let customers = world.customers(1);
    let number = customers[0].number.to_string();
    for (arguments, named) in [
        (vec!["shred", &number, "4000000"], "4000000"),
        (vec!["shred", &number, "--purpose", "marketing"], "marketing"),
        (vec!["shred", "alice"], "alice"),
        (vec!["shred", "9-3"], "9-3"),
        (vec!["shred", "0"], "\"0\""),
        (vec!["shred", "--through", "4000000"], "still being issued"),
        (vec!["shred", "--from", "/dev/null"], "no customer numbers"),
        (vec!["shred"], "NUMBER"),
    ] {
        let ran = world.run(&[&arguments[..], &["--yes"]].concat()).ends(64);
        assert!(ran.err.contains(named), "{named}: {ran:?}");
    }
    assert_eq!(customers[0].opens(&world.vault()), (true, true));
}

#[test]
fn a_place_that_is_away_stops_a_shred() {
    let world = World::new();
    let customers = world.customers(1);
    std::fs::rename(world.path("mirror"), world.path("away")).unwrap();
    let ran = world.run(&["shred", &customers[0].number.to_string(), "--yes"]);
    assert!(ran.code == 75 || ran.code == 66, "{ran:?}");
    std::fs::rename(world.path("away"), world.path("mirror")).unwrap();
    assert_eq!(customers[0].opens(&world.vault()), (true, true));
}

/// A library says from which call a number comes; an operator has no calls.
#[test]
fn messages_speak_of_no_calls() {
    let world = World::new();
    for arguments in
        [&["shred", "many", "--yes"][..], &["shred", "99", "--yes"], &["retire", "tree", "orders", "x", "--yes"]]
    {
        let ran = world.run(arguments).ends(64);
        assert!(!ran.err.contains("enroll") && !ran.err.contains("`status`"), "{ran:?}");
    }
    let ran = world.run(&["status", "--vault", "elsewhere"]).ends(66);
    assert!(!ran.err.contains("`create`"), "{ran:?}");
}

// A hold binds whatever destroys, however it is called.
#[test]
fn what_is_held_is_not_shredded_by_number() {
    let shop = Shop::new();
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let add = ["holds", "add", "alice", "--until", "2099-06-30", "--why", "case 7", "--purpose", "orders"];
    let (_, hold) = shop.world.json(&add);
    let (hers, his) = (&*alice.orders.to_string(), &*bob.orders.to_string());
    shop.world.write("numbers", &format!("{his} {hers}"));
    let range = &*format!("1-{hers}");
    for arguments in [
        &[hers][..],
        &[his, hers],
        &[range],
        &["--from", "numbers"],
        &["--through", hers],
        &["--through", his],
        &[hers, "--purpose", "orders"],
    ] {
        let shred = [&["shred", "--why", "tidy up", "--yes"][..], arguments].concat();
        let ran = shop.world.run(&shred).ends(4).hides(&["alice"]);
        for named in ["case 7", "2099-06-30", &hold["hold"].to_string(), hers] {
            assert!(ran.err.contains(named), "{named}: {ran:?}");
        }
    }
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), bob.opens(&vault)), ((true, true), (true, true)));
    drop(vault);
    // What the hold does not keep goes, and the register knows it.
    let news = alice.news.to_string();
    let (code, done) = shop.world.json(&["shred", &news, his, "--yes"]);
    assert_eq!((code, &done["holds_checked"], &done["overridden"]), (0, &json!(true), &json!([])), "{done}");
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), bob.opens(&vault)), ((true, false), (false, true)));
    drop(vault);
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_numbers WHERE state = 'shredded'"), 2);
    assert_eq!(shop.tokens(), [true, false]);
    assert_eq!(
        shop.world.json(&["resume"]),
        (0, json!({ "finished": null, "awaits_confirmation": false })),
        "it was the register's own"
    );
    // Overridden for a reason, which the journal has.
    let despite = ["shred", hers, "--despite-holds", "the court allows it"];
    let asked = shop.world.run(&despite).ends(77);
    assert!(asked.err.contains("overrides") && asked.err.contains("case 7"), "{asked:?}");
    let (code, done) = shop.world.json(&[&despite[..], &["--yes"]].concat());
    assert_eq!((code, &done["overridden"]), (0, &json!([hold["hold"]])), "{done}");
    assert_eq!(alice.opens(&shop.world.vault()), (false, false));
    let (_, journal) = shop.world.json(&["journal", "show", "--key", shop.world.run(&["journal", "key"]).out.trim()]);
    assert!(journal.to_string().contains("the court allows it"), "{journal}");
}

#[test]
fn without_its_register_a_shred_says_that_no_hold_is_looked_at() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let number = alice.orders.to_string();
    // The database is away: nobody knows what is held, and nothing is destroyed.
    shop.configure("", "[database]\nsqlite = \"away.db\"\n", RULES, TABLES);
    let ran = shop.world.run(&["shred", &number, "--yes"]).ends(66);
    assert!(ran.err.contains("legal holds"), "{ran:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    shop.configure("", "", "", "");
    let asked = shop.world.run(&["shred", &number]).ends(77);
    assert!(asked.err.contains("legal holds are not checked"), "{asked:?}");
    shop.world.run(&["shred", &number, "--despite-holds", "x", "--yes"]).ends(64);
    let (code, done) = shop.world.json(&["shred", &number, "--yes"]);
    assert_eq!((code, &done["holds_checked"]), (0, &json!(false)));
    // What was shredded past the register is found by it.
    shop.configure("", DATABASE, RULES, TABLES);
    let (_, resumed) = shop.world.json(&["resume"]);
    assert_eq!(resumed["finished"]["reconciled"]["shredded_again"], json!(1), "{resumed}");
}

#[test]
fn key_trees_are_not_given_up_while_somebody_is_held() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let (_, rotated) = shop.world.json(&["rotate", "purpose", "orders", "--yes"]);
    let tree = rotated["tree"].as_str().unwrap_or_else(|| panic!("{rotated}")).to_owned();
    shop.world.run(&["holds", "add", "alice", "--until", "2099-06-30", "--why", "case 7"]).ends(0);
    let ran = shop.world.run(&["retire", "tree", "orders", &tree, "--leave-behind", "--yes"]).ends(4);
    assert!(ran.err.contains("hold") && ran.err.contains("2099-06-30"), "{ran:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    let retire = ["retire", "tree", "orders", &tree, "--leave-behind", "--despite-holds", "all was resealed", "--yes"];
    shop.world.run(&retire).ends(0);
    let (_, journal) = shop.world.json(&["journal", "show", "--key", shop.world.run(&["journal", "key"]).out.trim()]);
    assert!(journal.to_string().contains("all was resealed"), "{journal}");
}
