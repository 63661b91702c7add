//! Groups: what is in them, as they are encoded and sealed; and encodings that are none.

use super::sealed::Value;
use super::{Node, hex};
use crate::group::{Malformed, Raw, Tag, read, write};
use crate::personal::Plaintext;

fn raw(label: &'static str, tag: &'static str, content: &'static [u8]) -> Raw<'static> {
    Raw { label, tag: Tag::of(tag), content }
}

fn group(name: &'static str, members: &[Raw<'static>], context: Option<&[u8]>) -> Node {
    let mut plain = Plaintext::with_capacity(0);
    write(members.iter().copied(), &mut plain);
    let again: Vec<Raw<'_>> = read(plain.as_bytes()).unwrap().map(Result::unwrap).collect();
    assert_eq!(again, members, "{name}");
    let shown = members.iter().map(|member| {
        Node::Named(vec![
            ("label", member.label.into()),
            ("type_tag", member.tag.name().into()),
            ("content", hex(member.content)),
        ])
    });
    let value =
        Value { label: "contact", tag: "obl.group", step: 64, context, content: plain.as_bytes(), ..Value::example() };
    Node::Named(vec![("members", shown.collect::<Vec<_>>().into()), ("value", value.shown(name))])
}

fn refused(what: &'static str, encoding: &[u8]) -> Node {
    let members: Result<Vec<Raw<'_>>, Malformed> = read(encoding).and_then(Iterator::collect);
    let error = match members.expect_err(what) {
        Malformed::Form => "invalid_content",
        Malformed::Newer(_) => "unknown_version",
    };
    Node::Named(vec![("what", what.into()), ("content", hex(encoding)), ("error", error.into())])
}

pub(super) fn vectors() -> Node {
    let email = raw("email", "obl.email", b"alice@example.com");
    let name = raw("name", "obl.name", "Siobhán O’Connor".as_bytes());
    let phone = raw("phone", "obl.phone", b"+33612345678");
    let address = raw("address", "obl.address", b"\x01FR\x02\0\x081 rue \xc3\x89\0\x0b75002 Paris");
    let own = raw("prénom d’usage", "shop.nickname", b"\0\x80");
    let many: Vec<u8> = (0..65).flat_map(|n| format!("\x02{n:02}\u{1}t\0\0\0").into_bytes()).collect();
    Node::Named(vec![
        ("about", "FORMAT.md, section 8.2. `refused`: bytes that are no group, and the error to give.".into()),
        (
            "groups",
            vec![
                group("of two", &[email, name], None),
                group("of four, and one of the application's own type", &[address, email, name, phone, own], None),
                group("of nothing", &[], None),
                group("within a context", &[raw("note", "obl.text", b"")], Some(b"order 1")),
            ]
            .into(),
        ),
        (
            "refused",
            vec![
                refused("nothing", b""),
                refused("version 0", b"\0"),
                refused("version 2", b"\x02"),
                refused("not in order", b"\x01\x01b\x01t\0\0\0\x01a\x01t\0\0\0"),
                refused("one label twice", b"\x01\x01a\x01t\0\0\0\x01a\x01u\0\0\0"),
                refused("65 members", &[b"\x01", &many[..]].concat()),
                refused("an empty label", b"\x01\0\x01t\0\0\0"),
                refused("a label of 65 bytes", &[b"\x01\x41", &[b'x'; 65][..], b"\x01t\0\0\0"].concat()),
                refused("a label with a control character", b"\x01\x02a\n\x01t\0\0\0"),
                refused("a label that is not UTF-8", b"\x01\x01\xff\x01t\0\0\0"),
                refused("an empty tag", b"\x01\x01a\0\0\0\0"),
                refused("an empty tag of the crate's own", b"\x01\x01a\x80\0\0\0"),
                refused("a tag of the crate's own, in full", b"\x01\x01a\x09obl.email\0\0\0"),
                refused("a tag of 33 bytes", &[b"\x01\x01a\x21", &[b'x'; 33][..], b"\0\0\0"].concat()),
                refused(
                    "a tag of the crate's own of 33 bytes",
                    &[b"\x01\x01a\x9d", &[b'x'; 29][..], b"\0\0\0"].concat(),
                ),
                refused("cut in its length", b"\x01\x01a\x01t\0\0"),
                refused("cut in its content", b"\x01\x01a\x01t\0\0\x02b"),
                refused("a byte behind the last", b"\x01\x01a\x01t\0\0\0\0"),
            ]
            .into(),
        ),
    ])
}
