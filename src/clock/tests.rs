use super::*;

const TICK: Duration = Duration::from_millis(4);
const LEASE: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

fn at(boot: u64, wall: u64) -> Moment {
    Moment { boot, wall }
}

fn armed(tick: Duration) -> (Arc<ManualClock>, LeaseClock) {
    let manual = ManualClock::new(tick);
    let lease = LeaseClock::new(Clock::Manual(manual.clone()));
    assert!(!lease.is_fresh(), "fresh before it was armed");
    assert!(!lease.is_fresh_at(lease.clock().wall()));
    lease.arm(lease.clock().now(), LEASE);
    (manual, lease)
}

#[test]
fn the_larger_difference_is_the_age() {
    assert_eq!(at(10, 100).age_since(at(4, 97)), Duration::from_nanos(6));
    assert_eq!(at(5, 190).age_since(at(4, 97)), Duration::from_nanos(93));
    assert_eq!(at(10, 3).age_since(at(4, 97)), Duration::from_nanos(6), "a wall clock set back made it younger");
    assert_eq!(at(3, 3).age_since(at(4, 97)), Duration::ZERO);
}

#[test]
fn a_jump_of_either_clock_is_noticed() {
    let start = at(1_000_000_000, 1_795_000_000_000_000_000);
    let later = |boot: u64, wall: i64| at(start.boot + boot, start.wall.checked_add_signed(wall).unwrap());
    assert!(!start.disagrees_with(start));
    assert!(!later(1_000_000_000, 1_000_000_000).disagrees_with(start));
    assert!(!later(1_000_000_000, 1_100_000_000).disagrees_with(start));
    assert!(later(1_000_000_000, 1_102_000_000).disagrees_with(start));
    assert!(later(1_000_000_000, 898_000_000).disagrees_with(start));
    assert!(later(1_000_000_000, -3_600_000_000_000).disagrees_with(start));
    assert!(!later(3_600_000_000_000, 3_601_800_000_000).disagrees_with(start), "slewing is no jump");
    assert!(at(start.boot - 1, start.wall).disagrees_with(start), "boot time that runs backwards");
    assert!(at(u64::MAX, 0).disagrees_with(at(0, u64::MAX)));
}

#[test]
fn a_lease_ends_two_ticks_early() {
    for tick in [Duration::ZERO, NANO, TICK] {
        let (manual, lease) = armed(tick);
        assert_eq!(lease.remaining(), LEASE - 2 * tick);
        manual.advance(LEASE - 2 * tick - tick.max(NANO));
        assert!(lease.is_fresh());
        manual.advance(tick.max(NANO));
        assert!(!lease.is_fresh(), "{tick:?}");
        assert!(!lease.is_fresh_at(lease.clock().wall()));
        assert_eq!(lease.remaining(), Duration::ZERO);
    }
}

/// Whatever the phase of the tick, no answer comes later than the lease itself.
#[test]
fn a_remembered_yes_never_outlives_the_lease() {
    for phase in 0..40 {
        for exact in [false, true] {
            let manual = ManualClock::new(TICK);
            manual.advance(TICK / 40 * phase);
            let lease = LeaseClock::new(Clock::Manual(manual.clone()));
            let sent = lease.clock().now();
            lease.arm(sent, LEASE);
            let mut last = sent;
            for _ in 0..12_000 {
                let fresh = if exact { lease.is_fresh_at(lease.clock().wall()) } else { lease.is_fresh() };
                if fresh {
                    last = lease.clock().now();
                }
                manual.advance(Duration::from_micros(100));
            }
            assert!(last.age_since(sent) < LEASE, "{phase} {:?}", last.age_since(sent));
            assert!(last.age_since(sent) > LEASE - 3 * TICK, "{phase} {:?}", last.age_since(sent));
        }
    }
}

#[test]
fn an_answer_is_remembered_for_a_tick_or_two_and_no_longer() {
    // By the coarse clock one tick, by the exact one two.
    for (exact, remembered) in [(false, TICK), (true, 2 * TICK)] {
        let (manual, lease) = armed(TICK);
        let ask = || if exact { lease.is_fresh_at(lease.clock().wall()) } else { lease.is_fresh() };
        manual.set_wall(lease.clock().coarse().unwrap());
        assert!(ask());
        // Behind the lease's back, to see which answers are remembered.
        lease.expires_boot.store(0, Ordering::Relaxed);
        manual.advance(remembered - NANO);
        assert!(ask());
        manual.advance(NANO);
        assert!(!ask());
    }
}

#[test]
fn a_no_is_a_no_for_both_clocks() {
    let (manual, lease) = armed(TICK);
    assert!(lease.is_fresh());
    lease.expires_boot.store(0, Ordering::Relaxed);
    manual.advance(TICK);
    assert!(!lease.is_fresh());
    assert!(!lease.is_fresh_at(lease.clock().wall()), "within two ticks of the last yes");
}

#[test]
fn without_a_coarse_clock_nothing_is_remembered() {
    let (_, lease) = armed(Duration::ZERO);
    assert!(lease.is_fresh() && lease.is_fresh_at(lease.clock().wall()));
    lease.expires_wall.store(0, Ordering::Relaxed);
    assert!(!lease.is_fresh() && !lease.is_fresh_at(lease.clock().wall()));
}

#[test]
fn sleep_and_set_clocks_end_it() {
    let (manual, lease) = armed(TICK);
    assert!(lease.is_fresh());
    manual.advance(Duration::from_secs(3600));
    assert!(!lease.is_fresh());

    let (manual, lease) = armed(TICK);
    assert!(lease.is_fresh());
    manual.set_wall(lease.clock().wall() + 3_600_000_000_000);
    assert!(!lease.is_fresh(), "a resumed snapshot");

    let (manual, lease) = armed(TICK);
    assert!(lease.is_fresh());
    manual.set_wall(lease.clock().wall() - 3_600_000_000_000);
    assert!(lease.is_fresh());
    manual.advance(LEASE);
    assert!(!lease.is_fresh(), "a wall clock set back prolonged the lease");
}

#[test]
fn disarming_is_at_once_and_arming_again_works() {
    let (_, lease) = armed(TICK);
    assert!(lease.is_fresh());
    lease.disarm();
    assert!(!lease.is_fresh());
    assert!(!lease.is_fresh_at(lease.clock().wall()));
    assert_eq!(lease.remaining(), Duration::ZERO);
    lease.arm(lease.clock().now(), LEASE);
    assert!(lease.is_fresh());
    lease.arm(lease.clock().now(), 2 * TICK);
    assert!(!lease.is_fresh(), "a lease of two ticks leaves nothing");
}

/// A check that began before a disarm must not leave its yes behind.
#[test]
fn a_check_overtaken_by_a_disarm_leaves_nothing() {
    let (_, lease) = armed(TICK);
    let before = lease.verified.load(Ordering::Acquire);
    let coarse = lease.clock().coarse().unwrap();
    lease.disarm();
    lease.remember(coarse, before);
    assert!(!lease.is_fresh());

    let (_, lease) = armed(TICK);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    lease.is_fresh();
                }
            });
        }
        for _ in 0..20_000 {
            lease.arm(lease.clock().now(), LEASE);
            lease.is_fresh();
            lease.disarm();
            if lease.is_fresh() {
                stop.store(true, Ordering::Relaxed);
                panic!("fresh after a disarm");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_real_clocks_move_and_agree() {
    let clock = Clock::default();
    let first = clock.now();
    std::thread::sleep(Duration::from_millis(15));
    let second = clock.now();
    assert!(second.age_since(first) >= Duration::from_millis(15));
    assert!(!second.disagrees_with(first));
    assert!(clock.wall() > 1_700_000_000_000_000_000);

    let lease = LeaseClock::new(clock);
    assert!(lease.hidden < 50_000_000);
    lease.arm(lease.clock().now(), Duration::from_secs(60));
    assert!(lease.is_fresh() && lease.is_fresh() && lease.is_fresh_at(lease.clock().wall()));
    assert!(lease.remaining() > Duration::from_secs(50));
    lease.arm(lease.clock().now(), Duration::from_millis(60));
    std::thread::sleep(Duration::from_millis(70));
    assert!(!lease.is_fresh());
}
