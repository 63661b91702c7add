//! MariaDB.

use std::path::Path;
use std::sync::OnceLock;

use crate::server::{Kind, Server, text};

/// The URL of a new, empty MariaDB database, for sqlx.
///
/// # Panics
/// When MariaDB is not installed or does not start.
pub fn mariadb() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(Server::start::<MariaDb>);
    let name = server.database::<MariaDb>();
    format!("mysql://root@localhost/{name}?socket={}", text(&socket(server.directory())))
}

struct MariaDb;

impl Kind for MariaDb {
    const USER: &'static str = "mysql";

    fn install(directory: &Path) -> Vec<String> {
        let data = format!("--datadir={}", text(&directory.join("data")));
        let access = "--auth-root-authentication-method=normal";
        command("mariadb-install-db", &["--no-defaults", &data, access, "--skip-test-db", "--skip-name-resolve"])
    }

    // Its socket is all it listens on, so no port can be taken.
    fn serve(directory: &Path) -> Vec<String> {
        let data = format!("--datadir={}", text(&directory.join("data")));
        let socket = format!("--socket={}", text(&socket(directory)));
        let fast = ["--skip-networking", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--sync-frm=0"];
        command("/usr/sbin/mariadbd", &[&["--no-defaults", &data, &socket][..], &fast].concat())
    }

    fn ask(directory: &Path) -> Vec<String> {
        let socket = format!("--socket={}", text(&socket(directory)));
        command("mariadb-admin", &["--no-defaults", "-uroot", &socket, "ping"])
    }

    fn create(directory: &Path, name: &str) -> Vec<String> {
        let socket = format!("--socket={}", text(&socket(directory)));
        command("mariadb-admin", &["--no-defaults", "-uroot", &socket, "create", name])
    }
}

fn socket(directory: &Path) -> std::path::PathBuf {
    directory.join("socket")
}

fn command(program: &str, arguments: &[&str]) -> Vec<String> {
    [program].iter().chain(arguments).map(|&word| word.to_owned()).collect()
}
