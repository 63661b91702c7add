//! Sealed values, step by step, and changed ones.

use base64ct::{Base64UrlUnpadded, Encoding};

use super::derivation::{field_keys, field_name};
use super::{Node, hex, run};
use crate::cipher::{FieldCipher, Width};
use crate::customer::CustomerId;
use crate::derivation::TreeId;
use crate::parse::ParseError;
use crate::personal::{Padding, Plaintext, unpad};
use crate::sealed::{ASSOCIATED_ROOM, HEADER_BYTES, Header, Sealed, associated};
use crate::witness::Witness;

/// Where a value belongs, and what is in it.
#[derive(Clone)]
pub(super) struct Value<'c> {
    /// Sealed in a copy of the vault.
    pub(super) in_copy: bool,
    pub(super) tree: [u8; 8],
    pub(super) customer: u64,
    pub(super) customer_key: [u8; 32],
    pub(super) label: &'static str,
    pub(super) tag: &'static str,
    pub(super) step: u16,
    pub(super) witness: Witness,
    pub(super) nonce: [u8; 12],
    pub(super) context: Option<&'c [u8]>,
    pub(super) content: &'c [u8],
}

impl Value<'static> {
    pub(super) fn example() -> Value<'static> {
        Value {
            in_copy: false,
            tree: run(0xa0),
            customer: 42,
            customer_key: run(0x20),
            label: "email",
            tag: "obl.email",
            step: 64,
            witness: Witness { generation: 7, id: run(0xe0) },
            nonce: run(0x50),
            context: None,
            content: b"alice@example.com",
        }
    }
}

impl Value<'_> {
    fn padded(&self) -> Vec<u8> {
        let mut plain = Plaintext::with_capacity(0);
        plain.extend(self.content);
        plain.pad(Padding::steps_of(self.step).padded(self.content.len()), 0);
        plain.as_bytes().to_vec()
    }

    pub(super) fn header(&self) -> [u8; HEADER_BYTES] {
        let (_, okm) = field_keys(&self.customer_key, self.label, self.tag);
        let header = Header {
            in_copy: self.in_copy,
            tree: TreeId(self.tree),
            customer: CustomerId::new(self.customer).unwrap().to_path(),
            witness: self.witness.packed(),
            nonce: &self.nonce,
            commitment: okm.last_chunk().unwrap(),
        };
        let mut bytes = [0; HEADER_BYTES];
        header.write(&mut bytes).unwrap();
        bytes
    }

    pub(super) fn sealed(&self) -> Vec<u8> {
        self.sealed_as(self.padded())
    }

    /// The value whose padded plaintext is given, right or not.
    pub(super) fn sealed_as(&self, mut text: Vec<u8>) -> Vec<u8> {
        let header = self.header();
        let cipher = FieldCipher::new(&self.customer_key, field_name(self.label, self.tag), Width::Narrow);
        let mut room = [0; ASSOCIATED_ROOM];
        let associated = associated(self.in_copy, self.witness.packed(), self.context, &mut room);
        let mut tag = [0; 16];
        cipher.seal(&self.nonce, &associated, &mut text, &mut tag).unwrap();
        [&header[..], &text, &tag].concat()
    }

    pub(super) fn shown(&self, name: &'static str) -> Node {
        let (info, okm) = field_keys(&self.customer_key, self.label, self.tag);
        let sealed = self.sealed();
        let mut room = [0; ASSOCIATED_ROOM];
        let associated = associated(self.in_copy, self.witness.packed(), self.context, &mut room);
        let (ciphertext, tag) = sealed[HEADER_BYTES..].split_last_chunk::<16>().unwrap();
        let parsed = Sealed::<String>::from_bytes(sealed.clone()).unwrap();
        assert_eq!(self.opened(&sealed).as_deref(), Ok(self.content));
        Node::Named(vec![
            ("name", name.into()),
            ("in_copy", u64::from(self.in_copy).into()),
            ("tree", hex(self.tree)),
            ("customer", self.customer.into()),
            ("customer_key", hex(self.customer_key)),
            ("label", self.label.into()),
            ("type_tag", self.tag.into()),
            ("step", u64::from(self.step).into()),
            ("generation", self.witness.generation.into()),
            ("record_id", hex(self.witness.id)),
            ("nonce", hex(self.nonce)),
            ("context", self.context.map(hex).into()),
            ("content", hex(self.content)),
            ("info", hex(info)),
            ("aes_key", hex(&okm[..32])),
            ("commitment", hex(&okm[32..])),
            ("padded", hex(self.padded())),
            ("associated_data", hex(&associated)),
            ("ciphertext", hex(ciphertext)),
            ("tag", hex(tag)),
            ("sealed", hex(&sealed)),
            ("text", parsed.to_string().into()),
        ])
    }

    /// Opens bytes as this value's field would, without a vault.
    fn opened(&self, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        let sealed: Sealed<String> = Sealed::from_bytes(bytes).map_err(|error| match error {
            ParseError::Malformed | ParseError::CutOff | ParseError::Padded | ParseError::BytesAsText => "malformed",
            ParseError::NotACustomerNumber | ParseError::NotAToken => unreachable!("of a sealed value"),
            ParseError::UnknownVersion { .. } => "unknown_version",
        })?;
        let header = sealed.header();
        if sealed.customer().get() != self.customer {
            return Err("other_customer");
        }
        if header.tree != TreeId(self.tree) {
            return Err("other_tree");
        }
        let (text, tag) = sealed.text_and_tag().unwrap();
        let cipher = FieldCipher::new(&self.customer_key, field_name(self.label, self.tag), Width::Narrow);
        let mut room = [0; ASSOCIATED_ROOM];
        let associated = associated(header.in_copy, header.witness, self.context, &mut room);
        let mut plain = text.to_vec();
        let opened = cipher.open(header.nonce, header.commitment, &associated, &mut plain, tag);
        opened.map_err(|_| "not_authentic")?;
        unpad(&plain).map(<[u8]>::to_vec).ok_or("invalid_content")
    }

    fn refused(&self, what: &'static str, bytes: &[u8]) -> Node {
        Node::Named(vec![
            ("what", what.into()),
            ("tree", hex(self.tree)),
            ("customer", self.customer.into()),
            ("customer_key", hex(self.customer_key)),
            ("label", self.label.into()),
            ("type_tag", self.tag.into()),
            ("context", self.context.map(hex).into()),
            ("sealed", hex(bytes)),
            ("error", self.opened(bytes).expect_err(what).into()),
        ])
    }
}

pub(super) fn vectors() -> Node {
    Node::Named(vec![
        ("about", "FORMAT.md, section 4. `refused`: `sealed`, opened as the other members say, gives `error`.".into()),
        ("values", values().into()),
        ("refused", refused().into()),
        ("refused_texts", refused_texts().into()),
    ])
}

fn values() -> Vec<Node> {
    let it = Value::example;
    let long = [b'x'; 255];
    let address = b"\x01FR\x02\0\x081 rue \xc3\x89\0\x0b75002 Paris";
    vec![
        it().shown("an email, no context"),
        Value { context: Some(b""), ..it() }.shown("an empty context is not none"),
        Value { context: Some("Bestellung № 7".as_bytes()), ..it() }.shown("a context"),
        Value { customer: 1, witness: Witness::NONE, ..it() }.shown("the lowest number, no witness"),
        Value {
            customer: (1 << 40) - 1,
            witness: Witness { generation: (1 << 40) - 1, id: [0xff; 3] },
            nonce: [0xff; 12],
            ..it()
        }
        .shown("the highest number and generation"),
        Value { in_copy: true, ..it() }.shown("sealed in a copy"),
        Value { label: "prénom", tag: "obl.name", content: "Zoë".as_bytes(), ..it() }.shown("a label beyond ASCII"),
        Value { label: "phone", tag: "obl.phone", step: 32, content: b"+33123456789;ext=12", ..it() }.shown("a phone"),
        Value { label: "address", tag: "obl.address", step: 128, content: address, ..it() }.shown("an address"),
        Value { label: "note", tag: "obl.text", step: 256, content: b"", ..it() }.shown("an empty text"),
        Value { label: "note", tag: "obl.text", step: 256, content: &long, ..it() }.shown("one byte of padding"),
        Value { label: "note", tag: "obl.text", step: 256, content: &[b'x'; 256], ..it() }.shown("a step of padding"),
        Value { label: "flag", tag: "shop.flag", step: 1, content: b"", ..it() }.shown("the smallest value"),
        Value { label: "raw", tag: "shop.raw", step: 7, content: b"\x80\0\x80\0", ..it() }.shown("looks like padding"),
    ]
}

fn refused() -> Vec<Node> {
    let it = Value::example();
    let good = it.sealed();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let with_first = |byte| [&[byte], &good[1..]].concat();
    let last = good.len() - 1;
    let elsewhere = |other: Value<'static>, what| other.refused(what, &good);
    let within = Value { context: Some(b"a"), ..it.clone() };
    let bare = Value { label: "note", tag: "obl.text", step: 256, ..it.clone() };
    vec![
        it.refused("said to be sealed in a copy", &with_first(0xf9)),
        it.refused("version 0xfa", &with_first(0xfa)),
        it.refused("version 0xff", &with_first(0xff)),
        it.refused("version 0xf7", &with_first(0xf7)),
        it.refused("nothing", &[]),
        it.refused("the shortest, less one byte", &good[..82]),
        it.refused("cut to the shortest", &good[..83]),
        it.refused("cut by one byte", &good[..last]),
        it.refused("one byte more", &[&good[..], &[0]].concat()),
        it.refused("customer 0", &[&good[..9], &[0; 5], &good[14..]].concat()),
        it.refused("another tree", &flipped(1)),
        it.refused("another customer", &flipped(13)),
        it.refused("generation changed", &flipped(18)),
        it.refused("record id changed", &flipped(21)),
        it.refused("nonce changed", &flipped(22)),
        it.refused("commitment changed", &flipped(34)),
        it.refused("last byte of the commitment changed", &flipped(65)),
        it.refused("ciphertext changed", &flipped(66)),
        it.refused("padding changed", &flipped(last - 16)),
        it.refused("tag changed", &flipped(last)),
        elsewhere(Value { customer_key: run(0x21), ..it.clone() }, "opened with another customer's key"),
        elsewhere(Value { label: "emaim", ..it.clone() }, "opened as another field"),
        elsewhere(Value { tag: "obl.text", ..it.clone() }, "opened as another type"),
        elsewhere(Value { context: Some(b""), ..it.clone() }, "opened within an empty context"),
        it.refused("opened without its context", &within.sealed()),
        within.refused("opened within another context", &Value { context: Some(b"b"), ..it.clone() }.sealed()),
        bare.refused("no padding", &bare.sealed_as(b"text".to_vec())),
        bare.refused("nothing but zeros", &bare.sealed_as(vec![0; 256])),
        bare.refused("nothing at all before zeros", &bare.sealed_as(b"text\x81\0\0".to_vec())),
    ]
}

fn refused_texts() -> Vec<Node> {
    let good = Value::example().sealed();
    let text = Sealed::<String>::from_bytes(good.clone()).unwrap().to_string();
    let encoded = &text[5..];
    let (start, last) = text.split_at(text.len() - 1);
    // 146 bytes: the last character carries four bits, and two that must be zero.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet.iter().position(|letter| [*letter] == last.as_bytes()).unwrap();
    let stray = format!("{start}{}", char::from(alphabet[value + 1]));
    let newer = Base64UrlUnpadded::encode_string(&[&[0xfa], &good[1..]].concat());
    let cases = [
        ("nothing", String::new()),
        ("the prefix alone", "obl1.".to_owned()),
        ("no prefix", encoded.to_owned()),
        ("another prefix", format!("obl2.{encoded}")),
        ("capitals", format!("OBL1.{encoded}")),
        ("base64 padding", format!("{text}=")),
        ("a space before", format!(" {text}")),
        ("a line end after", format!("{text}\n")),
        ("bits that are not zero at the end", stray),
        ("the other alphabet", format!("{start}+")),
        ("a plaintext", "alice@example.com".to_owned()),
        ("version 0xfa", format!("obl1.{newer}")),
    ];
    let refused = |(what, text): (&'static str, String)| {
        let error = match text.parse::<Sealed<String>>().expect_err(what) {
            ParseError::Malformed | ParseError::CutOff | ParseError::Padded | ParseError::BytesAsText => "malformed",
            ParseError::NotACustomerNumber | ParseError::NotAToken => unreachable!("of a sealed value"),
            ParseError::UnknownVersion { .. } => "unknown_version",
        };
        Node::Named(vec![("what", what.into()), ("text", text.into()), ("error", error.into())])
    };
    cases.into_iter().map(refused).collect()
}
