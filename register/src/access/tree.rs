//! JSON that may hold personal data: a tree that wipes what it holds, in the order in which it was put together.

use std::io;

use oubliette::personal::Plaintext;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

/// A piece of a document.
pub(crate) enum Tree {
    Null,
    Number(i64),
    Text(Zeroizing<String>),
    /// JSON that somebody else wrote, and that was found to be JSON.
    Written(Plaintext),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(crate) fn text(text: impl Into<String>) -> Tree {
        Tree::Text(Zeroizing::new(text.into()))
    }

    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Tree {
        Tree::List(texts.into_iter().map(Tree::text).collect())
    }

    /// `None` is null.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Tree {
        text.map_or(Tree::Null, Tree::text)
    }

    pub(crate) fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Tree)>) -> Tree {
        Tree::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// `None` unless it is JSON, whole and nothing else.
    pub(crate) fn written(json: Plaintext) -> Option<Tree> {
        serde_json::from_slice::<IgnoredAny>(json.as_bytes()).ok()?;
        Some(Tree::Written(json))
    }

    /// On one line.
    pub(crate) fn compact(&self) -> Plaintext {
        let mut out = Plaintext::with_capacity(256);
        self.write(&mut out);
        out
    }

    /// For people: one member a line, and a newline at the end.
    pub(crate) fn pretty(&self) -> Plaintext {
        let compact = self.compact();
        let mut out = Plaintext::with_capacity(compact.as_bytes().len().saturating_mul(2));
        reform(compact.as_bytes(), Form::Pretty, &mut out);
        out.extend(b"\n");
        out
    }

    fn write(&self, out: &mut Plaintext) {
        match self {
            Tree::Null => out.extend(b"null"),
            Tree::Number(number) => out.extend(number.to_string().as_bytes()),
            Tree::Text(text) => quote(text, out),
            Tree::Written(json) => reform(json.as_bytes(), Form::Compact, out),
            Tree::List(items) => {
                out.extend(b"[");
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.extend(b",");
                    }
                    item.write(out);
                }
                out.extend(b"]");
            }
            Tree::Object(members) => {
                out.extend(b"{");
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.extend(b",");
                    }
                    quote(key, out);
                    out.extend(b":");
                    value.write(out);
                }
                out.extend(b"}");
            }
        }
    }
}

fn quote(text: &str, out: &mut Plaintext) {
    // It cannot fail: text is JSON, and the buffer grows.
    let _ = serde_json::to_writer(Writer(out), text);
}

/// Writes straight into the wiping buffer.
pub(crate) struct Writer<'o>(pub(crate) &'o mut Plaintext);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Compact,
    Pretty,
}

/// Writes JSON in another form: only what stands between strings changes.
fn reform(json: &[u8], form: Form, out: &mut Plaintext) {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    // An opened list or object that nothing was written into yet.
    let mut opened = false;
    let line = |depth: usize, out: &mut Plaintext| {
        if form == Form::Pretty {
            out.extend(b"\n");
            (0..depth).for_each(|_| out.extend(b"  "));
        }
    };
    for byte in json {
        if in_string {
            out.extend(&[*byte]);
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        if matches!(byte, b'}' | b']') {
            depth = depth.saturating_sub(1);
            if !std::mem::take(&mut opened) {
                line(depth, out);
            }
        } else if std::mem::take(&mut opened) {
            line(depth, out);
        }
        out.extend(&[*byte]);
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                opened = true;
            }
            b',' => line(depth, out),
            b':' if form == Form::Pretty => out.extend(b" "),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> Option<Tree> {
        let mut out = Plaintext::with_capacity(json.len());
        out.extend(json.as_bytes());
        Tree::written(out)
    }

    fn text(json: &Plaintext) -> &str {
        std::str::from_utf8(json.as_bytes()).unwrap()
    }

    #[test]
    fn documents_are_json_in_the_order_given() {
        let tree = Tree::object([
            ("b", Tree::Number(-7)),
            ("a", Tree::List(vec![Tree::text("é\"\\\n{[,:"), Tree::Null, Tree::List(vec![])])),
            ("{", written(" { \"x\" : [ 1.50 , \"a b\\\\\" , \"\\\"}\" ] , \"y\":{} } ").unwrap()),
        ]);
        let compact = r#"{"b":-7,"a":["é\"\\\n{[,:",null,[]],"{":{"x":[1.50,"a b\\","\"}"],"y":{}}}"#;
        assert_eq!(text(&tree.compact()), compact);
        let pretty = tree.pretty();
        let parsed: serde_json::Value = serde_json::from_slice(pretty.as_bytes()).unwrap();
        assert_eq!(parsed, serde_json::from_str::<serde_json::Value>(compact).unwrap());
        assert!(
            text(&pretty)
                .starts_with("{\n  \"b\": -7,\n  \"a\": [\n    \"é\\\"\\\\\\n{[,:\",\n    null,\n    []\n  ],")
        );
        assert!(text(&pretty).ends_with("      \"\\\"}\"\n    ],\n    \"y\": {}\n  }\n}\n"), "{}", text(&pretty));
    }

    #[test]
    fn what_is_not_json_is_not_taken_for_it() {
        for bad in ["", "{", "1 2", "{\"a\":1},", "alice", "\"\u{1}\"", "[1,]"] {
            assert!(written(bad).is_none(), "{bad:?}");
        }
    }
}
