//! How often a call allocates: each time costs as much as a tenth of a short value's cipher, and leaves bytes to be wiped.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code)] // an allocator that counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use oubliette::personal::{Address, Email, Invalid, Name, Padding, PersonalData, Plaintext, Text, TypeTag};
use oubliette::{CustomerKeys, Field, Purpose, Vault};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are those that it wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = COUNT.get();
    let result = work();
    (result, COUNT.get() - before)
}

/// Bytes that are opened without being kept.
struct Bytes(&'static [u8]);

impl PersonalData for Bytes {
    const TAG: TypeTag = TypeTag::new("test.bytes");
    const PADDING: Padding = Padding::steps_of(32);

    fn size_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.0);
    }

    fn decode(_: &[u8]) -> Result<Self, Invalid> {
        Ok(Bytes(&[]))
    }
}

const ORDERS: Purpose = Purpose::new("orders");

/// Seals and opens a value twice, since the first time derives a key. Gives what the second sealing and opening allocate.
fn of<T: PersonalData>(keys: &CustomerKeys, label: &'static str, value: &T, context: Option<&[u8]>) -> (usize, usize) {
    let field: Field<T> = ORDERS.field(label);
    let twice = [(); 2].map(|()| {
        let (sealed, to_seal) = allocations(|| match context {
            None => keys.seal(field, value),
            Some(context) => keys.seal(field.within(context), value),
        });
        let sealed = sealed.unwrap();
        let (opened, to_open) = allocations(|| match context {
            None => keys.open(field, &sealed),
            Some(context) => keys.open(field.within(context), &sealed),
        });
        drop(opened.unwrap());
        (to_seal, to_open)
    });
    let [(first, _), again] = twice;
    assert!(first > 1, "nothing is counted");
    again
}

#[test]
fn a_seal_makes_one_allocation_and_so_does_an_open() {
    let vault = Vault::in_memory([ORDERS]);
    let keys = vault.customer(vault.enroll().unwrap());
    for content in [&[7; 0][..], &[7; 31], &[7; 32], &[7; 5000]] {
        let bytes = Bytes(Vec::leak(content.to_vec()));
        for (context, more) in [(None, 0), (Some(&[1; 16][..]), 0), (Some(&[1; 48]), 0), (Some(&[1; 49]), 1)] {
            let label = Vec::leak(format!("bytes{}-{:?}", content.len(), context.map(<[u8]>::len)).into_bytes());
            let label = std::str::from_utf8(label).unwrap();
            assert_eq!(of(&keys, label, &bytes, context), (1 + more, 1 + more), "{label}");
        }
    }
}

#[test]
fn types_know_how_long_they_are() {
    let vault = Vault::in_memory([ORDERS]);
    let keys = vault.customer(vault.enroll().unwrap());
    let email: Email = "alice@example.com".parse().unwrap();
    assert_eq!(of(&keys, "email", &email, None).0, 1);
    let name: Name = "Alice Martin".parse().unwrap();
    assert_eq!(of(&keys, "name", &name, None).0, 1);
    let text: Text = "x".repeat(700).parse().unwrap();
    assert_eq!(of(&keys, "text", &text, None).0, 1);
    let address: Address = "7 rue de la Paix\nParis\nFrance".parse().unwrap();
    assert_eq!(of(&keys, "address", &address, None).0, 1);
}
