//! PostgreSQL.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::server::{Kind, Server, text};

/// The URL of a new, empty PostgreSQL database, for sqlx, diesel and sea-orm.
///
/// # Panics
/// When PostgreSQL is not installed or does not start.
pub fn postgres() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(Server::start::<Postgres>);
    let name = server.database::<Postgres>();
    format!("postgres://postgres@localhost/{name}?host={}", server.directory().display())
}

struct Postgres;

impl Kind for Postgres {
    const USER: &'static str = "postgres";

    fn install(directory: &Path) -> Vec<String> {
        command("initdb", &["-D", &data(directory), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"])
    }

    // Its socket is all it listens on, so no port can be taken.
    fn serve(directory: &Path) -> Vec<String> {
        command("postgres", &["-D", &data(directory), "-k", &text(directory), "-h", "", "-F"])
    }

    fn ask(directory: &Path) -> Vec<String> {
        command("pg_isready", &["-q", "-h", &text(directory)])
    }

    fn create(directory: &Path, name: &str) -> Vec<String> {
        command("createdb", &["-h", &text(directory), "-U", "postgres", name])
    }
}

fn data(directory: &Path) -> String {
    text(&directory.join("data"))
}

fn command(program: &str, arguments: &[&str]) -> Vec<String> {
    let program = programs().join(program);
    [text(&program)].into_iter().chain(arguments.iter().map(|&argument| argument.to_owned())).collect()
}

/// Where PostgreSQL's programs are: Debian has a directory a version, and the newest is taken; others have them on PATH.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(PathBuf::new, |version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}
