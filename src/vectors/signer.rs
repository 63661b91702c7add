//! Records with what belongs to the journal: the key that signs it, and how far a record vouches for it.

use super::record::{CLEAR, SECRET, body, first, root, sealed};
use super::{Node, hex, run};
use crate::journal::{Anchor, Hash};
use crate::root_record::{Record, RecordError, SignerSeed};
use crate::secret::Secret32;

const SIGNER: [u8; 32] = run(0x50);

fn signing(anchor: Option<Anchor>) -> Record {
    Record { signer: SignerSeed(Secret32::copy_of(&SIGNER)), anchor, ..first() }
}

fn shown(name: &'static str, anchor: Option<Anchor>) -> Node {
    let (secret, bytes) = super::record::sealed_as_stored(&signing(anchor));
    let anchor =
        anchor.map(|anchor| Node::Named(vec![("n", anchor.n().into()), ("hash", hex(anchor.hash().to_bytes()))]));
    Node::Named(vec![
        ("name", name.into()),
        ("root_secret", hex(secret)),
        ("signer", hex(SIGNER)),
        ("anchor", anchor.into()),
        ("body", hex(body(&bytes, &secret))),
        ("record", hex(bytes)),
    ])
}

/// Well encrypted, and not what a writer makes.
fn refused(what: &'static str, at: usize, bytes: &[u8]) -> Node {
    let good = signing(Some(ANCHOR)).seal(&root(&SECRET), &run(0x70)).unwrap();
    let mut changed = body(&good, &SECRET);
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    let record = sealed(&good[..CLEAR], &changed, &SECRET);
    assert_eq!(Record::open(&record, &root(&SECRET)).err(), Some(RecordError::Malformed), "{what}");
    Node::Named(vec![
        ("what", what.into()),
        ("root_secret", hex(SECRET)),
        ("record", hex(record)),
        ("error", "malformed".into()),
    ])
}

const ANCHOR: Anchor = Anchor::new(0x01_02_03_04, Hash::from_bytes(run(0x30))).unwrap();

pub(super) fn vectors() -> Node {
    Node::Named(vec![
        ("about", "FORMAT.md, section 6.2. `refused`: `record`, opened with `root_secret`, gives `error`.".into()),
        ("records", vec![shown("a key that signs", None), shown("vouching for a journal", Some(ANCHOR))].into()),
        (
            "refused",
            vec![
                refused("vouching of kind 2", 2941, &[2]),
                refused("a hash of nothing that is vouched for", 2941, &[0; 9]),
                refused("vouching for entry 0", 2942, &[0; 8]),
                refused("something after the journal", 2982, &[1]),
            ]
            .into(),
        ),
    ])
}
