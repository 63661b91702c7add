//! A whole vault: a root key, a root record, its pages, values, and what opening each comes to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::derivation::customer_key;
use super::sealed::Value;
use super::{Node, hex, run};
use crate::customer::CustomerId;
use crate::derivation::{self, PageKey, RootSecret, Seed, TreeId};
use crate::error::OpenError;
use crate::field::Purpose;
use crate::journal::{Ranges, VaultName};
use crate::key_tree::{Pages, Resident, Rewritten, RootState, Tree};
use crate::personal::{Address, Email, Name, PersonalData, Phone, Plaintext, Text};
use crate::root_key::{Recipe, RootKey};
use crate::root_record::{Clear, Record, RecordId, SignerSeed, TreeRecord, TreeState};
use crate::sealed::Sealed;
use crate::secret::Secret32;
use crate::store::{
    CopyContent, LockError, Mark, Memory, PageName, PageStore, PlaceId, RootCopy, RootLock, RootStore, StoreError,
    StoredPage,
};
use crate::vault::Vault;
use crate::witness::Witness;

const VAULT: [u8; 16] = run(0x10);
const PLACE: PlaceId = PlaceId(run(0xd0));
const ROOT_KEY: [u8; 32] = run(0x60);
const ORDERS: ([u8; 8], [u8; 32]) = (run(0xa0), run(0x00));
const NEWSLETTER: ([u8; 8], [u8; 32]) = (run(0xa8), run(0x20));
const RETIRED: [u8; 8] = run(0xb0);
const NEXT_NUMBER: u64 = 0x01_02_03_04_06;

/// Pages in a map, and randomness that counts.
#[derive(Default)]
pub(super) struct Shelf {
    pages: RefCell<BTreeMap<PageName, Vec<u8>>>,
    drawn: Cell<u8>,
}

impl Pages for Shelf {
    type Error = std::convert::Infallible;

    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, Self::Error> {
        Ok(self.pages.borrow().get(name).cloned())
    }

    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), Self::Error> {
        self.drawn.set(self.drawn.get() + 1);
        *out = [self.drawn.get(); 32];
        Ok(())
    }
}

/// A root store with one place of a fixed id.
struct Fixed(Mutex<Vec<u8>>);

impl RootStore for Fixed {
    fn places(&self) -> Vec<PlaceId> {
        vec![PLACE]
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let content = CopyContent::Intact(self.0.lock().unwrap().clone());
        vec![RootCopy { location: "vectors".to_owned(), place, content }]
    }

    fn lock(&self, _: &[PlaceId], _: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        Ok(Box::new(Writing(self)))
    }
}

struct Writing<'f>(&'f Fixed);

impl RootLock for Writing<'_> {
    fn write(&mut self, _: PlaceId, _: usize, record: &[u8]) -> Result<(), StoreError> {
        *self.0.0.lock().unwrap() = record.to_vec();
        Ok(())
    }
}

/// Two shreds of the first tree: single customers, then a whole subtree and a neighbour.
fn shredded_orders(shelf: &Shelf) -> Tree {
    let (id, seed) = ORDERS;
    let seed = Seed(Secret32::copy_of(&seed));
    let mut tree = Tree::untouched(VaultName::from_bytes(VAULT), TreeId(id), seed, Resident::of_pages(100));
    let second = Ranges::of(vec![6..=6, 0x0200..=0x02ff]);
    for (generation, numbers) in [(2, Ranges::of_numbers([5, 0x01_02_03_04_05])), (3, second)] {
        let rewritten: Rewritten = tree.shred(&numbers, generation, shelf).unwrap();
        let pages = rewritten.pages.into_iter().map(|page| (page.name, page.bytes));
        shelf.pages.borrow_mut().extend(pages);
        tree = rewritten.tree.unwrap();
    }
    tree
}

fn record(orders: &Tree) -> Vec<u8> {
    let RootState::Page(key) = orders.root() else { panic!("it was written down") };
    let tree = |id, purpose: &str, active, state, shredded| TreeRecord {
        id: TreeId(id),
        purpose: purpose.to_owned(),
        active,
        state,
        shredded,
        made: 1,
    };
    let record = Record {
        clear: Clear {
            vault: VaultName::from_bytes(VAULT),
            id: RecordId(run(0xe0)),
            parent: RecordId(run(0xe1)),
            generation: 3,
            recipe: Recipe::Bytes,
        },
        next_number: NEXT_NUMBER,
        newest_block: NEXT_NUMBER - 6,
        lease: Duration::from_secs(1),
        shredded_through: 0,
        floor: 0,
        settled: 2,
        finding: None,
        places: vec![PLACE],
        trees: vec![
            tree(ORDERS.0, "orders", true, TreeState::Page(PageKey(Secret32::copy_of(key.0.bytes()))), 259),
            tree(NEWSLETTER.0, "newsletter", true, TreeState::Seed(Seed(Secret32::copy_of(&NEWSLETTER.1))), 0),
            tree(RETIRED, "orders", false, TreeState::Retired, 0),
        ],
        indexes: None,
        ring: vec![run(0xe0), run(0xe1), run(0xe2)],
        signer: SignerSeed(Secret32::copy_of(&run(0x50))),
        anchor: None,
    };
    record.seal(&RootSecret(Secret32::copy_of(&ROOT_KEY)), &run(0x70)).unwrap()
}

/// Opens a value in a vault made of nothing but what is shown.
fn opened<T: PersonalData>(
    shelf: &Shelf,
    record: &[u8],
    asked: &Asked<'_>,
    sealed: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let pages = Memory::new();
    let stored = shelf.pages.borrow();
    let stored: Vec<_> = stored.iter().map(|(name, bytes)| StoredPage { name: *name, bytes: bytes.clone() }).collect();
    let mut proof = [0; 32];
    derivation::mark(&run(0x50), VaultName::from_bytes(VAULT), 3, false, &mut proof);
    let mark = Mark { generation: 3, vault: VAULT, proof };
    pages.put(&mark, &stored).unwrap();
    let purposes = ["orders", "newsletter"].map(Purpose::new);
    let builder = Vault::on(pages, Fixed(Mutex::new(record.to_vec()))).purposes(purposes);
    let vault = builder.unlock(RootKey::bytes(ROOT_KEY)).unwrap();
    let field = Purpose::new(asked.purpose).field::<T>(asked.label);
    let customer = CustomerId::new(asked.customer).unwrap();
    let sealed: Sealed<T> = Sealed::from_bytes(sealed).unwrap();
    let value = match asked.context {
        None => vault.open(customer, field, &sealed),
        Some(context) => vault.open(customer, field.within(context), &sealed),
    };
    match value {
        Ok(value) => {
            let mut content = Plaintext::with_capacity(0);
            value.encode(&mut content);
            Ok(content.as_bytes().to_vec())
        }
        Err(OpenError::OtherCustomer { .. }) => Err("other_customer"),
        Err(OpenError::OtherPurpose { .. }) => Err("other_purpose"),
        Err(OpenError::OtherVault { .. }) => Err("other_vault"),
        Err(OpenError::NotEnrolled { .. }) => Err("not_enrolled"),
        Err(OpenError::Shredded { .. }) => Err("shredded"),
        Err(OpenError::Retired { .. }) => Err("retired"),
        Err(OpenError::NotAuthentic { .. }) => Err("not_authentic"),
        Err(OpenError::InvalidContent { .. }) => Err("invalid_content"),
        Err(OpenError::SealedInCopy { .. }) => Err("sealed_in_copy"),
        Err(OpenError::NotOfThisHistory { .. }) => Err("not_of_this_history"),
        Err(other) => panic!("{other}"),
    }
}

/// What an application asks for.
#[derive(Clone)]
struct Asked<'c> {
    customer: u64,
    purpose: &'static str,
    label: &'static str,
    tag: &'static str,
    context: Option<&'c [u8]>,
}

struct Room {
    shelf: Shelf,
    record: Vec<u8>,
    nonces: Cell<u8>,
}

impl Room {
    fn outcome(&self, what: &'static str, asked: &Asked<'_>, sealed: &[u8]) -> Node {
        let (shelf, record) = (&self.shelf, &self.record[..]);
        let opened = match asked.tag {
            "obl.name" => opened::<Name>(shelf, record, asked, sealed),
            "obl.email" => opened::<Email>(shelf, record, asked, sealed),
            "obl.phone" => opened::<Phone>(shelf, record, asked, sealed),
            "obl.address" => opened::<Address>(shelf, record, asked, sealed),
            _ => opened::<Text>(shelf, record, asked, sealed),
        };
        Node::Named(vec![
            ("what", what.into()),
            ("customer", asked.customer.into()),
            ("purpose", asked.purpose.into()),
            ("label", asked.label.into()),
            ("type_tag", asked.tag.into()),
            ("context", asked.context.map(hex).into()),
            ("sealed", hex(sealed)),
            ("content", opened.as_ref().ok().map(hex).into()),
            ("error", opened.err().into()),
        ])
    }

    /// A value as a vault would have sealed it before anything was shredded.
    fn value<'c>(&self, asked: &Asked<'c>, content: &'c [u8]) -> Value<'c> {
        let (tree, seed) = if asked.purpose == "orders" { ORDERS } else { NEWSLETTER };
        let step = match asked.tag {
            "obl.phone" => 32,
            "obl.address" => 128,
            "obl.text" => 256,
            _ => 64,
        };
        self.nonces.set(self.nonces.get() + 1);
        Value {
            in_copy: false,
            tree,
            customer: asked.customer,
            customer_key: customer_key(&seed, tree, asked.customer),
            label: asked.label,
            tag: asked.tag,
            step,
            witness: Witness { generation: 2, id: run(0xe1) },
            nonce: [self.nonces.get(); 12],
            context: asked.context,
            content,
        }
    }
}

fn values(room: &Room) -> Vec<Node> {
    let email = Asked { customer: 7, purpose: "orders", label: "email", tag: "obl.email", context: None };
    let of = |customer| Asked { customer, ..email.clone() };
    let note = Asked { label: "note", tag: "obl.text", context: Some(b"order 1"), ..email.clone() };
    let newsletter = Asked { purpose: "newsletter", ..email.clone() };
    let alice = b"alice@example.com";
    let sealed = |asked: &Asked<'_>| room.value(asked, alice).sealed();
    let by_own = |what, asked: &Asked<'_>| room.outcome(what, asked, &sealed(asked));
    let with = |what, change: fn(&mut Value<'_>)| {
        let mut value = room.value(&email, alice);
        change(&mut value);
        room.outcome(what, &email, &value.sealed())
    };
    let address = Asked { label: "address", tag: "obl.address", ..email.clone() };
    let phone = Asked { customer: 0x01_02_03_04_04, label: "phone", tag: "obl.phone", ..email.clone() };
    let name = Asked { customer: 0x0300, purpose: "newsletter", label: "prénom", tag: "obl.name", context: None };
    let envelope = b"\x01FR\x02\0\x081 rue \xc3\x89\0\x0b75002 Paris";
    vec![
        by_own("beside a shredded customer, under a leaf page", &email),
        by_own("under a seed in the first inner page", &of(0x0300)),
        by_own("under a seed in the root page", &of(0x01_00_00_00_00)),
        room.outcome("under a leaf page, far away", &phone, &room.value(&phone, b"+33123456789;ext=12").sealed()),
        by_own("within a context", &note),
        room.outcome("an address", &address, &room.value(&address, envelope).sealed()),
        by_own("in a tree without pages", &newsletter),
        room.outcome("a name in a tree without pages", &name, &room.value(&name, "Zoë".as_bytes()).sealed()),
        by_own("shredded in the first commit", &of(5)),
        by_own("shredded in the second", &of(6)),
        by_own("shredded far away", &of(0x01_02_03_04_05)),
        by_own("shredded with a whole subtree", &of(0x0242)),
        by_own("shredded in another purpose only", &Asked { customer: 5, ..newsletter.clone() }),
        room.outcome("another customer's", &of(8), &sealed(&email)),
        room.outcome("another purpose's", &newsletter, &sealed(&email)),
        room.outcome("another field's", &Asked { label: "emaim", ..email.clone() }, &sealed(&email)),
        room.outcome("another type's", &Asked { tag: "obl.name", ..email.clone() }, &sealed(&email)),
        room.outcome("without its context", &Asked { context: None, ..note.clone() }, &sealed(&note)),
        with("sealed in a copy", |value| value.in_copy = true),
        with("another vault's", |value| value.tree = run(0xf0)),
        with("a retired tree's", |value| value.tree = RETIRED),
        with("changed key", |value| value.customer_key = run(0x33)),
        with("content that is no email", |value| value.content = b"alice"),
        with("without a witness", |value| value.witness = Witness::NONE),
        with("of this generation", |value| value.witness = Witness { generation: 3, id: run(0xe0) }),
        with("of another record of this generation", |value| value.witness = Witness { generation: 3, id: run(0xe9) }),
        with("of a later generation", |value| value.witness = Witness { generation: 4, id: run(0xee) }),
        room.outcome("a number that was not issued, changed", &of(NEXT_NUMBER), &{
            let mut bytes = sealed(&of(NEXT_NUMBER));
            bytes[70] ^= 1;
            bytes
        }),
        by_own("a number that was not issued, authentic", &of(NEXT_NUMBER)),
    ]
}

pub(super) fn vectors() -> Node {
    let shelf = Shelf::default();
    let orders = shredded_orders(&shelf);
    let room = Room { record: record(&orders), shelf, nonces: Cell::new(0) };
    let values = values(&room);
    let pages = room.shelf.pages.borrow();
    let pages = pages.iter().map(|(name, bytes)| Node::Named(vec![("name", hex(name.0)), ("bytes", hex(bytes))]));
    Node::Named(vec![
        (
            "about",
            "FORMAT.md, section 7. Each value, opened as the other members say, gives `content` or `error`.".into(),
        ),
        ("root_secret", hex(ROOT_KEY)),
        ("record", hex(&room.record)),
        ("pages", pages.collect::<Vec<_>>().into()),
        ("values", values.into()),
    ])
}
