//! What sealing costs in lines: `before/` against `after/`, without the schema, which is the migration's.

use std::path::Path;
use std::process::Command;

/// The most lines of code that may be changed, added or removed.
const MOST: usize = 60;

#[test]
fn sealing_changes_at_most_sixty_lines() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut changed = 0;
    for file in ["main.rs", "service.rs", "user.rs"] {
        let place = std::env::temp_dir().join(format!("oubliette-lines-{}-{file}", std::process::id()));
        let [before, after] = ["before", "after"].map(|version| {
            let code = code(&std::fs::read_to_string(base.join(version).join(file)).unwrap());
            let place = place.with_extension(version);
            std::fs::write(&place, code).unwrap();
            place
        });
        let diff = Command::new("diff").arg("--unified=0").args([&before, &after]).output().unwrap();
        assert_eq!(diff.status.code(), Some(1), "the files differ");
        changed += String::from_utf8(diff.stdout).unwrap().lines().filter_map(hunk).sum::<usize>();
        for place in [before, after] {
            std::fs::remove_file(place).unwrap();
        }
    }
    println!("{changed} lines of code changed, added or removed");
    assert!(changed <= MOST, "{changed} lines of code differ, and {MOST} may");
    assert!(changed > MOST / 2, "only {changed}: is the diff read rightly?");
}

/// Without comments and empty lines.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// The lines of one hunk, of which `@@ -24,2 +43,3 @@` says that two became three: two changed, one added.
fn hunk(line: &str) -> Option<usize> {
    let mut sides = line.strip_prefix("@@ ")?.split(' ').take(2).map(|side| match side.split_once(',') {
        Some((_, lines)) => lines.parse::<usize>().unwrap(),
        None => 1,
    });
    Some(sides.next()?.max(sides.next()?))
}
