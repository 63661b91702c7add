//! Index tokens: from the seed of the tree of the indexes to a token, and the records that hold it.

use sha2::{Digest, Sha256};

use super::record::{first, sealed_as_stored};
use super::{Node, expand, hex, hmac, run};
use crate::derivation::{self, PageKey, Seed, TreeId};
use crate::field::{Field, Purpose};
use crate::index::{Bits, Epoch, Index, Token};
use crate::personal::{Canonical, Email, Phone};
use crate::root_record::{IndexTree, TreeState};
use crate::secret::Secret32;

const ORDERS: Purpose = Purpose::new("orders");
const LONGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SEED: [u8; 32] = run(0x00);
const TREE: [u8; 8] = run(0xa0);

pub(super) fn vectors() -> Node {
    let bits = |bits| Bits::try_new(bits).unwrap();
    let email: Email = "Alice@Example.COM".parse().unwrap();
    let phone: Phone = "+33612345678".parse().unwrap();
    const EMAIL: Field<Email> = ORDERS.field("email");
    let long: Field<Phone> = Purpose::new("0123456789abcdef0123456789abcdef").field(LONGEST);
    let tokens = vec![
        token(EMAIL.index("exact", bits(32)), &email, 0),
        token(EMAIL.index("exact", bits(32)), &email, 1),
        token(EMAIL.index("exact", bits(33)), &email, 0),
        token(EMAIL.index("exact", bits(1)), &email, 0),
        token(Purpose::new("lettre d’été").field::<Email>("courriel").index("égal", bits(256)), &email, 127),
        token(long.index(LONGEST, bits(255)), &phone, 5),
    ];
    let states =
        [TreeState::Seed(Seed(Secret32::copy_of(&SEED))), TreeState::Page(PageKey(Secret32::copy_of(&run(0x40))))];
    let records = states.map(|state| {
        let kind = u64::from(matches!(state, TreeState::Page(_)));
        let mut record = first();
        record.indexes = Some(IndexTree { id: TreeId(run(0xb0)), state, made: 1 });
        let (secret, bytes) = sealed_as_stored(&record);
        Node::Named(vec![
            ("root_secret", hex(secret)),
            ("state", kind.into()),
            ("tree", hex(run::<8>(0xb0))),
            ("record", hex(bytes)),
        ])
    });
    Node::Named(vec![
        ("about", "FORMAT.md, sections 3.6 and 6.2. Byte strings are in hexadecimal.".into()),
        ("seed", hex(SEED)),
        ("tree", hex(TREE)),
        ("tokens", tokens.into()),
        ("records", records.into_iter().collect::<Vec<_>>().into()),
    ])
}

fn token<T: Canonical>(index: Index<T>, value: &T, epoch: u8) -> Node {
    let name = index.name();
    let part = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let parts = [index.field().purpose().name(), index.field().label(), T::TAG.as_str(), index.label()].map(part);
    let spelled = [parts.concat(), index.bits().get().to_be_bytes().to_vec()].concat();
    let place = derivation::place_of_index(name);
    let hash = Sha256::digest([&b"oubliette/1/place-of-index"[..], &spelled].concat());
    assert_eq!(place, [hash[0] | 0x80, hash[1], hash[2], hash[3]]);

    let path = [&place[..], &[epoch]].concat();
    let number = path.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let epoch_key = super::derivation::customer_key(&SEED, TREE, number);
    let mut key = [0; 32];
    derivation::index(&epoch_key, name, &mut key);
    assert_eq!(key[..], expand(&epoch_key, &[&b"oubliette/1/index"[..], &spelled].concat(), 32));

    let form = value.canonical_form();
    let mut mac = [0; 32];
    derivation::token(&key, form.expose_personal_data(), &mut mac);
    assert_eq!(mac, hmac(&key, &[form.expose_personal_data()]));
    let token = Token::<T>::new(Epoch::new(epoch).unwrap(), &mac, index.bits());
    Node::Named(vec![
        ("purpose", index.field().purpose().name().into()),
        ("field", index.field().label().into()),
        ("type_tag", T::TAG.as_str().into()),
        ("index", index.label().into()),
        ("bits", u64::from(index.bits().get()).into()),
        ("name", hex(spelled)),
        ("place", hex(place)),
        ("epoch", u64::from(epoch).into()),
        ("epoch_key", hex(epoch_key)),
        ("index_key", hex(key)),
        ("canonical", hex(form.expose_personal_data())),
        ("mac", hex(mac)),
        ("token", hex(token.as_bytes())),
    ])
}
