//! What events last said of a vault: each change is told once, however often a store is asked and however many requests are refused.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::KeyStoreError;
use crate::events;

/// Not unlocked yet: what fails is returned to whoever unlocks, and told by nobody else.
const OPENING: u8 = 0;
/// The record is read.
const WORKS: u8 = 1;
/// Reads fail, and the lease still runs.
const READS_FAIL: u8 = 2;
/// Nothing is held: the lease ran out, or the record is refused.
const LOST: u8 = 3;
const CLOSED: u8 = 4;

/// What was last told.
pub(crate) struct Told(AtomicU8);

impl Told {
    pub(crate) fn nothing() -> Told {
        Told(AtomicU8::new(OPENING))
    }

    // Of two threads that find the same change, one tells it. Nothing else rests on this value.
    fn moves(&self, from: &[u8], to: u8) -> bool {
        from.iter().any(|from| self.0.compare_exchange(*from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok())
    }

    /// It was unlocked, or a forked child began with it: from now on changes are told.
    pub(crate) fn is_open(&self) {
        self.moves(&[OPENING], WORKS);
    }

    pub(crate) fn read_fails(&self, error: &KeyStoreError) {
        if self.moves(&[WORKS], READS_FAIL) {
            events::read_failed(error);
        }
    }

    pub(crate) fn works(&self, generation: u64) {
        if self.moves(&[READS_FAIL, LOST], WORKS) {
            events::regained(generation);
        }
    }

    pub(crate) fn is_lost(&self, why: &KeyStoreError) {
        if self.moves(&[WORKS, READS_FAIL], LOST) {
            events::lease_lost(why);
        }
    }

    /// Evidence of a rollback is graver than a store that is away: it is told even if that was.
    pub(crate) fn went_back(&self, have: u64, seen: u64, is_new: bool) {
        if self.moves(&[WORKS, READS_FAIL], LOST) || (is_new && self.moves(&[LOST], LOST)) {
            events::gone_back(have, seen);
        }
    }

    pub(crate) fn is_closed(&self) {
        if self.moves(&[WORKS, READS_FAIL, LOST], CLOSED) {
            events::closed();
        }
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing::field::{Field as Member, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use crate::field::{Field, Purpose};
    use crate::personal::Email;
    use crate::root_key::RootKey;
    use crate::store::Memory;
    use crate::vault::Vault;

    const ORDERS: Purpose = Purpose::new("orders");
    const EMAIL: Field<Email> = ORDERS.field("email");

    /// Keeps what is told on this thread.
    #[derive(Clone, Default)]
    struct Lines {
        told: Arc<Mutex<Vec<String>>>,
        /// What whoever listens does then.
        then: Option<Arc<dyn Fn() + Send + Sync>>,
    }

    impl Visit for Lines {
        fn record_debug(&mut self, field: &Member, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.told.lock().unwrap().last_mut().unwrap().push_str(&format!("{value:?}"));
            }
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "oubliette"
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            self.told.lock().unwrap().push(format!("{} ", event.metadata().level()));
            event.record(&mut self.clone());
            if let Some(then) = &self.then {
                then();
            }
        }
    }

    impl Lines {
        fn taken(&self) -> Vec<String> {
            std::mem::take(&mut self.told.lock().unwrap())
        }
    }

    /// A store that is away for an hour, asked by a thousand requests.
    #[test]
    fn changes_are_told_once() {
        let lines = Lines::default();
        let _here = tracing::subscriber::set_default(lines.clone());
        let vault = Vault::in_memory([ORDERS]);
        let told = lines.taken();
        assert!(told.iter().any(|line| line == "INFO unlocked"), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("another process") || line.starts_with("ERROR")), "{told:?}");
        let alice = vault.enroll().unwrap();
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        assert!(lines.taken().iter().all(|line| line.starts_with(Level::INFO.as_str())));

        vault.lose_store();
        for _ in 0..1000 {
            vault.advance(Duration::from_secs(4));
            let _ = vault.open(alice, EMAIL, &sealed).unwrap_err();
        }
        let told = lines.taken();
        assert_eq!(told.iter().filter(|line| line.starts_with("ERROR")).count(), 1, "{told:?}");
        assert!(told.len() <= 2, "{told:?}");
        vault.find_store();
        vault.advance(Duration::from_secs(4));
        assert!(vault.open(alice, EMAIL, &sealed).is_ok() && vault.open(alice, EMAIL, &sealed).is_ok());
        assert_eq!(lines.taken(), ["INFO the key store answers again"]);
    }

    #[test]
    fn closing_and_a_failed_unlock_are_no_errors() {
        let lines = Lines::default();
        let _here = tracing::subscriber::set_default(lines.clone());
        let memory = Memory::new();
        let builder = || {
            let mut builder = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]);
            builder.threaded = false;
            builder
        };
        builder().create(RootKey::bytes([7; 32])).unwrap().close().unwrap();
        let told = lines.taken();
        assert_eq!(told.last().map(String::as_str), Some("DEBUG closed"), "{told:?}");
        assert!(!told.iter().any(|line| line.starts_with("ERROR") || line.starts_with("WARN")), "{told:?}");
        builder().unlock(RootKey::bytes([8; 32])).unwrap_err();
        builder().demand_generation(99).unlock(RootKey::bytes([7; 32])).unwrap_err();
        assert_eq!(lines.taken(), [""; 0], "whoever unlocks has the error");
    }
    /// The compiler warns of one that is dropped at once; one that is kept in a variable it lets pass.
    #[test]
    fn a_shred_that_is_never_carried_out_is_told() {
        let lines = Lines::default();
        let _here = tracing::subscriber::set_default(lines.clone());
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        lines.taken();
        drop(vault.shredding(alice));
        let told = lines.taken();
        assert_eq!(told, ["WARN nobody was shredded: a shred was built and dropped; call `run` or `start`"]);
        for refused in
            [vault.shredding(..=alice).purpose(ORDERS), vault.shredding(alice).purpose(Purpose::new("other"))]
        {
            refused.run().unwrap_err();
        }
        let _ = vault.shredding(alice).run().unwrap();
        assert!(lines.taken().iter().all(|line| !line.contains("dropped")), "these were carried out, or said why not");
    }
    /// Rule 24: whoever listens may hang, and a lease that runs out meanwhile is wiped all the same.
    #[test]
    fn whoever_listens_holds_up_no_wipe() {
        let vault = Vault::in_memory([ORDERS]);
        let known = vault.process().unwrap().known.clone();
        let free: Arc<Mutex<Vec<bool>>> = Arc::default();
        let seen = free.clone();
        let look = move || {
            let known = known.clone();
            let is_free = std::thread::spawn(move || known.installing.try_lock().is_ok()).join().unwrap();
            seen.lock().unwrap().push(is_free);
        };
        let lines = Lines { then: Some(Arc::new(look)), ..Lines::default() };
        let _here = tracing::subscriber::set_default(lines.clone());
        let alice = vault.enroll().unwrap();
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        vault.lose_store();
        vault.advance(Duration::from_secs(4));
        let _ = vault.open(alice, EMAIL, &sealed).unwrap_err();
        vault.find_store();
        vault.advance(Duration::from_secs(4));
        assert!(vault.open(alice, EMAIL, &sealed).is_ok());
        let told = lines.taken();
        assert!(told.iter().any(|line| line == "INFO the key store answers again"), "{told:?}");
        let free = free.lock().unwrap().clone();
        assert!(free.len() >= 2 && free.iter().all(|free| *free), "{told:?} {free:?}");
    }
}
