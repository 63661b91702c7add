use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use oubliette::{RootKey, Vault, root_keys::PassphraseCost};

use crate::support::{ORDERS, World};

const SECRET: &str = "correct horse battery staple";

/// A vault under a passphrase, in the directory `v`.
fn under_a_passphrase() -> World {
    let world = World::empty();
    let cost = PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 };
    let key = RootKey::passphrase_at_cost(SECRET, cost);
    Vault::at(world.path("v")).purposes([ORDERS]).create(key).unwrap().close().unwrap();
    world
}

/// Types `lines` at the prompts of a command that runs in a terminal, each when it is asked for; gives what the terminal
/// showed and the exit code.
pub fn at_a_terminal(world: &World, command: &str, lines: &[(&str, &str)]) -> (i32, String) {
    let command = format!("{} {command}", env!("CARGO_BIN_EXE_oubliette"));
    let mut child = std::process::Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .current_dir(world.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(read) = output.read(&mut buffer) {
            if read == 0 || send.send(buffer[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut shown, mut seen) = (String::new(), 0);
    for (prompt, line) in lines {
        while !shown[seen..].contains(prompt) {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = receive.recv_timeout(left).unwrap_or_else(|_| panic!("{prompt:?} was not asked: {shown:?}"));
            shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        seen = shown.len();
        // The prompt is written before the terminal is told not to echo.
        std::thread::sleep(Duration::from_millis(300));
        writeln!(input, "{line}").unwrap();
    }
    let code = child.wait().unwrap().code().unwrap();
    drop(input);
    shown.extend(receive.iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    (code, shown)
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let world = under_a_passphrase();
    let (code, shown) = at_a_terminal(&world, "status --vault v", &[("Passphrase", SECRET)]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("orders") && !shown.contains(SECRET), "{shown}");
    let (code, shown) = at_a_terminal(&world, "status --vault v", &[("Passphrase", "wrong horse")]);
    assert_eq!(code, 77, "{shown}");
    assert!(shown.contains("not the vault's root key") && !shown.contains("wrong horse"), "{shown}");
}

#[test]
fn a_new_passphrase_is_asked_for_twice() {
    let world = under_a_passphrase();
    let new = "a better one of six words";
    let command = "rotate root-key --vault v";
    let lines = [("to go on", "yes"), ("Passphrase of", SECRET), ("New passphrase:", new), ("once more", "another")];
    let (code, shown) = at_a_terminal(&world, command, &lines);
    assert_eq!(code, 77, "{shown}");
    assert!(shown.contains("differ"), "{shown}");
    let lines = [("to go on", "yes"), ("Passphrase of", SECRET), ("New passphrase:", new), ("once more", new)];
    let (code, shown) = at_a_terminal(&world, command, &lines);
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(new) && !shown.contains(SECRET), "{shown}");
    world.write("words", new);
    world.run(&["status", "--vault", "v", "--passphrase-file", "words"]).ends(0).hides(&[new]);
}

#[test]
fn a_question_is_answered_by_yes_alone() {
    let world = World::new();
    let customers = world.customers(2);
    let command = format!("shred {}", customers[0].number);
    let (code, shown) = at_a_terminal(&world, &command, &[("to go on", "y")]);
    assert_eq!(code, 77, "{shown}");
    assert_eq!(customers[0].opens(&world.vault()), (true, true));
    let (code, shown) = at_a_terminal(&world, &command, &[("to go on", "yes")]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(customers[0].opens(&world.vault()), (false, false));
}

#[test]
fn descriptors_and_files_are_read() {
    let world = under_a_passphrase();
    world.write("words", &format!("{SECRET}\nnot this line\n"));
    for script in [
        "oubliette status --vault v --passphrase-file words",
        "oubliette status --vault v --passphrase-fd 0 <words",
        "oubliette status --vault v --passphrase-fd 9 9<words",
        "oubliette status --vault v --passphrase-fd 9 9< <(cat words)",
        "oubliette status --vault v --passphrase-file <(cat words)",
    ] {
        world.shell(script).ends(0).hides(&[SECRET]);
    }
    world.shell("oubliette status --vault v --passphrase-fd 9").ends(66);
    world.shell("oubliette status --vault v --passphrase-fd 1").ends(64);
    world.shell("oubliette status --vault v --passphrase-fd 0").ends(77);
}

#[test]
fn the_environment_and_the_arguments_are_no_way_in() {
    let world = under_a_passphrase();
    for name in ["PASSPHRASE", "VAULT_PASSPHRASE", "OUBLIETTE_PASSPHRASE", "OUBLIETTE_KEY"] {
        let command = world.command(&["status", "--vault", "v"]);
        // Without a controlling terminal there is nobody to ask.
        let output = std::process::Command::new("setsid")
            .arg("-w")
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(world.path(""))
            .env(name, SECRET)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(77), "{name}: {error}");
        assert!(error.contains("--passphrase-fd") && !error.contains(SECRET), "{error}");
    }
    let ran = world.run(&["status", "--vault", "v", "--passphrase", SECRET]).ends(64);
    assert!(ran.err.contains("--passphrase"), "{ran:?}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let world = World::new();
    for mode in [0o640, 0o604, 0o660, 0o602] {
        world.mode("key", mode);
        let ran = world.run(&["status"]).ends(77).hides(&["0707"]);
        assert!(ran.err.contains("chmod 600"), "{ran:?}");
    }
    world.mode("key", 0o400);
    world.run(&["status"]).ends(0);
}

#[test]
fn a_key_file_holds_bytes_or_digits() {
    let world = World::new();
    std::fs::write(world.path("key"), [7; 32]).unwrap();
    world.run(&["status"]).ends(0);
    for good in [format!("{}\n", "07".repeat(32)), format!("{}\r\n", "07".repeat(32))] {
        world.write("key", &good);
        world.run(&["status"]).ends(0);
    }
    for bad in [
        "07".repeat(31),
        "07".repeat(33),
        format!("{}zz", "07".repeat(31)),
        format!("{}++", "07".repeat(31)),
        String::new(),
        "x".repeat(200),
    ] {
        world.write("key", &bad);
        let ran = world.run(&["status"]).ends(77);
        if !bad.is_empty() {
            ran.hides(&[&bad, "0707"]);
        }
    }
}

#[test]
fn commands_of_the_register_take_the_passphrase_as_the_others_do() {
    let shop = crate::shop::Shop::new();
    let alice = shop.customer("alice");
    let vault = shop.world.application();
    vault
        .rotate_root_key(RootKey::passphrase_at_cost(SECRET, PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 }))
        .unwrap();
    drop(vault);
    for command in ["erase alice", "withdraw alice --purpose newsletter", "export alice", "sweep", "requests", "resume"]
    {
        for option in ["--passphrase", "--root-key", "--key"] {
            let ran = shop.world.shell(&format!("oubliette {command} {option} '{SECRET}'")).ends(64);
            drop(ran.hides(&[&crate::shop::secret("alice")]));
        }
    }
    // What other users see of a command while it runs.
    let database = shop.connection();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut command = shop.world.command(&["erase", "alice", "--why", "request", "--yes", "--passphrase-fd", "0"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{SECRET}").unwrap();
    let of_process = |name: &str| std::fs::read(format!("/proc/{}/{name}", child.id())).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count() < 2 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
    for name in ["cmdline", "environ"] {
        let content = of_process(name);
        assert!(!content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{name}");
    }
    database.execute_batch("ROLLBACK").unwrap();
    assert!(child.wait().unwrap().success());
    let vault = shop.world.unlock(RootKey::passphrase(SECRET));
    assert_eq!(alice.opens(&vault), (false, false));
}
