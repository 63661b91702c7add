use std::fs;
use std::time::{Duration, SystemTime};

use oubliette::{RootKey, Vault};
use serde_json::Value;

use crate::support::{ORDERS, World};

/// The doctor's exit code, and each finding as (severity, check, place).
fn doctor(world: &World, more: &[&str]) -> (u8, Vec<(String, String, String)>) {
    let (code, report) = world.json(&[&["doctor"], more].concat());
    let text = |finding: &Value, name: &str| {
        let text = finding[name].as_str().unwrap_or_else(|| panic!("{name} of {finding}"));
        assert!(!text.is_empty(), "{name} of {finding}");
        text.to_owned()
    };
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{report}"));
    let findings = findings.iter().map(|finding| {
        let (_, _, _) = (text(finding, "what"), text(finding, "meaning"), text(finding, "advice"));
        (text(finding, "severity"), text(finding, "check"), text(finding, "place"))
    });
    (code, findings.filter(|(severity, _, _)| severity != "note").collect())
}

/// Checks that there is exactly one kind of finding, about this place.
#[track_caller]
fn finds(world: &World, more: &[&str], severity: &str, check: &str, place: &str) {
    let (code, findings) = doctor(world, more);
    assert!(!findings.is_empty(), "{check} was not found");
    assert!(findings.iter().all(|found| found.1 == check), "{findings:?}");
    assert!(findings.iter().any(|found| found.0 == severity && found.2.contains(place)), "{findings:?}");
    assert_eq!(code, if severity == "grave" { 2 } else { 1 });
}

#[test]
fn a_healthy_vault_has_nothing_to_see_to() {
    let world = World::new();
    let customers = world.customers(3);
    world.vault().shred([customers[0].number]).unwrap();
    fs::create_dir(world.path("backups")).unwrap();
    fs::write(world.path("backups/app.db"), [7; 50_000]).unwrap();
    assert_eq!(doctor(&world, &["--backup", "backups"]), (0, vec![]));
    assert_eq!(doctor(&world, &["--files-only"]), (0, vec![]));
    let ran = world.run(&["doctor", "--backup", "backups"]).ends(0);
    assert!(ran.out.contains("No fault was found"), "{ran:?}");
}

#[test]
fn permissions_that_are_too_wide_are_found() {
    for (name, mode, right) in [("privacy", 0o777, 0o700), ("mirror", 0o775, 0o700)] {
        let world = World::new();
        world.mode(name, mode);
        finds(&world, &["--files-only"], "grave", "permissions", name);
        world.mode(name, right);
        assert_eq!(doctor(&world, &[]), (0, vec![]));
    }
    for (name, mode, right) in [
        ("privacy/root", 0o750, 0o700),
        ("privacy/pages", 0o705, 0o700),
        ("privacy/root/slot-a", 0o640, 0o600),
        ("mirror/root/slot-b", 0o604, 0o600),
        ("privacy/pages/mark", 0o666, 0o600),
    ] {
        let world = World::new();
        world.mode(name, mode);
        let (code, findings) = doctor(&world, &[]);
        assert_eq!(code, 2);
        assert!(
            findings.iter().any(|found| found.1 == "permissions" && found.2.ends_with(name)),
            "{name}: {findings:?}"
        );
        assert!(findings.iter().any(|found| found.1 == "cannot-be-opened"), "{name}: {findings:?}");
        let ran = world.run(&["doctor"]).ends(2);
        assert!(ran.out.contains(&format!("chmod {right:03o} ")), "{ran:?}");
        world.mode(name, right);
        assert_eq!(doctor(&world, &[]), (0, vec![]));
    }
}

#[test]
fn a_key_file_is_looked_at_before_it_is_read() {
    let world = World::new();
    world.mode("key", 0o644);
    finds(&world, &["--files-only"], "grave", "key-file-permissions", "key");
    world.mode("key", 0o600);
    fs::copy(world.path("key"), world.path("privacy/key")).unwrap();
    finds(&world, &["--files-only", "--key-file", "privacy/key"], "grave", "key-beside-record", "privacy/key");
    world.mode("oubliette.toml", 0o666);
    finds(&world, &[], "warning", "configuration-permissions", "oubliette.toml");
}

#[test]
fn a_directory_above_that_others_may_change_is_found() {
    let world = World::new();
    world.mode("", 0o777);
    finds(&world, &[], "warning", "permissions-above", "");
    world.mode("", 0o1777);
    assert_eq!(doctor(&world, &[]), (0, vec![]));
}

#[test]
fn copies_of_the_root_record_are_found_wherever_they_lie() {
    let world = World::new();
    let backups = world.path("backups/nightly");
    fs::create_dir_all(&backups).unwrap();
    let slot = world.path("privacy/root/slot-a");
    let at = ["--backup", "backups"];
    // Under any name.
    fs::copy(&slot, backups.join("innocent.bin")).unwrap();
    finds(&world, &at, "grave", "record-copy", "innocent.bin");
    fs::remove_file(backups.join("innocent.bin")).unwrap();
    // Across the chunks in which files are read, and in the middle of an archive.
    let mut archive = vec![0; (1 << 20) - 100];
    archive.extend(fs::read(&slot).unwrap());
    archive.extend([1; 3000]);
    fs::write(backups.join("everything.tar"), &archive).unwrap();
    finds(&world, &at, "grave", "record-copy", "everything.tar");
    fs::remove_file(backups.join("everything.tar")).unwrap();
    // A whole copy of the vault.
    world.vault().copy_to(backups.join("copy")).unwrap();
    finds(&world, &at, "grave", "record-copy", "copy/root/slot");
    fs::remove_dir_all(backups.join("copy")).unwrap();
    // Of another vault.
    let other = Vault::at(backups.join("other")).purposes([ORDERS]).create(RootKey::bytes([9; 32])).unwrap();
    other.close().unwrap();
    finds(&world, &at, "warning", "foreign-record", "other/root/slot");
    fs::remove_dir_all(backups.join("other")).unwrap();
    assert_eq!(doctor(&world, &at), (0, vec![]));
    // Named in the configuration.
    fs::copy(&slot, backups.join("x")).unwrap();
    world.configure("backups = [\"backups\"]");
    finds(&world, &[], "grave", "record-copy", "backups/nightly/x");
}

#[test]
fn a_root_record_in_the_tree_that_is_backed_up_is_found() {
    let world = World::new();
    finds(&world, &["--backup", "privacy"], "grave", "record-in-backup", "privacy/root");
    world.configure("backups = [\"absent\"]");
    finds(&world, &[], "warning", "backup-path", "absent");
}

#[test]
fn a_key_in_a_backup_is_found() {
    let world = World::new();
    fs::create_dir(world.path("etc")).unwrap();
    fs::rename(world.path("key"), world.path("etc/key")).unwrap();
    finds(&world, &["--backup", "etc", "--key-file", "etc/key"], "grave", "key-in-backup", "etc/key");
}

#[test]
fn a_vault_without_a_mirror_and_with_a_long_lease_is_found() {
    let world = World::empty();
    world.write("key", &"07".repeat(32));
    let create = Vault::at(world.path("v")).purposes([ORDERS]).lease(Duration::from_secs(20));
    create.create(RootKey::bytes([7; 32])).unwrap().close().unwrap();
    let at = ["--vault", "v", "--key-file", "key"];
    let (code, findings) = doctor(&world, &at);
    let checks: Vec<&str> = findings.iter().map(|found| found.1.as_str()).collect();
    assert_eq!((code, checks), (1, vec!["long-lease", "no-mirror"]));
    finds(&world, &[&at[..], &["--longest-lease", "30s"]].concat(), "warning", "no-mirror", "v/root");
    world.run(&[&["doctor"], &at[..], &["--longest-lease", "long"]].concat()).ends(64);
}

#[test]
fn places_that_are_away_or_not_listed_are_found() {
    let world = World::new();
    let vault = world.path("privacy").display().to_string();
    finds(&world, &["--vault", &vault], "grave", "place-missing", "place ");
    fs::rename(world.path("mirror"), world.path("away")).unwrap();
    let (code, findings) = doctor(&world, &[]);
    assert_eq!(code, 2);
    let unreachable: Vec<_> = findings.iter().filter(|found| found.1 == "unreachable").collect();
    assert!(
        unreachable.len() == 1 && unreachable[0].2.ends_with("mirror"),
        "once, not for each directory in it: {findings:?}"
    );
    assert!(findings.iter().any(|found| found.1 == "place-missing"), "{findings:?}");
    fs::rename(world.path("away"), world.path("mirror")).unwrap();
    assert_eq!(doctor(&world, &[]), (0, vec![]));
    fs::rename(world.path("privacy"), world.path("away")).unwrap();
    let ran = world.run(&["doctor"]).ends(2);
    assert!(ran.out.contains("where there never was a vault, `oubliette create` makes one"), "{ran:?}");
    fs::rename(world.path("away"), world.path("privacy")).unwrap();
    fs::remove_file(world.path("privacy/root/CACHEDIR.TAG")).unwrap();
    finds(&world, &[], "warning", "no-cachedir-tag", "privacy/root");
}

#[test]
fn a_vault_that_went_back_in_time_is_found() {
    let world = World::new();
    let old =
        [fs::read(world.path("privacy/root/slot-a")).unwrap(), fs::read(world.path("privacy/pages/mark")).unwrap()];
    let customers = world.customers(2);
    let vault = world.vault();
    customers.iter().for_each(|customer| drop(vault.shred([customer.number]).unwrap()));
    vault.close().unwrap();
    for place in ["privacy", "mirror"] {
        for slot in ["slot-a", "slot-b"] {
            fs::write(world.path(place).join("root").join(slot), &old[0]).unwrap();
        }
    }
    finds(&world, &[], "grave", "cannot-be-opened", "privacy");
    let ran = world.run(&["status"]).ends(65);
    assert!(ran.err.contains("rolled back"), "{ran:?}");
}

#[test]
fn pages_that_nobody_sweeps_and_odd_clocks_are_found() {
    let world = World::new();
    let customers = world.customers(2);
    let vault = world.vault();
    customers.iter().for_each(|customer| drop(vault.shred([customer.number]).unwrap()));
    vault.close().unwrap();
    assert_eq!(doctor(&world, &[]), (0, vec![]));
    let batches = || fs::read_dir(world.path("privacy/pages")).unwrap().map(|entry| entry.unwrap().path());
    let set = |at: SystemTime| {
        for path in batches().filter(|path| path.extension().is_some_and(|extension| extension == "pages")) {
            fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
    };
    set(SystemTime::now() - Duration::from_secs(40 * 3600));
    finds(&world, &[], "warning", "not-swept", "privacy/pages");
    set(SystemTime::now() + Duration::from_secs(4000));
    finds(&world, &[], "warning", "clock", ".pages");
    set(SystemTime::now());
    world.vault().sweep().unwrap();
    assert_eq!(doctor(&world, &[]), (0, vec![]));
    // The list says since when: two days ago, by a clock that was right.
    let list = world.path("privacy/pages/superseded");
    let mut bytes = fs::read(&list).unwrap();
    let end = bytes.len() - 32;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - Duration::from_secs(48 * 3600);
    for row in bytes[8..end].chunks_exact_mut(24) {
        row[16..].copy_from_slice(&u64::try_from(since.as_millis()).unwrap().to_be_bytes());
    }
    fs::write(&list, &bytes).unwrap();
    finds(&world, &[], "warning", "not-swept", "privacy/pages");
}

#[test]
fn a_wrong_key_is_a_mistake_and_no_finding() {
    let world = World::new();
    world.write("other", &"08".repeat(32));
    world.run(&["doctor", "--key-file", "other"]).ends(77);
    let columns = "[[tables]]\ntable = \"t\"\nnumber = \"n\"\npurpose = \"odrers\"\n[[tables.columns]]\ncolumn = \"c\"\nlabel = \"l\"\ntype = \"email\"";
    world.configure(columns);
    finds(&world, &[], "warning", "unknown-purpose", "t.c");
}

#[test]
fn a_journal_is_looked_after() {
    let world = World::journalled();
    assert_eq!(doctor(&world, &[]), (0, vec![]));
    world.mode("log/journal", 0o644);
    finds(&world, &[], "warning", "journal-permissions", "log/journal");
    world.mode("log/journal", 0o600);
    // Not named.
    world.configure("");
    finds(&world, &[], "grave", "journal-not-named", "privacy");
    // Named and not there.
    world.configure("journal = \"log/jornal\"");
    finds(&world, &[], "grave", "journal-missing", "log/jornal");
    assert!(!world.path("log/jornal").exists(), "looking begins no journal");
    // Where it is restored with what it proves.
    world.copy("log", "privacy/log");
    for name in ["journal", "journal.head"] {
        world.mode(&format!("privacy/log/{name}"), 0o600);
    }
    world.configure("journal = \"privacy/log/journal\"");
    finds(&world, &[], "warning", "journal-beside-record", "privacy/log/journal");
    // Changed.
    world.configure("journal = \"log/journal\"");
    world.run(&["shred", "--through", "1", "--yes"]);
    let journal = fs::read_to_string(world.path("log/journal")).unwrap();
    fs::write(world.path("log/journal"), journal.replacen("\"generation\":", "\"generation\":1", 1)).unwrap();
    let (code, findings) = doctor(&world, &[]);
    assert_eq!(code, 2);
    assert!(findings.iter().any(|found| found.1 == "journal" || found.1 == "cannot-be-opened"), "{findings:?}");
}

#[test]
fn a_journal_that_is_not_there_yet_is_no_disaster() {
    let world = World::new();
    world.configure("journal = \"journal\"");
    finds(&world, &[], "warning", "journal-missing", "journal");
    let ran = world.run(&["status"]).ends(66);
    assert!(ran.err.contains("begin it"), "{ran:?}");
    assert!(!world.path("journal").exists());
}

/// Copies of the root record that are made on purpose, and not kept for longer than is said, are told and are no finding.
#[test]
fn a_backup_of_the_vault_that_is_meant_is_no_finding() {
    let world = World::new();
    world.configure("root_copies_kept = \"30 days\"\nbackups = [\".\"]");
    fs::create_dir(world.path("backups")).unwrap();
    fs::copy(world.path("privacy/root/slot-a"), world.path("backups/record")).unwrap();
    let (code, report) = world.json(&["doctor"]);
    let of = |check: &str| {
        let all = report["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
        all.map(|finding| finding["severity"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("record-in-backup"), ["note", "note"], "{code} {report:#}");
    assert_eq!(of("record-copy"), ["note"], "{report:#}");
    assert_eq!(of("key-in-backup"), ["grave"], "a root key in a backup is never meant: {report:#}");
    // One that is older than is said was not deleted in time.
    let file = fs::File::options().write(true).open(world.path("backups/record")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(31 * 24 * 3600)).unwrap();
    let (_, report) = world.json(&["doctor"]);
    let text = report.to_string();
    assert!(text.contains("\"check\":\"record-copy\""), "{report:#}");
    let copy = report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "record-copy").unwrap();
    assert_eq!(copy["severity"], "grave");
}

/// Where a vault lies is looked at by what the kernel says of the file system. Real ones, in a namespace of this test's own.
#[test]
#[ignore = "mounts file systems, as root; `.ci/run databases` runs it"]
fn a_vault_that_goes_with_its_container_or_with_the_power_is_told() {
    let world = World::new();
    let script = "mkdir kept layer && cp -a mirror/. kept && mount -t tmpfs memory mirror && cp -a kept/. mirror && chmod 700 mirror \
        && mount -t tmpfs memory layer && mkdir layer/upper layer/work \
        && mount -t overlay container -o lowerdir=privacy,upperdir=layer/upper,workdir=layer/work privacy \
        && exec oubliette doctor --json";
    let ran = world.shell(&format!("unshare --mount --propagation private bash -c '{script}'"));
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let told = |check: &str, place: &str| {
        let found = report["findings"].as_array().unwrap().iter();
        found.filter(|one| one["check"] == check && one["place"].as_str().unwrap().contains(place)).count()
    };
    assert_eq!((told("container-layer", "privacy"), told("in-memory", "mirror")), (1, 1), "{report:#}");
    assert_eq!((told("container-layer", "mirror"), told("in-memory", "privacy")), (0, 0), "{report:#}");
    assert_eq!(ran.code, 0, "{report:#}");
}
