//! Receipts: a signed document that says what was forgotten, for whoever asked.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::anchor::Anchor;
use super::canonical::canonical;
use super::error::ReceiptError;
use super::ids::{Hash, VaultName};
use super::key::{PublicKey, Signer};
use super::labels::{RECEIPT, whose};
use super::name::{InvalidName, check_name};
use super::numbers::Numbers;
use super::text::{Label, Reason, as_text, decode, encode};
use super::time::Time;

/// The one version there is.
const FORMAT: u64 = 1;
/// Most bytes of a receipt.
pub const RECEIPT_BYTES: usize = 1 << 20;

/// A receipt: a JSON document that says whose keys were shredded and when, signed by the vault.
///
/// With the vault's [`PublicKey`] anybody can check it offline, for ever. With the journal, they can also check that
/// its entries are there ([`Expectations::receipt`](super::Expectations::receipt)). A receipt names the person as the
/// application does, so it is personal data. Give it to the person, and keep only its `salt` and `commitment`: without
/// the name they prove nothing.
///
/// ```
/// use oubliette_journal::{Facts, Number, Numbers, Purposes, Reason, Receipt, Remains, Time, Until, Whose};
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
/// // The vault issues the receipt: Alice asked to be forgotten.
/// let facts = Facts {
///     whose: Whose::new("alice@example.com")?,
///     numbers: Numbers::of([Number::try_from(7)?]),
///     shredded_before: Numbers::default(),
///     purposes: Purposes::All,
///     why: Some(Reason::new("request 2026-114")?),
///     requested_at: None,
///     shredded_at: Time::now(),
///     generation: 12,
///     effective_everywhere_at: Time::now(),
///     entries: vec![],
///     may_remain: vec![Remains {
///         what: Reason::new("copies of the root record")?,
///         until: Until::Event(Reason::new("the root key is rotated")?),
///     }],
/// };
/// let salt = [7; 32]; // 32 random bytes
/// let document = Receipt::issue(facts, salt, &vault)?.to_string();
///
/// // Alice checks it with the vault's public key.
/// let receipt = Receipt::verify(&document, &vault.public_key())?;
/// assert_eq!(receipt.content().whose.as_str(), "alice@example.com");
/// assert!(Receipt::verify(&document.replace("alice", "bob"), &vault.public_key()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    content: ReceiptContent,
    signature: [u8; 64],
}

/// What a receipt says: facts as of the moment when it was issued, not promises.
///
/// [`Receipt`] has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReceiptContent {
    /// The version, 1.
    pub format: u64,
    /// The vault that issued it.
    pub vault: VaultName,
    /// The key that checks the receipt. Compare it with the key that you have from elsewhere.
    pub public_key: PublicKey,
    /// Whose data it was, as the application names them.
    pub whose: Whose,
    /// 32 random bytes.
    pub salt: Hash,
    /// SHA-256 of a label, the salt and `whose`. Given the name later, it shows that the receipt was for this person.
    pub commitment: Hash,
    /// The numbers that were shredded.
    pub numbers: Numbers,
    /// Numbers that an earlier shred had already taken. The times of this receipt are not the times of that shred.
    #[serde(default, skip_serializing_if = "Numbers::is_empty")]
    pub shredded_before: Numbers,
    /// In which purposes.
    pub purposes: Purposes,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Reason>,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// When it was durable.
    pub shredded_at: Time,
    /// The generation of the root record from which on the keys are gone.
    pub generation: u64,
    /// When no process used the keys any more.
    pub effective_everywhere_at: Time,
    /// The journal's entries of it.
    #[serde(with = "entries")]
    pub entries: Vec<Anchor>,
    /// What of it may still lie somewhere, and until when.
    pub may_remain: Vec<Remains>,
}

/// Whose data it was, as the application names them: 1 to 1000 bytes without control characters. Not shown by `Debug`.
///
/// [`Receipt`] has an example.
#[derive(Clone, PartialEq, Eq)]
pub struct Whose(String);

impl Whose {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, too long, or has control characters.
    pub fn new(name: impl Into<String>) -> Result<Whose, InvalidName> {
        let name = name.into();
        check_name(&name, 1000)?;
        Ok(Whose(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

impl Serialize for Whose {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Whose {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Whose, D::Error> {
        Whose::new(String::deserialize(deserializer)?).map_err(|_| serde::de::Error::custom("not a name"))
    }
}

/// The purposes in which somebody was shredded: `"all"`, or a list of names.
///
/// [`Receipt`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purposes {
    /// In all purposes of the vault, future ones included.
    All,
    /// In these purposes.
    Named(Vec<Label>),
}

impl Serialize for Purposes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Purposes::All => serializer.serialize_str("all"),
            Purposes::Named(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Purposes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Purposes, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Word(String),
            Names(Vec<Label>),
        }
        match Either::deserialize(deserializer)? {
            Either::Word(word) if word == "all" => Ok(Purposes::All),
            Either::Word(_) => Err(serde::de::Error::custom("neither \"all\" nor a list of purposes")),
            Either::Names(names) => Ok(Purposes::Named(names)),
        }
    }
}

/// Something that a shred does not reach at once.
///
/// [`Receipt`] has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remains {
    /// What: copies of the root record, tokens of an index.
    pub what: Reason,
    /// Until when.
    pub until: Until,
}

/// Until when something remains: a time, or what must happen first.
///
/// [`Receipt`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A time.
    Time(Time),
    /// What must happen: `the root key is rotated`.
    Event(Reason),
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Until::Time(time) => time.fmt(f),
            Until::Event(event) => event.fmt(f),
        }
    }
}

impl std::str::FromStr for Until {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Until, InvalidName> {
        text.parse().map(Until::Time).or_else(|_| text.parse().map(Until::Event))
    }
}

as_text!(Until, "a time, or what must happen");

/// What a vault states in a receipt. [`Receipt::issue`] adds the vault's name, its key and the salt; [`ReceiptContent`]
/// says what each member means.
///
/// [`Receipt`] has an example.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whose data it was, as the application names them.
    pub whose: Whose,
    /// The numbers that were shredded.
    pub numbers: Numbers,
    /// Numbers that an earlier shred had already taken.
    pub shredded_before: Numbers,
    /// In which purposes.
    pub purposes: Purposes,
    /// Why.
    pub why: Option<Reason>,
    /// When it was asked for.
    pub requested_at: Option<Time>,
    /// When it was durable.
    pub shredded_at: Time,
    /// The generation of the root record from which on the keys are gone.
    pub generation: u64,
    /// When no process used the keys any more.
    pub effective_everywhere_at: Time,
    /// The journal's entries of it.
    pub entries: Vec<Anchor>,
    /// What of it may still lie somewhere, and until when.
    pub may_remain: Vec<Remains>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parsed<'d> {
    receipt: ReceiptContent,
    #[serde(borrow)]
    sig: Cow<'d, str>,
}

#[derive(Serialize)]
struct Written<'r> {
    receipt: &'r ReceiptContent,
    sig: String,
}

impl Receipt {
    /// Signs a receipt. The salt is 32 fresh bytes from the operating system. Whoever has the salt can try names
    /// against the commitment; nobody else can.
    ///
    /// # Errors
    /// [`ReceiptError::Content`] if the receipt would be longer than [`RECEIPT_BYTES`] or a number in it is above 2^53
    /// - 1. [`ReceiptError::Signing`] if the vault did not sign.
    pub fn issue(facts: Facts, salt: [u8; 32], signer: &dyn Signer) -> Result<Receipt, ReceiptError> {
        let commitment = Hash::from_bytes(whose(&salt, facts.whose.as_str()));
        let Facts { whose, numbers, shredded_before, purposes, why, requested_at, shredded_at, .. } = facts;
        let content = ReceiptContent {
            format: FORMAT,
            vault: signer.vault(),
            public_key: signer.public_key(),
            whose,
            salt: Hash::from_bytes(salt),
            commitment,
            numbers,
            shredded_before,
            purposes,
            why,
            requested_at,
            shredded_at,
            generation: facts.generation,
            effective_everywhere_at: facts.effective_everywhere_at,
            entries: facts.entries,
            may_remain: facts.may_remain,
        };
        let message = content.message().ok_or(ReceiptError::Content("a number in it is too large"))?;
        let signature = signer.sign(&message).map_err(ReceiptError::Signing)?;
        let receipt = Receipt { content, signature };
        // What is issued must be accepted.
        if receipt.to_string().len() > RECEIPT_BYTES {
            return Err(ReceiptError::Content("it would be longer than 1 MiB"));
        }
        Ok(receipt)
    }

    /// Reads a receipt and checks the signature with this key. White space and the order of members do not matter.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(text: &str, key: &PublicKey) -> Result<Receipt, ReceiptError> {
        let receipt = Receipt::parse(text)?;
        let content = &receipt.content;
        if content.public_key != *key {
            return Err(ReceiptError::OtherKey { found: content.public_key });
        }
        let message = content.message().ok_or(ReceiptError::Form("a number in it is too large"))?;
        if !key.verifies(&message, &receipt.signature) {
            return Err(ReceiptError::Changed);
        }
        if whose(content.salt.as_bytes(), content.whose.as_str()) != content.commitment.to_bytes() {
            return Err(ReceiptError::Commitment);
        }
        Ok(receipt)
    }

    /// Reads a receipt without checking its signature.
    pub(crate) fn parse(text: &str) -> Result<Receipt, ReceiptError> {
        if text.len() > RECEIPT_BYTES {
            return Err(ReceiptError::Form("it is longer than 1 MiB"));
        }
        let parsed = serde_json::from_str::<Parsed<'_>>(text);
        let Ok(Parsed { receipt: content, sig }) = parsed else { return Err(newer(text)) };
        if content.format != FORMAT {
            return Err(newer(text));
        }
        let signature = decode(&sig).ok_or(ReceiptError::Form("its signature is not 86 characters of base64url"))?;
        let receipt = Receipt { content, signature };
        // Nothing that is not signed: `null`, or a list where an object belongs, would be read all the same.
        let (read, written) = (serde_json::from_str::<Value>(text), serde_json::to_value(receipt.written()));
        match (read, written) {
            (Ok(read), Ok(written)) if read == written => Ok(receipt),
            _ => Err(ReceiptError::Form("it is not written as a receipt is")),
        }
    }

    fn written(&self) -> Written<'_> {
        Written { receipt: &self.content, sig: encode(&self.signature) }
    }

    /// What it says.
    #[must_use]
    pub fn content(&self) -> &ReceiptContent {
        &self.content
    }
}

/// The document, indented for people.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(&self.written()).map_err(|_| fmt::Error)?)
    }
}

impl ReceiptContent {
    /// The canonical form that is signed, behind its label.
    pub(super) fn message(&self) -> Option<Vec<u8>> {
        let canonical = canonical(&serde_json::to_value(self).ok()?)?;
        Some([RECEIPT, canonical.as_bytes()].concat())
    }
}

/// Why a text is no receipt of ours: a later format, or none at all.
fn newer(text: &str) -> ReceiptError {
    #[derive(Deserialize)]
    struct Any {
        receipt: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    match serde_json::from_str(text) {
        Ok(Any { receipt: Version { format } }) if format > FORMAT => ReceiptError::NewerFormat { format },
        _ => ReceiptError::Form("it is not the JSON of a receipt"),
    }
}

/// Anchors as objects.
mod entries {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::anchor::Anchor;
    use crate::ids::Hash;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        n: u64,
        hash: Hash,
    }

    pub(super) fn serialize<S: Serializer>(anchors: &[Anchor], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(anchors.iter().map(|anchor| Named { n: anchor.n, hash: anchor.hash }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Anchor>, D::Error> {
        let named = Vec::<Named>::deserialize(deserializer)?;
        Ok(named.into_iter().map(|named| Anchor { n: named.n, hash: named.hash }).collect())
    }
}
