//! Customers whose keys are used in every way, by threads that then idle.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use oubliette::personal::Email;
use oubliette::{CustomerId, OpenError, Sealed, Vault};

use super::{EMAIL, NEWS_EMAIL};

/// Threads that used the vault, and now idle with what they left on their stacks.
#[derive(Default)]
pub(super) struct Idle {
    wake: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct Pause {
    pub(super) ready: Sender<()>,
    pub(super) wake: Receiver<()>,
}

impl Pause {
    pub(super) fn idle(self) {
        self.ready.send(()).unwrap();
        let _ = self.wake.recv();
    }
}

impl Idle {
    pub(super) fn start(&mut self, work: impl FnOnce(Pause) + Send + 'static) {
        let ((wake, sleep), (ready, is_ready)) = (channel(), channel());
        self.wake.push(wake);
        self.threads.push(std::thread::spawn(move || work(Pause { ready, wake: sleep })));
        is_ready.recv().expect("the thread failed before it idled");
    }

    pub(super) fn end(self) {
        drop(self.wake);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

pub(super) struct Customers {
    pub(super) ids: Vec<CustomerId>,
    pub(super) rows: Vec<(CustomerId, Sealed<Email>)>,
    pub(super) victim: usize,
}

impl Customers {
    /// Over three leaves of the key tree; the victim is in the middle one.
    pub(super) fn enroll(vault: &Vault) -> Customers {
        let ids: Vec<CustomerId> = (0..600).map(|_| vault.enroll().unwrap()).collect();
        let email = |id: &CustomerId| format!("c{id}@example.com").parse().unwrap();
        let rows = ids.iter().map(|id| (*id, vault.seal(*id, EMAIL, &email(id)).unwrap())).collect();
        Customers { ids, rows, victim: 300 }
    }

    pub(super) fn victim(&self) -> CustomerId {
        self.ids[self.victim]
    }

    /// Every way to use a key: each thread leaves what it leaves.
    pub(super) fn use_keys(&self, vault: &Vault) -> Idle {
        let mut idle = Idle::default();
        let (victim, sealed, rows) = (self.victim(), self.rows[self.victim].1.clone(), self.rows.clone());
        let (v, s) = (vault.clone(), sealed.clone());
        idle.start(move |pause| {
            v.open(victim, EMAIL, &s).unwrap();
            pause.idle();
        });
        let v = vault.clone();
        idle.start(move |pause| {
            v.seal(victim, EMAIL, &"victim@example.com".parse().unwrap()).unwrap();
            v.seal(victim, NEWS_EMAIL, &"victim@example.com".parse().unwrap()).unwrap();
            pause.idle();
        });
        let (v, s) = (vault.clone(), sealed.clone());
        idle.start(move |pause| {
            let keys = v.customer(victim);
            keys.seal(EMAIL, &"victim@example.com".parse().unwrap()).unwrap();
            keys.open(EMAIL, &s).unwrap();
            keys.open(EMAIL, &s).unwrap();
            pause.idle();
            drop(keys);
        });
        let (v, stop) = (vault.clone(), self.victim + 1);
        idle.start(move |pause| {
            let mut all = v.each_customer(&rows, |row| row.0);
            let last = all.by_ref().take(stop).map(|((_, sealed), keys)| keys.open(EMAIL, sealed)).last();
            assert!(last.unwrap().is_ok());
            pause.idle();
            assert!(all.next().is_some());
        });
        let v = vault.clone();
        idle.start(move |pause| {
            v.preload([victim]).unwrap();
            v.status().unwrap();
            pause.idle();
        });
        idle
    }

    pub(super) fn check_survivors(&self, vault: &Vault, gone: &[CustomerId]) {
        for (id, sealed) in &self.rows {
            match vault.open(*id, EMAIL, sealed) {
                Ok(_) => assert!(!gone.contains(id)),
                Err(error) => assert!(gone.contains(id) && matches!(error, OpenError::Shredded { .. }), "{error:?}"),
            }
        }
    }
}
