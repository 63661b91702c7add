//! Servers for one test, or for all: a directory, a process, and their end. As in the repository's package `databases`, which pulls
//! every driver and cannot restart one.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for its input to end, which it does when the process of the tests ends, however it does; then stops the server and, unless
/// told that another one follows, removes its directory.
const KEEPER: &str = r#"
directory=$1; shift
"$@" </dev/null >>"$directory/log" 2>&1 &
server=$!
read -r word
kill -s QUIT "$server" 2>/dev/null
wait "$server"
[ "$word" = stay ] || rm -rf "$directory"
"#;

pub struct Server {
    directory: PathBuf,
    /// More of the server's own arguments.
    arguments: Vec<String>,
    keeper: Mutex<Option<Child>>,
    port: AtomicU16,
    /// The network namespace that it runs in, if not that of the tests.
    namespace: OnceLock<String>,
}

/// The server that most tests share.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

impl Server {
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_at(arguments, 5432)
    }

    /// The port matters to those alone that listen to a network.
    pub fn start_at(arguments: &[&str], port: u16) -> Server {
        let server = Server::installed(arguments, |data| {
            run(&[&program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]);
        });
        server.port.store(port, Ordering::Relaxed);
        server.go_on();
        server
    }

    /// In a network namespace, where it listens to all addresses and trusts its neighbours. Its socket is in the file system, and so reached from
    /// everywhere.
    #[allow(dead_code)] // scenarios with networks of their own call it
    pub fn start_in(namespace: &str, arguments: &[&str]) -> Server {
        let server = Server::installed(&[&["-h", "*"], arguments].concat(), |data| {
            run(&[&program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]);
            let trusts = r#"printf 'host all,replication all samenet trust\n' >>"$0/pg_hba.conf""#;
            run(&["sh", "-c", trusts, data]);
        });
        server.in_namespace(namespace)
    }

    /// A standby in a network namespace, which follows the primary at `address` under the name `standby`.
    #[allow(dead_code)] // scenarios with networks of their own call it
    pub fn follow_in(namespace: &str, primary: &Server, address: &str) -> Server {
        let follows = format!("primary_conninfo=host={address} user=postgres application_name=standby");
        let server = Server::copy_of(primary, &["-h", "*", "-c", &follows], &[]);
        server.in_namespace(namespace)
    }

    fn in_namespace(self, namespace: &str) -> Server {
        self.namespace.set(namespace.to_owned()).expect("it is set once");
        self.go_on();
        self
    }

    /// A standby of `primary`, which it follows under the name `standby`.
    pub fn follow(primary: &Server) -> Server {
        Server::follow_with(primary, &[])
    }

    /// The same, with more arguments of the server's own.
    #[allow(dead_code)] // the command's tests call it
    pub fn follow_set(primary: &Server, settings: &[&str]) -> Server {
        Server::follow_as(primary, settings, &[])
    }

    /// The same, with more arguments of `pg_basebackup`.
    pub fn follow_with(primary: &Server, arguments: &[&str]) -> Server {
        Server::follow_as(primary, &[], arguments)
    }

    fn follow_as(primary: &Server, settings: &[&str], arguments: &[&str]) -> Server {
        let server = Server::copy_of(primary, settings, arguments);
        server.go_on();
        server
    }

    fn copy_of(primary: &Server, settings: &[&str], arguments: &[&str]) -> Server {
        let source = format!("host={} user=postgres application_name=standby", text(&primary.directory));
        Server::installed(settings, |data| {
            let backup = program("pg_basebackup");
            let command = [&backup, "-D", data, "-d", &source, "-R", "-c", "fast", "-X", "stream"];
            run(&command.iter().chain(arguments).copied().collect::<Vec<_>>());
        })
    }

    fn installed(arguments: &[&str], fill: impl Fn(&str)) -> Server {
        let template = text(&std::env::temp_dir().join("oubliette-XXXXXXXX"));
        let made = run(&["mktemp", "-d", &template]);
        let directory = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim_end());
        fill(&text(&directory.join("data")));
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Server {
            directory,
            arguments,
            keeper: Mutex::default(),
            port: AtomicU16::new(5432),
            namespace: OnceLock::new(),
        }
    }

    /// Starts it, for the first time or again.
    pub fn go_on(&self) {
        let begun = Instant::now();
        while !self.is_up() {
            let mut keeper = self.keeper.lock().unwrap();
            if keeper.is_none() {
                *keeper = Some(self.keep());
            } else if self.is_refused() {
                // One that was killed leaves processes that take a moment to notice, and no other one starts beside them.
                drop(keeper);
                self.let_go("stay");
                continue;
            }
            drop(keeper);
            let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the server does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn keep(&self) -> Child {
        let directory = text(&self.directory);
        let data = text(&self.directory.join("data"));
        let server = program("postgres");
        let mut command =
            as_user(&[&server, "-D", &data, "-k", &directory, "-F", "-c", "max_connections=200", "-p", &self.port()]);
        if self.arguments.iter().all(|argument| argument != "-h") {
            command.extend(["-h".to_owned(), String::new()]);
        }
        command.extend(self.arguments.iter().cloned());
        let mut keeper = match self.namespace.get() {
            None => Command::new("sh"),
            Some(namespace) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", namespace, "sh"]);
                inside
            }
        };
        keeper
            .args(["-c", KEEPER, "keeper", &directory])
            .args(command)
            .stdin(Stdio::piped())
            // It says that the server was killed.
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts")
    }

    fn port(&self) -> String {
        self.port.load(Ordering::Relaxed).to_string()
    }

    fn is_up(&self) -> bool {
        output(&[&program("pg_isready"), "-q", "-h", &text(&self.directory), "-p", &self.port()]).status.success()
    }

    /// Whether the last start came to nothing. Where the server before was killed, its file is left, and names a process that is gone.
    fn is_refused(&self) -> bool {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let file = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap_or_default();
        let is_running = |process: &str| output(&["kill", "-0", process]).status.success();
        // Processes of the server before may still say something after it.
        log.lines().rev().take(20).any(|line| line.contains("HINT") || line.contains("FATAL"))
            && !file.lines().next().is_some_and(is_running)
    }

    /// Ends its first process at once; the others notice.
    pub fn kill(&self) {
        self.signal("KILL");
        self.let_go("stay");
    }

    /// Has it end all its processes at once, without a word to the disk.
    pub fn stop_at_once(&self) {
        self.let_go("stay");
    }

    fn let_go(&self, word: &str) {
        if let Some(mut keeper) = self.keeper.lock().unwrap().take() {
            if let Some(mut input) = keeper.stdin.take() {
                let _ = writeln!(input, "{word}");
            }
            let _ = keeper.wait();
        }
    }

    fn process(&self) -> String {
        let file = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().to_owned()
    }

    fn signal(&self, signal: &str) {
        run(&["kill", "-s", signal, &self.process()]);
    }

    /// To it and all that it started.
    pub fn signal_all(&self, signal: &str) {
        let process = self.process();
        let children = output(&["pgrep", "-P", &process]);
        let children = String::from_utf8(children.stdout).unwrap();
        for each in children.split_whitespace().chain([process.as_str()]) {
            output(&["kill", "-s", signal, each]);
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A connection string for a user of the database `postgres`.
    pub fn address(&self, user: &str) -> String {
        // It runs without fsync, unless told otherwise.
        format!("host={} port={} user={user} dbname=postgres allow_fsync_off=yes", text(&self.directory), self.port())
    }

    /// Runs statements as the superuser.
    pub fn sql(&self, statements: &str) -> String {
        let (host, port) = (text(&self.directory), self.port());
        let output =
            run(&["psql", "-h", &host, "-p", &port, "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-Atqc", statements]);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What the server says of statements that it is to refuse.
    pub fn refusal(&self, statements: &str) -> String {
        let (host, port) = (text(&self.directory), self.port());
        let command =
            ["psql", "-h", &host, "-p", &port, "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-Atqc", statements];
        let output = output(&command);
        assert!(!output.status.success(), "{statements}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Sets an option of the server, at once.
    pub fn set(&self, option: &str, value: &str) {
        let before = self.sql("SELECT pg_conf_load_time()");
        self.sql(&format!("ALTER SYSTEM SET {option} = '{value}'"));
        self.sql("SELECT pg_reload_conf()");
        let begun = Instant::now();
        while self.sql("SELECT pg_conf_load_time()") == before {
            assert!(begun.elapsed() < PATIENCE, "the option {option} is not read");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A name for a schema that is not used yet.
    pub fn new_schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends the connections that `condition` is true of; how many.
    pub fn terminate(&self, condition: &str) -> usize {
        let ended = self.sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {condition}"
        ));
        ended.lines().count()
    }
}

/// A connection that is kept.
pub struct Session {
    psql: Child,
}

impl Server {
    pub fn session(&self) -> Session {
        let (host, port) = (text(&self.directory), self.port());
        let command = as_user(&["psql", "-h", &host, "-p", &port, "-U", "postgres", "-Atq"]);
        let psql = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Session { psql: psql.unwrap() }
    }
}

impl Session {
    /// Runs statements that answer with one line.
    pub fn run(&mut self, statements: &str) {
        writeln!(self.psql.stdin.as_mut().unwrap(), "{statements}").unwrap();
        let mut byte = [0];
        while byte != *b"\n" {
            self.psql.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        }
    }

    pub fn end(mut self) {
        drop(self.psql.stdin.take());
        self.psql.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.let_go("end");
        // One that was killed last has no keeper.
        output(&["rm", "-rf", &text(&self.directory)]);
    }
}

/// From the directory that `TEST_POSTGRES` names, if it does: that is how other versions are tried. Otherwise Debian has a directory a version, and the
/// newest is taken; others have them on PATH.
pub fn program(name: &str) -> String {
    if let Some(named) = std::env::var_os("TEST_POSTGRES") {
        let program = Path::new(&named).join(name);
        assert!(program.exists(), "TEST_POSTGRES names a directory without {name}");
        return text(&program);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(|| name.to_owned(), |version| format!("/usr/lib/postgresql/{version}/bin/{name}"))
}

/// The server refuses to run as root.
pub fn as_user(command: &[&str]) -> Vec<String> {
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    let is_root = IS_ROOT.get_or_init(|| Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0");
    let user: &[&str] =
        if *is_root { &["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"] } else { &[] };
    user.iter().chain(command).map(|&word| word.to_owned()).collect()
}

fn output(command: &[&str]) -> Output {
    let command = as_user(command);
    Command::new(&command[0])
        .args(&command[1..])
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub fn run(command: &[&str]) -> Output {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
