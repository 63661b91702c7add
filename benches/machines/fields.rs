//! Sealing and opening: no store is asked, so they should cost the same on all.

use oubliette::CustomerId;

use crate::common::ours::{self, ORDERS, Padded, some};
use crate::common::race::{Race, table};
use crate::server::Server;
use crate::shared::{Target, at_most, key, make};

const CUSTOMERS: i64 = 1_000_000;

pub fn run(server: &Server, targets: &mut Vec<Target>) {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = oubliette::Vault::at(dir.path().join("vault")).purposes([ORDERS]).create(key()).unwrap();
    ours::enroll(&on_disk, CUSTOMERS);
    drop(ours::shred(&on_disk, CUSTOMERS, 50_000));
    let shared = make(server, "fields", CUSTOMERS, 50_000);
    let value = Padded::<64>::new();
    let vaults = [("directory", &on_disk), ("PostgreSQL", &shared)];
    let loaded = vaults.map(|(_, vault)| vault.load_pages(|_| std::ops::ControlFlow::Continue(())).unwrap());
    assert!(loaded.iter().all(oubliette::status::LoadedPages::is_complete));
    let rows = vaults.map(|(_, vault)| {
        let seal = |id: CustomerId| Some((id, vault.seal(id, Padded::<64>::FIELD, &value).ok()?));
        some(CUSTOMERS, 9000).into_iter().filter_map(seal).take(8192).collect::<Vec<_>>()
    });
    let mut race = Race::new();
    for ((name, vault), rows) in vaults.iter().zip(&rows) {
        race.lane_over(format!("open, {name}"), rows, |(id, sealed)| {
            vault.open(*id, Padded::<64>::FIELD, sealed).unwrap()
        });
        race.lane_over(format!("seal, {name}"), rows, |(id, _)| vault.seal(*id, Padded::<64>::FIELD, &value).unwrap());
    }
    let figures = race.run(101);
    table("One field of 64 bytes of a customer never seen before, 5 % shredded", "ns", &[("", &figures)]);
    for what in ["open", "seal"] {
        let ratio = figures.of(&format!("{what}, PostgreSQL")) / figures.of(&format!("{what}, directory"));
        targets.push(at_most(format!("{what} on PostgreSQL / in a directory"), ratio, 1.05));
    }
    shared.close().unwrap();
    on_disk.close().unwrap();
}
