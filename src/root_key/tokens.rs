//! Several tokens that hold the same versions: any one of them opens, and destroying counts when it is done in all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::versions::{KeySeries, KeyVersion, VersionPolicy, VersionState, Versions, WRAPPED_BYTES};
use super::{Kind, RootKey, RootKeyError, WrapperError};
use crate::clock::Clock;

/// How what [`KeyTokens`] wrap begins: no token alone is likely to wrap so.
const LIST: [u8; 4] = *b"list";

/// Longest name of a token, in bytes.
const NAME: usize = 32;

/// Several tokens that hold the keys of one series: see [`RootKey::versions_in`](crate::RootKey::versions_in).
pub(super) struct KeyTokens {
    tokens: Vec<(String, Box<dyn KeySeries>)>,
}

/// What holds a series.
pub(super) enum Held {
    ByOne(Box<dyn KeySeries>),
    BySeveral(KeyTokens),
}

impl std::ops::Deref for Held {
    type Target = dyn KeySeries;

    fn deref(&self) -> &dyn KeySeries {
        match self {
            Held::ByOne(token) => &**token,
            Held::BySeveral(tokens) => tokens,
        }
    }
}

impl RootKey {
    /// [`versions`](RootKey::versions) of which several tokens hold the keys: one that burns does not take the vault with it. Each token has a name, by which the
    /// root record lists it: 1 to 32 bytes, its own, always the same. To open, they are asked in this order.
    ///
    /// **Any one of them opens the vault, and whoever has any one of them opens what it holds the key of.** Each version makes a key in every token, so a version
    /// begins, and an older one is destroyed, only while all are there: the one in the safe would still open what was to be forgotten. With the policy
    /// [`with_each_shred`](crate::root_keys::VersionPolicy::with_each_shred) a shred is refused while one is away, and nothing happened. To keep one in a safe,
    /// choose [`after`](crate::root_keys::VersionPolicy::after) or [`by_hand`](crate::root_keys::VersionPolicy::by_hand) and bring it at intervals; what was shredded since is out of
    /// reach of older root records from then on, and receipts say so. A token whose key stays the same forgets nothing, and is not offered.
    ///
    /// The root record lists the tokens of its version by name, and only [`rotate_root_key`](crate::Vault::rotate_root_key) changes the list. To add a token, or
    /// to give up a lost one, rotate to the tokens that you want from then on. All of these must be there, and the series goes on with its next version.
    ///
    /// **A token that was given up keeps its keys, which open earlier root records.** Destroy it if it is found. Until then take every copy of such a record for
    /// readable: it opens customers who are shredded later, too.
    ///
    /// The names of all and what they wrap must fit into 472 bytes: five tokens with PKCS#11, and short names.
    ///
    /// ```
    /// use oubliette::testing::MemoryToken;
    /// use oubliette::{Purpose, RootKey, Vault, store::Memory, root_keys::{KeySeries, VersionPolicy}};
    /// const ORDERS: Purpose = Purpose::new("orders");
    ///
    /// let (desk, safe, memory) = (MemoryToken::new(), MemoryToken::new(), Memory::new());
    /// let at = |name: &'static str, token: &MemoryToken| (name, Box::new(token.clone()) as Box<dyn KeySeries>);
    /// let policy = VersionPolicy::by_hand().allow_one_place();
    /// let both = RootKey::versions_in([at("desk", &desk), at("safe", &safe)], policy);
    /// Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).create(both)?.close()?;
    ///
    /// // The other one burnt. The one from the safe opens the vault; then it goes on with that alone.
    /// let left = || RootKey::versions_in([at("safe", &safe)], policy);
    /// let vault = Vault::on(memory.clone(), memory).purposes([ORDERS]).unlock(left())?;
    /// assert!(vault.begin_root_key_version().is_err(), "a token is away");
    /// vault.rotate_root_key(left())?;
    /// vault.begin_root_key_version()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn versions_in<N: Into<String>>(
        tokens: impl IntoIterator<Item = (N, Box<dyn KeySeries>)>,
        policy: VersionPolicy,
    ) -> RootKey {
        let tokens = KeyTokens::new(tokens.into_iter().map(|(name, token)| (name.into(), token)).collect());
        RootKey(Kind::Versions(Arc::new(Versions::new(Held::BySeveral(tokens), policy, Clock::default()))))
    }
}

impl KeyTokens {
    pub(super) fn new(tokens: Vec<(String, Box<dyn KeySeries>)>) -> KeyTokens {
        KeyTokens { tokens }
    }

    /// What each has that the record lists, where `wrapped` is what it has of its version.
    ///
    /// # Errors
    /// When one of them cannot be asked, has nothing of this series, or was not given.
    pub(super) fn list_all(&self, series: &[u8; 16], wrapped: &[u8]) -> Result<Vec<VersionState>, WrapperError> {
        self.check_names()?;
        self.check_list(wrapped)?;
        let mut merged = Merged::default();
        let asked = self.each(|token| {
            let states = token.list(series)?;
            if states.is_empty() {
                // The right one may lie elsewhere, with its keys.
                return Err("it holds no key of this vault: is it another token?".into());
            }
            merged.add(states);
            Ok(())
        });
        asked.map_err(Missing)?;
        Ok(merged.states())
    }

    /// Does something with each, and stops at the first that cannot.
    fn each(&self, mut work: impl FnMut(&dyn KeySeries) -> Result<(), WrapperError>) -> Result<(), WrapperError> {
        for (name, token) in &self.tokens {
            work(&**token).map_err(|error| AwayError { name: name.clone(), error })?;
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), WrapperError> {
        let mut seen: Vec<&str> = self.tokens.iter().map(|(name, _)| name.as_str()).collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.is_empty()
            || seen.len() != self.tokens.len()
            || seen.iter().any(|name| !(1..=NAME).contains(&name.len()))
        {
            return Err("tokens have names of 1 to 32 bytes, each its own, and there is at least one".into());
        }
        Ok(())
    }

    /// Those that a record lists are those that were given, whatever their order.
    fn check_list(&self, wrapped: &[u8]) -> Result<(), WrapperError> {
        let listed = parse(wrapped)?;
        for (name, _) in &listed {
            if self.tokens.iter().all(|(given, _)| given != name) {
                let why = format!(
                    "token {name:?}, which the root record lists, was not given: name it, or give it up by rotating to the tokens that are left"
                );
                return Err(Missing(why.into()).into());
            }
        }
        match self.tokens.iter().find(|(given, _)| listed.iter().all(|(name, _)| name != given)) {
            Some((given, _)) => {
                Err(format!("token {given:?} is not in the root record's list: rotate to all of the tokens to add it")
                    .into())
            }
            None => Ok(()),
        }
    }
}

/// One token of several failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "token {name:?} cannot be used, and a version of the root key begins and ends in all tokens or in none: bring it back, or give it up by rotating to the \
     tokens that are left"
)]
struct AwayError {
    name: String,
    #[source]
    error: WrapperError,
}

/// A token that the record lists is not there: lost perhaps, and then every commit that asks all of them is refused for good.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Missing(WrapperError);

/// Whether that is what went wrong.
pub(crate) fn is_of_a_missing_token(error: &RootKeyError) -> bool {
    matches!(error, RootKeyError::Wrapper(error) if error.downcast_ref::<Missing>().is_some())
}

impl KeySeries for KeyTokens {
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.check_names()?;
        // All are asked before a key is made in any, so that one that is away leaves none behind.
        self.each(|token| token.list(series).map(drop))?;
        self.each(|token| token.create(series, version))
    }

    /// `"list" | for each token: u8(length) | name | u16(length) | what it wrapped`.
    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
        self.check_names()?;
        let mut list = LIST.to_vec();
        for (name, token) in &self.tokens {
            let wrapped = token.wrap(series, version, secret);
            let wrapped = wrapped.map_err(|error| AwayError { name: name.clone(), error })?;
            let length = u16::try_from(wrapped.len()).ok().filter(|length| *length > 0);
            let length = length.ok_or(RootKeyError::WrappedSize { bytes: wrapped.len(), most: WRAPPED_BYTES })?;
            list.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            list.extend_from_slice(name.as_bytes());
            list.extend_from_slice(&length.to_be_bytes());
            list.extend_from_slice(&wrapped);
        }
        Ok(list)
    }

    fn unwrap(
        &self,
        series: &[u8; 16],
        version: KeyVersion,
        wrapped: &[u8],
        secret: &mut [u8; 32],
    ) -> Result<(), WrapperError> {
        let listed = parse(wrapped)?;
        let mut failure = None;
        for (given, token) in &self.tokens {
            let Some((_, wrapped)) = listed.iter().find(|(name, _)| name == given) else { continue };
            match token.unwrap(series, version, wrapped, secret) {
                Ok(()) => return Ok(()),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| {
            let names: Vec<&str> = listed.iter().map(|(name, _)| *name).collect();
            format!("none of the tokens given is one of those that the root record lists: {}", names.join(", ")).into()
        }))
    }

    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.each(|token| token.complete(series, version))
    }

    /// What those that can be asked have.
    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
        let mut merged = Merged::default();
        let (mut answered, mut failure) = (false, None);
        for (_, token) in &self.tokens {
            match token.list(series) {
                Ok(states) => {
                    answered = true;
                    merged.add(states);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) if !answered => Err(error),
            _ => Ok(merged.states()),
        }
    }

    /// Those of each token: all must be there, or one could be missed.
    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
        let mut all = Vec::new();
        self.each(|token| {
            all.extend(token.series()?);
            Ok(())
        })?;
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.each(|token| token.unmark(series, version))
    }

    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.each(|token| token.destroy(series, version))
    }
}

/// What several tokens have, a version each. The key is there if any has it. It is complete if one has the mark, and so has each that has the key; since the
/// last of them had it.
#[derive(Default)]
struct Merged(BTreeMap<KeyVersion, State>);

#[derive(Default)]
struct State {
    has_key: bool,
    lacks_mark: bool,
    completed: Option<SystemTime>,
}

impl Merged {
    fn add(&mut self, states: Vec<VersionState>) {
        for VersionState { version, has_key, completed } in states {
            let state = self.0.entry(version).or_default();
            state.has_key |= has_key;
            state.lacks_mark |= has_key && completed.is_none();
            state.completed = state.completed.max(completed);
        }
    }

    fn states(self) -> Vec<VersionState> {
        let state = |(version, State { has_key, lacks_mark, completed })| VersionState {
            version,
            has_key,
            completed: completed.filter(|_| !lacks_mark),
        };
        self.0.into_iter().map(state).collect()
    }
}

/// The names in a list, and what each wrapped.
fn parse(wrapped: &[u8]) -> Result<Vec<(&str, &[u8])>, WrapperError> {
    let alone = "the root key was wrapped by one token alone, and not by several: unlock with that one, and rotate to the tokens that it is to be";
    let mut rest = wrapped.strip_prefix(&LIST).ok_or(alone)?;
    let mut listed: Vec<(&str, &[u8])> = Vec::new();
    while !rest.is_empty() {
        let (name, after) =
            rest.split_first().and_then(|(length, rest)| rest.split_at_checked((*length).into())).ok_or(alone)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or(alone)?;
        let (own, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(alone)?;
        let name = std::str::from_utf8(name).map_err(|_| alone)?;
        if name.is_empty() || own.is_empty() || listed.iter().any(|(other, _)| *other == name) {
            return Err(alone.into());
        }
        listed.push((name, own));
        rest = after;
    }
    if listed.is_empty() { Err(alone.into()) } else { Ok(listed) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The last date counts, and one that has a key without its mark makes the version incomplete.
    #[test]
    fn what_several_have_is_what_the_last_of_them_has() {
        let version = |number| KeyVersion { number, id: [7; 16] };
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let state = |number, has_key, completed| VersionState { version: version(number), has_key, completed };
        let mut merged = Merged::default();
        merged.add(vec![state(1, false, at(10)), state(2, true, at(50)), state(3, true, at(60)), state(4, true, None)]);
        merged.add(vec![state(1, true, at(20)), state(2, true, at(40)), state(3, true, None)]);
        let expected = vec![state(1, true, at(20)), state(2, true, at(50)), state(3, true, None), state(4, true, None)];
        assert_eq!(merged.states(), expected);
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        let list = |parts: &[(&str, &[u8])]| {
            let mut list = LIST.to_vec();
            for (name, own) in parts {
                list.push(u8::try_from(name.len()).unwrap());
                list.extend_from_slice(name.as_bytes());
                list.extend_from_slice(&u16::try_from(own.len()).unwrap().to_be_bytes());
                list.extend_from_slice(own);
            }
            list
        };
        let good = list(&[("a", &[1, 2]), ("bc", &[3])]);
        assert_eq!(parse(&good).unwrap(), [("a", &[1_u8, 2][..]), ("bc", &[3])]);
        for length in (0..good.len()).filter(|length| *length != list(&[("a", &[1, 2])]).len()) {
            assert!(parse(&good[..length]).is_err(), "{length}");
        }
        for bad in [list(&[]), list(&[("", &[1])]), list(&[("a", &[])]), list(&[("a", &[1]), ("a", &[2])]), vec![1; 61]]
        {
            assert!(parse(&bad).is_err());
        }
    }
}
