//! Time as the lease sees it: a machine may sleep, and a clock may be set.
//!
//! A lease's age is the larger of two differences (boot time, which counts suspend and cannot be set, and the wall clock,
//! which also moves when a virtual machine is resumed from a snapshot), so that whichever noticed the pause decides. On
//! systems without a clock that counts suspend, the wall clock is the one that notices.
//!
//! What neither sees: a virtual machine stopped and resumed whose own clocks stood still meanwhile. They show the pause
//! once the host or NTP sets the wall clock.

#[cfg(any(test, feature = "testing"))]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far two clocks may part before we call it a jump: more than any scheduling between two reads, less than any pause
/// that matters to a lease.
const DRIFT_ALLOWED: u64 = 100_000_000;

/// NTP may slew one clock against another by 500 parts in a million; twice that, as a shift.
const SLEW_SHIFT: u32 = 10;

/// Both clocks, read one right after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Nanoseconds since boot, with suspend where the system has such a clock.
    pub(crate) boot: u64,
    /// Nanoseconds since 1970 by the wall clock.
    pub(crate) wall: u64,
}

impl Moment {
    /// How old `earlier` is at most. A wall clock set back takes nothing off.
    pub(crate) fn age_since(self, earlier: Self) -> Duration {
        let boot = self.boot.saturating_sub(earlier.boot);
        let wall = self.wall.saturating_sub(earlier.wall);
        Duration::from_nanos(boot.max(wall))
    }

    /// Whether one clock jumped against the other between two moments: it was set, or the machine is a resumed copy.
    pub(crate) fn disagrees_with(self, earlier: Self) -> bool {
        let boot = i128::from(self.boot) - i128::from(earlier.boot);
        let wall = i128::from(self.wall) - i128::from(earlier.wall);
        // Boot time that runs backwards is another machine's.
        let slew = boot.unsigned_abs() >> SLEW_SHIFT;
        boot < 0 || (boot - wall).unsigned_abs() > u128::from(DRIFT_ALLOWED) + slew
    }
}

/// Where time comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    #[cfg(any(test, feature = "testing"))]
    Manual(Arc<ManualClock>),
    #[cfg(any(test, feature = "testing"))]
    Moved(Arc<MovedClock>),
}

impl Clock {
    pub(crate) fn now(&self) -> Moment {
        match self {
            // The wall last: it is what a nonce is mixed with, and should be as late as can be.
            Self::System => Moment { boot: system::boot(), wall: system::wall() },
            #[cfg(any(test, feature = "testing"))]
            Self::Manual(clock) => clock.now(),
            #[cfg(any(test, feature = "testing"))]
            Self::Moved(clock) => clock.now(),
        }
    }

    /// The wall clock alone, to the nanosecond: half the price of [`now`](Self::now).
    #[inline]
    pub(crate) fn wall(&self) -> u64 {
        match self {
            Self::System => system::wall(),
            #[cfg(any(test, feature = "testing"))]
            Self::Manual(clock) => clock.now().wall,
            #[cfg(any(test, feature = "testing"))]
            Self::Moved(clock) => clock.now().wall,
        }
    }

    /// The wall clock at the last timer tick, for a quarter of the price.
    #[inline]
    fn coarse(&self) -> Option<u64> {
        match self {
            Self::System => system::coarse(),
            #[cfg(any(test, feature = "testing"))]
            Self::Manual(clock) => clock.coarse(),
            #[cfg(any(test, feature = "testing"))]
            Self::Moved(clock) => clock.coarse(),
        }
    }

    /// Whole seconds of the wall clock, to a timer tick.
    #[inline]
    pub(crate) fn second(&self) -> u64 {
        self.coarse().unwrap_or_else(|| self.wall()) / 1_000_000_000
    }

    /// Nanoseconds between two values of [`coarse`](Self::coarse).
    fn tick(&self) -> u64 {
        match self {
            Self::System => system::tick(),
            #[cfg(any(test, feature = "testing"))]
            Self::Manual(clock) => clock.tick,
            #[cfg(any(test, feature = "testing"))]
            Self::Moved(_) => system::tick(),
        }
    }
}

/// Until when what was read may be used; asked at every seal and every open.
///
/// The full answer takes two clocks, about 50 ns. So a yes is remembered for the timer tick in which it was found,
/// and within that tick the answer is one coarse clock read and a comparison.
///
/// **Which coarse clock.** CLOCK_MONOTONIC_COARSE stands still while the machine sleeps: a suspend that begins and ends
/// within one tick of it would go unnoticed until the next tick. CLOCK_REALTIME_COARSE costs the same, and the kernel
/// moves it on by the time slept, and at every setting of the clock, before any process runs again; the tick then
/// differs and the full check follows. What is left: a clock set back to exactly the remembered nanosecond, for the
/// rest of that one tick.
///
/// **What it costs the lease.** Two ticks, taken off when it is armed. A remembered answer may be a tick old, and the
/// tick's interrupt may come late; the exact clock is compared with the coarse time remembered, which itself lags by up
/// to two ticks, since the kernel adds whole ticks at interrupts of another phase. A hypervisor that withholds the
/// interrupt for longer delays the coarse clock by as much, as it could also stop the caller right after an exact check:
/// no check made before the use of its answer can be better.
///
/// **Fork.** A child inherits an armed lease. Callers compare the fork generation first.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    clock: Clock,
    /// How old a remembered answer may be: two ticks.
    hidden: u64,
    expires_boot: AtomicU64,
    expires_wall: AtomicU64,
    /// The coarse time at which a full check last said yes, or [`NOTHING`] with a serial number.
    ///
    /// `disarm` zeroes the expiries and then swaps in a number never used before (release). A check loads this value
    /// (acquire) before the expiries, and stores its tick only by exchanging exactly the value it loaded. So a tick
    /// stored after a disarm was stored by a check that had seen that disarm, and therefore the zeroes (exchanges carry
    /// the release on); a check that was under way meanwhile fails its exchange, and its yes counts for itself alone.
    verified: AtomicU64,
    serial: AtomicU64,
}

/// Above every time until the year 2262.
const NOTHING: u64 = 1 << 63;

impl LeaseClock {
    /// Not fresh until armed.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            hidden: clock.tick().saturating_mul(2),
            clock,
            expires_boot: AtomicU64::new(0),
            expires_wall: AtomicU64::new(0),
            verified: AtomicU64::new(NOTHING),
            serial: AtomicU64::new(0),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Fresh for `lease` from the moment before the read was sent, less what the coarse clock may hide.
    ///
    /// One caller at a time. Overlapping with `disarm` leaves either the one or the other, or not fresh.
    pub(crate) fn arm(&self, read_sent: Moment, lease: Duration) {
        let usable = nanos(lease).saturating_sub(self.hidden);
        self.expires_boot.store(read_sent.boot.saturating_add(usable), Ordering::Relaxed);
        self.expires_wall.store(read_sent.wall.saturating_add(usable), Ordering::Relaxed);
        self.forget();
    }

    /// Not fresh, at once, for every check that begins after this returns.
    pub(crate) fn disarm(&self) {
        self.expires_boot.store(0, Ordering::Relaxed);
        self.expires_wall.store(0, Ordering::Relaxed);
        self.forget();
    }

    fn forget(&self) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.verified.swap(NOTHING | serial, Ordering::AcqRel);
    }

    /// Whether the lease still runs: about 5 ns.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        let verified = self.verified.load(Ordering::Acquire);
        if self.clock.coarse() == Some(verified) { true } else { self.check(verified) }
    }

    /// The same for a caller that has just read [`Clock::wall`] anyway: a comparison.
    #[inline]
    pub(crate) fn is_fresh_at(&self, wall: u64) -> bool {
        let verified = self.verified.load(Ordering::Acquire);
        if wall.wrapping_sub(verified) < self.hidden { true } else { self.check(verified) }
    }

    /// How long it still runs, by the clock that leaves less.
    pub(crate) fn remaining(&self) -> Duration {
        let now = self.clock.now();
        let boot = self.expires_boot.load(Ordering::Relaxed).saturating_sub(now.boot);
        let wall = self.expires_wall.load(Ordering::Relaxed).saturating_sub(now.wall);
        Duration::from_nanos(boot.min(wall))
    }

    #[cold]
    fn check(&self, verified: u64) -> bool {
        // Before the exact clocks: read after them, a thread that was stopped in between would count a full tick from
        // a time at which nothing was checked.
        let coarse = self.clock.coarse();
        let now = self.clock.now();
        let fresh = now.boot < self.expires_boot.load(Ordering::Relaxed)
            && now.wall < self.expires_wall.load(Ordering::Relaxed);
        if let Some(coarse) = coarse.filter(|&coarse| fresh && coarse < NOTHING) {
            self.remember(coarse, verified);
        }
        // A no ends a yes that the exact clock might still find remembered.
        if !fresh && verified < NOTHING {
            self.forget();
        }
        fresh
    }

    /// Unless anything was remembered or forgotten since `verified` was loaded.
    fn remember(&self, coarse: u64, verified: u64) {
        let _ = self.verified.compare_exchange(verified, coarse, Ordering::AcqRel, Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(unix)]
mod system {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia", target_os = "openbsd"))]
    const BOOT: ClockId = ClockId::Boottime;
    /// Counts sleep on Apple's systems; on others the wall clock has to notice it.
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia", target_os = "openbsd")))]
    const BOOT: ClockId = ClockId::Monotonic;

    #[inline]
    fn nanos(time: Timespec) -> u64 {
        // A clock before 1970 counts as 1970.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
    }

    #[inline]
    pub(super) fn boot() -> u64 {
        nanos(clock_gettime(BOOT))
    }

    #[inline]
    pub(super) fn wall() -> u64 {
        nanos(clock_gettime(ClockId::Realtime))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline]
    pub(super) fn coarse() -> Option<u64> {
        Some(nanos(clock_gettime(ClockId::RealtimeCoarse)))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn tick() -> u64 {
        nanos(rustix::time::clock_getres(ClockId::RealtimeCoarse))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn coarse() -> Option<u64> {
        None
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn tick() -> u64 {
        0
    }
}

#[cfg(not(unix))]
mod system {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime};

    pub(super) fn boot() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        super::nanos(START.get_or_init(Instant::now).elapsed())
    }

    pub(super) fn wall() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, super::nanos)
    }

    pub(super) fn coarse() -> Option<u64> {
        None
    }

    pub(super) fn tick() -> u64 {
        0
    }
}

/// A clock that moves when told to.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub(crate) struct ManualClock {
    boot: AtomicU64,
    wall: AtomicU64,
    tick: u64,
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// Starts an hour after boot, in 2026; `tick` is that of its coarse clock, and zero for none.
    pub(crate) fn new(tick: Duration) -> Arc<Self> {
        let boot = AtomicU64::new(3_600_000_000_000);
        let wall = AtomicU64::new(1_795_000_000_000_000_000);
        Arc::new(Self { boot, wall, tick: nanos(tick) })
    }

    fn now(&self) -> Moment {
        Moment { boot: self.boot.load(Ordering::Acquire), wall: self.wall.load(Ordering::Acquire) }
    }

    fn coarse(&self) -> Option<u64> {
        let wall = self.wall.load(Ordering::Acquire);
        Some(wall - wall.checked_rem(self.tick)?)
    }

    /// Time passes, or the machine sleeps: both clocks move.
    pub(crate) fn advance(&self, by: Duration) {
        self.boot.fetch_add(nanos(by), Ordering::AcqRel);
        self.wall.fetch_add(nanos(by), Ordering::AcqRel);
    }

    /// The wall clock is set, or a snapshot resumed.
    #[cfg(test)]
    pub(crate) fn set_wall(&self, wall: u64) {
        self.wall.store(wall, Ordering::Release);
    }
}

/// The system's clocks, as they would be had somebody set them, put the machine to sleep or stopped them.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Default)]
pub(crate) struct MovedClock {
    /// What is added; a clock that was set back has a sum that wraps.
    boot: AtomicU64,
    wall: AtomicU64,
    /// What both show since they were stopped; zero while they run.
    stopped_boot: AtomicU64,
    stopped_wall: AtomicU64,
}

#[cfg(any(test, feature = "testing"))]
impl MovedClock {
    fn now(&self) -> Moment {
        let stopped =
            Moment { boot: self.stopped_boot.load(Ordering::Acquire), wall: self.stopped_wall.load(Ordering::Acquire) };
        if stopped.boot != 0 && stopped.wall != 0 {
            return stopped;
        }
        Moment {
            boot: system::boot().wrapping_add(self.boot.load(Ordering::Acquire)),
            wall: system::wall().wrapping_add(self.wall.load(Ordering::Acquire)),
        }
    }

    fn coarse(&self) -> Option<u64> {
        match self.stopped_wall.load(Ordering::Acquire) {
            0 => Some(system::coarse()?.wrapping_add(self.wall.load(Ordering::Acquire))),
            stopped => Some(stopped),
        }
    }

    /// The wall clock is set, ahead or back.
    pub(crate) fn set_on(&self, by: Duration) {
        self.wall.fetch_add(nanos(by), Ordering::AcqRel);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.wall.fetch_sub(nanos(by), Ordering::AcqRel);
    }

    /// The machine sleeps: both clocks move.
    pub(crate) fn sleep(&self, time: Duration) {
        self.boot.fetch_add(nanos(time), Ordering::AcqRel);
        self.wall.fetch_add(nanos(time), Ordering::AcqRel);
    }

    /// Neither clock moves any more.
    pub(crate) fn stop(&self) {
        let now = self.now();
        self.stopped_boot.store(now.boot, Ordering::Release);
        self.stopped_wall.store(now.wall, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
