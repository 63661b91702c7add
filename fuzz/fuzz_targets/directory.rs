//! A vault's directory with one file changed, and its checksum mended so that the change is believed.
//!
//! Whatever the files say: nothing panics, no allocation exceeds the file, a shredded customer stays shredded, and a
//! living one opens or the key store is at fault.

#![no_main]

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oubliette::personal::Text;
use oubliette::{CustomerId, Field, OpenError, Purpose, RootKey, Sealed, Vault};
use sha2::{Digest, Sha256};

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");
const KEY: [u8; 32] = [7; 32];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    file: u8,
    edits: Vec<(u16, u8)>,
    /// Bytes written over the end, which grows the file or cuts it.
    length: Option<u16>,
    tail: &'a [u8],
    mend: bool,
}

struct Template {
    place: tempfile::TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
    living: (CustomerId, Sealed<Text>),
    gone: (CustomerId, Sealed<Text>),
}

thread_local! {
    static TEMPLATE: OnceCell<Template> = const { OnceCell::new() };
}

fn template() -> Template {
    // Memory, where there is such a thing: every run syncs.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = place.path().join("vault");
    let vault = Vault::at(&path).purposes([ORDERS]).create(RootKey::bytes(KEY)).unwrap();
    let people: Vec<_> = (0..3)
        .map(|_| {
            let customer = vault.enroll().unwrap();
            (customer, vault.seal(customer, NOTE, &"A note.".parse().unwrap()).unwrap())
        })
        .collect();
    let [living, gone, other] = people.try_into().unwrap();
    let _ = vault.shred([gone.0]).unwrap();
    let _ = vault.shred([other.0]).unwrap();
    vault.sweep().unwrap();
    vault.close().unwrap();
    let mut files = Vec::new();
    for directory in ["root", "pages"] {
        for entry in fs::read_dir(path.join(directory)).unwrap() {
            let file = entry.unwrap().path();
            files.push((file.clone(), fs::read(file).unwrap()));
        }
    }
    files.sort();
    Template { place, files, living, gone }
}

fn restore(template: &Template) {
    for directory in ["root", "pages"] {
        for entry in fs::read_dir(template.place.path().join("vault").join(directory)).unwrap() {
            let file = entry.unwrap().path();
            if !template.files.iter().any(|(known, _)| *known == file) {
                fs::remove_file(file).unwrap();
            }
        }
    }
    for (path, bytes) in &template.files {
        if fs::read(path).ok().as_ref() != Some(bytes) {
            fs::write(path, bytes).unwrap();
        }
    }
}

/// Puts right checksums where the format has them.
fn mend(name: &str, bytes: &mut [u8]) {
    let sum = |bytes: &mut [u8], start: usize, end: usize| {
        if let Some(part) = bytes.get_mut(start..end)
            && let Some((content, checksum)) = part.split_last_chunk_mut::<32>()
        {
            *checksum = Sha256::digest(content).into();
        }
    };
    if name == "mark" {
        sum(bytes, 0, 96);
        sum(bytes, 512, 608);
    } else if name.ends_with(".pages") {
        let count = bytes.get(16..20).map_or(0, |count| u32::from_be_bytes(count.try_into().unwrap()));
        let table = 20 + 24 * usize::try_from(count).unwrap().min(bytes.len());
        let pages: Vec<[u8; 8]> = bytes
            .get(table + 32..)
            .unwrap_or_default()
            .chunks(8281)
            .map(|page| *Sha256::digest(page).first_chunk().unwrap())
            .collect();
        for (row, page) in pages.iter().enumerate() {
            if let Some(place) = bytes.get_mut(20 + 24 * row + 16..20 + 24 * row + 24) {
                place.copy_from_slice(page);
            }
        }
        sum(bytes, 0, table + 32);
    } else {
        let length = bytes.len();
        sum(bytes, 0, length);
    }
}

fuzz_target!(|input: Input<'_>| {
    TEMPLATE.with(|template_| {
        let template = template_.get_or_init(template);
        restore(template);
        let (path, original) = &template.files[usize::from(input.file) % template.files.len()];
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut bytes = original.clone();
        if let Some(length) = input.length {
            bytes.truncate(length.into());
            bytes.extend_from_slice(input.tail);
        }
        for (at, byte) in &input.edits {
            if let Some(place) = bytes.get_mut(usize::from(*at)) {
                *place = *byte;
            }
        }
        if input.mend {
            mend(name, &mut bytes);
        }
        fs::write(path, &bytes).unwrap();

        let builder = Vault::at(template.place.path().join("vault"))
            .purposes([ORDERS])
            .patience(Duration::from_millis(200))
            .wait_for_lock(Duration::from_millis(200));
        let Ok(vault) = builder.unlock(RootKey::bytes(KEY)) else { return };
        let (customer, sealed) = &template.gone;
        match vault.open(*customer, NOTE, sealed) {
            Err(OpenError::Shredded { .. } | OpenError::KeyStore(_)) => {}
            other => panic!("{other:?}"),
        }
        let (customer, sealed) = &template.living;
        match vault.open(*customer, NOTE, sealed) {
            Ok(_) | Err(OpenError::KeyStore(_)) => {}
            other => panic!("{other:?}"),
        }
        let _ = vault.status();
        let _ = vault.sweep();
        let _ = vault.shred([*customer]);
        let _ = vault.close();
    });
});
