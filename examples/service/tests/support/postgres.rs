//! A throw-away PostgreSQL server, and the tools that come with it.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for its input to end, which it does when the process of the tests ends, however it does; then stops the server
/// and removes its directory. A `static` is never dropped, so a destructor would not be enough. To SIGQUIT, PostgreSQL
/// ends at once and takes its shared memory with it. Signals to the whole group, as of Ctrl-C, are for the tests.
const KEEPER: &str = r#"
trap '' HUP INT TERM
directory=$1; shift
"$@" </dev/null >"$directory/log" 2>&1 &
server=$!
read -r _
kill -s QUIT "$server"
wait "$server"
rm -rf "$directory"
"#;

/// A running server in a directory of its own, stopped and removed on drop or when this process ends.
pub struct Postgres {
    directory: PathBuf,
    databases: AtomicU32,
    keeper: Child,
    stop: Option<ChildStdin>,
}

impl Postgres {
    /// The one that the tests of a binary share.
    pub fn shared() -> &'static Postgres {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Postgres::start)
    }

    pub fn start() -> Postgres {
        let directory = directory();
        let data = directory.join("data");
        succeeded(tool("initdb").arg("-D").arg(data).args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-sync",
        ]));
        Postgres::serve(directory)
    }

    /// A second server on the data directory that a physical backup left in `directory`.
    pub fn restored(directory: PathBuf) -> Postgres {
        Postgres::serve(directory)
    }

    // Its socket is all it listens on, so no port can be taken.
    fn serve(directory: PathBuf) -> Postgres {
        let server = tool("postgres");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&directory).arg(server.get_program()).args(server.get_args());
        keeper.arg("-D").arg(directory.join("data")).arg("-k").arg(&directory).args(["-h", "", "-F"]);
        let mut keeper = keeper.current_dir("/").stdin(Stdio::piped()).spawn().unwrap();
        let stop = keeper.stdin.take();
        let server = Postgres { directory, databases: AtomicU32::new(0), keeper, stop };
        let begun = Instant::now();
        while !server.tool("pg_isready").arg("-q").status().unwrap().success() {
            let log = || std::fs::read_to_string(server.directory.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the server does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The name of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        succeeded(self.tool("createdb").arg(&name));
        name
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.directory.display())
    }

    /// For a key store, as a user.
    pub fn pairs(&self, database: &str, user: &str) -> String {
        format!("host={} user={user} dbname={database}", self.directory.display())
    }

    /// One of PostgreSQL's programs, told where the server is.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = tool(name);
        command.env("PGHOST", &self.directory).env("PGUSER", "postgres");
        command
    }

    /// What a statement returns: columns divided by `|`, a line a row.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let output = succeeded(self.tool("psql").args(["-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]));
        String::from_utf8(output).unwrap().trim_end().to_owned()
    }

    /// Statements of any length.
    pub fn script(&self, database: &str, sql: &str) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(sql.as_bytes()).unwrap();
        file.rewind().unwrap();
        let status = self.tool("psql").args(["-d", database, "-v", "ON_ERROR_STOP=1", "-q"]).stdin(file).status();
        assert!(status.unwrap().success());
    }

    /// A physical backup, in a directory for [`restored`](Postgres::restored).
    pub fn base_backup(&self) -> PathBuf {
        let directory = directory();
        let mut backup = self.tool("pg_basebackup");
        succeeded(backup.arg("-D").arg(directory.join("data")).args(["-X", "stream", "-c", "fast", "--no-sync"]));
        directory
    }

    /// Everything the server keeps: tables, its log of changes, its statistics, and its own log.
    pub fn raw(&self) -> Vec<u8> {
        succeeded(self.tool("psql").args(["-qc", "CHECKPOINT"]));
        raw(&self.directory)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.keeper.wait();
    }
}

/// The content of all files below a directory, one after the other.
pub fn raw(directory: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => content.extend(raw(&entry.path())),
            // A file may be removed by the server meanwhile.
            kind if kind.is_file() => content.extend(std::fs::read(entry.path()).unwrap_or_default()),
            _ => {}
        }
    }
    content
}

/// A new directory that the server's user may write to.
pub fn directory() -> PathBuf {
    let template = std::env::temp_dir().join("oubliette-XXXXXXXX");
    let made = succeeded(as_server("mktemp").arg("-d").arg(template));
    PathBuf::from(String::from_utf8(made).unwrap().trim_end())
}

/// Runs a command to its end, and gives what it wrote.
pub fn succeeded(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Debian has a directory a version, and the newest is taken; others have the programs on PATH.
fn tool(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let place = newest.map_or_else(PathBuf::new, |version| format!("/usr/lib/postgresql/{version}/bin").into());
    as_server(place.join(name))
}

/// PostgreSQL refuses to run as root: there, its programs run as the user that its package made.
fn as_server(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = if is_root() {
        // Not `runuser`, which would stand between the keeper and the server.
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // From a directory that the other user may enter, too.
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    succeeded(Command::new("id").arg("-u")).trim_ascii() == b"0"
}
