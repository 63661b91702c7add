//! What the server's planner makes of our statements: read from what the server logs of each.

use oubliette::Vault;

use super::server::Server;
use super::support::*;

/// Each plan that the server carried out, with its statement.
fn plans(server: &Server) -> Vec<String> {
    let log = std::fs::read_to_string(server.directory().join("log")).unwrap();
    // An entry begins with its date; what follows of it is indented.
    let (mut entries, mut is_plan): (Vec<String>, bool) = (Vec::new(), false);
    for line in log.lines() {
        if !line.starts_with('\t') {
            is_plan = line.contains("Query Text:") || line.ends_with("plan:");
            entries.extend(is_plan.then(String::new));
        }
        if is_plan && let Some(entry) = entries.last_mut() {
            entry.push_str(line);
            entry.push('\n');
        }
    }
    entries
}

/// The server compiles what it takes for expensive (`jit`, on by default), anew each time: tens of milliseconds, while others wait. And of a
/// table that was written since anybody counted its rows it believes that it has as many as there is room for.
#[test]
fn the_server_compiles_none_of_our_statements_and_its_plans_show_nothing_of_what_they_carry() {
    let logs = [
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_analyze=on",
        "auto_explain.log_verbose=on",
    ];
    // It compiles whatever it may; and counts nothing by itself.
    let set = ["jit=on", "jit_above_cost=0", "autovacuum=off"];
    let arguments: Vec<&str> = logs.into_iter().chain(set).flat_map(|setting| ["-c", setting]).collect();
    let server = Server::start(&arguments);
    server.sql("SELECT count(*) AS control FROM generate_series(1, 3) n WHERE n > 1");
    let is_compiled = |plan: &&String| plan.contains("JIT:");
    assert!(plans(&server).iter().any(|plan| plan.contains("control") && is_compiled(&plan)), "this server compiles");

    let schema = server.new_schema();
    let builder = at(&server, &schema);
    builder.migrate().unwrap();
    let store = builder.open().unwrap();
    let vault = Vault::on(store.clone(), store).purposes([ORDERS]).lease(LEASE).create(root_key()).unwrap();
    let other = unlock(&builder);
    let customers: Vec<_> = (0..300).map(|_| vault.enroll().unwrap()).collect();
    let (one_by_one, together) = customers.split_at(60);
    for customer in one_by_one {
        vault.shred([*customer]).unwrap();
    }
    other.shred(together.iter().copied()).unwrap();
    other.refresh().unwrap();
    assert!(vault.load_pages(|_| std::ops::ControlFlow::Continue(())).unwrap().is_complete());
    vault.sweep().unwrap();
    assert!(vault.status().unwrap().pages.pages > 0);
    drop((vault, other));

    let plans = plans(&server);
    let ours: Vec<&String> = plans.iter().filter(|plan| plan.contains(&format!("{schema}\""))).collect();
    assert!(ours.len() > 150, "{} statements of ours", ours.len());
    let compiled: Vec<_> = ours.iter().copied().filter(is_compiled).collect();
    assert!(compiled.is_empty(), "{} are compiled, as this one:\n{}", compiled.len(), compiled[0]);
    // A plan that is made for one execution shows what that was given: the record, too.
    let long = |plan: &&&String| {
        let digits = |part: &str| part.bytes().take_while(u8::is_ascii_hexdigit).count();
        plan.split("\\x").skip(1).any(|part| digits(part) >= 200)
    };
    assert_eq!(ours.iter().find(long), None);
    // The record and its place are one row each, whatever their tables look like.
    let reads: Vec<_> = ours.iter().filter(|plan| plan.contains("r.record")).collect();
    assert!(reads.len() > 60, "{} reads", reads.len());
    for read in reads {
        let estimate = read.lines().find(|line| line.contains("(cost=")).unwrap();
        assert!(estimate.contains(" rows=1 "), "{read}");
    }
}
