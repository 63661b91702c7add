//! Root keys in a token that all processes share: versions that are destroyed with each shred.

use std::path::{Path, PathBuf};
use std::process::Command;

use oubliette_fire::history::{Answer, Fault, What, now};

use super::restores::{back_up, put_back, restore};
use super::server::Server;
use super::site::{LEASE, PROCESSES, Site};
use super::support::{sleep, wait_for};

/// Where Debian, Fedora and others put it; without it the test fails, and says so.
fn module() -> PathBuf {
    let found = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/libsofthsm2.so"];
    let found = found.iter().map(Path::new).find(|path| path.exists());
    found.expect("SoftHSM is needed: apt-get install softhsm2").to_path_buf()
}

/// A token in a directory of its own.
struct Token {
    scratch: tempfile::TempDir,
}

impl Token {
    fn new() -> Token {
        let scratch = tempfile::tempdir().unwrap();
        let tokens = scratch.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let config = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        let token = Token { scratch };
        std::fs::write(token.config(), config).unwrap();
        let arguments = ["--init-token", "--free", "--label", "privacy", "--so-pin", "0000", "--pin", "1234"];
        let made = Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", token.config()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        token
    }

    fn config(&self) -> PathBuf {
        self.scratch.path().join("softhsm2.conf")
    }

    fn take_away(&self) {
        std::fs::rename(self.scratch.path().join("tokens"), self.scratch.path().join("away")).unwrap();
    }

    fn put_back(&self) {
        std::fs::rename(self.scratch.path().join("away"), self.scratch.path().join("tokens")).unwrap();
    }

    fn site(&self, name: &str) -> Site {
        let environment = vec![("SOFTHSM2_CONF".to_owned(), self.config().to_str().unwrap().to_owned())];
        let module = format!("token={}", module().display());
        Site::on(name, vec![Server::start(&[])], &[&module], environment)
    }
}

/// The token is unplugged for five leases, and put back: all stop, and go on by themselves. 25 s.
#[test]
#[ignore = "needs PostgreSQL, SoftHSM, and half a minute"]
fn a_token_is_removed_and_put_back() {
    let token = Token::new();
    let mut site = token.site("a token is removed and put back");
    site.start_all();
    let all: Vec<u32> = (1..=PROCESSES).collect();
    token.take_away();
    site.cut_off(&all, |_| std::thread::sleep(LEASE * 5));
    token.put_back();
    println!("all back after {:?}", site.wait_until_back(&all));
    sleep(1000);
    site.ends_well();
}

/// The key store is put back to before shreds, and the version of the root key that its record is under was destroyed: nothing opens at
/// all, also for who unlocks anew. When the newest state is there again, all go on by themselves, and nothing is lost. 30 s.
#[test]
#[ignore = "needs PostgreSQL, SoftHSM, and half a minute"]
fn a_restore_to_a_destroyed_version_opens_nothing() {
    let token = Token::new();
    let mut site = token.site("a restore to a destroyed version");
    site.start_all();
    back_up(&site.servers[0]);
    sleep(2000);
    // Whoever is answered from here on may be refused: a process can meet the older state before this one goes on.
    let from = restore(&site.servers[0]);
    // New processes, too.
    for process in 1..=2 {
        site.kill(process);
        site.start(process);
    }
    let all: Vec<u32> = (1..=PROCESSES).collect();
    let still: Vec<u32> = (3..=PROCESSES).collect();
    site.cut_off(&still, |_| std::thread::sleep(LEASE * 5));
    // Refusals are right as long as this lasts; what was shredded stays so all the while.
    site.fault(&Fault::Lost { from, to: from });
    let history = site.history();
    let unlocked = |call: &&oubliette_fire::history::Call| {
        call.begun > from && call.what == What::Unlock && matches!(call.answer, Some((_, Answer::Ok(_))))
    };
    assert_eq!(history.calls.iter().find(unlocked), None, "an older record was unlocked");
    let said = history.calls.iter().filter(|call| call.begun > from && call.what == What::Unlock);
    let said: Vec<_> = said.filter_map(|call| call.answer.as_ref()).collect();
    assert!(said.iter().any(|(_, answer)| format!("{answer:?}").contains("was destroyed or superseded")), "{said:?}");
    put_back(&site.servers[0]);
    println!("all back after {:?}", site.wait_until_back(&all));
    site.fault(&Fault::Recovered(now()));
    sleep(1000);
    wait_for("processes that were started meanwhile to work", || {
        let history = site.history();
        (1..=2).all(|process| {
            history
                .calls
                .iter()
                .any(|call| call.by.process == process && call.by.life == 2 && matches!(call.what, What::Open { .. }))
        })
    });
    site.ends_well();
}
