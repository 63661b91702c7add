//! `synchronous_standby_names`, as PostgreSQL reads it.

/// How many standbys must confirm, and of how many that are named, `None` if any may be meant; `None` if none must.
pub(super) fn read(setting: &str) -> Option<(usize, Option<usize>)> {
    let text = setting.trim();
    if text.is_empty() {
        return None;
    }
    // Without a number it is a list, the first of which confirms.
    let (number, list) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((before, list)) if is_head(before) => (number(before)?, list),
        _ => (1, text),
    };
    let names = names(list);
    let has_any = names.iter().any(|name| name == "*");
    Some((number, (!has_any).then_some(names.len())))
}

/// `FIRST 2`, `ANY 2` or `2`, before the parenthesis; not a name in quotes that has one in it.
fn is_head(before: &str) -> bool {
    !before.contains('"') && number(before).is_some()
}

fn number(before: &str) -> Option<usize> {
    let mut words = before.split_whitespace();
    let first = words.next()?;
    let number =
        if first.eq_ignore_ascii_case("first") || first.eq_ignore_ascii_case("any") { words.next()? } else { first };
    number.parse().ok().filter(|_| words.next().is_none())
}

/// Names are divided by commas; in double quotes they may have any character, and two quotes are one.
fn names(list: &str) -> Vec<String> {
    let (mut names, mut name, mut is_quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    for character in list.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            ',' if !is_quoted => take(&mut names, &mut name, &mut was_quoted),
            other => name.push(other),
        }
    }
    take(&mut names, &mut name, &mut was_quoted);
    names
}

fn take(names: &mut Vec<String>, name: &mut String, was_quoted: &mut bool) {
    let taken = std::mem::take(name);
    let taken = taken.trim();
    // A star in quotes means any standby as well.
    if !taken.is_empty() || *was_quoted {
        names.push(taken.to_owned());
    }
    *was_quoted = false;
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_setting_is_read_as_the_server_reads_it() {
        for (setting, expected) in [
            ("", None),
            ("  ", None),
            ("b", Some((1, Some(1)))),
            ("b, c", Some((1, Some(2)))),
            ("*", Some((1, None))),
            ("FIRST 1 (b)", Some((1, Some(1)))),
            ("first 2(b, c, d)", Some((2, Some(3)))),
            ("ANY 2 (b, c)", Some((2, Some(2)))),
            ("Any 1 ( b , c )", Some((1, Some(2)))),
            ("2 (b, c)", Some((2, Some(2)))),
            ("ANY 1 (*)", Some((1, None))),
            ("\"b,c\"", Some((1, Some(1)))),
            ("FIRST 1 (\"a (b)\", \"c\"\"d\")", Some((1, Some(2)))),
            ("\"first 3 (\", c", Some((1, Some(2)))),
            ("\"1 (a\", \"b)\"", Some((1, Some(2)))),
        ] {
            assert_eq!(read(setting), expected, "{setting:?}");
        }
    }
}
