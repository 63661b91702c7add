//! The key tree: keys of up to 2^40 customers, derived from one seed, of which single ones can be forgotten.
//!
//! See FORMAT.md for the construction. This module knows nothing of files: whoever calls it hands in a [`Pages`], from
//! which encrypted pages come by name, and takes away the pages that a shred wrote down.

mod ahead;
mod derived;
#[cfg(fuzzing)]
mod fuzzing;
mod node;
mod page;
mod pages;
mod position;
mod ranges;
mod resident;
mod seeds;
mod shred;
mod survey;
mod tree;
mod walk;

pub(crate) use ahead::Ahead;
#[cfg(fuzzing)]
pub(crate) use fuzzing::{content_of_page, open_page, seal_page};
pub(crate) use page::Damage;
pub(crate) use pages::{Pages, TreeError};
pub(crate) use position::Position;
pub(crate) use resident::Resident;
pub(crate) use shred::Rewritten;
pub(crate) use tree::{RootState, Tree};
pub(crate) use walk::{Found, Walker};

#[cfg(test)]
pub(crate) use page::{Kind, Page};

#[cfg(test)]
mod kept;
#[cfg(test)]
mod taken_over;
#[cfg(test)]
pub(crate) mod tests;
