//! Faults planted in histories, each of which must be found, by the rule that it breaks; and histories in which all is well.

use super::*;

const LEASE: u64 = 100;

/// A history that is written down by hand, in order. Each call takes ten units of time, unless it says otherwise.
struct Tale {
    history: History,
    now: u64,
}

fn by(process: u32) -> Life {
    Life { process, life: 0 }
}

impl Tale {
    /// Customers 1 to 3 have a value each, `s1` to `s3`, and all is well.
    fn begin() -> Tale {
        let mut tale = Tale { history: History { faults: vec![Fault::Lease(LEASE)], ..History::default() }, now: 0 };
        for process in [1, 2] {
            tale.call(by(process), What::Unlock, Answer::Ok(String::new()));
        }
        for number in 1..=3 {
            tale.enroll(1, number);
            tale.seal(1, number);
        }
        tale
    }

    fn call(&mut self, by: Life, what: What, answer: Answer) -> &mut Call {
        let begun = self.now + 1;
        self.now += 10;
        self.history.calls.push(Call { by, what, begun, answer: Some((self.now, answer)) });
        self.history.calls.last_mut().unwrap()
    }

    fn wait(&mut self, time: u64) {
        self.now += time;
    }

    fn enroll(&mut self, process: u32, number: u64) {
        self.call(by(process), What::Enroll, Answer::Ok(number.to_string()));
    }

    fn seal(&mut self, process: u32, customer: u64) {
        let text = format!("t{customer}");
        self.call(by(process), What::Seal { customer, text }, Answer::Ok(format!("s{customer}")));
    }

    fn asks(&mut self, process: u32, customer: u64, answer: Answer) -> &mut Call {
        self.call(by(process), What::Open { customer, sealed: format!("s{customer}") }, answer)
    }

    fn opens(&mut self, process: u32, customer: u64) {
        self.asks(process, customer, Answer::Ok(format!("t{customer}")));
    }

    fn sees_shredded(&mut self, process: u32, customer: u64) {
        self.asks(process, customer, Answer::Shredded);
    }

    fn shreds(&mut self, process: u32, customer: u64) {
        let effective = self.now + 10 + LEASE;
        self.call(by(process), What::Shred { customers: vec![customer] }, Answer::Ok(effective.to_string()));
    }

    fn shred_is_unknown(&mut self, process: u32, customer: u64) {
        self.call(by(process), What::Shred { customers: vec![customer] }, Answer::Unknown(String::new()));
    }

    fn fault(&mut self, fault: Fault) {
        self.history.faults.push(fault);
    }

    /// The judge finds these shredded, and all others there.
    fn rules_broken(mut self, shredded: &[u64]) -> Vec<&'static str> {
        self.wait(LEASE * 3);
        self.fault(Fault::Judged { by: 99, from: self.now });
        self.call(by(99), What::Unlock, Answer::Ok(String::new()));
        for customer in 1..=3 {
            match shredded.contains(&customer) {
                true => self.sees_shredded(99, customer),
                false => self.opens(99, customer),
            }
        }
        let mut rules: Vec<_> = check(&self.history).iter().map(|violation| violation.rule).collect();
        rules.dedup();
        rules
    }
}

#[test]
fn nothing_is_found_where_all_is_well() {
    let mut tale = Tale::begin();
    tale.opens(2, 1);
    tale.shreds(1, 1);
    // Within the lease another process opens her still.
    tale.opens(2, 1);
    tale.sees_shredded(1, 1);
    tale.wait(LEASE);
    tale.sees_shredded(2, 1);
    tale.opens(2, 2);
    // It is not known what came of this one, and others settle it: it happened.
    tale.shred_is_unknown(2, 2);
    tale.opens(1, 2);
    tale.sees_shredded(2, 2);
    // And this one did not.
    tale.shred_is_unknown(2, 3);
    tale.asks(1, 3, Answer::Unavailable("away".to_owned()));
    tale.opens(2, 3);
    assert_eq!(tale.rules_broken(&[1, 2]), [""; 0]);
}

#[test]
fn a_shredded_customer_who_is_opened_late_is_found() {
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    tale.wait(LEASE + 10);
    tale.opens(2, 1);
    assert_eq!(tale.rules_broken(&[1]), ["late", "order"]);
}

#[test]
fn a_number_that_is_issued_twice_is_found() {
    let mut tale = Tale::begin();
    tale.enroll(2, 3);
    assert_eq!(tale.rules_broken(&[]), ["number twice"]);
}

#[test]
fn content_that_is_another_is_found() {
    let mut tale = Tale::begin();
    tale.asks(2, 1, Answer::Ok("t2".to_owned()));
    assert_eq!(tale.rules_broken(&[]), ["wrong content"]);
}

#[test]
fn a_survivor_who_is_lost_is_found() {
    for answer in [Answer::Shredded, Answer::Refused("never issued".to_owned())] {
        let mut tale = Tale::begin();
        tale.shreds(1, 1);
        tale.asks(2, 2, answer);
        let broken = tale.rules_broken(&[1]);
        assert!(broken.contains(&"survivor"), "{broken:?}");
    }
    // By the judge alone: refused, shredded, or without an answer.
    let tale = Tale::begin();
    assert!(tale.rules_broken(&[2]).contains(&"verdict"));
    let mut tale = Tale::begin();
    tale.enroll(1, 4);
    tale.seal(1, 4);
    assert_eq!(tale.rules_broken(&[]), ["verdict"]);
}

#[test]
fn a_shred_that_did_not_hold_is_found() {
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    assert!(tale.rules_broken(&[]).contains(&"verdict"));
}

/// Process 2 saw a later shred, and opens whom an earlier one shredded: within the lease, but in no order.
#[test]
fn opens_out_of_order_are_found() {
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    tale.shreds(1, 2);
    tale.sees_shredded(2, 2);
    tale.opens(2, 1);
    assert_eq!(tale.rules_broken(&[1, 2]), ["order"]);
    // The other way round it can be.
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    tale.shreds(1, 2);
    tale.sees_shredded(2, 1);
    tale.opens(2, 2);
    assert_eq!(tale.rules_broken(&[1, 2]), [""; 0]);
}

/// Nobody was answered, so nothing is late; but two processes saw the two shreds in two orders.
#[test]
fn two_orders_of_shreds_that_nobody_was_answered_are_found() {
    let mut tale = Tale::begin();
    tale.shred_is_unknown(1, 1);
    tale.shred_is_unknown(1, 2);
    tale.sees_shredded(1, 1);
    tale.opens(1, 2);
    tale.sees_shredded(2, 2);
    tale.opens(2, 1);
    assert_eq!(tale.rules_broken(&[1, 2]), ["order"]);
}

#[test]
fn an_open_older_than_the_lease_is_found() {
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    // The answer promised more than the lease does.
    let Some(Call { answer: Some((_, Answer::Ok(effective))), .. }) = tale.history.calls.last_mut() else { panic!() };
    *effective = (tale.now + LEASE * 2).to_string();
    tale.wait(LEASE + 10);
    tale.opens(2, 1);
    assert_eq!(tale.rules_broken(&[1]), ["order"]);
}

#[test]
fn a_process_that_unlocks_with_an_older_state_is_found() {
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    let reborn = Life { process: 2, life: 1 };
    tale.call(reborn, What::Unlock, Answer::Ok(String::new()));
    tale.call(reborn, What::Open { customer: 1, sealed: "s1".to_owned() }, Answer::Ok("t1".to_owned()));
    assert_eq!(tale.rules_broken(&[1]), ["order"]);
}

#[test]
fn what_is_seen_before_it_was_asked_for_is_found() {
    let mut tale = Tale::begin();
    tale.sees_shredded(2, 1);
    tale.shreds(1, 1);
    assert_eq!(tale.rules_broken(&[1]), ["order"]);
}

#[test]
fn a_process_that_opens_again_whom_it_saw_shredded_is_found() {
    let mut tale = Tale::begin();
    tale.shred_is_unknown(1, 1);
    tale.sees_shredded(2, 1);
    tale.opens(2, 1);
    assert_eq!(tale.rules_broken(&[1]), ["again", "order"]);
}

#[test]
fn who_is_cut_off_must_stop_and_come_back() {
    let cut = |asks: fn(&mut Tale)| {
        let mut tale = Tale::begin();
        let from = tale.now;
        tale.wait(LEASE);
        asks(&mut tale);
        tale.fault(Fault::CutOff { process: 2, from, to: tale.now + 5 });
        tale.wait(10);
        tale
    };
    let refused = |tale: &mut Tale| {
        tale.asks(2, 1, Answer::Unavailable("the lease".to_owned()));
    };
    let mut well = cut(refused);
    well.opens(2, 1);
    assert_eq!(well.rules_broken(&[]), [""; 0]);
    assert_eq!(cut(refused).rules_broken(&[]), ["not back"]);
    let mut open = cut(|tale| tale.opens(2, 1));
    open.opens(2, 1);
    assert_eq!(open.rules_broken(&[]), ["not closed"]);
    // One that asked nothing proves nothing.
    let mut idle = cut(|_| ());
    idle.opens(2, 1);
    assert_eq!(idle.rules_broken(&[]), ["not closed"]);
}

/// Customer 1 was shredded on a primary that is lost, and its standby does not know: she may be opened, by who did not see the shred.
fn lost(then: impl FnOnce(&mut Tale)) -> Tale {
    let mut tale = Tale::begin();
    tale.shreds(1, 2);
    let from = tale.now;
    tale.shreds(1, 1);
    tale.wait(LEASE * 2);
    tale.fault(Fault::Lost { from, to: tale.now });
    then(&mut tale);
    tale
}

#[test]
fn after_a_loss_what_was_lost_is_excused_and_nothing_else() {
    let rolled_back = || Answer::Refused("the key store was rolled back".to_owned());
    let mut well = lost(|tale| {
        tale.opens(2, 1);
        tale.asks(1, 3, rolled_back());
        tale.fault(Fault::Recovered(tale.now + 1));
    });
    well.opens(1, 3);
    assert_eq!(well.rules_broken(&[1, 2]), [""; 0]);
    // Shredded before that.
    assert!(lost(|tale| tale.opens(2, 2)).rules_broken(&[1, 2]).contains(&"late"));
    // By who saw it.
    assert_eq!(lost(|tale| tale.opens(1, 1)).rules_broken(&[1, 2]), ["again"]);
    // After the recovery: opened, refused, or never found out.
    let recovered = |tale: &mut Tale| tale.fault(Fault::Recovered(tale.now + 1));
    let resurrected = lost(|tale| {
        recovered(tale);
        tale.opens(2, 1);
    });
    assert!(resurrected.rules_broken(&[1, 2]).contains(&"late"));
    let refused = lost(|tale| {
        recovered(tale);
        tale.asks(2, 3, rolled_back());
    });
    assert_eq!(refused.rules_broken(&[1, 2]), ["survivor"]);
    assert!(lost(recovered).rules_broken(&[2]).contains(&"verdict"));
}

/// With synchronous replication nothing is excused: a failover that lost a shred is found.
#[test]
fn a_customer_who_is_resurrected_by_a_failover_is_found() {
    let mut tale = Tale::begin();
    tale.shreds(1, 1);
    tale.wait(LEASE * 2);
    tale.opens(2, 1);
    assert_eq!(tale.rules_broken(&[]), ["late", "order", "verdict"]);
}

#[test]
fn an_end_at_which_nobody_looked_is_found() {
    let broken = check(&Tale::begin().history);
    assert!(broken.iter().any(|violation| violation.rule == "verdict"));
}
