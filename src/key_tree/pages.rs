//! What a key tree needs of whoever keeps its pages.

use crate::key_tree::page::Damage;
use crate::key_tree::position::Position;
use crate::store::PageName;

/// Where encrypted pages and fresh randomness come from.
pub(crate) trait Pages {
    /// What can go wrong there.
    type Error;
    /// The stored bytes of a page, or `None` if it is not there.
    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, Self::Error>;
    /// 32 bytes from the operating system.
    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), Self::Error>;
}

/// Why a tree could not be read or changed. None of these means shredded.
#[derive(Debug)]
pub(crate) enum TreeError<E> {
    /// A page that must exist is not in the store.
    Missing(PageName, Position),
    /// A page is there and wrong.
    Damaged(PageName, Position, Damage),
    /// The store or the randomness failed.
    Pages(E),
    /// A page could not be encrypted or a step not be taken: a bug of this crate.
    Lost,
}
