use serde_json::json;

use crate::shop::{Shop, secret};

const WHY: [&str; 3] = ["--why", "unsubscribed", "--yes"];

#[test]
fn a_consent_that_is_withdrawn_shreds_its_purpose_alone() {
    let shop = Shop::new();
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let refused = shop.world.run(&["withdraw", "alice", "--purpose", "newsletter", "--why", "unsubscribed"]).ends(77);
    assert!(refused.err.contains("every backup") && refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    let done = [&["withdraw", "alice", "--purpose", "newsletter", "--receipt", "r.json"][..], &WHY].concat();
    let ran = shop.world.run(&done).ends(0).hides(&[&secret("alice"), "alice"]);
    assert!(ran.out.contains("1 grant for \"newsletter\" ended") && ran.out.contains("r.json"), "{ran:?}");
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), bob.opens(&vault)), ((true, false), (true, true)));
    drop(vault);
    let receipt = shop.receipt("r.json");
    assert_eq!(receipt.content().whose.as_str(), "alice");
    let key = shop.world.run(&["journal", "key"]).ends(0).out;
    shop.world.run(&["verify", "r.json", "--key", key.trim()]).ends(0);
    // A second call has no effect, and makes no receipt.
    let (code, again) = shop
        .world
        .json(&[&["withdraw", "alice", "--purpose", "newsletter", "--receipt", "r2.json"][..], &WHY].concat());
    assert_eq!(
        (code, &again["ended"], &again["shredded"], &again["receipt"]),
        (0, &json!(0), &json!(null), &json!(null))
    );
    assert!(!shop.world.path("r2.json").exists());
}

#[test]
fn what_is_kept_on_another_basis_stays_unless_every_basis_ends() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let (code, done) = shop.world.json(&[&["withdraw", "alice", "--purpose", "orders"][..], &WHY].concat());
    assert_eq!((code, &done["kept_for"], &done["shredded"]), (0, &json!(["contract"]), &json!(null)));
    let asked = shop.world.run(&["withdraw", "alice", "--purpose", "orders", "--why", "x"]).ends(77);
    assert!(asked.err.contains("Another basis keeps the data (contract)"), "{asked:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    let every = [&["withdraw", "alice", "--purpose", "orders", "--every-basis"][..], &WHY].concat();
    let (code, done) = shop.world.json(&every);
    assert_eq!((code, &done["shredded"]["newly_shredded"]), (0, &json!(1)));
    assert_eq!(alice.opens(&shop.world.vault()), (false, true));
    assert_eq!(shop.tokens(), [false], "the token of what was shredded is cleared");
}

#[test]
fn a_hold_makes_the_shred_wait() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    shop.world.run(&["holds", "add", "alice", "--until", "2099-01-01", "--why", "case 7"]).ends(0);
    let (code, done) = shop.world.json(&[&["withdraw", "alice", "--purpose", "newsletter"][..], &WHY].concat());
    assert_eq!((code, &done["held"]["reason"]), (4, &json!("case 7")));
    assert_eq!(done["held"]["until"], "2099-01-01T00:00:00Z");
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    let hold = done["held"]["hold"].to_string();
    shop.world.run(&["holds", "lift", &hold, "--why", "case closed", "--yes"]).ends(0);
    let ran = shop.world.run(&["resume"]).ends(0);
    assert!(ran.err.contains("1 number shredded"), "{ran:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (true, false));
    let ran = shop.world.run(&["resume"]).ends(0);
    assert!(ran.out.contains("Nothing was unfinished") && ran.err.is_empty(), "{ran:?}");
}

#[test]
fn a_mistake_withdraws_nothing() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    for (arguments, named) in [
        (vec!["withdraw", "alise", "--purpose", "newsletter"], "does not know a customer of this id"),
        (vec!["withdraw", "", "--purpose", "newsletter"], "1 to 255 bytes"),
        (vec!["withdraw", "alice", "--purpose", "marketing"], "marketing"),
    ] {
        let ran = shop.world.run(&[&arguments[..], &WHY].concat()).ends(64).hides(&["alise"]);
        assert!(ran.err.contains(named), "{ran:?}");
    }
    shop.world.run(&["withdraw", "alice", "--purpose", "newsletter", "--why", "", "--yes"]).ends(64);
    shop.world.run(&["withdraw", "alice", "--why", "x", "--yes"]).ends(64);
    // A receipt that has no place is told before.
    shop.world.write("taken", "");
    shop.world
        .run(&[&["withdraw", "alice", "--purpose", "newsletter", "--receipt", "taken"][..], &WHY].concat())
        .ends(77);
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_grants WHERE ended_at IS NOT NULL"), 0);
}

#[test]
fn one_recipient_can_be_cut_off() {
    use oubliette_register::{Basis, Grant, Subject};
    let shop = Shop::new();
    let alice = shop.customer("alice");
    shop.application(|_, register, connection| {
        let grant = Grant::on(crate::support::ORDERS, Basis::Contract).to("carrier");
        register.in_transaction(connection).grant(&Subject::new("alice").unwrap(), grant).unwrap();
    });
    let cut = ["withdraw", "alice", "--purpose", "orders", "--recipient"];
    let (code, done) = shop.world.json(&[&cut[..], &["carrier"], &WHY].concat());
    assert_eq!((code, &done["ended"]), (0, &json!(1)));
    let (_, done) = shop.world.json(&[&cut[..], &["printer"], &WHY].concat());
    assert_eq!(done["ended"], 0);
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
}
