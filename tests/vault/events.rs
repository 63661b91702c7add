//! What events and errors say: what happened, and never a value, a context or a key.

use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::Mutex;
use std::time::Duration;

use oubliette::journal::Reason;
use oubliette::personal::Text;
use oubliette::testing::{TestVault, assert_no_plaintext};
use oubliette::{Field, Purpose, RootKey, Sealed, Vault};
use tracing::field::{Field as EventField, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");

const VALUE: &str = "Siobhan Needle-5521";
const CONTEXT: &str = "order of Needle-5522";
/// As bytes of a root key: 32 of them.
const KEY: &str = "root key of Needle-5523 32 bytes";
const PASSPHRASE: &str = "passphrase of Needle-5524";

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said(format!("{} ", event.metadata().target()));
        event.record(&mut said);
        HEARD.lock().unwrap().push(said.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Said(String);

impl Visit for Said {
    fn record_debug(&mut self, field: &EventField, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

/// An error as an application logs it: its text, its sources, and all of it for debugging.
fn told(error: impl Error) -> String {
    let mut said = format!("{error} {error:?} ");
    let mut source = error.source();
    while let Some(error) = source {
        write!(said, "{error} {error:?} ").unwrap();
        source = error.source();
    }
    said
}

/// In the forms in which bytes get into a log: as text, in hexadecimal digits, as numbers, as base64 of whole groups of three.
fn forms(secret: &str) -> [String; 4] {
    let base64 = |secret: &str| {
        let bits: String = secret.bytes().map(|byte| format!("{byte:08b}")).collect();
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let digit = |six: &[u8]| usize::from_str_radix(std::str::from_utf8(six).unwrap(), 2).unwrap();
        bits.as_bytes().chunks_exact(6).map(|six| digits.get(digit(six)).map_or('.', |found| *found as char)).collect()
    };
    let numbers = format!("{:?}", secret.as_bytes());
    let (_, whole) = secret.split_at(secret.len() % 3);
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    [secret.to_owned(), hex, numbers.trim_matches(['[', ']']).to_owned(), base64(whole)]
}

/// Everything of a vault's life that has an event, and the refusals on the way.
fn life(said: &mut Vec<String>) {
    let key = || RootKey::bytes(KEY.as_bytes().try_into().unwrap());
    let memory = Vault::in_memory([ORDERS]);
    let (value, context): (Text, &[u8]) = (VALUE.parse().unwrap(), CONTEXT.as_bytes());
    let place = NOTE.within(context);
    let [alice, bob] = [(); 2].map(|()| memory.enroll().unwrap());
    let sealed = memory.seal(alice, place, &value).unwrap();
    // Refused: elsewhere, changed, cut off.
    let bytes = sealed.as_bytes().to_vec();
    let changed: Sealed<Text> = Sealed::from_bytes([&bytes[..70], &[bytes[70] ^ 1], &bytes[71..]].concat()).unwrap();
    said.push(told(memory.open(alice, NOTE, &sealed).unwrap_err()));
    said.push(told(memory.open(bob, place, &sealed).unwrap_err()));
    said.push(told(memory.open(alice, place, &changed).unwrap_err()));
    said.push(told(Sealed::<Text>::from_bytes(VALUE.as_bytes().to_vec()).unwrap_err()));
    said.push(format!("{sealed:?} {value:?} {place:?} {:?} {memory:?}", memory.customer(alice)));
    // Others commit, sweep, are lost and found.
    let other = memory.second().unwrap();
    let before = memory.memory().snapshot();
    let _ = memory.shred([bob]).unwrap();
    other.refresh().unwrap();
    drop(memory.shredding([alice]));
    memory.advance(Duration::from_secs(10));
    memory.refresh().unwrap();
    memory.sweep().unwrap();
    memory.fill_disk();
    said.push(told(memory.shred([alice]).unwrap_err()));
    memory.find_store();
    memory.lose_store();
    said.push(told(memory.open(alice, place, &sealed).unwrap_err()));
    said.push(told(memory.seal(alice, place, &value).unwrap_err()));
    memory.find_store();
    assert!(memory.open(alice, place, &sealed).is_ok());
    // Past its first lease a process puts a witness into what it seals.
    for _ in 0..8 {
        let _ = memory.shred([memory.enroll().unwrap()]).unwrap();
        memory.advance(Duration::from_millis(250));
        memory.refresh().unwrap();
    }
    let newest = memory.seal(alice, place, &value).unwrap();
    // Yesterday's store, for one who was there and for one who was not.
    memory.memory().restore(&before);
    said.push(told(memory.refresh().unwrap_err()));
    memory.memory().restore(&before);
    drop(other);
    let late = memory.second().unwrap();
    said.push(told(late.open(alice, place, &newest).unwrap_err()));
    said.push(format!("{:?}", late.health()));
    drop(late);
    drop(memory.builder().clear_alarm(TestVault::root_key(), Reason::new("case 12").unwrap()).unwrap());
    // Root keys that fit, that do not, and that are nobody's.
    let directory = tempfile::tempdir().unwrap();
    let at = || Vault::at(directory.path().join("vault")).purposes([ORDERS]);
    at().create(key()).unwrap().close().unwrap();
    said.push(format!("{:?} {:?} {:?}", key(), RootKey::passphrase(PASSPHRASE), at()));
    said.push(told(at().unlock(RootKey::bytes([7; 32])).unwrap_err()));
    said.push(told(at().unlock(RootKey::passphrase(PASSPHRASE)).unwrap_err()));
    said.push(told(at().create(RootKey::passphrase(PASSPHRASE)).unwrap_err()));
    let vault = at().unlock(key()).unwrap();
    std::fs::remove_dir_all(directory.path().join("vault")).unwrap();
    said.push(told(vault.refresh().unwrap_err()));
    said.push(told(vault.shred([oubliette::CustomerId::from_stored(1).unwrap()]).unwrap_err()));
    said.extend(vault.close().err().map(told));
}

#[test]
fn events_and_errors_carry_no_value_no_context_and_no_key() {
    tracing::subscriber::set_global_default(Listener).unwrap();
    let mut said = Vec::new();
    life(&mut said);
    let heard = std::mem::take(&mut *HEARD.lock().unwrap());
    for event in [
        "unlocked",
        "committed",
        "another process committed",
        "superseded pages swept",
        "built and dropped",
        "could not be read",
        "the lease is lost",
        "answers again",
        "was rolled back",
        "not of this vault's history",
        "cleared an alarm",
        "closed",
    ] {
        assert!(heard.iter().any(|said| said.contains(event)), "nothing was heard of {event:?}: {heard:#?}");
    }
    said.extend(heard);
    let all = said.join("\n");
    // A control: what is looked for would be found.
    assert!(std::panic::catch_unwind(|| assert_no_plaintext(&forms(VALUE).concat().into_bytes(), [VALUE])).is_err());
    for secret in [VALUE, CONTEXT, KEY, PASSPHRASE] {
        for (n, form) in forms(secret).iter().enumerate() {
            assert!(!all.contains(form.as_str()), "form {n} of {secret:?}");
        }
    }
    assert_no_plaintext(all.as_bytes(), ["Needle-5521", "Needle-5522", "Needle-5523", "Needle-5524"]);
}
