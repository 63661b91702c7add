//! A token: found by its label, logged in to once, and again whenever it was lost.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::error::TokenError;
use crate::module::{module, restart};

/// An open PKCS#11 token. Clones share one session.
///
/// If the session is lost, the next call opens it again, even after the token was unplugged. A refused PIN is not tried
/// again. [The crate's page](crate) has an example.
#[derive(Clone)]
pub struct Token {
    inner: Arc<Inner>,
}

struct Inner {
    module: PathBuf,
    label: String,
    serial: Option<String>,
    pin: AuthPin,
    open: Mutex<Open>,
    /// Series of which it listed something once: a date stays for ever.
    seen: Mutex<HashSet<[u8; 16]>>,
}

#[derive(Default)]
struct Open {
    session: Option<Session>,
    /// Who opened it.
    process: u32,
    /// The PIN was refused.
    refused: Option<Refused>,
}

#[derive(Clone, Copy)]
enum Refused {
    Wrong,
    Locked,
}

/// How to find a token and log in to it. [The crate's page](crate) has an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenBuilder {
    module: PathBuf,
    label: String,
    serial: Option<String>,
}

impl TokenBuilder {
    /// Takes the token with this serial number, if several have one label.
    pub fn serial(mut self, serial: impl Into<String>) -> TokenBuilder {
        self.serial = Some(serial.into());
        self
    }

    /// Finds the token and logs in as its user. The PIN is kept in memory to log in again, and wiped on drop.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(self, pin: Zeroizing<String>) -> Result<Token, TokenError> {
        let TokenBuilder { module, label, serial } = self;
        let pin = AuthPin::from(pin.as_str());
        let token = Token {
            inner: Arc::new(Inner { module, label, serial, pin, open: Mutex::default(), seen: Mutex::default() }),
        };
        let mut tries = 0;
        loop {
            match token.with("looking for the token", |_| Ok(())) {
                // SoftHSM says no more than this of a token that another process is writing at this moment.
                Err(TokenError::Token { source: Error::Pkcs11(RvError::GeneralError, _), .. }) if tries < STARTS => {
                    pause(tries);
                    tries += 1;
                }
                done => return done.and_then(|()| token.check_mechanisms()).map(|()| token),
            }
        }
    }
}

/// How often a module is started anew in search of what was there: with all pauses, two thirds of a second at most. Another process that writes has the token for a few
/// milliseconds, and for longer where processors are busy.
pub(crate) const STARTS: u32 = 6;

/// Before the next start: longer each time.
pub(crate) fn pause(tries: u32) {
    std::thread::sleep(Duration::from_millis(10) * 2_u32.saturating_pow(tries.min(STARTS)));
}

impl Token {
    /// The token with this label, through the PKCS#11 module (a shared library) at `module`.
    pub fn at(module: impl AsRef<Path>, label: impl Into<String>) -> TokenBuilder {
        TokenBuilder { module: module.as_ref().to_path_buf(), label: label.into(), serial: None }
    }

    /// Does something in the session. If that is found to be lost, once more in a new one: so `work` must do no harm when it is done twice.
    pub(crate) fn with<T>(
        &self,
        doing: &'static str,
        work: impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if open.process != process {
            // A forked child: the session is its parent's.
            if let Some(parents) = open.session.take() {
                std::mem::forget(parents);
            }
            open.process = process;
        }
        let had_session = open.session.is_some();
        let done = self.in_session(&mut open, doing, &work);
        match done {
            Err(error) if error.is_of_the_session() => {
                open.session = None;
                if had_session { self.in_session(&mut open, doing, &work) } else { Err(error) }
            }
            done => done,
        }
    }

    /// A token must not say "nothing" where it cannot be asked: SoftHSM does, if its directory is away for a while, until it is started anew.
    pub(crate) fn check_listed(&self, series: &[u8; 16], is_empty: bool) -> Result<(), TokenError> {
        let mut seen = self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_empty {
            seen.insert(*series);
            return Ok(());
        }
        if !seen.contains(series) {
            return Ok(());
        }
        restart(&self.inner.module);
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).session = None;
        Err(TokenError::Emptied)
    }

    /// Nothing is left of a series, by a call of this process.
    pub(crate) fn is_empty_now(&self, series: &[u8; 16]) {
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(series);
    }

    /// How many bytes are free for keys and dates, and how many there are in all. `None` if the token does not say;
    /// many do not.
    ///
    /// # Errors
    /// [`TokenError`] if the token cannot be asked.
    pub fn room(&self) -> Result<Option<(u64, u64)>, TokenError> {
        self.with("asking for room", |_| Ok(()))?;
        let (context, slot) = self.find()?;
        let info = context.get_token_info(slot).map_err(|error| TokenError::of("asking for room", error))?;
        let bytes = |bytes: Option<usize>| bytes.and_then(|bytes| u64::try_from(bytes).ok());
        Ok(bytes(info.free_private_memory()).zip(bytes(info.total_private_memory())))
    }

    fn in_session<T>(
        &self,
        open: &mut Open,
        doing: &'static str,
        work: &impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let session = match open.session.take() {
            Some(session) => session,
            None => self.log_in(open, doing)?,
        };
        let done = work(&session);
        open.session = Some(session);
        done
    }

    fn log_in(&self, open: &mut Open, doing: &'static str) -> Result<Session, TokenError> {
        let label = || self.inner.label.clone();
        match open.refused {
            Some(Refused::Wrong) => return Err(TokenError::Pin { label: label() }),
            Some(Refused::Locked) => return Err(TokenError::PinLocked { label: label() }),
            None => {}
        }
        let (context, slot) = self.find()?;
        let session = context.open_rw_session(slot).map_err(|error| TokenError::of(doing, error))?;
        match session.login(UserType::User, Some(&self.inner.pin)) {
            // Another session of this process did.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                open.refused = Some(Refused::Wrong);
                Err(TokenError::Pin { label: label() })
            }
            Err(Error::Pkcs11(RvError::PinLocked | RvError::PinExpired, _)) => {
                open.refused = Some(Refused::Locked);
                Err(TokenError::PinLocked { label: label() })
            }
            Err(error) => Err(TokenError::of(doing, error)),
        }
    }

    /// A token that cannot wrap is told apart when it is opened, and not when somebody is to be shredded.
    fn check_mechanisms(&self) -> Result<(), TokenError> {
        let (context, slot) = self.find()?;
        let known = context.get_mechanism_list(slot);
        let known = known.map_err(|error| TokenError::of("asking what the token can do", error))?;
        match known.contains(&MechanismType::AES_GCM) {
            true => Ok(()),
            false => Err(TokenError::Lacks { label: self.inner.label.clone(), mechanism: "AES-GCM" }),
        }
    }

    /// Where the token is just now, and the module that says so.
    fn find(&self) -> Result<(Pkcs11, Slot), TokenError> {
        let mut context = module(&self.inner.module)?;
        let mut starts = 0;
        loop {
            match self.slot(&context) {
                // A module may look for its tokens only when it is started: SoftHSM never finds one that was away then, or just being written by
                // another process, which may write again while it is started anew.
                Err(TokenError::NoToken { .. }) if starts < STARTS => {
                    if let Some(tries) = u32::checked_sub(starts, 1) {
                        pause(tries);
                    }
                    starts += 1;
                    drop(context);
                    restart(&self.inner.module);
                    context = module(&self.inner.module)?;
                }
                slot => return slot.map(|slot| (context, slot)),
            }
        }
    }

    fn slot(&self, context: &Pkcs11) -> Result<Slot, TokenError> {
        let failed = |error| TokenError::of("looking for the token", error);
        let mut found = Vec::new();
        for slot in context.get_slots_with_token().map_err(failed)? {
            // One that is unplugged at this moment is none.
            let Ok(info) = context.get_token_info(slot) else { continue };
            let is_asked_for =
                self.inner.serial.as_deref().is_none_or(|serial| serial.trim() == info.serial_number().trim());
            if info.label().trim_end() == self.inner.label && is_asked_for {
                found.push(slot);
            }
        }
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(TokenError::NoToken { label: self.inner.label.clone() }),
            more => Err(TokenError::Ambiguous { label: self.inner.label.clone(), count: more.len() }),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { module, label, serial, .. } = &*self.inner;
        f.debug_struct("Token")
            .field("module", module)
            .field("label", label)
            .field("serial", serial)
            .finish_non_exhaustive()
    }
}
