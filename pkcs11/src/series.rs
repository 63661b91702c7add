//! Versions of a root key: a series of keys in the token.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cryptoki::session::Session;
use oubliette::root_keys::{KeySeries, KeyVersion, VersionState, WrapperError};

use crate::error::TokenError;
use crate::objects;
use crate::token::{STARTS, Token, pause};

/// Series, number and id: a key's name, and how a date begins.
const NAME: usize = 16 + 8 + 16;

/// By which a series' objects are found.
fn label(series: &[u8; 16]) -> String {
    let mut label = "oubliette ".to_owned();
    for byte in series {
        label.push_str(&format!("{byte:02x}"));
    }
    label
}

fn name(series: &[u8; 16], version: KeyVersion) -> [u8; NAME] {
    let mut name = [0; NAME];
    let (of, rest) = name.split_at_mut(16);
    let (number, id) = rest.split_at_mut(8);
    of.copy_from_slice(series);
    number.copy_from_slice(&version.number.to_be_bytes());
    id.copy_from_slice(&version.id);
    name
}

/// `None` for what this crate did not make.
fn version(series: &[u8; 16], name: &[u8]) -> Option<KeyVersion> {
    let (of, rest) = name.split_first_chunk::<16>()?;
    let (number, id) = rest.split_first_chunk::<8>()?;
    let id = id.try_into().ok()?;
    (of == series).then_some(KeyVersion { number: u64::from_be_bytes(*number), id })
}

/// The series that a label names; `None` of a label that is none of this crate's.
fn of_label(label: &[u8]) -> Option<[u8; 16]> {
    let digits = label.strip_prefix(b"oubliette ")?;
    let mut series = [0; 16];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != series.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in series.iter_mut().zip(pairs) {
        let is_lower = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
        let text = std::str::from_utf8(pair).ok().filter(|_| pair.iter().all(is_lower))?;
        *byte = u8::from_str_radix(text, 16).ok()?;
    }
    Some(series)
}

fn named(version: KeyVersion) -> String {
    format!("of version {}", version.number)
}

fn states(session: &Session, series: &[u8; 16]) -> Result<Vec<VersionState>, TokenError> {
    let label = label(series);
    let mut found: BTreeMap<KeyVersion, VersionState> = BTreeMap::new();
    let state = |version| VersionState { version, has_key: false, completed: None };
    for (_, name) in objects::keys(session, &label)? {
        if let Some(version) = version(series, &name) {
            found.entry(version).or_insert_with(|| state(version)).has_key = true;
        }
    }
    for (_, date) in objects::dates(session, &label)? {
        let Some((name, since)) = date.split_at_checked(NAME) else { continue };
        let (Some(version), Ok(since)) = (version(series, name), since.try_into()) else { continue };
        let since = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(since)));
        let state = found.entry(version).or_insert_with(|| state(version));
        // Two processes may have dated it: the first date counts.
        state.completed = state.completed.into_iter().chain(since).min();
    }
    Ok(found.into_values().collect())
}

impl Token {
    /// This process took away the last of a series itself: that the token lists nothing of it from now on is no wonder.
    fn forget_if_empty(&self, series: &[u8; 16]) -> Result<(), TokenError> {
        if self.with("listing what the token has", |session| states(session, series))?.is_empty() {
            self.is_empty_now(series);
        }
        Ok(())
    }
}

impl KeySeries for Token {
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        let (label, name) = (label(series), name(series, version));
        // Done twice if the session was lost in its midst, it must not make two keys of one name.
        Ok(self.with("making a key", |session| match objects::key(session, &label, &name)? {
            Some(_) => Ok(()),
            None => objects::make_key(session, &label, &name),
        })?)
    }

    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
        let (label, name) = (label(series), name(series, version));
        Ok(self.with("wrapping a root key", |session| {
            let key = objects::key(session, &label, &name)?;
            let key = key.ok_or_else(|| TokenError::NoKey { key: named(version) })?;
            objects::wrap(session, key, &name, secret)
        })?)
    }

    fn unwrap(
        &self,
        series: &[u8; 16],
        version: KeyVersion,
        wrapped: &[u8],
        secret: &mut [u8; 32],
    ) -> Result<(), WrapperError> {
        let (label, name) = (label(series), name(series, version));
        let opened = self.with("unwrapping a root key", |session| {
            let key = objects::key(session, &label, &name)?;
            let key = key.ok_or_else(|| TokenError::NoKey { key: named(version) })?;
            let mut opened = zeroize::Zeroizing::new([0; 32]);
            objects::unwrap(session, key, &name, wrapped, &mut opened)?;
            Ok(opened)
        })?;
        secret.copy_from_slice(&opened[..]);
        Ok(())
    }

    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let content = [&name(series, version)[..], &now.to_be_bytes()].concat();
        Ok(self.with("dating a version", |session| {
            let is_marked =
                states(session, series)?.iter().any(|state| state.version == version && state.completed.is_some());
            if is_marked { Ok(()) } else { objects::write_date(session, &label(series), &content) }
        })?)
    }

    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        let (label, name) = (label(series), name(series, version));
        self.with("removing a date", |session| {
            let dates = objects::dates(session, &label)?;
            dates
                .iter()
                .filter(|(_, date)| date.starts_with(&name))
                .try_for_each(|(date, _)| objects::destroy(session, *date))
        })?;
        Ok(self.forget_if_empty(series)?)
    }

    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
        let mut tries = 0;
        loop {
            let states = self.with("listing what the token has", |session| states(session, series))?;
            match self.check_listed(series, states.is_empty()) {
                // SoftHSM lists nothing, too, while another process writes.
                Err(TokenError::Emptied) if tries < STARTS => {
                    pause(tries);
                    tries += 1;
                }
                checked => return Ok(checked.map(|()| states)?),
            }
        }
    }

    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
        Ok(self.with("listing what the token has", |session| {
            let mut found = BTreeSet::new();
            for name in objects::names(session)? {
                // What this crate did not make has another label than its name says.
                found.extend(of_label(&name.label).filter(|series| name.content.starts_with(series)));
            }
            Ok(found.into_iter().collect())
        })?)
    }

    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        let (label, name) = (label(series), name(series, version));
        Ok(self.with("destroying a key", |session| {
            if let Some(key) = objects::key(session, &label, &name)? {
                objects::destroy(session, key)?;
            }
            // It is looked for anew: what a token says is one thing.
            match objects::key(session, &label, &name)? {
                Some(_) => Err(TokenError::NotDestroyed { key: named(version) }),
                None => Ok(()),
            }
        })?)
    }
}
