//! Pages, step by step, and changed ones.

use super::{Node, expand, hex, hmac, run};
use crate::cipher;
use crate::derivation::{self, PageKey, TreeId};
use crate::journal::VaultName;
use crate::key_tree::{Damage, Kind, Page, Position};
use crate::secret::Secret32;

const VAULT: [u8; 16] = run(0x10);
const TREE: [u8; 8] = run(0xa0);
const GENERATION: u64 = 0x01_02_03;
const ENCRYPTED: usize = 9;

/// A page at a position, made from its parent key, or from content of any kind.
struct Made {
    prefix: Vec<u8>,
    fresh: [u8; 32],
    associated: Vec<u8>,
    plaintext: Vec<u8>,
    key: PageKey,
    stored: Vec<u8>,
}

impl Made {
    /// By the steps of FORMAT.md.
    fn of(prefix: &[u8], plaintext: Vec<u8>) -> Made {
        let fresh = run(0x70);
        let level = prefix.len() as u8;
        let associated = [&[1], &VAULT[..], &TREE, &[level], &padded(prefix), &GENERATION.to_be_bytes()].concat();
        let key = hmac(&fresh, &[b"oubliette/1/new-page", &associated, &plaintext]);
        let okm = expand(&key, b"oubliette/1/page", 48);
        let mut text = plaintext.clone();
        let tag = cipher::seal_once(okm[..32].try_into().unwrap(), &associated, &mut text).unwrap();
        let stored = [&[1], &GENERATION.to_be_bytes()[..], &text, &tag].concat();
        Made { prefix: prefix.to_vec(), fresh, associated, plaintext, key: PageKey(Secret32::copy_of(&key)), stored }
    }

    /// By the crate, which must come to the same bytes.
    fn by_the_crate(prefix: &[u8], parent: &[u8; 32], change: impl FnOnce(&mut Page)) -> Made {
        let position = Position::of(prefix);
        let mut page = Page::expanded(parent, TreeId(TREE), position);
        change(&mut page);
        let made = Made::of(prefix, plaintext(&page));
        let (key, stored) =
            page.seal(&made.fresh, VaultName::from_bytes(VAULT), TreeId(TREE), position, GENERATION).unwrap();
        assert_eq!(key.0.bytes(), made.key.0.bytes());
        assert!(stored.bytes == made.stored && stored.name.0[..] == made.okm()[32..]);
        assert!(made.opened(&made.stored, GENERATION).is_ok());
        made
    }

    fn okm(&self) -> Vec<u8> {
        let derived = derivation::page(&self.key);
        [&derived.key.bytes()[..], &derived.other].concat()
    }

    fn opened(&self, bytes: &[u8], newest: u64) -> Result<Page, Damage> {
        let position = Position::of(&self.prefix);
        Page::open(bytes.to_vec(), &self.key, VaultName::from_bytes(VAULT), TreeId(TREE), position, newest)
    }

    fn shown(&self, name: &'static str, parent: [u8; 32]) -> Node {
        let (okm, page) = (self.okm(), self.opened(&self.stored, GENERATION).unwrap());
        let of_kind = |kind| (0..=255u8).filter(|byte| page.kind(*byte) == kind).collect::<Vec<_>>();
        let bytes = |kind| of_kind(kind).into_iter().map(|byte| u64::from(byte).into()).collect::<Vec<Node>>();
        let mut members = vec![
            ("name", name.into()),
            ("expanded_from", hex(parent)),
            ("pages", bytes(Kind::Page).into()),
            ("shredded", bytes(Kind::Shredded).into()),
            ("fresh", hex(self.fresh)),
        ];
        members.extend(self.place());
        members.extend([
            ("plaintext", hex(&self.plaintext)),
            ("associated_data", hex(&self.associated)),
            ("page_key", hex(self.key.0.bytes())),
            ("aes_key", hex(&okm[..32])),
            ("page_name", hex(&okm[32..])),
            ("tag", hex(&self.stored[self.stored.len() - 16..])),
            ("stored", hex(&self.stored)),
        ]);
        Node::Named(members)
    }

    fn place(&self) -> [(&'static str, Node); 5] {
        [
            ("vault", hex(VAULT)),
            ("tree", hex(TREE)),
            ("level", (self.prefix.len() as u64).into()),
            ("prefix", hex(padded(&self.prefix))),
            ("generation", GENERATION.into()),
        ]
    }

    /// A stored page that differs in one stretch from the good page of the same number.
    fn changed(&self, what: &'static str, page: u64, at: usize, bytes: &[u8]) -> Node {
        let mut bad = self.stored.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        Node::Named(vec![
            ("what", what.into()),
            ("page", page.into()),
            ("offset", (at as u64).into()),
            ("bytes", hex(bytes)),
            ("newest", GENERATION.into()),
            ("error", class(self.opened(&bad, GENERATION)).into()),
        ])
    }

    fn refused(&self, what: &'static str, stored: &[u8], newest: u64) -> Node {
        let mut members = vec![("what", what.into())];
        members.extend(self.place());
        members.extend([
            ("page_key", hex(self.key.0.bytes())),
            ("newest", newest.into()),
            ("stored", hex(stored)),
            ("error", class(self.opened(stored, newest)).into()),
        ]);
        Node::Named(members)
    }
}

fn padded(prefix: &[u8]) -> [u8; 4] {
    std::array::from_fn(|at| prefix.get(at).copied().unwrap_or(0))
}

fn class(opened: Result<Page, Damage>) -> &'static str {
    match opened.err().unwrap() {
        Damage::Size => "size",
        Damage::Version => "version",
        Damage::NotAuthentic => "not_authentic",
        Damage::Kind => "kind",
        Damage::NotEmpty => "not_empty",
        Damage::Newer => "newer",
    }
}

/// Kinds, four to a byte with the first in the highest bits; then the keys.
fn plaintext(page: &Page) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    for byte in 0..=255u8 {
        let kind = match page.kind(byte) {
            Kind::Key => 0,
            Kind::Page => 1,
            Kind::Shredded => 2,
        };
        bytes[usize::from(byte / 4)] |= kind << (6 - 2 * (byte % 4));
    }
    (0..=255u8).for_each(|byte| bytes.extend_from_slice(page.key(byte)));
    bytes
}

pub(super) fn vectors() -> Node {
    let parents = [run(0x00), run(0x20), run(0x40)];
    let inner = Made::by_the_crate(&[3, 4], &parents[0], |page| {
        page.set_page(5, &PageKey(Secret32::copy_of(&run(0x90))));
        page.set_page(255, &PageKey(Secret32::copy_of(&run(0xb0))));
        [0, 17, 254].into_iter().for_each(|byte| page.shred(byte));
    });
    let leaves =
        Made::by_the_crate(&[0, 0, 0, 0], &parents[1], |page| [1, 255].into_iter().for_each(|b| page.shred(b)));
    let root = Made::by_the_crate(&[], &parents[2], |page| page.set_page(0, &PageKey(Secret32::copy_of(&run(0x30)))));
    // The steps the wrong way round: content that no writer makes, well encrypted.
    let with = |page: &Made, at: usize, byte: u8| {
        let mut plaintext = page.plaintext.clone();
        plaintext[at] = byte;
        Made::of(&page.prefix, plaintext)
    };
    let unknown_kind = with(&inner, 63, 0b0000_1101);
    let page_at_leaf = with(&leaves, 63, 0b0001_0010);
    let not_empty = with(&inner, 64 + 17 * 32 + 31, 1);
    let last = inner.stored.len() - 1;
    Node::Named(vec![
        (
            "about",
            "FORMAT.md, section 5. `changed`: the page of that number with `bytes` at `offset` gives `error`.".into(),
        ),
        (
            "pages",
            vec![
                inner.shown("an inner page with all kinds of entries", parents[0]),
                leaves.shown("the page of the customers 0 to 255", parents[1]),
                root.shown("a root page", parents[2]),
            ]
            .into(),
        ),
        (
            "changed",
            vec![
                inner.changed("version 2", 0, 0, &[2]),
                inner.changed("version 0", 0, 0, &[0]),
                inner.changed("another generation", 0, 8, &[4]),
                inner.changed("kinds", 0, ENCRYPTED, &[inner.stored[ENCRYPTED] ^ 1]),
                inner.changed("last key", 0, last - 16, &[inner.stored[last - 16] ^ 1]),
                inner.changed("tag", 0, last, &[inner.stored[last] ^ 1]),
            ]
            .into(),
        ),
        (
            "refused",
            vec![
                inner.refused("cut short", &inner.stored[..last], GENERATION),
                inner.refused("longer", &[&inner.stored[..], &[0]].concat(), GENERATION),
                inner.refused("newer than what points to it", &inner.stored, GENERATION - 1),
                Made { prefix: vec![3, 5], ..inner.again() }.refused("at another position", &inner.stored, GENERATION),
                Made { prefix: vec![3], ..inner.again() }.refused("at another level", &inner.stored, GENERATION),
                unknown_kind.refused("an entry of kind 3", &unknown_kind.stored, GENERATION),
                page_at_leaf.refused("a page below a leaf", &page_at_leaf.stored, GENERATION),
                not_empty.refused("a shredded entry that is not empty", &not_empty.stored, GENERATION),
            ]
            .into(),
        ),
    ])
}

impl Made {
    fn again(&self) -> Made {
        Made::of(&self.prefix, self.plaintext.clone())
    }
}
