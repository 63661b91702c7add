//! One place: a `root/` with the root record's slots, a `pages/` with everything else.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use super::disk::{Disk, TEMPORARY, random};
use super::index::Index;
use super::lock::{LockGuard, PATIENCE, lock_file};
use super::slots::{self, SLOTS};
use super::{access, checked, hints, mark};
use crate::store::{CopyContent, Mark, PlaceId, Problem, StoreError};

const TAG: &[u8; 7] = b"OBLplac";
const ROOT: &str = "root";
const PAGES: &str = "pages";
const PLACE: &str = "place";
const LOCK: &str = "lock";
const CACHE_TAG: &str = "CACHEDIR.TAG";
const CACHE_TAG_CONTENT: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # The root record of an oubliette vault. Backup tools leave this directory out, on purpose: every copy of it\n\
    # delays the shredding of customers. Read the crate's documentation before backing it up.\n";

/// In a working copy of the application's, nothing of a vault gets into its history.
const GIT_IGNORE: &str = ".gitignore";
const GIT_IGNORE_CONTENT: &[u8] = b"*\n";

#[derive(Debug)]
pub(super) struct Place {
    /// The directory of both, unless either is placed apart.
    base: Option<PathBuf>,
    root: PathBuf,
    pages: PathBuf,
    /// Set once the place could be read; a mirror may be away when the directory is opened.
    id: OnceLock<PlaceId>,
    pub(super) index: Mutex<Index>,
    pub(super) disk: Disk,
}

impl Place {
    pub(super) fn apart(root: PathBuf, pages: PathBuf, disk: Disk) -> Place {
        Place { base: None, root, pages, id: OnceLock::new(), index: Mutex::default(), disk }
    }

    pub(super) fn within(path: &Path, disk: Disk) -> Place {
        let base = Some(path.to_path_buf());
        Place { base, ..Place::apart(path.join(ROOT), path.join(PAGES), disk) }
    }

    /// The directory of both, unless either is placed apart.
    pub(super) fn base(&self) -> Option<&Path> {
        self.base.as_deref()
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn pages(&self) -> &Path {
        &self.pages
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = PathBuf> {
        SLOTS.iter().map(|name| self.root.join(name))
    }

    /// The id, from memory if it was read before.
    pub(super) fn id(&self) -> Result<PlaceId, StoreError> {
        self.disk.alive()?;
        match self.id.get() {
            Some(id) => Ok(*id),
            None => self.identify(),
        }
    }

    /// The id if it was ever read.
    pub(super) fn known_id(&self) -> Option<PlaceId> {
        self.id.get().copied()
    }

    /// Reads the id again, and checks that the place is private, whole, and the one that it was.
    pub(super) fn identify(&self) -> Result<PlaceId, StoreError> {
        self.disk.alive()?;
        if let Some(base) = &self.base {
            access::owned_dir(base)?;
        }
        access::private_dir(&self.root)?;
        let path = self.root.join(PLACE);
        access::private_file(&path)?;
        let id = read_id(&path)?;
        if *self.id.get_or_init(|| id) != id {
            return Err(checked::damaged(&path).caused_by("another place has been put here while it was open"));
        }
        access::private_dir(&self.pages)?;
        access::private_file(&mark::path(&self.pages))?;
        for slot in self.slots() {
            match access::private_file(&slot) {
                // One missing slot is damage that a commit repairs, like a torn one.
                Err(error) if error.problem() == Problem::Missing => {}
                other => other?,
            }
        }
        Ok(id)
    }

    /// Whether a record was ever written here, readable or not. Half a creation is not that: a torn slot beside an empty
    /// one is what is left of the very first write.
    pub(super) fn holds_record(&self) -> Result<bool, StoreError> {
        let (mut intact, mut torn, mut empty) = (0, 0, 0);
        for path in self.slots() {
            match fs::symlink_metadata(&path) {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(StoreError::io(&path, error)),
                Ok(_) => match slots::read(&path)? {
                    CopyContent::Empty => empty += 1,
                    CopyContent::Damaged => torn += 1,
                    _ => intact += 1,
                },
            }
        }
        let holds = intact > 0 || torn > usize::from(empty > 0);
        let identity = self.root.join(PLACE);
        if holds && !identity.exists() {
            return Err(checked::damaged(&identity).caused_by("it is missing, and a root record lies beside it"));
        }
        Ok(holds)
    }

    /// Makes whatever is missing of an empty place. Safe to be interrupted and repeated, and to be done by two
    /// processes at once. The file `place` comes last: a place that has it is whole.
    pub(super) fn create(&self) -> Result<PlaceId, StoreError> {
        self.disk.alive()?;
        let identity = self.root.join(PLACE);
        if identity.exists() {
            return self.identify();
        }
        self.holds_record()?;
        self.refuse_others_content()?;
        self.make_dirs()?;
        let held = self.lock(Instant::now() + PATIENCE)?.ok_or_else(|| self.busy())?;
        if !identity.exists() {
            self.lay_out(None, None, &Mark::NONE)?;
        }
        held.release();
        self.identify()
    }

    pub(super) fn make_dirs(&self) -> Result<(), StoreError> {
        self.disk.alive()?;
        self.disk.make_dir(&self.root)?;
        self.disk.make_dir(&self.pages)?;
        if let Some(base) = &self.base {
            access::owned_dir(base)?;
        }
        access::private_dir(&self.root)?;
        access::private_dir(&self.pages)
    }

    /// Writes the files of a place where they are missing: the mark, the slots empty or with `record`,
    /// the id given or a random one.
    pub(super) fn lay_out(&self, id: Option<PlaceId>, record: Option<&[u8]>, mark: &Mark) -> Result<(), StoreError> {
        let tag = self.root.join(CACHE_TAG);
        if !tag.exists() {
            self.disk.replace(&tag, CACHE_TAG_CONTENT)?;
        }
        for ignored in [&self.root, &self.pages].map(|directory| directory.join(GIT_IGNORE)) {
            if !ignored.exists() {
                self.disk.replace(&ignored, GIT_IGNORE_CONTENT)?;
            }
        }
        let path = mark::path(&self.pages);
        if !path.exists() {
            self.disk.replace(&path, &mark::fresh(mark))?;
        }
        for slot in self.slots() {
            if !slot.exists() {
                self.disk.replace(&slot, &record.map_or_else(slots::empty, slots::encode))?;
            }
        }
        self.disk.sync_dir(&self.pages)?;
        self.disk.sync_dir(&self.root)?;
        let identity = self.root.join(PLACE);
        let id = match id {
            Some(id) => id,
            None => PlaceId(random(&identity)?.to_be_bytes()),
        };
        self.disk.replace(&identity, &checked::encode(TAG, checked::VERSION, &id.0))?;
        self.disk.sync_dir(&self.root)
    }

    /// Refuses directories with anything in them that a creation does not make.
    fn refuse_others_content(&self) -> Result<(), StoreError> {
        let ours =
            |name: &str| [CACHE_TAG, GIT_IGNORE, PLACE, LOCK, hints::NAME].contains(&name) || SLOTS.contains(&name);
        // Where the two lie apart, what is beside each is not ours to judge.
        if let Some(base) = &self.base {
            refuse_unless(base, &|name| [ROOT, PAGES].contains(&name))?;
        }
        refuse_unless(&self.root, &ours)?;
        refuse_unless(&self.pages, &|name| [GIT_IGNORE, mark::NAME, mark::LOCK].contains(&name))
    }

    /// Takes this place's commit lock, or says `None` at the deadline.
    pub(super) fn lock(&self, deadline: Instant) -> Result<Option<LockGuard>, StoreError> {
        self.disk.alive()?;
        lock_file(&self.root.join(LOCK), deadline)
    }

    pub(super) fn busy(&self) -> StoreError {
        StoreError::new(Problem::Busy, self.root.join(LOCK).display().to_string())
    }
}

fn read_id(path: &Path) -> Result<PlaceId, StoreError> {
    let bytes = checked::read_small(path, 4096)?;
    let (version, body) = checked::decode(TAG, &bytes).ok_or_else(|| checked::damaged(path))?;
    if version > checked::VERSION {
        return Err(checked::newer(path));
    }
    body.try_into().map(PlaceId).map_err(|_| checked::damaged(path))
}

fn refuse_unless(dir: &Path, ours: &dyn Fn(&str) -> bool) -> Result<(), StoreError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(StoreError::new(Problem::NotAVault, dir.display().to_string()));
        }
        other => other.map_err(|error| StoreError::io(dir, error))?,
    };
    for entry in entries {
        let name = entry.map_err(|error| StoreError::io(dir, error))?.file_name();
        let known = name.to_str().is_some_and(|name| ours(name) || name.ends_with(TEMPORARY) || name == "lost+found");
        if !known {
            return Err(StoreError::new(Problem::NotAVault, dir.join(name).display().to_string()));
        }
    }
    Ok(())
}
