//! Nothing of a value is left in memory once it is dropped: all writable mappings of the process are searched.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::str::FromStr;

#[cfg(not(feature = "phone"))]
use oubliette::personal::Phone;
use oubliette::personal::{Address, Canonical, Email, Name, PersonalData, Plaintext, Text};
use serde::de::DeserializeOwned;

const MASK: u8 = 0x55;

/// What is searched for, masked so that the search does not find itself.
fn masked(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| byte ^ MASK).collect()
}

fn unmasked(masked: &[u8], before: &str, after: &str) -> String {
    let mut text = String::with_capacity(masked.len() + before.len() + after.len());
    text.push_str(before);
    masked.iter().for_each(|byte| text.push(char::from(byte ^ MASK)));
    text.push_str(after);
    text
}

fn occurrences(masked: &[u8]) -> usize {
    let mappings = fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut chunk = vec![0; 1 << 20];
    let overlap = masked.len() - 1;
    let mut found = 0;
    for mapping in mappings.lines().filter(|line| line.contains(" rw")) {
        let range = mapping.split(' ').next().unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (mut at, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        while at < end {
            let size = chunk.len().min(usize::try_from(end - at).unwrap());
            let Ok(read @ 1..) = memory.read_at(&mut chunk[..size], at) else { break };
            chunk[..read].iter_mut().for_each(|byte| *byte ^= MASK);
            let starts = (0..read.saturating_sub(overlap)).filter(|start| chunk[*start] == masked[0]);
            found += starts.filter(|start| chunk[*start..].starts_with(masked)).count();
            // The chunk itself lies in one of the mappings.
            chunk.fill(0);
            let step = if at + read as u64 == end { read } else { read.saturating_sub(overlap).max(1) };
            at += step as u64;
        }
    }
    found
}

/// Makes a value in every way in, uses it, drops it; then looks.
fn leaves_nothing<T>(before: &str, secret: &str, after: &str)
where
    T: PersonalData + Clone + FromStr<Err: std::fmt::Debug> + TryFrom<String, Error: std::fmt::Debug>,
    T: DeserializeOwned,
{
    let needle = masked(secret);
    let value = T::try_from(unmasked(&needle, before, after)).unwrap();
    assert!(occurrences(&needle) > 0, "the search finds nothing at all");
    let mut out = Plaintext::with_capacity(0);
    value.encode(&mut out);
    let opened = T::decode(out.as_bytes()).unwrap();
    drop(opened.clone());
    drop((value, opened, out));
    assert_eq!(occurrences(&needle), 0, "{:?}", T::TAG);
}

#[cfg(feature = "json")]
mod note {
    use oubliette::personal::{JsonContent, TypeTag};
    use zeroize::Zeroize;

    #[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Note {
        note: String,
    }

    impl JsonContent for Note {
        const TAG: TypeTag = TypeTag::new("test.note");

        fn wipe(&mut self) {
            self.note.zeroize();
        }
    }
}

// One test, since the search of another thread holds a copy of whatever it reads.
#[test]
fn dropped_values_leave_nothing() {
    let _alone = crate::alone();
    leaves_nothing::<Name>("", "Quuxle Frobnicator Zanzibar", "");
    leaves_nothing::<Email>("", "quuxle.frobnicator.mail", "@example.com");
    leaves_nothing::<Email>("a@", "quuxle.frobnicator.domain", ".com");
    // The library that knows numbering plans makes strings of its own and wipes none; SECURITY.md says so.
    #[cfg(not(feature = "phone"))]
    leaves_nothing::<Phone>("+33", "16789012", "3;ext=9");
    leaves_nothing::<Address>("7 rue\n", "Quuxle Frobnicator Street", "\nFrance");
    leaves_nothing::<Text>("", "quuxle frobnicator text", "");
    #[cfg(feature = "json")]
    leaves_nothing::<oubliette::personal::Json<note::Note>>("{\"note\":\"", "quuxle frobnicator json", "\"}");

    let needle = masked("quuxle.frobnicator.form");
    let email: Email = Email::try_from(unmasked(&needle, "", "@example.com")).unwrap();
    let form = email.canonical_form();
    assert!(occurrences(&needle) > 1);
    drop((email, form));
    assert_eq!(occurrences(&needle), 0);
}

/// What was put in a group, opened, kept and sealed again.
#[test]
fn members_of_a_group_leave_nothing() {
    use oubliette::{Field, Group, Members, Purpose, Vault};
    const ORDERS: Purpose = Purpose::new("orders");
    const NOTE: Field<Text> = ORDERS.field("note");
    const MAIL: Field<Email> = ORDERS.field("mail");
    const CONTACT: Group = ORDERS.group("contact");
    let _alone = crate::alone();
    let vault = Vault::in_memory([ORDERS]);
    let keys = vault.customer(vault.enroll().unwrap());
    let (note, mail) = (masked("quuxle frobnicator member"), masked("quuxle.frobnicator.member"));
    let mut members = Members::new();
    members.put(NOTE, &Text::try_from(unmasked(&note, "", "")).unwrap());
    members.put(MAIL, &Email::try_from(unmasked(&mail, "", "@example.com")).unwrap());
    assert!(occurrences(&note) > 0 && occurrences(&mail) > 0, "the search finds nothing at all");
    let sealed = keys.seal_group(CONTACT, &members).unwrap();
    drop(members);
    assert_eq!((occurrences(&note), occurrences(&mail)), (0, 0), "sealed");
    let mut opened = keys.open_group(CONTACT, &[NOTE.into()], &sealed).unwrap();
    assert!(occurrences(&mail) > 0, "it is kept");
    opened.put(NOTE, &Text::try_from(unmasked(&note, "again ", "")).unwrap());
    drop(opened.get(NOTE).unwrap());
    let sealed = keys.seal_group(CONTACT, &opened.clone()).unwrap();
    drop(opened);
    drop(keys.open_member(CONTACT, MAIL, &sealed).unwrap());
    assert_eq!((occurrences(&note), occurrences(&mail)), (0, 0), "opened and sealed again");
}
