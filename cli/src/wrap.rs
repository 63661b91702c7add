//! Lines of 80 columns, for people at a terminal. What goes elsewhere keeps its lines whole: `grep` finds a sentence only in one.

/// Where a line ends.
pub const COLUMNS: usize = 80;

/// A text of lines, each continued below its own beginning.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / COLUMNS);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let indent = line.chars().take_while(|c| *c == ' ').count();
        // A line of a table is not prose: its columns would be lost.
        out.push_str(&hanging(line, indent));
        out.push_str(end);
    }
    out
}

/// One line; what does not fit goes on below, so far to the right. A word that is longer than a line stays whole: a path
/// or a key that is cut cannot be copied.
pub fn hanging(line: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    // With the spaces before each word, of which a table has several.
    for word in words(line) {
        let length = word.chars().count();
        if column > 0 && column + length > COLUMNS && column > indent {
            let word = word.trim_start_matches(' ');
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(word);
            column = indent + word.chars().count();
        } else {
            out.push_str(word);
            column += length;
        }
    }
    out
}

/// Each word with the spaces before it.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.find(|c| c != ' ').unwrap_or(rest.len());
        let (_, after) = rest.split_at_checked(start)?;
        let end = start + after.find(' ').unwrap_or(after.len());
        let (word, left) = rest.split_at_checked(end)?;
        rest = left;
        (!word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_eighty_columns_and_lose_nothing() {
        let prose =
            "  What is good is shown, and what is damaged is marked and left out, so that nobody takes it for whole.";
        let wrapped = lines(prose);
        assert!(wrapped.lines().count() == 2 && wrapped.lines().all(|line| line.len() <= COLUMNS));
        assert!(wrapped.lines().all(|line| line.starts_with("  ")), "{wrapped}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&wrapped), words(prose));
    }

    #[test]
    fn what_fits_and_what_cannot_be_cut_stays() {
        let path = format!("in {}", "/srv".repeat(40));
        for text in ["", "\n", "short\n\n  a   table\n", &path, &"x".repeat(200)] {
            assert_eq!(lines(text).replace("\n/srv", " /srv"), text);
        }
        let exact = format!("{} {}", "a".repeat(40), "b".repeat(39));
        assert_eq!(lines(&exact), exact);
        assert_eq!(lines(&format!("{exact}b")).lines().count(), 2);
    }
}
