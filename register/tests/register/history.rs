//! Long random histories, and the database set back to any moment of them, again and again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, ToSpan};
use oubliette::personal::Email;
use oubliette::testing::Stop;
use oubliette::{CustomerId, Sealed};
use oubliette_register::{HoldId, Keep, RegisterError, Rules};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::Db;
use crate::support::*;

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

#[derive(Clone, Debug)]
enum Op {
    Grant(usize, bool),
    ToRecipient(usize),
    Withdraw(usize, bool),
    Erase(usize),
    Merge(usize, usize),
    Hold(usize, bool),
    EndHold(usize),
    Days(i64),
    Sweep,
    Flush,
    BackUp,
    Restore(usize),
    /// The next that shreds is killed at this step.
    Kill(u64),
    Resume,
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..NAMES.len();
    prop_oneof![
        6 => (who.clone(), any::<bool>()).prop_map(|(who, news)| Op::Grant(who, news)),
        1 => who.clone().prop_map(Op::ToRecipient),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, news)| Op::Withdraw(who, news)),
        2 => who.clone().prop_map(Op::Erase),
        1 => (who.clone(), who.clone()).prop_map(|(one, other)| Op::Merge(one, other)),
        1 => (who, any::<bool>()).prop_map(|(who, all)| Op::Hold(who, all)),
        1 => (0_usize..4).prop_map(Op::EndHold),
        1 => (1_i64..40).prop_map(Op::Days),
        1 => Just(Op::Sweep),
        1 => Just(Op::Flush),
        2 => Just(Op::BackUp),
        1 => (0_usize..8).prop_map(Op::Restore),
        1 => (1_u64..7).prop_map(Op::Kill),
        1 => Just(Op::Resume),
    ]
}

struct World {
    shop: Shop,
    db: Db,
    day: i64,
    backups: Vec<Vec<u8>>,
    sealed: Vec<(CustomerId, bool, Sealed<Email>)>,
    lost: BTreeSet<CustomerId>,
    holds: Vec<HoldId>,
    /// Rows of customers who were erased, and of grants that ended, in whatever database.
    erased: BTreeSet<String>,
    ended: BTreeSet<String>,
}

fn quietly<T>(done: Result<T, RegisterError>, shop: &Shop) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) => {
            let expected = matches!(
                error,
                RegisterError::UnknownSubject
                    | RegisterError::BeingErased
                    | RegisterError::BeingShredded
                    | RegisterError::Held { .. }
                    | RegisterError::Invalid { .. }
            );
            assert!(expected || shop.steps.died(), "{error}");
            None
        }
    }
}

impl World {
    fn opens(&self) -> Vec<bool> {
        let field = |news| if news { NEWS_EMAIL } else { EMAIL };
        self.sealed.iter().map(|(number, news, value)| self.shop.opens_by(*number, value, field(*news))).collect()
    }

    async fn set(&mut self, sql: &str) -> BTreeSet<String> {
        self.db.ask(sql).await.into_iter().collect()
    }

    async fn resume(&mut self) {
        self.shop.steps.reset();
        let resumed = own_transaction!(self.db, self.shop.register, resume()).unwrap();
        assert!(resumed.unfinished.is_none());
        self.lost.extend(resumed.reconciled.into_iter().flat_map(|reconciled| reconciled.ownerless));
    }

    async fn seal(&mut self, who_: usize, news: bool) {
        let purpose = if news { NEWSLETTER } else { ORDERS };
        let Ok(keys) = on!(self.db, self.shop.register, keys(&who(NAMES[who_]), purpose)) else { return };
        let sealed = keys.seal(if news { NEWS_EMAIL } else { EMAIL }, &email()).unwrap();
        self.sealed.push((keys.customer(), news, sealed));
    }

    async fn take(&mut self, op: &Op) {
        let shop = &self.shop;
        let ids = NAMES.map(who);
        let purpose = |news: bool| if news { NEWSLETTER } else { ORDERS };
        match op {
            Op::Grant(who_, news) => {
                let grant = if *news { consent() } else { contract() };
                let granted = quietly(on!(self.db, shop.register, grant(&ids[*who_], grant)), shop);
                if let Some(granted) = granted.filter(|granted| granted.is_new_number) {
                    let known = self.sealed.iter().any(|(number, ..)| *number == granted.number);
                    assert!(!known, "a number comes once");
                }
                self.seal(*who_, *news).await;
            }
            Op::ToRecipient(who_) => {
                quietly(on!(self.db, shop.register, grant(&ids[*who_], consent().to("mailer"))), shop);
            }
            Op::Withdraw(who_, news) => {
                let done = match news {
                    true => own_transaction!(self.db, shop.register, withdraw(&ids[*who_], NEWSLETTER, why("asked"))),
                    false => own_transaction!(self.db, shop.register, end_purpose(&ids[*who_], ORDERS, why("asked"))),
                };
                quietly(done, shop);
            }
            Op::Erase(who_) => {
                quietly(own_transaction!(self.db, shop.register, erase(&ids[*who_], why("asked"))), shop);
            }
            Op::Merge(one, other) => {
                quietly(on!(self.db, shop.register, merge(&ids[*one], &ids[*other])), shop);
            }
            Op::Hold(who_, all) => {
                let until = at("2026-01-31T10:00:00Z") + SignedDuration::from_hours(24 * (self.day + 60));
                let of = (!all).then(|| purpose(true));
                let held = quietly(on!(self.db, shop.register, hold(&ids[*who_], of, why("case"), until)), shop);
                self.holds.extend(held);
            }
            Op::EndHold(at_) => {
                if let Some(hold) = self.holds.get(*at_) {
                    quietly(on!(self.db, shop.register, end_hold(*hold, why("settled"))), shop);
                }
            }
            Op::Days(days) => {
                self.day += days;
                let now = at("2026-01-31T10:00:00Z") + SignedDuration::from_hours(24 * self.day);
                shop.set_now(&now.to_string());
            }
            Op::Sweep => {
                let due = on!(self.db, shop.register, due()).unwrap();
                let listed: BTreeSet<String> =
                    due.iter().filter(|due| !due.held).flat_map(|due| &due.numbers).map(ToString::to_string).collect();
                let mut swept = own_transaction!(self.db, shop.register, sweep(|_| ControlFlow::Continue(())));
                if matches!(swept, Err(RegisterError::Unconfirmed)) {
                    // People have looked after what a restored database forgot.
                    quietly(own_transaction!(self.db, shop.register, confirm_restored(why("entered again"))), shop);
                    swept = own_transaction!(self.db, shop.register, sweep(|_| ControlFlow::Continue(())));
                }
                let swept = quietly(swept, shop);
                if swept.is_some_and(|swept| swept.finished) {
                    let shredded = "SELECT number AS answer FROM oubliette_numbers WHERE state = 'shredded'";
                    assert!(listed.is_subset(&self.set(shredded).await), "the dry run is what is swept");
                }
            }
            Op::Flush => {
                quietly(own_transaction!(self.db, shop.register, flush()), shop);
            }
            Op::BackUp => self.backups.push(self.db.snapshot().await),
            Op::Restore(at_) => self.restore(*at_).await,
            Op::Kill(step) => shop.steps.stop_at(*step, Stop::Die { torn: false }),
            Op::Resume => self.resume().await,
        }
        if self.shop.steps.died() {
            self.shop.steps.reset();
        }
    }

    async fn restore(&mut self, at_: usize) {
        if self.backups.is_empty() {
            return;
        }
        let backup = self.backups[at_ % self.backups.len()].clone();
        const ERASED: &str = "SELECT id AS answer FROM oubliette_subjects WHERE state = 'erased'";
        const ENDED: &str = "SELECT id AS answer FROM oubliette_grants WHERE ended_at IS NOT NULL";
        const NUMBERS: &str = "SELECT number AS answer FROM oubliette_numbers";
        // What was decided is done, so that there is a truth to compare with.
        self.resume().await;
        let opens = self.opens();
        let (erased, ended) = (self.set(ERASED).await, self.set(ENDED).await);
        self.erased.extend(erased);
        self.ended.extend(ended);
        self.db.replace(&backup).await;
        self.resume().await;
        let shredded = self.set("SELECT number AS answer FROM oubliette_numbers WHERE state = 'shredded'").await;
        for (((number, ..), before), after) in self.sealed.iter().zip(&opens).zip(self.opens()) {
            // One that was nobody's any more is known again, and it was decided on before it was lost, or with its owner.
            let is_found_again = self.lost.contains(number) && shredded.contains(&number.to_string());
            assert!(after == *before || (is_found_again && !after), "a restore revives nobody, and shreds nobody");
        }
        let named = self.set("SELECT id AS answer FROM oubliette_subjects WHERE subject IS NOT NULL").await;
        assert!(named.is_disjoint(&self.erased), "the erased come back as erased");
        let live = self.set("SELECT id AS answer FROM oubliette_grants WHERE ended_at IS NULL").await;
        assert!(live.is_disjoint(&self.ended), "what ended stays ended");
        for purpose in [ORDERS, NEWSLETTER] {
            let of = format!("{NUMBERS} WHERE state <> 'shredded' AND purpose = '{}'", purpose.name());
            let live = self.set(&of).await;
            let live = live.iter().map(|number| number.parse::<CustomerId>().unwrap());
            assert_eq!(self.shop.vault.shredded_among(purpose, live).unwrap(), []);
        }
        let known = self.set(NUMBERS).await;
        for ((number, ..), opens) in self.sealed.iter().zip(&opens) {
            assert!(
                !opens || known.contains(&number.to_string()) || self.lost.contains(number),
                "{number} is nobody's"
            );
        }
        let before = self.db.dump().await;
        self.resume().await;
        assert_eq!(self.db.dump().await, before, "twice does nothing more");
    }
}

/// A history, and then two moments of it.
async fn live(ops: &[Op], last: usize) {
    let shop = Shop::new(Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())));
    let db = Db::new().await;
    on!(db, shop.register, create_tables()).unwrap();
    let (sealed, lost, holds) = (Vec::new(), BTreeSet::new(), Vec::new());
    let (erased, ended) = (BTreeSet::new(), BTreeSet::new());
    let mut world = World { shop, db, day: 0, backups: Vec::new(), sealed, lost, holds, erased, ended };
    world.backups.push(world.db.snapshot().await);
    for op in ops {
        world.take(op).await;
    }
    world.restore(last).await;
    world.restore(last + 1).await;
    world.shop.journal();
}

bodies! {
    // A number is nobody's after a restore. Its owner is erased, under the other one. A later copy of the database knows whose
    // it was: it goes with them.
    async fn a_number_that_was_lost_is_erased_when_it_turns_out_whose_it_was() {
        live(&[Op::ToRecipient(3), Op::BackUp, Op::Grant(3, false), Op::BackUp, Op::Restore(1), Op::Erase(3)], 2).await;
    }

    // All numbers of two who are one were shredded; the next one is for both ids all the same.
    async fn somebody_merged_is_known_after_all_their_numbers_are_gone() {
        let before = [Op::Grant(1, true), Op::ToRecipient(2), Op::Merge(2, 1), Op::Withdraw(1, true)];
        live(&[&before[..], &[Op::Grant(2, false), Op::Withdraw(1, false)]].concat(), 0).await;
        live(&[&before[..], &[Op::Grant(2, false), Op::BackUp, Op::Erase(1)]].concat(), 0).await;
        // And if that one is merged into somebody else.
        live(&[&before[..], &[Op::Grant(0, true), Op::Merge(0, 2), Op::Withdraw(1, true)]].concat(), 0).await;
        live(&[&before[..], &[Op::Grant(0, true), Op::Merge(0, 2), Op::BackUp, Op::Erase(1)]].concat(), 0).await;
        live(&[&before[..], &[Op::Merge(0, 2), Op::Grant(1, true), Op::Withdraw(2, true)]].concat(), 0).await;
    }

    async fn any_moment_of_any_history_can_be_restored() {
        let config = ProptestConfig { cases: Db::HISTORIES, failure_persistence: None, ..ProptestConfig::default() };
        let histories = (prop::collection::vec(op(), 10..60), 0_usize..8);
        let one = |(ops, last): (Vec<Op>, usize)| {
            Db::run(live(&ops, last));
            Ok(())
        };
        if let Err(error) = TestRunner::new(config).run(&histories, one) {
            panic!("{error}");
        }
    }
}
