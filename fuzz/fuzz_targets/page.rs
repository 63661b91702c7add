//! A page: as stored, and as content that a bug could have sealed.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oubliette::fuzzing::{PAGE_CONTENT_BYTES, new_page_content, page_content, stored_page};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    path: [u8; 4],
    levels: u8,
    generation: u64,
    newest: u64,
    start: Start,
    /// Changes: which byte, to what.
    edits: Vec<(u16, u8)>,
    stored: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Start {
    WrittenDown,
    Zeros,
    /// Kinds as given, with keys that fit.
    Kinds([u64; 8]),
}

fuzz_target!(|input: Input<'_>| {
    let path = &input.path[..usize::from(input.levels % 5)];
    stored_page(input.stored, path);
    let mut whole = vec![1; 8281];
    whole[9..].iter_mut().zip(input.stored).for_each(|(place, byte)| *place = *byte);
    stored_page(&whole, path);

    let mut content = match input.start {
        Start::WrittenDown => new_page_content(path),
        Start::Zeros => vec![0; PAGE_CONTENT_BYTES],
        Start::Kinds(kinds) => {
            let mut content = new_page_content(path);
            let kinds: Vec<u8> = kinds.iter().flat_map(|kinds| kinds.to_be_bytes()).collect();
            content[..64].copy_from_slice(&kinds);
            for child in 0..256 {
                if kinds[child / 4] >> (6 - 2 * (child % 4)) & 3 == 2 {
                    content[64 + 32 * child..][..32].fill(0);
                }
            }
            content
        }
    };
    for (at, byte) in input.edits {
        if let Some(place) = content.get_mut(usize::from(at)) {
            *place = byte;
        }
    }
    let content = content.first_chunk().unwrap();
    page_content(content, path, input.generation, input.newest);
    page_content(content, path, 1, 1);
});
