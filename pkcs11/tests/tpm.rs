//! A TPM, by way of Debian's tpm2-pkcs11: what comes of it. The TPM is swtpm, which the test starts. A second.
//!
//! The module finds its TPM through the environment, so the test runs in a process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oubliette_pkcs11::{Token, TokenError};
use zeroize::Zeroizing;

/// Where Debian and Fedora put it.
fn module() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let found = libraries.chain([PathBuf::from("/usr/lib64")]).map(|path| path.join("pkcs11/libtpm2_pkcs11.so"));
    found.into_iter().find(|path| path.exists()).expect("tpm2-pkcs11 is needed: apt-get install libtpm2-pkcs11-1")
}

struct Tpm {
    process: Child,
    port: u16,
}

impl Tpm {
    /// On two ports, one after the other, as the module expects.
    fn start(state: &Path) -> Tpm {
        loop {
            let first = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            let Some(second) = port.checked_add(1).and_then(|next| TcpListener::bind(("127.0.0.1", next)).ok()) else {
                continue;
            };
            drop((first, second));
            let at = |port: u16| format!("type=tcp,port={port},bindaddr=127.0.0.1");
            let mut process = Command::new("swtpm")
                .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
                .args(["--tpmstate", &format!("dir={}", state.display())])
                .args(["--server", &at(port), "--ctrl", &at(port + 1)])
                .stderr(Stdio::null())
                .spawn()
                .expect("swtpm is needed: apt-get install swtpm");
            let begun = Instant::now();
            // Its second port: it serves one connection at the first.
            while TcpStream::connect(("127.0.0.1", port + 1)).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(20), "swtpm does not answer");
                if process.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            // Else somebody else took a port meanwhile.
            if process.try_wait().unwrap().is_none() {
                return Tpm { process, port };
            }
        }
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tool(environment: &[(&str, String)], arguments: &[&str]) {
    let mut tool = Command::new("pkcs11-tool");
    tool.arg("--module").arg(module()).args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    let ran = tool.output().expect("pkcs11-tool is needed: apt-get install opensc");
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// It has no AES-GCM, and makes no key by PKCS#11: so it is refused when it is opened, and not when a vault is to be shredded in.
#[test]
fn a_tpm_is_refused_with_what_it_lacks() {
    let scratch = tempfile::tempdir().unwrap();
    let (state, store) = (scratch.path().join("state"), scratch.path().join("store"));
    std::fs::create_dir(&state).unwrap();
    std::fs::create_dir(&store).unwrap();
    let tpm = Tpm::start(&state);
    let environment = [
        ("TPM2_PKCS11_TCTI", format!("swtpm:host=127.0.0.1,port={}", tpm.port)),
        ("TPM2_PKCS11_STORE", store.to_str().unwrap().to_owned()),
    ];
    tool(&environment, &["--slot-index", "0", "--init-token", "--label", "privacy", "--so-pin", "00000000"]);
    let officer = ["--token-label", "privacy", "--login", "--login-type", "so", "--so-pin", "00000000"];
    tool(&environment, &[&officer[..], &["--init-pin", "--pin", "1234"]].concat());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "is_refused", "--ignored", "--nocapture"]);
    let ran = child.envs(environment.iter().map(|(name, value)| (name, value))).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", ran.status);
}

#[test]
#[ignore = "runs in a process of its own"]
fn is_refused() {
    // The token is there, and its PIN is asked for.
    let wrong = Token::at(module(), "another").open(Zeroizing::new("1234".to_owned()));
    assert!(matches!(wrong, Err(TokenError::NoToken { .. })), "{wrong:?}");
    let opened = Token::at(module(), "privacy").open(Zeroizing::new("1234".to_owned()));
    let refused = opened.unwrap_err();
    assert!(matches!(refused, TokenError::Lacks { .. }), "{refused:?}");
    assert!(refused.to_string().contains("AES-GCM"), "{refused}");
}
