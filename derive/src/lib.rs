//! The derive macro of [`oubliette`](https://docs.rs/oubliette), which re-exports it behind its feature `derive`.

mod attributes;
mod expand;
mod record;
mod seal_open;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Generates the sealed twin of a record.
#[proc_macro_derive(Personal, attributes(personal))]
pub fn personal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::Record::read(&input).map_or_else(|error| error.to_compile_error(), |record| expand::expand(&record)).into()
}
