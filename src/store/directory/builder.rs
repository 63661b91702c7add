//! Where a directory's parts are, before it is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::place::Place;
use super::{Directory, MAX_MIRRORS, patience};
#[cfg(any(test, feature = "testing"))]
use crate::store::{Media, Steps};
use crate::store::{PlaceId, Problem, StoreError};

/// Where a [`Directory`] and its mirrors are. Nothing is touched before [`exists`](DirectoryBuilder::exists),
/// [`create`](DirectoryBuilder::create) or [`open`](DirectoryBuilder::open).
///
/// [`Directory`] has an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct DirectoryBuilder {
    base: PathBuf,
    root: Option<PathBuf>,
    pages: Option<PathBuf>,
    mirrors: Vec<PathBuf>,
    follows_hints: bool,
    disk: Disk,
}

impl DirectoryBuilder {
    pub(super) fn new(path: &Path) -> DirectoryBuilder {
        let base = path.to_path_buf();
        DirectoryBuilder {
            base,
            root: None,
            pages: None,
            mirrors: Vec::new(),
            follows_hints: true,
            disk: Disk::default(),
        }
    }

    /// Keeps the root record in `path` instead of `root/`: outside of what is backed up or replicated.
    pub fn root_at(mut self, path: impl AsRef<Path>) -> DirectoryBuilder {
        self.root = Some(path.as_ref().to_path_buf());
        self
    }

    /// Keeps the pages in `path` instead of `pages/`.
    pub fn pages_at(mut self, path: impl AsRef<Path>) -> DirectoryBuilder {
        self.pages = Some(path.as_ref().to_path_buf());
        self
    }

    /// Adds a mirror, a whole place at `path`, best on another disk. At most [`MAX_MIRRORS`].
    pub fn mirror(mut self, path: impl AsRef<Path>) -> DirectoryBuilder {
        self.mirrors.push(path.as_ref().to_path_buf());
        self
    }

    /// Uses the places that are named here, and no others: for a copy, whose record lists the places of its original.
    pub(crate) fn alone(mut self) -> DirectoryBuilder {
        self.follows_hints = false;
        self
    }

    /// Counts the store's steps, and stops it where a test says.
    #[cfg(any(test, feature = "testing"))]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    pub fn steps(mut self, steps: &Steps) -> DirectoryBuilder {
        self.disk.steps = Some(steps.clone());
        self
    }

    /// Keeps what the medium holds, apart from what the files show: for tests of power cuts and of syncs that fail.
    #[cfg(any(test, feature = "testing"))]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    pub fn media(mut self, media: &Media) -> DirectoryBuilder {
        self.disk.media = Some(media.clone());
        self
    }

    /// Whether a root record was ever written here, readable or not. False for a path that does not exist, and for what
    /// a creation left that was interrupted before it wrote one: [`create`](DirectoryBuilder::create) goes on from there.
    ///
    /// # Errors
    /// When it cannot be told: the place cannot be read, or its `place` file is missing and a root record is there.
    pub fn exists(&self) -> Result<bool, StoreError> {
        self.own().holds_record()
    }

    /// Creates the files that are missing, here and in every mirror, and opens them. Existing files are opened as they are.
    /// Look for a root record under the [`lock`](crate::store::RootStore::lock) only, so that two processes that create at
    /// once end in one vault.
    ///
    /// # Errors
    /// [`Problem::NotAVault`] if something else lies there, and everything [`open`](DirectoryBuilder::open) refuses.
    /// Files that were created stay; calling again is safe.
    pub fn create(&self) -> Result<Directory, StoreError> {
        let (own, mirrors) = self.places()?;
        own.create()?;
        for mirror in &mirrors {
            mirror.create()?;
        }
        self.finish(Arc::new(own), mirrors.into_iter().map(Arc::new))
    }

    /// Opens an existing directory. Nothing is written, so a read-only mount will do.
    ///
    /// A mirror may be away or damaged, or not answer within two seconds: its copies are then reported as unreachable, and pages are read
    /// from the other places. Commits are refused until it is back, or the record lists it no longer.
    ///
    /// # Errors
    /// [`Problem::Missing`] if nothing is there; [`Problem::TooOpen`] and [`Problem::ForeignOwner`], for a mirror too;
    /// [`Problem::NewerFormat`], [`Problem::Damaged`]; [`Problem::PlaceTwice`] and [`Problem::TooManyMirrors`].
    pub fn open(&self) -> Result<Directory, StoreError> {
        let (own, mirrors) = self.places()?;
        own.identify()?;
        let mirrors: Vec<Arc<Place>> = mirrors.into_iter().map(Arc::new).collect();
        for mirror in &mirrors {
            let is_away =
                |problem| matches!(problem, Problem::Missing | Problem::Io | Problem::Damaged | Problem::NoAnswer);
            match patience::in_time(mirror, patience::MOST, Place::identify) {
                Err(error) if !is_away(error.problem()) => return Err(error),
                _ => {}
            }
        }
        self.finish(Arc::new(own), mirrors)
    }

    fn own(&self) -> Place {
        let whole = Place::within(&self.base, self.disk.clone());
        if self.root.is_none() && self.pages.is_none() {
            return whole;
        }
        let root = self.root.as_deref().unwrap_or(whole.root()).to_path_buf();
        let pages = self.pages.as_deref().unwrap_or(whole.pages()).to_path_buf();
        Place::apart(root, pages, self.disk.clone())
    }

    fn places(&self) -> Result<(Place, Vec<Place>), StoreError> {
        if let Some(path) = self.mirrors.get(MAX_MIRRORS) {
            return Err(StoreError::new(Problem::TooManyMirrors, path.display().to_string()));
        }
        let own = self.own();
        let mirrors: Vec<Place> = self.mirrors.iter().map(|path| Place::within(path, self.disk.clone())).collect();
        Ok((own, mirrors))
    }

    fn finish(&self, own: Arc<Place>, mirrors: impl IntoIterator<Item = Arc<Place>>) -> Result<Directory, StoreError> {
        let places: Vec<Arc<Place>> = std::iter::once(own).chain(mirrors).collect();
        let mut seen: Vec<PlaceId> = Vec::new();
        for place in &places {
            if let Some(id) = place.known_id() {
                if seen.contains(&id) {
                    return Err(StoreError::new(Problem::PlaceTwice, place.root().display().to_string()));
                }
                seen.push(id);
            }
        }
        Ok(Directory::from_places(self.disk.clone(), places, self.follows_hints))
    }
}
