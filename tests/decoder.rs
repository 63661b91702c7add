//! Vaults and values exchanged, both ways, with the decoder that was written from FORMAT.md alone.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Debug;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use oubliette::personal::{Address, Email, Json, JsonContent, Name, PersonalData, Phone, Text, TypeTag};
use oubliette::{CustomerId, Field, OpenError, Purpose, RootKey, Sealed, Vault, root_keys::PassphraseCost};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const LATER: Purpose = Purpose::new("lettre d’été");

#[derive(PartialEq, Serialize, Deserialize)]
struct Preferences {
    colour: String,
    size: u8,
}

impl JsonContent for Preferences {
    const TAG: TypeTag = TypeTag::new("app.preferences");

    fn wipe(&mut self) {
        self.colour.clear();
    }
}

/// A value as the text that both sides write down.
trait Told: PersonalData {
    fn from_told(text: &str) -> Self;
    fn told(&self) -> String;
}

macro_rules! told {
    ($($type:ty),*) => {$(
        impl Told for $type {
            fn from_told(text: &str) -> Self {
                text.parse().unwrap()
            }

            fn told(&self) -> String {
                self.expose_personal_data().to_string()
            }
        }
    )*};
}
told!(Name, Email, Phone, Text);

impl Told for Address {
    fn from_told(text: &str) -> Self {
        let (country, lines) = text.split_once('\n').unwrap();
        Address::new(country.parse().unwrap(), lines.lines()).unwrap()
    }

    fn told(&self) -> String {
        let (country, lines) = self.expose_personal_data_parts();
        [country.to_string()].into_iter().chain(lines.map(String::from)).collect::<Vec<_>>().join("\n")
    }
}

impl Told for Json<Preferences> {
    fn from_told(text: &str) -> Self {
        text.parse().unwrap()
    }

    fn told(&self) -> String {
        serde_json::to_string(self.expose_personal_data()).unwrap()
    }
}

/// Calls a generic function with the field of that purpose and label.
macro_rules! with_field {
    ($case:expr, $call:ident($($argument:expr),*)) => {
        match ($case["purpose"].as_str().unwrap(), $case["label"].as_str().unwrap()) {
            ("orders", "email") => $call::<Email>(ORDERS.field("email"), $($argument),*),
            ("orders", "name") => $call::<Name>(ORDERS.field("name"), $($argument),*),
            ("orders", "phone") => $call::<Phone>(ORDERS.field("phone"), $($argument),*),
            ("orders", "address") => $call::<Address>(ORDERS.field("address"), $($argument),*),
            ("orders", "preferences") => $call::<Json<Preferences>>(ORDERS.field("preferences"), $($argument),*),
            ("newsletter", "note") => $call::<Text>(NEWS.field("note"), $($argument),*),
            ("newsletter", "prénom") => $call::<Name>(NEWS.field("prénom"), $($argument),*),
            ("newsletter", "phone") => $call::<Phone>(NEWS.field("phone"), $($argument),*),
            ("lettre d’été", "email") => $call::<Email>(LATER.field("email"), $($argument),*),
            other => panic!("there is no field {other:?}"),
        }
    };
}

fn customer(case: &Value) -> CustomerId {
    CustomerId::from_stored(case["customer"].as_i64().unwrap()).unwrap()
}

fn context(case: &Value) -> Option<Vec<u8>> {
    case["context"].as_str().map(|context| hex::decode(context).unwrap())
}

fn seal<T: Told>(field: Field<T>, vault: &Vault, case: &Value) -> Vec<u8> {
    let value = T::from_told(case["text"].as_str().unwrap());
    match context(case) {
        Some(context) => vault.seal(customer(case), field.within(&context), &value),
        None => vault.seal(customer(case), field, &value),
    }
    .unwrap()
    .into_bytes()
}

/// The value, or the error as FORMAT.md spells it.
fn open<T: Told>(field: Field<T>, vault: &Vault, case: &Value) -> String {
    let sealed: Sealed<T> = case["sealed"].as_str().unwrap().parse().unwrap();
    let opened = match context(case) {
        Some(context) => vault.open(customer(case), field.within(&context), &sealed),
        None => vault.open(customer(case), field, &sealed),
    };
    match opened {
        Ok(value) => value.told(),
        Err(OpenError::Shredded { .. }) => "shredded".into(),
        Err(OpenError::OtherCustomer { .. }) => "other_customer".into(),
        Err(OpenError::OtherPurpose { .. }) => "other_purpose".into(),
        Err(OpenError::NotAuthentic { .. }) => "not_authentic".into(),
        Err(error) => panic!("{error:?}"),
    }
}

fn text_of(sealed: Vec<u8>) -> String {
    Sealed::<Text>::from_bytes(sealed).unwrap().to_string() // the text form does not know the type
}

/// The fields, with type tag, padding step, and a text for a customer.
const FIELDS: [(&str, &str, &str, u16); 9] = [
    ("orders", "email", "obl.email", 64),
    ("orders", "name", "obl.name", 96),
    ("orders", "phone", "obl.phone", 32),
    ("orders", "address", "obl.address", 128),
    ("orders", "preferences", "app.preferences", 256),
    ("newsletter", "note", "obl.text", 256),
    ("newsletter", "prénom", "obl.name", 96),
    ("newsletter", "phone", "obl.phone", 32),
    ("lettre d’été", "email", "obl.email", 64),
];

fn text_for(tag: &str, customer: i64) -> String {
    match tag {
        "obl.email" => format!("zoë.{customer}@example.com"),
        "obl.name" => format!("Zoë O’Connor {customer}"),
        "obl.phone" => format!("+3361234{customer:04}"),
        "obl.address" => format!("FR\n{customer} rue de l’Église\n75002 Paris"),
        "obl.text" => "x".repeat(usize::try_from(customer).unwrap()),
        _ => format!("{{\"colour\":\"blue {customer}\",\"size\":3}}"),
    }
}

fn case(field: (&str, &str, &str, u16), customer: i64, text: &str) -> Value {
    let (purpose, label, tag, step) = field;
    // None, an empty one and one of some bytes.
    let context = match customer % 3 {
        0 => None,
        1 => Some(String::new()),
        _ => Some(hex::encode(format!("row {customer}"))),
    };
    json!({ "purpose": purpose, "label": label, "type_tag": tag, "step": step, "customer": customer,
            "context": context, "text": text })
}

fn id(number: i64) -> CustomerId {
    CustomerId::from_stored(number).unwrap()
}

fn ids(numbers: RangeInclusive<i64>) -> impl Iterator<Item = CustomerId> {
    numbers.map(id)
}

const OLD: [u8; 32] = [7; 32];
const PASSPHRASE: &str = "six words from a long list";

fn key(told: &Value) -> RootKey {
    match told["bytes"].as_str() {
        Some(bytes) => RootKey::bytes(<[u8; 32]>::try_from(hex::decode(bytes).unwrap()).unwrap()),
        None => RootKey::passphrase_at_cost(
            told["passphrase"].as_str().unwrap().to_owned(),
            PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 },
        ),
    }
}

/// A vault with a mirror and a copy, in which customers were shredded one by one, as a whole leaf, in one purpose and
/// by age, a purpose was added late, and the root key was rotated.
fn make_theirs(directory: &Path, name: &str, new: &Value) -> Value {
    let lease = Duration::from_millis(100);
    let places = [format!("{name}-main"), format!("{name}-mirror")];
    let [main, mirror] = places.clone().map(|place| directory.join(place));
    let builder = || Vault::at(&main).mirror(&mirror).lease(lease);
    let vault = builder().purposes([ORDERS, NEWS]).create(RootKey::bytes(OLD)).unwrap();
    let customers: Vec<i64> = (0..700).map(|_| vault.enroll().unwrap().to_stored()).collect();
    assert_eq!(customers, (1..=700).collect::<Vec<_>>(), "the test names its customers by number");
    vault.close().unwrap();
    // In its first lease a process names no root record in what it seals; enrolling took longer than that.
    let vault = builder().purposes([ORDERS, NEWS]).unlock(RootKey::bytes(OLD)).unwrap();
    let told_customers = [1, 2, 3, 4, 5, 9, 42, 43, 44, 254, 255, 256, 257, 300, 511, 512, 513, 698, 699, 700];
    let mut values = Vec::new();
    let mut seal_all = |vault: &Vault, which: &dyn Fn(&str, i64) -> bool| {
        for field in FIELDS {
            for number in told_customers.into_iter().filter(|&number| which(field.0, number)) {
                let mut case = case(field, number, &text_for(field.2, number));
                case["sealed"] = text_of(with_field!(case, seal(vault, &case))).into();
                values.push(case);
            }
        }
    };
    seal_all(&vault, &|purpose, _| purpose != "lettre d’été");
    vault.shred([id(42), id(255), id(700)]).unwrap().commit().wait_until_effective_everywhere();
    vault.shredding([id(43)]).purpose(NEWS).run().unwrap().commit().wait_until_effective_everywhere();
    vault.shred(ids(256..=511)).unwrap().commit().wait_until_effective_everywhere();
    vault.shredding(..=id(4)).run().unwrap().commit().wait_until_effective_everywhere();
    vault.close().unwrap();

    let vault = builder().purposes([ORDERS, NEWS, LATER]).add_missing_purposes().unlock(RootKey::bytes(OLD)).unwrap();
    let shredded = |purpose: &str, number: i64| {
        matches!(number, 1..=4 | 42 | 255..=511 | 700) || (purpose == "newsletter" && number == 43)
    };
    // Once it has run for some leases it names a root record in what it seals.
    for _ in 0..3 {
        std::thread::sleep(lease);
        vault.refresh().unwrap();
    }
    seal_all(&vault, &|purpose, number| !shredded(purpose, number));
    vault.shred([id(44)]).unwrap().commit().wait_until_effective_everywhere();
    let shredded = |purpose: &str, number: i64| shredded(purpose, number) || number == 44;
    vault.rotate_root_key(key(new)).unwrap();
    vault.sweep().unwrap();
    let copy = format!("{name}-copy");
    vault.copy_to(directory.join(&copy)).unwrap();

    for case in &mut values {
        let (purpose, number) = (case["purpose"].as_str().unwrap().to_owned(), case["customer"].as_i64().unwrap());
        let label = case["label"].as_str().unwrap();
        case["what"] = format!("{label} of {number} for {purpose}").into();
        case["error"] = shredded(&purpose, number).then_some("shredded").into();
    }
    let witnesses: Vec<bool> = values
        .iter()
        .map(|case| case["sealed"].as_str().unwrap().parse::<Sealed<Text>>().unwrap().as_bytes()[14..22] != [0; 8])
        .collect();
    assert!(
        witnesses.contains(&true) && witnesses.contains(&false),
        "values with and without a witness: {witnesses:?}"
    );
    // Opened as what they are not.
    let wrong = |change: &dyn Fn(&mut Value), error: &str| {
        let mut case = values.iter().find(|case| case["customer"] == 9 && case["label"] == "email").unwrap().clone();
        change(&mut case);
        case["error"] = error.into();
        case
    };
    let refused = [
        wrong(&|case| case["customer"] = 5.into(), "other_customer"),
        wrong(&|case| case["context"] = "00".into(), "not_authentic"),
        wrong(&|case| (case["label"], case["type_tag"]) = ("name".into(), "obl.name".into()), "not_authentic"),
        wrong(
            &|case| {
                (case["purpose"], case["label"]) = ("newsletter".into(), "note".into());
                case["type_tag"] = "obl.text".into();
            },
            "other_purpose",
        ),
    ];
    values.extend(refused);
    for case in &values {
        let expected = case["error"].as_str().unwrap_or(case["text"].as_str().unwrap());
        assert_eq!(with_field!(case, open(&vault, case)), expected, "{}", case["what"]);
    }

    let mut to_seal = Vec::new();
    for field in FIELDS {
        for number in told_customers.into_iter().filter(|&number| !shredded(field.0, number)) {
            let mut case = case(field, number, &text_for(field.2, number));
            case["witness"] = (number % 2 == 0).into();
            to_seal.push(case);
        }
    }
    let counts: Value =
        vault.status().unwrap().purposes.iter().map(|p| (p.purpose.clone(), Value::from(p.shredded))).collect();
    let generation = vault.generation().unwrap();
    vault.close().unwrap();
    let mut lists = serde_json::Map::new();
    for purpose in ["orders", "newsletter", "lettre d’été"] {
        let numbers: Vec<i64> = customers.iter().copied().filter(|&number| shredded(purpose, number)).collect();
        assert_eq!(counts[purpose], numbers.len(), "{purpose}");
        lists.insert(purpose.into(), numbers.into());
    }
    json!({ "stores": [places, [copy]], "root_key": new, "old_root_key": { "bytes": hex::encode(OLD) },
            "generation": generation, "customers": customers, "shredded": lists, "values": values, "seal": to_seal })
}

fn unlock(at: &Path, mirror: Option<&Path>, root_key: &Value, purposes: &[Purpose]) -> Vault {
    let builder = mirror.into_iter().fold(Vault::at(at), |builder, mirror| builder.mirror(mirror));
    builder.purposes(purposes.iter().copied()).unlock(key(root_key)).unwrap()
}

fn same<T: PartialEq + Debug>(compared: &mut usize, expected: T, found: T, what: &dyn Debug) {
    assert_eq!(expected, found, "{what:?}");
    *compared += 1;
}

#[test]
#[ignore = "needs PYTHON, an interpreter with cryptography and argon2-cffi; tests/decoder/run runs it"]
fn vaults_and_values_pass_to_the_independent_decoder_and_back() {
    let python = std::env::var_os("PYTHON").expect("PYTHON names no interpreter");
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let theirs = [
        make_theirs(at, "bytes", &json!({ "bytes": hex::encode([8; 32]) })),
        make_theirs(at, "passphrase", &json!({ "passphrase": PASSPHRASE })),
    ];
    fs::write(at.join("theirs.json"), serde_json::to_vec(&json!({ "vaults": theirs })).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decoder/decoder.py");
    let status = Command::new(python).arg(script).arg("exchange").arg(at).status().unwrap();
    assert!(status.success(), "the decoder found a difference");
    let ours: Value = serde_json::from_slice(&fs::read(at.join("ours.json")).unwrap()).unwrap();

    let (mut values, mut vaults, mut refused) = (0, 0, 0);
    let sealed = ours["sealed"].as_array().unwrap();
    assert_eq!(sealed.len(), theirs.len());
    for (theirs, sealed) in theirs.iter().zip(sealed) {
        // One that the decoder could not unlock, for want of Argon2, comes back as null.
        let Some(sealed) = sealed.as_array() else { continue };
        assert_eq!(sealed.len(), theirs["seal"].as_array().unwrap().len());
        let place = |n: usize| at.join(theirs["stores"][0][n].as_str().unwrap());
        let vault = unlock(&place(0), Some(&place(1)), &theirs["root_key"], &[ORDERS, NEWS, LATER]);
        for case in sealed {
            same(&mut values, case["text"].as_str().unwrap(), &with_field!(case, open(&vault, case)), case);
        }
    }
    for made in ours["vaults"].as_array().unwrap() {
        let place = at.join(made["place"].as_str().unwrap());
        let vault = unlock(&place, None, &made["root_key"], &[ORDERS, NEWS]);
        let status = vault.status().unwrap();
        same(&mut vaults, made["generation"].as_u64().unwrap(), status.generation, &place);
        same(&mut vaults, made["issued"].as_u64().unwrap(), status.issued, &place);
        for purpose in &status.purposes {
            same(&mut vaults, made["shredded"][&purpose.purpose].as_u64().unwrap(), purpose.shredded, &place);
        }
        let mut compare = |vault: &Vault, since_shredded: Option<i64>| {
            for case in made["values"].as_array().unwrap() {
                let shredded = case["purpose"] == "orders" && case["customer"].as_i64() == since_shredded;
                let found = with_field!(case, open(vault, case));
                match if shredded { Some("shredded") } else { case["error"].as_str() } {
                    Some(error) => same(&mut refused, error, &found, case),
                    None => same(&mut values, case["text"].as_str().unwrap(), &found, case),
                }
            }
        };
        compare(&vault, None);
        // And it goes on from there: a number above all issued, a value, a shred over the decoder's pages, a rotation.
        let new = vault.enroll().unwrap();
        assert!(new.to_stored() > 100_000);
        let email = ORDERS.field::<Email>("email");
        let mine = vault.seal(new, email, &Email::from_told("new@example.com")).unwrap();
        let unlucky = 1; // survives what the decoder shreds
        vault.shredding([id(unlucky)]).purpose(ORDERS).run().unwrap().commit().wait_until_effective_everywhere();
        vault.rotate_root_key(RootKey::bytes([9; 32])).unwrap();
        vault.close().unwrap();
        let vault = Vault::at(&place).purposes([ORDERS, NEWS]).unlock(RootKey::bytes([9; 32])).unwrap();
        assert_eq!(vault.open(new, email, &mine).unwrap().told(), "new@example.com");
        vault.sweep().unwrap();
        compare(&vault, Some(unlucky));
    }
    assert!(values > 0 && refused > 0 && vaults > 0, "nothing was compared");
    println!("the decoder's vaults: {vaults} figures compared; its values: {values} opened, {refused} found shredded");
}
