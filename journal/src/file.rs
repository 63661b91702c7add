//! The file: opened, written to by several processes at once, mended after one was killed.

use std::fs::OpenOptions;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::anchor::Anchor;
use super::chain::{self, Chain, Lines, Piece};
use super::disk::{self, open_plain};
use super::entries::from_file;
use super::entry::Entry;
use super::error::{Damage, JournalError, KnownFrom};
use super::event::Event;
use super::head;
use super::ids::{EventId, VaultName};
use super::key::{PublicKey, Signer};
use super::lock::Lock;
use super::parts::RootKeyVersion;
use super::state::State;
use super::sync::{Mutex, lock};
use super::text::Reason;
use super::time::Time;

/// A journal that is open for writing. Each call opens the file anew, so a forked process never shares a position in
/// the file with its parent.
///
/// An application has a vault, which does all of this by itself. Alice, number 7, leaves the newsletter:
/// ```
/// use oubliette_journal::{
///     Ending, Event, Expectations, Journal, Label, Number, Numbers, Reason, Results, Time, Whom, entries, replay, verify,
/// };
/// # use ed25519_dalek::{Signer as _, SigningKey};
/// # use oubliette_journal::{PublicKey, SignError, Signer, VaultName};
/// # struct Vault(SigningKey);
/// # impl Signer for Vault {
/// #     fn vault(&self) -> VaultName {
/// #         VaultName::from_bytes([1; 16])
/// #     }
/// #     fn public_key(&self) -> PublicKey {
/// #         PublicKey::from_bytes(&self.0.verifying_key().to_bytes()).expect("it is a key")
/// #     }
/// #     fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
/// #         Ok(self.0.sign(message).to_bytes())
/// #     }
/// # }
/// # let vault = Vault(SigningKey::from_bytes(&[7; 32]));
/// # let place = tempfile::tempdir()?;
/// # let path = place.path().join("privacy.journal");
/// let journal = Journal::create(&path, &vault, Time::now(), 1)?;
/// let alice = Numbers::of([Number::try_from(7)?]);
/// let shred = Event::Shred {
///     whom: Whom::Numbers(alice.clone()),
///     purpose: Some(Label::new("newsletter")?),
///     why: Some(Reason::new("request 2026-114")?),
/// };
/// let intent = journal.append(&vault, 1, &[shred])?; // before the vault acts
/// assert_eq!(journal.open_intents().len(), 1);
/// let results = Results { newly: Some(1), ..Results::default() };
/// journal.append(&vault, 2, &[Event::outcome(2, Ending::Done, results)])?; // after it
///
/// // Anybody with the public key checks the file, and reads what was forgotten.
/// let key = vault.public_key();
/// let expected = intent.into_iter().fold(Expectations::new(), Expectations::anchor);
/// assert_eq!(verify(&path, &key, &expected, |_| ())?.entries, 3);
/// let forgotten = replay(entries(&path, &key)?)?;
/// assert_eq!(forgotten.shredded, [(alice, Some("newsletter".to_owned()))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Journal {
    pub(super) path: PathBuf,
    vault: VaultName,
    key: PublicKey,
    pub(super) state: Mutex<State>,
}

impl Journal {
    /// Begins a journal: a new file beside its head, durably. Its directory must exist.
    ///
    /// # Errors
    /// [`JournalError::Exists`] if there is a journal, or the head of one that is gone; nothing was changed then.
    pub fn create(path: &Path, signer: &dyn Signer, now: Time, generation: u64) -> Result<Journal, JournalError> {
        let event = Event::Opened { vault: signer.vault(), public_key: signer.public_key() };
        let _held = Lock::take(path)?;
        Journal::refuse_existing(path)?;
        Journal::begin(path, signer, Anchor::START, now, generation, event)
    }

    /// Checks that neither a journal nor a head lies at this path.
    ///
    /// # Errors
    /// [`JournalError::Exists`].
    pub fn refuse_existing(path: &Path) -> Result<(), JournalError> {
        let head = head::path_of(path);
        // Not `exists`, which takes a link into nowhere for nothing.
        match [path, &head].into_iter().find(|path| path.symlink_metadata().is_ok()) {
            Some(path) => Err(JournalError::Exists { path: path.to_owned() }),
            None => Ok(()),
        }
    }

    /// Writes the first entry of a file that is not there yet; the lock is held.
    fn begin(
        path: &Path,
        signer: &dyn Signer,
        after: Anchor,
        now: Time,
        generation: u64,
        event: Event,
    ) -> Result<Journal, JournalError> {
        let entry = Entry::write(after, now, generation, None, event, signer)?;
        disk::begin(path, &entry.line()).map_err(|error| JournalError::io(path, error))?;
        let journal = Journal::new(path, signer);
        let mut state = lock(&journal.state);
        journal.read_to_end(&mut state)?;
        state.set_durable();
        drop(state);
        journal.write_head(entry.anchor(), signer);
        Ok(journal)
    }

    /// An open journal of which nothing is read yet.
    fn new(path: &Path, signer: &dyn Signer) -> Journal {
        let (vault, key) = (signer.vault(), signer.public_key());
        let state = State::new(Chain::new(key, Some(vault)));
        Journal { path: path.to_owned(), vault, key, state: Mutex::new(state) }
    }

    /// Opens a journal and reads it once. Each line must follow from the one before. The last line must be signed,
    /// which covers all others. The entries that the anchor and the head name must be there. This call writes nothing:
    /// the first [`append`](Journal::append) mends an incomplete last line.
    ///
    /// # Errors
    /// [`JournalError`]. An error about damage names the line and the rule.
    pub fn open(path: &Path, signer: &dyn Signer, anchor: Option<Anchor>) -> Result<Journal, JournalError> {
        let journal = Journal::new(path, signer);
        let _held = Lock::take_to_read(path);
        // Before the file: a head that is read later may name what this process did not read.
        let head = journal.head()?;
        let known = [anchor.map(|anchor| (anchor, KnownFrom::RootRecord)), head.map(|head| (head, KnownFrom::Head))];
        let mut state = lock(&journal.state);
        state.expect(known.into_iter().flatten());
        journal.read_to_end(&mut state)?;
        if state.last() == Anchor::START {
            return Err(state.chain().damaged(Damage::Form("the file is empty")));
        }
        drop(state);
        Ok(journal)
    }

    /// Goes on after entries were lost, and records the loss in the journal. If the file is gone, a new file begins
    /// after the anchor. If the end of the file is missing, the next entry is a gap. If nothing is missing, the journal
    /// is only opened. A file that is damaged in another way is refused: move it away and keep it, then call this.
    ///
    /// # Errors
    /// [`JournalError`]; nothing was written then.
    pub fn acknowledge_loss(
        path: &Path,
        signer: &dyn Signer,
        anchor: Option<Anchor>,
        generation: u64,
        why: Reason,
    ) -> Result<Journal, JournalError> {
        let anchor = anchor.unwrap_or(Anchor::START);
        let held = Lock::take(path)?;
        let journal = Journal::new(path, signer);
        // Both are signed; whichever knows more.
        let known = journal.head()?.filter(|head| head.n > anchor.n).unwrap_or(anchor);
        let gap =
            |have: Anchor| Event::Gap { vault: signer.vault(), from: have.n + 1, to: known.n, after: have.hash, why };
        if path.symlink_metadata().is_err() {
            let event = if known == Anchor::START {
                Event::Opened { vault: signer.vault(), public_key: signer.public_key() }
            } else {
                gap(Anchor::START)
            };
            return Journal::begin(path, signer, known, Time::now(), generation, event);
        }
        let mut state = lock(&journal.state);
        journal.read_on(&mut state)?;
        let have = state.last();
        if have.n >= known.n {
            drop((state, held));
            return Journal::open(path, signer, Anchor::new(anchor.n, anchor.hash));
        }
        let entry = Entry::write(known, Time::now(), generation, None, gap(have), signer)?;
        journal.write(&mut state, &[entry], signer)?;
        drop(state);
        Ok(journal)
    }

    /// Adds one entry for each event. All are durable when this returns, with one sync. The call first reads what other
    /// processes added. If a killed process left an incomplete line, the call cuts it off and records that in an entry
    /// of its own.
    ///
    /// # Errors
    /// [`JournalError`]. After [`JournalError::Unsure`] the entries may be there; after all others nothing was added.
    pub fn append(&self, signer: &dyn Signer, generation: u64, events: &[Event]) -> Result<Vec<Anchor>, JournalError> {
        self.add(signer, Time::now(), generation, None, events.iter().map(|event| (None, event.clone())))
    }

    /// Adds entries, as [`append`](Journal::append) does, after an entry that the root record names. A file without
    /// that entry, such as a copy of the journal, is refused and nothing is written.
    ///
    /// # Errors
    /// As [`append`](Journal::append).
    pub fn append_behind(
        &self,
        anchor: Option<Anchor>,
        signer: &dyn Signer,
        generation: u64,
        events: &[Event],
    ) -> Result<Vec<Anchor>, JournalError> {
        self.add(signer, Time::now(), generation, anchor, events.iter().map(|event| (None, event.clone())))
    }

    /// Adds entries, as [`append`](Journal::append) does, with an id for each. A writer that was interrupted finds them
    /// again by their ids, with [`entries_after`](Journal::entries_after).
    ///
    /// # Errors
    /// As [`append`](Journal::append).
    pub fn append_identified(
        &self,
        signer: &dyn Signer,
        generation: u64,
        events: &[(EventId, Event)],
    ) -> Result<Vec<Anchor>, JournalError> {
        self.add(signer, Time::now(), generation, None, events.iter().map(|(id, event)| (Some(*id), event.clone())))
    }

    pub(super) fn add(
        &self,
        signer: &dyn Signer,
        now: Time,
        generation: u64,
        behind: Option<Anchor>,
        events: impl Iterator<Item = (Option<EventId>, Event)>,
    ) -> Result<Vec<Anchor>, JournalError> {
        let mut state = lock(&self.state);
        let _held = Lock::take(&self.path)?;
        self.catch_up(&mut state, behind)?;
        if let Some(anchor) = behind {
            self.has(&state, anchor)?;
        }
        let mut entries: Vec<Entry> = Vec::new();
        let mut after = state.last();
        let torn = (state.torn() > 0).then(|| (None, Event::Torn { bytes: state.torn() }));
        let repairs = usize::from(torn.is_some());
        for (id, event) in torn.into_iter().chain(events) {
            let entry = Entry::write(after, now, generation, id, event, signer)?;
            after = entry.anchor();
            entries.push(entry);
        }
        let anchors = entries.iter().skip(repairs).map(Entry::anchor).collect();
        if !entries.is_empty() {
            self.write(&mut state, &entries, signer)?;
        }
        Ok(anchors)
    }

    /// Reads what other processes added.
    ///
    /// # Errors
    /// [`JournalError`], as for [`open`](Journal::open).
    pub fn refresh(&self) -> Result<(), JournalError> {
        let mut state = lock(&self.state);
        let _held = Lock::take_to_read(&self.path);
        self.catch_up(&mut state, None)
    }

    /// Makes every entry durable that this process has read, whichever process wrote it.
    ///
    /// # Errors
    /// [`JournalError`], as for [`open`](Journal::open).
    pub fn make_durable(&self) -> Result<(), JournalError> {
        let mut state = lock(&self.state);
        // Whoever holds it may take back what a failed sync left.
        let _held = Lock::take(&self.path)?;
        self.catch_up(&mut state, None)?;
        disk::sync(&self.path).map_err(|error| JournalError::io(&self.path, error))?;
        state.set_durable();
        Ok(())
    }

    /// Intents without an outcome, and those whose outcome is `unknown`; the oldest comes first. The list is as of the
    /// last call that read the file. It is empty after a call that failed.
    pub fn open_intents(&self) -> Vec<(u64, Event)> {
        lock(&self.state).open_intents()
    }

    /// The newest entry that this process knows.
    pub fn latest(&self) -> Anchor {
        lock(&self.state).known()
    }

    /// The newest entry that this process has synced: no crash takes it away. A newer entry of another process may not
    /// be synced yet, and that process may still undo it.
    pub fn durable(&self) -> Option<Anchor> {
        lock(&self.state).durable()
    }

    /// The highest generation that an entry names.
    pub fn highest_generation(&self) -> u64 {
        lock(&self.state).highest_generation()
    }

    /// The version of the root key that an entry named last.
    pub fn root_key(&self) -> Option<RootKeyVersion> {
        lock(&self.state).root_key()
    }

    /// The path of the journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The head, if there is one that this vault signed. One that a crash tore says nothing; the root record has an
    /// anchor, too.
    fn head(&self) -> Result<Option<Anchor>, JournalError> {
        let bytes = head::read(&head::path_of(&self.path))?;
        Ok(bytes.and_then(|bytes| head::parse(&bytes, self.vault, &self.key)))
    }

    fn write_head(&self, anchor: Anchor, signer: &dyn Signer) {
        // The entries are durable; what a failure costs is only that a cut is found by fewer people.
        if let Ok(line) = head::line(anchor, signer) {
            let _ = head::write(&head::path_of(&self.path), &line);
        }
    }

    /// Takes what was added since, and makes sure that it was added to what this process knows.
    fn catch_up(&self, state: &mut State, behind: Option<Anchor>) -> Result<(), JournalError> {
        let head = self.head()?.map(|head| (head, KnownFrom::Head));
        let expected = [head, behind.map(|anchor| (anchor, KnownFrom::RootRecord))];
        if state.last() == state.known() && state.is_still_in(&self.path)? {
            state.expect(expected.into_iter().flatten());
            if self.read_to_end(state).is_ok() {
                return Ok(());
            }
        }
        // It was cut off, changed or replaced: the whole of it is read again, for the right answer.
        state.begin_again();
        state.expect(expected.into_iter().flatten());
        state.expect((state.known() != Anchor::START).then_some((state.known(), KnownFrom::Memory)));
        let read = self.read_to_end(state);
        if read.is_err() {
            // Half of it was taken; the next call begins from the start, too.
            state.begin_again();
        }
        read
    }

    /// Reads to the end, where everything expected must have turned up.
    fn read_to_end(&self, state: &mut State) -> Result<(), JournalError> {
        self.read_on(state)?;
        state.met()?;
        state.settle();
        Ok(())
    }

    /// Reads from where the state is to the end. On any doubt all signatures are checked, from the beginning, so that
    /// the error is about the line that is wrong.
    fn read_on(&self, state: &mut State) -> Result<(), JournalError> {
        let io = |error| JournalError::io(&self.path, error);
        let mut file = open_plain(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(state.end())).map_err(io)?;
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, file));
        let mut newest = Vec::new();
        let doubt = loop {
            match lines.next().map_err(io)? {
                Piece::Line(line) | Piece::TooLong(line) if chain::was_not_written(line) && !state.is_owed() => {
                    let length = std::fs::metadata(&self.path).map_err(io)?.len();
                    state.set_torn(length.saturating_sub(state.end()));
                    break self.unsigned(state, &newest);
                }
                Piece::Line(line) => {
                    newest.clear();
                    newest.extend_from_slice(line);
                    if let Err(error) = state.take(line) {
                        break Some(error);
                    }
                }
                Piece::TooLong(_) => {
                    break Some(state.chain().damaged(Damage::Form("it is longer than a line may be")));
                }
                Piece::End(torn) => {
                    state.set_torn(torn as u64);
                    break self.unsigned(state, &newest);
                }
            }
        };
        let Some(doubt) = doubt else { return Ok(()) };
        for entry in from_file(&self.path, self.key, Some(self.vault))? {
            match entry {
                // Not what there is doubt about: an incomplete last line is mended, not refused.
                Err(JournalError::Torn { .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Err(doubt)
    }

    /// The error if the newest line is not signed, which covers those before it.
    fn unsigned(&self, state: &State, newest: &[u8]) -> Option<JournalError> {
        let is_signed = newest.is_empty() || state.chain().is_signed(newest);
        (!is_signed).then(|| JournalError::Damaged { line: state.chain().lines(), what: Damage::Changed })
    }

    /// Writes entries behind the last, durably; the lock is held and the state is the file's.
    fn write(&self, state: &mut State, entries: &[Entry], signer: &dyn Signer) -> Result<(), JournalError> {
        let io = |error| JournalError::io(&self.path, error);
        let (mut bytes, mut trial, mut followed) = (Vec::new(), *state.chain(), Vec::with_capacity(entries.len()));
        for entry in entries {
            let line = entry.line();
            let read = trial.follow(line.as_bytes(), false);
            let read = read.map_err(|_| JournalError::Unwritable("it does not belong there"))?;
            followed.push((trial, read, line.len()));
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(io)?;
        let end = state.end();
        if state.torn() > 0 {
            file.set_len(end).map_err(io)?;
        }
        let written = file.seek(SeekFrom::Start(end)).and_then(|_| disk::put(&mut file, &bytes));
        if let Err(error) = written {
            // A sync that failed says nothing about what a later one finds, so this one must succeed.
            let taken_back = file.set_len(end).and_then(|()| file.sync_all());
            state.set_torn(0);
            return Err(match taken_back {
                Ok(()) => io(error),
                Err(_) => JournalError::Unsure { path: self.path.clone(), source: Arc::new(error) },
            });
        }
        for (chain, entry, length) in followed {
            state.take_followed(chain, entry, length);
        }
        state.settle();
        state.set_durable();
        self.write_head(state.last(), signer);
        Ok(())
    }
}
