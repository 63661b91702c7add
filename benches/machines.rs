//! A vault that many machines share: unlocking it, shreds a second, how soon another process refuses, and sealing and opening, each beside a
//! plain table of keys or a directory, on a PostgreSQL server of its own.
//!
//! `cargo bench -p oubliette-benches --bench machines`; `-- unlock`, `shreds`, `processes`, `notice`, `fields` run a part. Linux, with PostgreSQL's programs
//! installed. Server and directories are in the directory for temporary files (`TMPDIR`), which should lie on a real disk; allow 2 GB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "machines/fields.rs"]
mod fields;
#[path = "machines/notice.rs"]
mod notice;
#[path = "../postgres/tests/postgres/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "machines/shared.rs"]
mod shared;
#[path = "machines/shreds.rs"]
mod shreds;
#[path = "machines/unlock.rs"]
mod unlock;

/// What the server's file needs of the tests that it belongs to.
mod support {
    #[allow(dead_code)]
    pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
        let begun = std::time::Instant::now();
        while !holds() {
            assert!(begun.elapsed().as_secs() < 60, "waited in vain for {what}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

use common::race::{heading, verdict};
use server::Server;
use shared::Target;

fn main() {
    if let Some((role, told)) = shared::role() {
        return match role.as_str() {
            "unlock" => unlock::child(&told),
            "shreds" => shreds::child(&told),
            "rows" => shreds::rows_child(&told),
            other => panic!("no role {other}"),
        };
    }
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    // The tests' server does without syncs; this one does not.
    let options =
        ["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"];
    let server = Server::start(&options);
    println!(
        "PostgreSQL {}, fsync {}, synchronous_commit {}, by its socket\n",
        server.sql("SHOW server_version"),
        server.sql("SHOW fsync"),
        server.sql("SHOW synchronous_commit")
    );
    let mut targets: Vec<Target> = Vec::new();
    if is_wanted("shreds") {
        shreds::run(&server, &mut targets);
    }
    if is_wanted("processes") {
        shreds::by_processes(&server, &mut targets);
    }
    if is_wanted("notice") {
        notice::run(&server, &mut targets);
    }
    if is_wanted("fields") {
        fields::run(&server, &mut targets);
    }
    if is_wanted("unlock") {
        unlock::run(&server, &mut targets);
    }
    heading("Targets", &["what", "measured", "target", "met"]);
    for Target { what, value, limit, at_most } in targets {
        verdict(&what, value, limit, at_most);
    }
}
