//! What the servers have in common: a directory, a process, and their end.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for its input to end, which it does when the process of the tests ends, however it does; then stops the server
/// and removes its directory. A `static` is never dropped, so a destructor would not be enough. To SIGQUIT, PostgreSQL
/// and MariaDB end at once and take their shared memory with them.
const KEEPER: &str = r#"
directory=$1; shift
"$@" </dev/null >"$directory/log" 2>&1 &
server=$!
read -r _
kill -s QUIT "$server"
wait "$server"
rm -rf "$directory"
"#;

/// A running server, stopped and removed on drop or when this process ends.
pub(crate) struct Server {
    user: Option<&'static str>,
    directory: PathBuf,
    databases: AtomicU32,
    keeper: Child,
    stop: Option<ChildStdin>,
}

/// How one kind of server is set up.
pub(crate) trait Kind {
    /// Who runs it when the tests run as root.
    const USER: &'static str;

    /// Fills `directory` with an empty cluster of databases.
    fn install(directory: &Path) -> Vec<String>;

    /// The server itself, in the foreground, with its socket in `directory`.
    fn serve(directory: &Path) -> Vec<String>;

    /// Ends well once the server answers.
    fn ask(directory: &Path) -> Vec<String>;

    /// Makes an empty database.
    fn create(directory: &Path, name: &str) -> Vec<String>;
}

impl Server {
    pub(crate) fn start<K: Kind>() -> Server {
        let user = is_root().then_some(K::USER);
        let template = std::env::temp_dir().join("oubliette-XXXXXXXX");
        let made = run(user, &["mktemp".into(), "-d".into(), text(&template)]);
        let directory = PathBuf::from(String::from_utf8(made.stdout).expect("a path").trim_end());
        run(user, &K::install(&directory));
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&directory)
            .args(as_user(user, &K::serve(&directory)))
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let stop = keeper.stdin.take();
        let server = Server { user, directory, databases: AtomicU32::new(0), keeper, stop };
        let begun = Instant::now();
        while !output(user, &K::ask(&server.directory)).status.success() {
            let log = || std::fs::read_to_string(server.directory.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the server does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The name of a new, empty database.
    pub(crate) fn database<K: Kind>(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        run(self.user, &K::create(&self.directory, &name));
        name
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.keeper.wait();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

fn as_user(user: Option<&str>, command: &[String]) -> Vec<String> {
    let Some(user) = user else { return command.to_vec() };
    // Not `runuser`, which would stand between the keeper and the server.
    let user = ["--reuid", user, "--regid", user, "--init-groups"];
    ["setpriv"].into_iter().chain(user).map(str::to_owned).chain(command.iter().cloned()).collect()
}

fn output(user: Option<&str>, command: &[String]) -> Output {
    let command = as_user(user, command);
    // From a directory that the other user may enter, too.
    Command::new(&command[0])
        .args(&command[1..])
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn run(user: Option<&str>, command: &[String]) -> Output {
    let output = output(user, command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
