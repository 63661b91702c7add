//! What is left of a journal of which some lines are damaged.

use super::*;

/// What is read past damage: entries by number, and lines with an error.
fn read(place: &Place, bytes: &[u8]) -> (Vec<u64>, Vec<u64>) {
    place.put(bytes);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for entry in entries(&place.path, &ours().public_key()).unwrap().past_damage() {
        match entry {
            Ok(entry) => good.push(entry.n()),
            Err(error) => bad.push(error.line().unwrap_or_default()),
        }
    }
    (good, bad)
}

#[test]
fn one_bad_line_hides_no_good_one() {
    let place = Place::small();
    let lines = place.lines();
    let all: Vec<u64> = (1..=lines.len() as u64).collect();
    assert_eq!(read(&place, &place.bytes()), (all.clone(), vec![]));
    for bad in 1..lines.len() {
        let without: Vec<u64> = all.iter().copied().filter(|n| *n != bad as u64 + 1).collect();
        let at = vec![bad as u64 + 1];
        for damage in [&b"x\n"[..], b"{}\n", b"\n", &[&[b'y'; 3 << 20][..], b"\n"].concat()] {
            let mut changed = lines.clone();
            changed[bad] = damage.to_vec();
            assert_eq!(read(&place, &changed.concat()), (without.clone(), at.clone()), "line {bad}");
        }
        // Signed by nobody: the form is right.
        let mut changed = lines.clone();
        let last = changed[bad].len() - 10;
        changed[bad][last] = if changed[bad][last] == b'A' { b'B' } else { b'A' };
        assert_eq!(read(&place, &changed.concat()), (without.clone(), at.clone()), "line {bad}");
        // Dropped: told where it is missing, and what comes behind is there.
        if bad + 1 < lines.len() {
            let mut changed = lines.clone();
            changed.remove(bad);
            assert_eq!(read(&place, &changed.concat()), (without, at), "line {bad}");
        }
    }
}

#[test]
fn two_bad_lines_are_two_and_a_foreign_entry_is_none() {
    let place = Place::small();
    let whole = place.lines();
    let mut lines = whole.clone();
    lines[1] = b"x\n".to_vec();
    lines[2] = b"y\n".to_vec();
    assert_eq!(read(&place, &lines.concat()), (vec![1, 4, 5, 6], vec![2, 3]));
    // Without the line that says which vault it is no signature can be checked.
    let mut lines = whole.clone();
    lines[0] = b"x\n".to_vec();
    assert_eq!(read(&place, &lines.concat()), (vec![], vec![1]));
    // Swapped: both are signed, and neither is in its place.
    let mut lines = whole;
    lines.swap(2, 3);
    let (good, bad) = read(&place, &lines.concat());
    assert_eq!(good, [1, 2, 4, 3, 5, 6]);
    assert!(bad.contains(&3) && bad.contains(&4), "{bad:?}");
    // Whoever does not ask for it sees nothing behind the first mistake.
    place.put(lines.concat());
    let read: Vec<_> = entries(&place.path, &ours().public_key()).unwrap().collect();
    assert!(read.len() == 3 && read[2].is_err());
}
