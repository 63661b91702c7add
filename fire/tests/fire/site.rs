//! Servers, three machines with a proxy each to every server, and the processes on them; and the end of it, which is checked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oubliette_fire::checker::{Counts, Violation, check, counts};
use oubliette_fire::history::{Answer, Call, Fault, History, What, now, record_fault};
use oubliette_fire::random::Random;
use oubliette_postgres::PostgresStore;

use super::hosts::Hosts;
use super::proxy::{Proxy, Weather};
use super::server::Server;
use super::support::wait_for;

pub const PROCESSES: u32 = 8;
pub const MACHINES: usize = 3;
pub const LEASE: Duration = Duration::from_millis(1000);
const JUDGE: u32 = 99;

/// One scenario at a time: each has ten processes to run.
static TURN: Mutex<()> = Mutex::new(());

pub struct Site {
    name: String,
    begun: Instant,
    pub servers: Vec<Server>,
    /// By machine, then by server; none where there are hosts.
    pub proxies: Vec<Vec<Proxy>>,
    /// Where machines and servers have networks of their own: `m0` to `m2`, and `db0` on.
    hosts: Option<Hosts>,
    running: BTreeMap<u32, Running>,
    lives: BTreeMap<u32, u32>,
    /// More arguments of each worker, and of its environment.
    pub options: Vec<String>,
    environment: Vec<(String, String)>,
    pub random: Random,
    scratch: Option<tempfile::TempDir>,
    _turn: MutexGuard<'static, ()>,
}

struct Running {
    child: Child,
    life: u32,
    works: bool,
}

/// How many times as long a scenario goes on as in CI.
pub fn rounds() -> usize {
    std::env::var("FIRE_ROUNDS").map_or(1, |rounds| rounds.parse().expect("FIRE_ROUNDS is a number"))
}

impl Site {
    /// With one server, and the vault in it.
    pub fn new(name: &str) -> Site {
        Site::on(name, vec![Server::start(&[])], &[], Vec::new())
    }

    /// On servers, of which the first one has the vault; with these options of workers and their environment. A proxy stands between each machine
    /// and each server.
    pub fn on(name: &str, servers: Vec<Server>, options: &[&str], environment: Vec<(String, String)>) -> Site {
        Site::with(name, servers, None, options, environment)
    }

    /// On servers that run on hosts, as the machines do.
    pub fn on_hosts(name: &str, hosts: Hosts, servers: Vec<Server>) -> Site {
        Site::with(name, servers, Some(hosts), &[], Vec::new())
    }

    fn with(
        name: &str,
        servers: Vec<Server>,
        hosts: Option<Hosts>,
        options: &[&str],
        environment: Vec<(String, String)>,
    ) -> Site {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = std::env::var("FIRE_SEED").map_or_else(
            |_| u64::from(std::process::id()) ^ (now() / 1000 % 1_000_000),
            |seed| seed.parse().expect("FIRE_SEED is a number"),
        );
        println!("{name}: FIRE_SEED={seed}");
        let scratch = tempfile::Builder::new().prefix("oubliette-fire-").tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("histories")).unwrap();
        std::fs::create_dir(scratch.path().join("logs")).unwrap();
        let socket = |server: &Server| server.directory().join(".s.PGSQL.5432");
        let sockets: Vec<PathBuf> = servers.iter().filter(|_| hosts.is_none()).map(socket).collect();
        let proxies = (0..MACHINES).map(|_| sockets.iter().map(|socket| Proxy::start(socket)).collect()).collect();
        PostgresStore::at(servers[0].address("postgres")).migrate().unwrap();
        let mut site = Site {
            name: name.to_owned(),
            begun: Instant::now(),
            servers,
            proxies,
            hosts,
            running: BTreeMap::new(),
            lives: BTreeMap::new(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            environment,
            random: Random::new(seed),
            scratch: Some(scratch),
            _turn: turn,
        };
        site.fault(&Fault::Lease(nanos(LEASE)));
        let created = site.command(JUDGE, 0, &["create=1"]).status().unwrap();
        assert!(created.success());
        site
    }

    pub fn scratch(&self) -> &Path {
        self.scratch.as_ref().unwrap().path()
    }

    fn histories(&self) -> PathBuf {
        self.scratch().join("histories")
    }

    pub fn fault(&self, fault: &Fault) {
        record_fault(&self.histories(), fault);
    }

    pub fn history(&self) -> History {
        History::read(&self.histories()).unwrap()
    }

    pub fn machine(process: u32) -> usize {
        usize::try_from(process).unwrap() % MACHINES
    }

    /// The processes of a machine.
    pub fn on_machine(machine: usize) -> impl Iterator<Item = u32> {
        (1..=PROCESSES).filter(move |process| Site::machine(*process) == machine)
    }

    /// What starts a worker on a machine, and how that reaches the servers.
    fn where_it_runs(&self, machine: usize) -> (Command, String) {
        let worker = env!("CARGO_BIN_EXE_worker");
        let (command, hosts, ports) = match &self.hosts {
            None => {
                let ports: Vec<String> = self.proxies[machine].iter().map(|proxy| proxy.port().to_string()).collect();
                (Command::new(worker), vec!["127.0.0.1".to_owned(); ports.len()], ports.join(","))
            }
            Some(hosts) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &hosts.namespace(&format!("m{machine}")), worker]);
                let servers = 0..self.servers.len();
                (command, servers.map(|nth| hosts.address(&format!("db{nth}"))).collect(), "5432".to_owned())
            }
        };
        let hosts = hosts.join(",");
        (
            command,
            format!("host={hosts} port={ports} user=postgres dbname=postgres sslmode=disable allow_fsync_off=yes"),
        )
    }

    pub fn hosts(&self) -> &Hosts {
        self.hosts.as_ref().expect("there are hosts")
    }

    /// A process of that machine that takes the lock and keeps it.
    pub fn hold_the_lock(&mut self, machine: usize) -> Child {
        let process = u32::try_from(machine).unwrap() + 60;
        let mut child = self.command(process, 1, &["hold=1"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        child
    }

    fn command(&mut self, process: u32, life: u32, more: &[&str]) -> Command {
        let (mut command, address) = self.where_it_runs(Site::machine(process));
        command.arg(format!("histories={}", self.histories().display()));
        command.args([format!("process={process}"), format!("life={life}"), format!("address={address}")]);
        command.args([format!("seed={}", self.random.number()), format!("lease={}", LEASE.as_millis())]);
        command.arg("answer=1500");
        command.args(&self.options).args(more);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let log = std::fs::File::create(self.scratch().join(format!("logs/{process}.{life}"))).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        command
    }

    /// Starts a process, for the first time or again.
    pub fn start(&mut self, process: u32) {
        let life = self.lives.entry(process).and_modify(|life| *life += 1).or_insert(1);
        let life = *life;
        let child = self.command(process, life, &[]).spawn().unwrap();
        self.running.insert(process, Running { child, life, works: false });
    }

    /// Starts all, and waits until they are at work.
    pub fn start_all(&mut self) {
        for process in 1..=PROCESSES {
            self.start(process);
        }
        for process in 1..=PROCESSES {
            self.wait_until_it_works(process);
        }
        // A machine that has much to do takes its time for that.
        self.shreds(10);
    }

    /// Waits until so many more shreds were answered.
    pub fn shreds(&self, more: usize) {
        let answered = || counts(&self.history()).shreds;
        let before = answered();
        wait_for("customers to be shredded", || answered() >= before + more);
    }

    /// Whether a call that began later has shredded somebody.
    pub fn shredded_since(&self, since: u64) -> bool {
        let shredded = |call: &Call| {
            call.begun > since && matches!((&call.what, &call.answer), (What::Shred { .. }, Some((_, Answer::Ok(_)))))
        };
        self.history().calls.iter().any(shredded)
    }

    pub fn wait_until_it_works(&mut self, process: u32) {
        let running = self.running.get_mut(&process).unwrap();
        if running.works {
            return;
        }
        let mut line = String::new();
        BufReader::new(running.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "unlocked\n", "{process}.{}", running.life);
        running.works = true;
    }

    pub fn kill(&mut self, process: u32) {
        let mut running = self.running.remove(&process).unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// `STOP` and `CONT`.
    pub fn signal(&self, process: u32, signal: &str) {
        let id = self.running[&process].child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    pub fn tell(&mut self, process: u32, word: &str) {
        let input = self.running.get_mut(&process).unwrap().child.stdin.as_mut().unwrap();
        writeln!(input, "{word}").unwrap();
    }

    /// All proxies of a machine.
    pub fn weather(&self, machine: usize, weather: Weather) {
        self.proxies[machine].iter().for_each(|proxy| proxy.set(weather));
    }

    /// Notes that these processes cannot reach the key store, from now until `during` comes back.
    pub fn cut_off(&mut self, processes: &[u32], during: impl FnOnce(&mut Site)) {
        let from = now();
        during(self);
        let to = now();
        processes.iter().for_each(|process| self.fault(&Fault::CutOff { process: *process, from, to }));
    }

    /// Waits until each of the processes opened or sealed something again; how long that took.
    pub fn wait_until_back(&self, processes: &[u32]) -> Duration {
        let (since, begun) = (now(), Instant::now());
        wait_for("processes to go on by themselves", || {
            let history = self.history();
            processes.iter().all(|process| {
                let back = |call: &Call| {
                    call.by.process == *process
                        && call.begun > since
                        && matches!((&call.what, &call.answer), (What::Open { .. }, Some((_, Answer::Ok(_)))))
                };
                history.calls.iter().any(back)
            })
        });
        begun.elapsed()
    }

    /// Has all processes end by themselves.
    pub fn stop_all(&mut self) {
        let all: Vec<u32> = self.running.keys().copied().collect();
        all.iter().for_each(|process| self.tell(*process, "stop"));
        for (process, mut running) in std::mem::take(&mut self.running) {
            wait_for("a process to end", || running.child.try_wait().unwrap().is_some());
            let status = running.child.wait().unwrap();
            let log = self.scratch().join(format!("logs/{process}.{}", running.life));
            assert!(status.success(), "{process}: {status}: {}", std::fs::read_to_string(log).unwrap());
        }
    }

    /// Has a new process look at every value, once all that was shredded is so everywhere.
    pub fn judge(&mut self) {
        std::thread::sleep(LEASE + LEASE / 2);
        self.fault(&Fault::Judged { by: JUDGE, from: now() });
        let judged = self.command(JUDGE, 1, &["judge=1", "plant="]).status().unwrap();
        assert!(judged.success(), "{judged}");
    }

    /// The end: faults are over, all go on for a moment and stop, a new process looks at every value.
    fn end(&mut self) -> (Counts, Vec<Violation>) {
        (0..MACHINES).for_each(|machine| self.weather(machine, Weather::Passes));
        self.shreds(5);
        self.stopped()
    }

    fn stopped(&mut self) -> (Counts, Vec<Violation>) {
        (0..MACHINES).for_each(|machine| self.weather(machine, Weather::Passes));
        self.stop_all();
        self.judge();
        self.checked()
    }

    pub fn checked(&mut self) -> (Counts, Vec<Violation>) {
        let history = self.history();
        let (counts, violations) = (counts(&history), check(&history));
        println!("{}: {counts:?}, {:.1} s", self.name, self.begun.elapsed().as_secs_f64());
        (counts, violations)
    }

    /// The end, at which all must be well.
    pub fn ends_well(mut self) {
        let (counts, violations) = self.end();
        expect_well(counts, &violations);
    }

    /// The end of a run in which a protection was taken away: one of these rules must have been broken.
    pub fn ends_badly(mut self, rules: &[&str]) {
        let (_, violations) = self.stopped();
        let broken: std::collections::BTreeSet<&str> = violations.iter().map(|violation| violation.rule).collect();
        println!("{}: noticed by {broken:?}", self.name);
        assert!(rules.iter().any(|rule| broken.contains(rule)), "none of {rules:?}: the fault went unnoticed");
    }
}

pub fn expect_well(counts: Counts, violations: &[Violation]) {
    let shown: Vec<String> = violations.iter().take(8).map(Violation::to_string).collect();
    assert!(violations.is_empty(), "{} rules broken:\n{}", violations.len(), shown.join("\n"));
    // That something happened.
    assert!(
        counts.opened > 200 && counts.seen_shredded > 30 && counts.enrolled > 20 && counts.shreds >= 15,
        "{counts:?}"
    );
}

impl Drop for Site {
    fn drop(&mut self) {
        for running in self.running.values_mut() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if std::thread::panicking() {
            let kept = self.scratch.take().unwrap().keep();
            for (nth, server) in self.servers.iter().enumerate() {
                let _ = std::fs::copy(server.directory().join("log"), kept.join(format!("logs/server-{nth}")));
            }
            println!("{}: what was recorded is kept: check {}", self.name, kept.join("histories").display());
        }
    }
}

pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}
