//! A root record: as stored, and as content that a bug, or a holder of the root key, could have sealed.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oubliette::fuzzing::{RECORD_CLEAR_BYTES, RECORD_CONTENT_BYTES, example_record, record_content, stored_record};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    from_example: bool,
    /// Changes: which byte, to what.
    clear: Vec<(u16, u8)>,
    content: Vec<(u16, u8)>,
    /// A run of bytes written over the content.
    run: (u16, &'a [u8]),
    stored: &'a [u8],
}

fn change(bytes: &mut [u8], edits: &[(u16, u8)]) {
    for (at, byte) in edits {
        if let Some(place) = bytes.get_mut(usize::from(*at)) {
            *place = *byte;
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    stored_record(input.stored);
    let (mut clear, mut content) = if input.from_example {
        example_record()
    } else {
        (vec![0; RECORD_CLEAR_BYTES], vec![0; RECORD_CONTENT_BYTES])
    };
    assert_eq!((clear.len(), content.len()), (RECORD_CLEAR_BYTES, RECORD_CONTENT_BYTES));
    change(&mut clear, &input.clear);
    change(&mut content, &input.content);
    let start = usize::from(input.run.0).min(content.len());
    content[start..].iter_mut().zip(input.run.1).for_each(|(place, byte)| *place = *byte);
    record_content(clear.first_chunk().unwrap(), content.first_chunk().unwrap());
});
