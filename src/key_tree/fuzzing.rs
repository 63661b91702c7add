//! For fuzzing: pages as their content before it is encrypted, so that authentic nonsense can be made.

use crate::cipher::NotAuthentic;
use crate::derivation::{PageKey, TreeId};
use crate::journal::VaultName;
use crate::key_tree::page::{Damage, Page};
use crate::key_tree::position::Position;
use crate::store::StoredPage;

pub(crate) fn content_of_page(tree: TreeId, position: Position) -> Vec<u8> {
    Page::expanded(&[9; 32], tree, position).content()
}

pub(crate) fn seal_page(
    content: &[u8],
    fresh: &[u8; 32],
    vault: VaultName,
    tree: TreeId,
    position: Position,
    generation: u64,
) -> Result<(PageKey, StoredPage), NotAuthentic> {
    Page::of_content(content).seal(fresh, vault, tree, position, generation)
}

pub(crate) fn open_page(
    bytes: Vec<u8>,
    key: &PageKey,
    vault: VaultName,
    tree: TreeId,
    position: Position,
    newest: u64,
) -> Result<Vec<u8>, Damage> {
    Page::open(bytes, key, vault, tree, position, newest).map(|page| page.content())
}
