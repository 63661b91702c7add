//! Tokens of this macro's own, and the names that its code gives to things.
//!
//! Whatever names no token of the user's is spanned as this macro's own, so that no lint of theirs looks at it.

use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::Ident;
use syn::spanned::Spanned;

use crate::record::Column;

/// Tokens of this macro's own.
macro_rules! code {
    ($($tokens:tt)*) => { quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*) };
}
pub(crate) use code;

/// A place of the user's for the compiler to point at, in code of ours.
pub(crate) fn at(place: &impl ToTokens) -> Span {
    Span::mixed_site().located_at(place.span())
}

/// The typed constant that stands for a column's field.
pub(crate) fn field_const(place: usize) -> Ident {
    format_ident!("__FIELD_{place}", span = Span::mixed_site())
}

/// The constant that says which number a `Held` column goes by.
pub(crate) fn number_const(place: usize) -> Ident {
    format_ident!("__NUMBER_{place}", span = Span::mixed_site())
}

/// The constant that stands for the group of a column.
pub(crate) fn group_const(place: usize) -> Ident {
    format_ident!("__GROUP_{place}", span = Span::mixed_site())
}

/// The constant with the fields that are read from the group of a column.
pub(crate) fn asked_const(place: usize) -> Ident {
    format_ident!("__ASKED_{place}", span = Span::mixed_site())
}

/// The typed constants that stand for a column's indexes.
pub(crate) fn index_consts(place: usize, column: &Column) -> impl Iterator<Item = Ident> + use<> {
    (0..column.indexes().len()).map(move |index| format_ident!("__INDEX_{place}_{index}", span = Span::mixed_site()))
}
