//! The real service, as a process of its own that is spoken to over HTTP.

pub mod postgres;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;

use oubliette::{Purpose, RootKey, Vault};
use serde_json::{Value, json};
use ureq::http::{Request, header};
use ureq::{Agent, Body};

pub const BEFORE: &str = env!("CARGO_BIN_EXE_before");
pub const DURING: &str = env!("CARGO_BIN_EXE_during");
pub const AFTER: &str = env!("CARGO_BIN_EXE_after");

/// What says where a vault is.
pub trait Place {
    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command;
}

impl Place for Path {
    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("VAULT", self)
    }
}

impl Place for std::path::PathBuf {
    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.as_path().tell(command)
    }
}

/// A key store in PostgreSQL.
pub struct KeyStore {
    pub url: String,
    pub owner_url: String,
    pub role: String,
}

impl Place for KeyStore {
    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("KEY_STORE_URL", &self.url)
            .env("KEY_STORE_OWNER_URL", &self.owner_url)
            .env("KEY_STORE_ROLE", &self.role)
            .env_remove("VAULT")
    }
}

/// Runs one of the operator's commands to its end, and gives what it said.
pub fn keeper(command: &str, database: &str, vault: &(impl Place + ?Sized)) -> Output {
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_keeper"));
    vault.tell(keeper.arg(command).env("DATABASE_URL", database).env("VAULT_PASSPHRASE", PASSPHRASE)).output().unwrap()
}

/// The same of one that must succeed.
pub fn kept(command: &str, database: &str, vault: &(impl Place + ?Sized)) -> String {
    let Output { status, stdout, stderr } = keeper(command, database, vault);
    assert!(status.success(), "keeper {command}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

const PASSPHRASE: &str = "for tests only";
pub const PURPOSES: [Purpose; 2] = [Purpose::new("account"), Purpose::new("newsletter")];

/// The vault of a service, opened beside it.
pub fn unlock(at: &Path) -> Vault {
    Vault::at(at).purposes(PURPOSES).unlock(RootKey::passphrase(PASSPHRASE)).unwrap()
}

/// A service that listens on a free port, and is killed on drop.
pub struct Service {
    process: Mutex<Child>,
    address: String,
    agent: Agent,
}

impl Service {
    pub fn start(program: &str, database: &str, vault: &(impl Place + ?Sized)) -> Service {
        let mut command = Command::new(program);
        command.env("DATABASE_URL", database).env("LISTEN", "127.0.0.1:0").env("VAULT_PASSPHRASE", PASSPHRASE);
        let mut process = vault.tell(&mut command).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = said.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        let address = address.unwrap_or_else(|| panic!("{program} did not start: {:?}", process.wait()));
        // So that it never waits for somebody to read what it says.
        thread::spawn(move || said.for_each(drop));
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        Service { process: Mutex::new(process), address, agent }
    }

    pub fn send(&self, method: &str, path: &str, session: Option<&str>, content: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(session) = session {
            request = request.header(header::AUTHORIZATION, format!("Bearer {session}"));
        }
        let answer = match content {
            None => self.agent.run(request.body(()).unwrap()),
            Some(content) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                self.agent.run(request.body(content.to_string()).unwrap())
            }
        };
        let (parts, mut body): (_, Body) = answer.unwrap().into_parts();
        let body = body.read_to_string().unwrap();
        let content = serde_json::from_str(&body).unwrap_or(Value::String(body));
        (parts.status.as_u16(), content)
    }

    /// A request that may get no answer.
    pub fn try_send(&self, method: &str, path: &str, session: &str) -> Result<u16, ureq::Error> {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {session}"));
        Ok(self.agent.run(request.body(()).unwrap())?.status().as_u16())
    }

    /// Kills it, as a crash would.
    pub fn kill(&self) {
        self.process.lock().unwrap().kill().unwrap();
    }

    pub fn register(&self, person: &Person) -> u16 {
        let Person { name, email, phone, .. } = person;
        let password = password(email);
        self.send(
            "POST",
            "/users",
            None,
            Some(json!({ "name": name, "email": email, "phone": phone, "password": password })),
        )
        .0
    }

    /// The session.
    pub fn log_in(&self, email: &str) -> Result<String, u16> {
        let password = password(email);
        match self.send("POST", "/sessions", None, Some(json!({ "email": email, "password": password }))) {
            (201, session) => Ok(session.as_str().unwrap().to_owned()),
            (status, _) => Err(status),
        }
    }

    pub fn me(&self, session: &str) -> (u16, Value) {
        self.send("GET", "/me", Some(session), None)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }
}

#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    pub newsletter: Option<String>,
}

impl Person {
    pub fn new(name: &str, email: &str, phone: Option<&str>) -> Person {
        Person { name: name.into(), email: email.into(), phone: phone.map(str::to_owned), newsletter: None }
    }

    /// What the service shows of them.
    pub fn shown(&self) -> Value {
        let Person { name, email, phone, newsletter } = self;
        json!({ "name": name, "email": email, "phone": phone, "newsletter": newsletter })
    }

    /// Every text that must stand nowhere in clear.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        [Some(&self.name), Some(&self.email), self.phone.as_ref(), self.newsletter.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

/// The same for whatever case the email is typed in.
pub fn password(email: &str) -> String {
    format!("password of {}", email.to_lowercase())
}
