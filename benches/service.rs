//! What a web service serves with its personal columns sealed, beside the same with plain columns: that of `examples/service`, its
//! HTTP stack and the shape of its handlers, on SQLite.
//!
//! `cargo bench -p oubliette-benches --bench service`, some three minutes; `-- profile`, `-- users`, `-- eight` serve these pages alone. It works in the directory for temporary files (`TMPDIR`).
//! Four connections ask over the loopback, one request at a time each; server, database and clients share the machine's cores.
//! In each round each variant serves each page for a quarter of a second, so that a slow spell meets all of them alike; a
//! ratio is the median of the rounds' ratios.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "service/clients.rs"]
mod clients;
mod common;
#[path = "common/eight.rs"]
mod eight;
#[path = "service/pages.rs"]
mod pages;
#[path = "service/users.rs"]
mod users;

use std::sync::atomic::AtomicI64;

use clients::{Clients, Served};
use common::ours;
use common::race::{heading, median, verdict};
use oubliette::{RootKey, Vault};
use tokio::runtime::Runtime;

/// Customers of the vault, with a row each in every table.
const CUSTOMERS: i64 = 20_000;
const ROUNDS: usize = 30;

const VARIANTS: [&str; 3] = ["plain columns", "sealed columns", "sealed as one group"];
const PAGES: [&str; 5] = [
    "profile",
    "list of 100 users",
    "list of 1 000 users",
    "list of 100, eight fields each",
    "list of 1 000, eight fields each",
];
/// What is aimed at for a page, when its fields are in a group.
const AIMS: [f64; 5] = [0.95, 0.8, 0.8, 0.8, 0.8];

fn request(page: usize, nth: i64) -> String {
    let from = nth.wrapping_mul(7_919).rem_euclid(CUSTOMERS - 1_000);
    match page {
        0 => format!("GET /me HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\n\r\n", pages::session(from + 1)),
        page => {
            let (table, rows) = (["users", "users", "people", "people"][page - 1], [100, 1_000, 100, 1_000][page - 1]);
            format!("GET /{table}/{from}/{rows} HTTP/1.1\r\nHost: shop\r\n\r\n")
        }
    }
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::at(dir.path().join("vault"))
        .purposes([ours::ORDERS, users::NEWSLETTER])
        .create(RootKey::bytes([7; 32]))
        .unwrap();
    // The second half is for newsletters: a number of its own for each consent.
    ours::enroll(&vault, 2 * CUSTOMERS);
    let runtime = Runtime::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let addresses = runtime.block_on(async {
        [
            pages::serve(users::Plain::open(&at("plain.db"), CUSTOMERS).await).await,
            pages::serve(users::Apart::open(&at("apart.db"), &vault, CUSTOMERS).await).await,
            pages::serve(users::Grouped::open(&at("grouped.db"), &vault, CUSTOMERS).await).await,
        ]
    });
    let mut clients = addresses.map(Clients::connect);
    for page in 0..PAGES.len() {
        for nth in 0..10 {
            let bodies = clients.each_mut().map(|clients| clients.body(&request(page, nth)));
            assert!(
                bodies[0].len() > 20 && bodies.iter().all(|body| *body == bodies[0]),
                "a variant serves something else"
            );
        }
    }

    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_asked = |page: &usize| asked.is_empty() || asked.iter().any(|part| PAGES[*page].contains(part.as_str()));
    let pages: Vec<usize> = (0..PAGES.len()).filter(is_asked).collect();
    let served = measure(&mut clients, &pages);
    show(&served, &pages);
    vault.close().unwrap();
    runtime.shutdown_background();
}

type Figure = fn(&Served) -> f64;

/// By page and variant, a figure a round.
type All = Vec<Vec<Vec<Served>>>;

fn measure(clients: &mut [Clients; VARIANTS.len()], pages: &[usize]) -> All {
    let mut served: All = vec![vec![Vec::new(); VARIANTS.len()]; PAGES.len()];
    let count = AtomicI64::new(0);
    // The first is for warming up.
    for round in 0..=ROUNDS {
        eprint!("\rround {round} of {ROUNDS}");
        for &page in pages {
            for turn in 0..VARIANTS.len() {
                let variant = (turn + round) % VARIANTS.len();
                let took = clients[variant].ask(&count, |nth| request(page, nth));
                if round > 0 {
                    served[page][variant].push(took);
                }
            }
        }
    }
    eprintln!();
    served
}

fn show(served: &All, pages: &[usize]) {
    let of = |page: usize, variant: usize, what: Figure| median(served[page][variant].iter().map(what).collect());
    let columns: Vec<&str> = std::iter::once("page").chain(VARIANTS).collect();
    let tables: [(&str, Figure); 2] = [
        ("Requests a second", Served::a_second),
        ("Microseconds of the server's CPU time a request, its database and vault with it", Served::server_micros),
    ];
    for (title, what) in tables {
        heading(title, &columns);
        for (page, name) in pages.iter().map(|page| (*page, PAGES[*page])) {
            let cells: Vec<String> =
                (0..VARIANTS.len()).map(|variant| format!("{:.0}", of(page, variant, what))).collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
        println!();
    }
    // Round by round: both sides of a ratio met the same machine.
    let ratio = |page: usize, variant: usize, what: Figure| {
        let pairs = served[page][variant].iter().zip(&served[page][0]);
        median(pairs.map(|(sealed, plain)| what(sealed) / what(plain)).collect())
    };
    heading("Targets", &["requests a second, sealed / plain", "measured", "target", "met"]);
    for (page, name) in pages.iter().map(|page| (*page, PAGES[*page])) {
        for (variant, how) in VARIANTS.iter().enumerate().skip(1) {
            verdict(&format!("{name}, {how}"), ratio(page, variant, Served::a_second), AIMS[page], false);
        }
    }
    println!("\nThe same by the server's CPU time, plain / sealed: what a server alone on its cores would serve.\n");
    heading("By CPU time", &["page", VARIANTS[1], VARIANTS[2]]);
    for (page, name) in pages.iter().map(|page| (*page, PAGES[*page])) {
        let [apart, grouped] = [1, 2].map(|variant| 1.0 / ratio(page, variant, Served::server_micros));
        println!("| {name} | {apart:.2} | {grouped:.2} |");
    }
}
