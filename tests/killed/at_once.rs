//! Several processes that enroll, seal, read and shred at once, some of them killed again and again.
//!
//! Each keeps a journal that the others read: what it did, and from when on its shreds hold everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oubliette::personal::Text;
use oubliette::{CustomerId, OpenError, Sealed, UnlessShredded};

use super::child::{NOTE, key, seal, start, text, vault};

const RUN: Duration = Duration::from_secs(4);
const MIRRORS: usize = 1;

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// What one journal says.
#[derive(Default)]
struct Journal {
    at: u64,
    sealed: BTreeMap<CustomerId, Sealed<Text>>,
    /// Begun, perhaps not done.
    begun: BTreeSet<CustomerId>,
    /// Done, and when it holds everywhere.
    done: BTreeMap<CustomerId, u128>,
    read: u64,
}

impl Journal {
    /// Reads on from where it stopped; half a line at the end is left for later.
    fn follow(&mut self, path: &Path) {
        let Ok(mut file) = File::open(path) else { return };
        file.seek(SeekFrom::Start(self.at)).unwrap();
        let mut more = String::new();
        file.read_to_string(&mut more).unwrap();
        for line in more.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            self.at += line.len() as u64;
            let words: Vec<&str> = line.trim_end().split(' ').collect();
            if words[0] == "read" {
                self.read += words[1].parse::<u64>().unwrap();
                continue;
            }
            let customer: CustomerId = words[1].parse().unwrap();
            match words[0] {
                "sealed" => {
                    let twice = self.sealed.insert(customer, words[2].parse().unwrap());
                    assert!(twice.is_none(), "number {customer} was issued twice");
                }
                "shredding" => assert!(self.begun.insert(customer)),
                "shredded" => assert!(self.done.insert(customer, words[2].parse().unwrap()).is_none()),
                other => panic!("{other}"),
            }
        }
    }
}

fn journals(at: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "journal")).collect();
    found.sort();
    found
}

/// The life of one process; it ends by a panic if something is seen that must not be.
pub fn live(at: &Path, name: &str) {
    let vault = vault(at, MIRRORS).unlock(key()).unwrap();
    let mut journal = File::options().create_new(true).append(true).open(at.join(format!("{name}.journal"))).unwrap();
    let mut write = move |line: String| journal.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut others: BTreeMap<PathBuf, Journal> = BTreeMap::new();
    let begun = Instant::now();
    let mut own = Vec::new();
    for round in 0_usize.. {
        if begun.elapsed() > RUN {
            break;
        }
        for _ in 0..3 {
            let customer = vault.enroll().unwrap();
            write(format!("sealed {customer} {}", seal(&vault, customer)));
            own.push(customer);
        }
        if round % 2 == 1 {
            let victim = own.swap_remove(round * 7 % own.len());
            write(format!("shredding {victim}"));
            let shredded = vault.shred([victim]).unwrap();
            let effective = shredded.commit().effective_everywhere_at().duration_since(UNIX_EPOCH).unwrap().as_millis();
            write(format!("shredded {victim} {effective}"));
        }
        let mut opened = 0;
        for path in journals(at) {
            let other = others.entry(path.clone()).or_default();
            other.follow(&path);
            for (customer, sealed) in other.sealed.iter().rev().take(20) {
                let before = now();
                let content = vault.open(*customer, NOTE, sealed).unless_shredded().unwrap();
                let must_be_gone = other.done.get(customer).is_some_and(|effective| before > *effective);
                assert!(content.is_none() || !must_be_gone, "{customer} is read after its shred held everywhere");
                // It may have been begun since this journal was read.
                let lost = content.is_none() && !other.begun.contains(customer) && !anybody_shreds(at, *customer);
                assert!(!lost, "{customer} is lost");
                opened += u64::from(content.is_some());
            }
        }
        write(format!("read {opened}"));
    }
    vault.close().unwrap();
}

/// Whether anybody said, by now, that it would shred this one.
fn anybody_shreds(at: &Path, customer: CustomerId) -> bool {
    journals(at).iter().any(|path| {
        let mut journal = Journal::default();
        journal.follow(path);
        journal.begun.contains(&customer)
    })
}

#[test]
fn processes_that_live_and_die_at_once_agree() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    vault(at, MIRRORS).create(key()).unwrap().close().unwrap();
    let mut steady = ["a", "b"].map(|name| start("live", at, name));
    // A third is killed wherever it is, and started again.
    let begun = Instant::now();
    let mut lives = 0;
    while begun.elapsed() < RUN {
        let mut mortal = start("live", at, &format!("mortal{lives}"));
        std::thread::sleep(Duration::from_millis(400 + 137 * (lives % 4)));
        mortal.kill().unwrap();
        mortal.wait().unwrap();
        lives += 1;
    }
    for process in &mut steady {
        assert!(process.wait().unwrap().success(), "one of them saw what must not be");
    }

    let vault = vault(at, MIRRORS).unlock(key()).unwrap();
    let (mut all, mut gone, mut read) = (BTreeSet::new(), 0, 0);
    for path in journals(at) {
        let mut journal = Journal::default();
        journal.follow(&path);
        read += journal.read;
        for (customer, sealed) in &journal.sealed {
            assert!(all.insert(*customer), "number {customer} was issued twice");
            match vault.open(*customer, NOTE, sealed) {
                Ok(content) => {
                    assert!(!journal.done.contains_key(customer), "{customer} is back");
                    assert_eq!(content.expose_personal_data(), text(*customer).expose_personal_data());
                }
                Err(OpenError::Shredded { .. }) => {
                    assert!(journal.begun.contains(customer), "{customer} is lost");
                    gone += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    let shredded = vault.status().unwrap().purposes[0].shredded;
    assert_eq!(shredded, gone, "nobody else was shredded");
    assert!(all.len() > 30 && gone > 5 && read > 50 && lives > 3, "{} {gone} {read} {lives}", all.len());
}
