//! One of the processes that share a vault: started by a scenario, with pairs `name=value` as arguments.
//!
//! Told `judge=1` it opens every value that was ever recorded, once, and ends; told `hold=1` it takes the store's lock and keeps it. Otherwise it works
//! until its input says `stop`, or ends.

mod knowledge;
mod planted;

use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use knowledge::Knowledge;
use oubliette::personal::Text;
use oubliette::store::RootStore;
use oubliette::testing::MovedClocks;
use oubliette::{
    CustomerId, Field, KeyStoreError, OpenError, Outcome, Purpose, RootKey, SealError, ShredError, UnlockError, Vault,
    VaultBuilder, root_keys::VersionPolicy,
};
use oubliette_fire::history::{Answer, Life, Recorder, What, now};
use oubliette_fire::random::Random;
use oubliette_postgres::{ConfirmReads, PostgresStore};
use zeroize::Zeroizing;

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");

struct Options(HashMap<String, String>);

impl Options {
    fn read() -> Options {
        let pairs = std::env::args().skip(1).map(|pair| {
            let (name, value) = pair.split_once('=').expect("arguments are pairs");
            (name.to_owned(), value.to_owned())
        });
        Options(pairs.collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} is a number"))
    }
}

fn root_key(options: &Options) -> Result<RootKey, String> {
    let module = options.get("token");
    if module.is_empty() {
        // Another one after a recovery.
        let key = if options.get("key").is_empty() { 7 } else { options.number("key").try_into().unwrap() };
        return Ok(RootKey::bytes([key; 32]));
    }
    let token = oubliette_pkcs11::Token::at(module, "privacy").open(Zeroizing::new("1234".to_owned()));
    let policy = VersionPolicy::with_each_shred().allow_one_place();
    token.map(|token| RootKey::versions(token, policy)).map_err(|error| format!("{error:?}"))
}

fn builder(options: &Options, clocks: &MovedClocks) -> Result<VaultBuilder, String> {
    let store =
        PostgresStore::at(options.get("address")).answer_within(Duration::from_millis(options.number("answer")));
    let store = match options.get("plant") {
        "believes any primary" => store.confirm_reads(ConfirmReads::Never),
        _ => store,
    };
    // Where the root key has versions there is one server.
    let store = store.no_standbys().open().map_err(|error| format!("{error:?}"))?;
    let builder = match options.get("plant") {
        "takes no lock" => Vault::on(store.clone(), planted::WithoutLock(store)),
        _ => Vault::on(store.clone(), store),
    };
    Ok(clocks.seen_by(builder.purposes([ORDERS]).wait_for_lock(Duration::from_secs(5))))
}

fn unlock(options: &Options, clocks: &MovedClocks) -> Result<Vault, Answer> {
    let (builder, key) = match (builder(options, clocks), root_key(options)) {
        (Ok(builder), Ok(key)) => (builder, key),
        (Err(why), _) | (_, Err(why)) => return Err(Answer::Unavailable(why)),
    };
    builder.unlock(key).map_err(|error| match &error {
        UnlockError::KeyStore(error) => key_store(error),
        other => Answer::Refused(format!("{other:?}")),
    })
}

fn key_store(error: &KeyStoreError) -> Answer {
    match error.outcome() {
        Outcome::TryAgain => Answer::Unavailable(format!("{error:?}")),
        _ => Answer::Refused(format!("{error:?}")),
    }
}

fn customer(number: u64) -> CustomerId {
    CustomerId::from_stored(i64::try_from(number).unwrap()).unwrap()
}

fn number(customer: CustomerId) -> u64 {
    u64::try_from(customer.to_stored()).unwrap()
}

/// What all threads of this process share.
struct Worker {
    vault: Vault,
    recorder: Recorder,
    by: Life,
    knowledge: Mutex<Knowledge>,
    stops: AtomicBool,
}

impl Worker {
    fn open(&self, of: u64, sealed: &str) -> Answer {
        let what = What::Open { customer: of, sealed: sealed.to_owned() };
        let value = sealed.parse().expect("what was sealed is a sealed value");
        self.recorder.call(&what, || match self.vault.open(customer(of), NOTE, &value) {
            Ok(text) => Answer::Ok(text.expose_personal_data().to_owned()),
            Err(OpenError::Shredded { .. }) => Answer::Shredded,
            Err(error) if error.outcome() == Outcome::TryAgain => Answer::Unavailable(format!("{error:?}")),
            Err(error) => Answer::Refused(format!("{error:?}")),
        })
    }

    fn seal(&self, of: u64, text: &str) -> Answer {
        let what = What::Seal { customer: of, text: text.to_owned() };
        let content: Text = text.parse().expect("a text");
        self.recorder.call(&what, || match self.vault.seal(customer(of), NOTE, &content) {
            Ok(sealed) => Answer::Ok(sealed.to_string()),
            Err(SealError::Shredded { .. }) => Answer::Shredded,
            Err(error) if error.outcome() == Outcome::TryAgain => Answer::Unavailable(format!("{error:?}")),
            Err(error) => Answer::Refused(format!("{error:?}")),
        })
    }

    fn enroll(&self) -> Answer {
        self.recorder.call(&What::Enroll, || match self.vault.enroll() {
            Ok(customer) => Answer::Ok(number(customer).to_string()),
            Err(error) if error.outcome() == Outcome::TryAgain => Answer::Unavailable(format!("{error:?}")),
            Err(error) => Answer::Refused(format!("{error:?}")),
        })
    }

    fn shred(&self, customers: &[u64]) -> Answer {
        let what = What::Shred { customers: customers.to_vec() };
        self.recorder.call(&what, || match self.vault.shred(customers.iter().map(|one| customer(*one))) {
            Ok(shredded) => {
                // From the system's wall clock to that of histories.
                let left =
                    shredded.commit().effective_everywhere_at().duration_since(SystemTime::now()).unwrap_or_default();
                Answer::Ok((now() + u64::try_from(left.as_nanos()).unwrap()).to_string())
            }
            Err(ShredError::NothingHappened(error)) => key_store(&error),
            Err(error @ (ShredError::Unknown(_) | ShredError::OldCopyRemains(_))) => {
                Answer::Unknown(format!("{error:?}"))
            }
            Err(error) => Answer::Refused(format!("{error:?}")),
        })
    }

    fn knowledge(&self) -> std::sync::MutexGuard<'_, Knowledge> {
        let mut knowledge = self.knowledge.lock().unwrap();
        knowledge.refresh();
        knowledge
    }

    /// Opens: half of the time somebody of whom it was asked lately that she be shredded.
    fn read(&self, mut random: Random) {
        while !self.stops.load(Ordering::Acquire) {
            let value = self.knowledge().value(&mut random);
            if let Some((of, sealed)) = value {
                self.open(of, &sealed);
            }
            std::thread::sleep(random.milliseconds(4, 30));
        }
    }

    /// Enrolls, seals and shreds.
    fn change(&self, mut random: Random) {
        let mut own = 0_u64;
        while !self.stops.load(Ordering::Acquire) {
            let survivors = self.knowledge().survivors();
            let text = |own: &mut u64| {
                *own += 1;
                format!("{}-{}-{own}", self.by.process, self.by.life)
            };
            match random.below(10) {
                0..5 if survivors < 400 => {
                    if let Answer::Ok(number) = self.enroll() {
                        self.seal(number.parse().unwrap(), &text(&mut own));
                    }
                }
                5 => {
                    let of = self.knowledge().survivor(&mut random);
                    if let Some(of) = of {
                        self.seal(of, &text(&mut own));
                    }
                }
                _ if survivors > 10 => {
                    let customers = self.knowledge().condemn(&mut random);
                    self.shred(&customers);
                }
                _ => {}
            }
            std::thread::sleep(random.milliseconds(5, 40));
        }
    }

    /// Opens every value once; on what may pass, again.
    fn judge(&self) {
        let values = self.knowledge().values().to_vec();
        let begun = Instant::now();
        for (of, sealed) in values {
            while matches!(self.open(of, &sealed), Answer::Unavailable(_)) && begun.elapsed() < Duration::from_secs(30)
            {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// What the scenario says: one word a line, and milliseconds.
fn obey(line: &str, clocks: &MovedClocks, worker: Option<&Worker>) {
    let (word, time) = line.split_once(' ').unwrap_or((line, "0"));
    let time = Duration::from_millis(time.parse().expect("a time in milliseconds"));
    match word {
        "set-on" => clocks.set_on(time),
        "set-back" => clocks.set_back(time),
        "sleep" => clocks.sleep(time),
        "stop-clocks" => clocks.stop(),
        "stop" => worker.iter().for_each(|worker| worker.stops.store(true, Ordering::Release)),
        other => panic!("no such word: {other}"),
    }
}

fn main() {
    let options = Options::read();
    if options.get("hold") == "1" {
        hold(&options);
    }
    let directory = PathBuf::from(options.get("histories"));
    let by = Life {
        process: options.number("process").try_into().unwrap(),
        life: options.number("life").try_into().unwrap(),
    };
    let (recorder, clocks) = (Recorder::new(&directory, by), MovedClocks::new());
    let is_judge = options.get("judge") == "1";
    let Some(vault) = first(&options, &recorder, &clocks, is_judge) else { return };
    let knowledge = Mutex::new(Knowledge::new(&directory));
    let worker = Arc::new(Worker { vault, recorder, by, knowledge, stops: AtomicBool::new(false) });
    println!("unlocked");
    if is_judge {
        worker.judge();
        return closed(worker);
    }
    if options.get("plant") == "its lease never runs out" {
        clocks.stop();
    }
    let mut random = Random::new(options.number("seed"));
    let seeds = [random.number(), random.number()];
    std::thread::scope(|scope| {
        scope.spawn(|| worker.read(Random::new(seeds[0])));
        scope.spawn(|| worker.change(Random::new(seeds[1])));
        for line in std::io::stdin().lock().lines() {
            obey(&line.expect("a line"), &clocks, Some(&worker));
            if worker.stops.load(Ordering::Acquire) {
                return;
            }
        }
        // The scenario is gone.
        std::process::exit(1);
    });
    closed(worker);
}

/// Before the process ends: SoftHSM crashes if it is unloaded under a call.
fn closed(worker: Arc<Worker>) {
    // It may be in trouble, which its history tells.
    let _ = Arc::into_inner(worker).expect("its threads ended").vault.close();
}

/// Takes the lock, as a commit does, and is never done with it.
fn hold(options: &Options) -> ! {
    let store = PostgresStore::at(options.get("address")).open().expect("the store is there");
    let _lock = store.lock(&store.places(), Duration::from_secs(30)).expect("the lock is free some time");
    println!("locked");
    loop {
        std::thread::park();
    }
}

/// Unlocks, and goes on trying while that may come right; or creates the vault.
fn first(options: &Options, recorder: &Recorder, clocks: &MovedClocks, is_judge: bool) -> Option<Vault> {
    if options.get("create") == "1" {
        let lease = Duration::from_millis(options.number("lease"));
        let vault = builder(options, clocks).expect("the store is there").lease(lease);
        let vault = vault.create(root_key(options).expect("the root key is there")).expect("a new vault");
        return vault.close().map(|()| None).expect("it is closed");
    }
    let begun = Instant::now();
    loop {
        let mut vault = None;
        let answer = recorder.call(&What::Unlock, || match unlock(options, clocks) {
            Ok(unlocked) => {
                vault = Some(unlocked);
                Answer::Ok(String::new())
            }
            Err(answer) => answer,
        });
        match answer {
            Answer::Ok(_) => return vault,
            Answer::Unavailable(_) if begun.elapsed() < Duration::from_secs(60) => {}
            // What it is told stands in its history.
            _ if is_judge => return None,
            // A vault that was rolled back is unlocked again once somebody recovered it.
            _ if begun.elapsed() < Duration::from_secs(60) => {}
            _ => return None,
        }
        if !Path::new(options.get("histories")).exists() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
