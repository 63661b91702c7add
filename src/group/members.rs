//! What is in a group.

use std::fmt;
use std::ops::Range;

use subtle::ConstantTimeEq;

use super::Group;
use super::encoding::{self, MOST_MEMBERS, Malformed, PADDING, Places, Raw, Tag};
use crate::customer::CustomerId;
use crate::error::{OpenError, SealError};
use crate::field::{Field, FieldId};
use crate::personal::{Invalid, MOST_BYTES, PersonalData, Plaintext, unpad};
use crate::secret::Wiped;

/// The values of several fields: what a [`Group`] seals as one.
///
/// Of an opened group it has the fields that were asked for, and besides **keeps** those that were not: they cannot be read here,
/// and are sealed again with the rest. So a program that does not know a field, since it is older than the one that added it,
/// or since it may not read it, changes the others without losing it. In a record, the field with
/// `#[personal(group = CONTACT)]` alone holds what is kept; a new record begins with none, `Members::new()`.
///
/// ```
/// use oubliette::personal::{Email, Phone};
/// use oubliette::{Field, Group, Members, Purpose, Vault, fields::FieldId};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const PHONE: Field<Phone> = ORDERS.field("phone");
/// const CONTACT: Group = ORDERS.group("contact");
///
/// # let vault = Vault::in_memory([ORDERS]);
/// # let alice = vault.customer(vault.enroll()?);
/// # let mut members = Members::new();
/// # members.put(EMAIL, &"alice@example.com".parse()?);
/// # members.put(PHONE, &"+33 6 12 34 56 78".parse()?);
/// # let sealed = alice.seal_group(CONTACT, &members)?;
/// let mut members = alice.open_group(CONTACT, &[EMAIL.into()], &sealed)?;
/// assert!(members.get(EMAIL)?.is_some() && members.get(PHONE).is_err(), "it was not asked for");
/// members.put(EMAIL, &"alice@example.org".parse()?);
/// let sealed = alice.seal_group(CONTACT, &members)?;
/// assert!(alice.open_member(CONTACT, PHONE, &sealed)?.is_some(), "and it was kept");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Members {
    /// What was opened, padding and all.
    opened: Wiped,
    /// What was put in.
    made: Plaintext,
    /// In the order of their labels, each of which is there once.
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    name: Name,
    content: Content,
}

#[derive(Clone)]
enum Name {
    /// Of a field that was asked for, or put in.
    Known(FieldId),
    /// Of another: where its label and tag are in what was opened.
    Kept(Places),
}

#[derive(Clone)]
enum Content {
    Opened(Range<usize>),
    Made(Range<usize>),
}

/// What most groups have room in.
const USUAL_MEMBERS: usize = 8;
const USUAL_BYTES: usize = 256;

impl Default for Members {
    fn default() -> Members {
        Members { opened: Wiped::copy_of(&[]), made: Plaintext::with_capacity(0), entries: Vec::new() }
    }
}

impl Members {
    /// None.
    #[must_use]
    pub fn new() -> Members {
        Members::default()
    }

    /// How many members there are, those that are only kept too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is none, not even one that is only kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The fields that were asked for and are there, and those that were put in.
    pub fn fields(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.entries.iter().filter_map(|entry| match entry.name {
            Name::Known(field) => Some(field),
            Name::Kept(_) => None,
        })
    }

    /// The labels of the members that are only kept: this program does not know them, or did not ask for them.
    pub fn kept(&self) -> impl Iterator<Item = &str> + '_ {
        self.entries.iter().filter(|entry| matches!(entry.name, Name::Kept(_))).map(|entry| self.label(entry))
    }

    /// Puts a field's value in. It replaces what is under its label, kept or not.
    pub fn put<T: PersonalData>(&mut self, field: Field<T>, value: &T) {
        if self.made.is_empty() {
            // It grows by copies, each of which is wiped.
            self.made = Plaintext::with_capacity(value.size_hint().max(USUAL_BYTES));
        }
        let start = self.made.len();
        value.encode(&mut self.made);
        self.insert(field.into(), start..self.made.len());
    }

    fn insert(&mut self, field: FieldId, content: Range<usize>) {
        let entry = Entry { name: Name::Known(field), content: Content::Made(content) };
        match self.find(field.label) {
            Ok(at) => {
                if let Some(place) = self.entries.get_mut(at) {
                    *place = entry;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// A field's value, if it is there.
    ///
    /// # Errors
    /// [`Invalid::NotAsked`], and [`Invalid::Content`] of bytes that are no value of its type.
    pub fn get<T: PersonalData>(&self, field: Field<T>) -> Result<Option<T>, Invalid> {
        self.encoded(field)?.map(T::decode).transpose()
    }

    /// What a field's value was encoded as, if it is there: for programs that know its type by its tag alone.
    ///
    /// # Errors
    /// [`Invalid::NotAsked`].
    pub fn encoded(&self, field: impl Into<FieldId>) -> Result<Option<&[u8]>, Invalid> {
        let field = field.into();
        let Some(entry) = self.find(field.label).ok().and_then(|at| self.entries.get(at)) else { return Ok(None) };
        match entry.name {
            Name::Known(known) if known.is(field) => Ok(Some(self.raw(entry).content)),
            Name::Known(_) | Name::Kept(_) => Err(Invalid::NotAsked),
        }
    }

    /// Takes the member of this label out, kept or not; `false` if there is none. Its bytes are wiped with the rest.
    pub fn remove(&mut self, label: &str) -> bool {
        let found = self.find(label);
        found.is_ok_and(|at| {
            self.entries.remove(at);
            true
        })
    }

    /// Those that are only kept.
    #[cfg(feature = "derive")]
    pub(crate) fn into_kept(mut self) -> Members {
        self.entries.retain(|entry| matches!(entry.name, Name::Kept(_)));
        // What is nobody's any more is wiped at once.
        if self.entries.is_empty() { Members::new() } else { self }
    }

    fn find(&self, label: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| self.label(entry).cmp(label))
    }

    fn label<'m>(&'m self, entry: &'m Entry) -> &'m str {
        match &entry.name {
            Name::Known(field) => field.label,
            Name::Kept(places) => self.opened_text(&places.label),
        }
    }

    fn opened_text(&self, at: &Range<usize>) -> &str {
        // It was read as text.
        std::str::from_utf8(self.opened.bytes().get(at.clone()).unwrap_or_default()).unwrap_or_default()
    }

    fn raw<'m>(&'m self, entry: &'m Entry) -> Raw<'m> {
        let opened = |at: &Range<usize>| self.opened.bytes().get(at.clone()).unwrap_or_default();
        let (label, tag) = match &entry.name {
            Name::Known(field) => (field.label, Tag::of(field.tag.as_str())),
            Name::Kept(places) => (self.opened_text(&places.label), places.tag(self.opened_text(&places.tag))),
        };
        let content = match &entry.content {
            Content::Opened(at) => opened(at),
            Content::Made(at) => self.made.as_bytes().get(at.clone()).unwrap_or_default(),
        };
        Raw { label, tag, content }
    }

    fn raws(&self) -> impl Iterator<Item = Raw<'_>> {
        self.entries.iter().map(|entry| self.raw(entry))
    }
}

/// Sealed and opened.
impl Members {
    /// The members of an opened group: those that were asked for, to read, and the others.
    pub(crate) fn read(
        padded: Wiped,
        customer: CustomerId,
        group: Group,
        asked: &[FieldId],
    ) -> Result<Members, OpenError> {
        let at = group.id().of(customer);
        let content = unpad(padded.bytes()).ok_or(OpenError::InvalidContent { at })?;
        let malformed = |malformed| match malformed {
            Malformed::Form => OpenError::InvalidContent { at },
            Malformed::Newer(found) => OpenError::NewerGroup { at, found },
        };
        let mut entries = Vec::with_capacity(asked.len().max(USUAL_MEMBERS));
        // Behind the version.
        let mut position = 1;
        for member in encoding::read(content).map_err(malformed)? {
            let member = member.map_err(malformed)?;
            let places = member.places(&mut position);
            let name = match asked.iter().find(|field| field.label == member.label) {
                Some(field) if Tag::of(field.tag.as_str()) == member.tag => Name::Known(*field),
                Some(field) => return Err(OpenError::OtherType { at: field.of(customer), found: member.tag.name() }),
                None => Name::Kept(places.clone()),
            };
            entries.push(Entry { name, content: Content::Opened(places.content) });
        }
        Ok(Members { opened: padded, made: Plaintext::with_capacity(0), entries })
    }

    /// Which of the first 64 fields asked for are there, a bit each.
    pub(crate) fn present(&self, asked: &[FieldId]) -> u64 {
        let is_there = |field: &FieldId| self.fields().any(|known| known.is(*field));
        let bits = asked.iter().take(MOST_MEMBERS).enumerate().filter(|(_, field)| is_there(field));
        bits.fold(0, |all, (at, _)| all | 1 << at)
    }

    /// The bytes to encrypt, with room for a header before them and a tag after.
    pub(crate) fn encode(
        &self,
        customer: CustomerId,
        group: Group,
        (header, tag): (usize, usize),
        plain: &mut Plaintext,
    ) -> Result<(), SealError> {
        let at = group.id().of(customer);
        if let Some(field) = self.fields().find(|field| field.purpose != group.purpose()) {
            return Err(SealError::OtherPurpose { at: field.of(customer), group: group.label() });
        }
        if self.entries.len() > MOST_MEMBERS {
            return Err(SealError::TooManyMembers { at, count: self.entries.len() });
        }
        let bytes = encoding::size(self.raws());
        if bytes > MOST_BYTES {
            return Err(SealError::TooLarge { at, bytes });
        }
        let padded = PADDING.padded(bytes);
        plain.begin(header, header + padded + tag);
        encoding::write(self.raws(), plain);
        plain.pad(padded, tag);
        Ok(())
    }
}

impl Clone for Members {
    fn clone(&self) -> Members {
        let mut made = Plaintext::with_capacity(self.made.len());
        made.extend(self.made.as_bytes());
        Members { opened: Wiped::copy_of(self.opened.bytes()), made, entries: self.entries.clone() }
    }
}

// An opened value may be compared with one that a stranger sent.
impl PartialEq for Members {
    fn eq(&self, other: &Members) -> bool {
        let same =
            |(a, b): (Raw<'_>, Raw<'_>)| a.label == b.label && a.tag == b.tag && bool::from(a.content.ct_eq(b.content));
        self.len() == other.len() && self.raws().zip(other.raws()).all(same)
    }
}

impl Eq for Members {}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Members({}, redacted)", self.len())
    }
}
