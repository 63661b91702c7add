//! From a type's tag and a value's bytes to JSON.

use std::fmt;

use oubliette::personal::{
    Address, Date, Email, ExposePersonalData, Invalid, Json, Name, PersonalData, Phone, Plaintext, Text, TypeTag,
};

use super::tree::{Tree, Writer};

/// The types that can be read by their tag alone.
///
/// `Readers` knows [`Name`], [`Email`], [`Phone`], [`Address`] (as its country and lines), [`Date`], [`Text`] and
/// `Json<serde_json::Value>`. Add other types with [`reading`](Readers::reading), among them a `Json` of each of your
/// own types. A value of an unknown type is an error; it is never left out.
///
/// [The module](crate::access) has an example.
#[derive(Clone)]
pub struct Readers {
    known: Vec<(TypeTag, Reader)>,
}

type Reader = fn(&[u8]) -> Result<Tree, NotRead>;

/// Why bytes of a known type could not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// They are no value of the type.
    Content,
    /// The type's own `serialize_exposed` failed, or wrote what is not JSON.
    NotWritable,
}

impl From<Invalid> for NotRead {
    fn from(_: Invalid) -> NotRead {
        NotRead::Content
    }
}

impl Readers {
    /// This crate's own types.
    #[must_use]
    pub fn new() -> Readers {
        let none = Readers { known: Vec::new() };
        none.reading::<Name>()
            .reading::<Email>()
            .reading::<Phone>()
            .reading::<Address>()
            .reading::<Date>()
            .reading::<Text>()
            .reading::<Json<serde_json::Value>>()
    }

    /// Adds a type of yours, by its [`TAG`](PersonalData::TAG). If two types have one tag, the later one is used.
    #[must_use]
    pub fn reading<T: PersonalData + ExposePersonalData>(mut self) -> Readers {
        self.known.retain(|(tag, _)| *tag != T::TAG);
        self.known.push((T::TAG, read::<T>));
        self
    }

    /// Whether values of this type can be read.
    #[must_use]
    pub fn knows(&self, tag: TypeTag) -> bool {
        self.reader(tag).is_some()
    }

    pub(crate) fn reader(&self, tag: TypeTag) -> Option<Reader> {
        self.known.iter().find(|(known, _)| *known == tag).map(|(_, reader)| *reader)
    }
}

impl Default for Readers {
    fn default() -> Readers {
        Readers::new()
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<&str> = self.known.iter().map(|(tag, _)| tag.as_str()).collect();
        write!(f, "Readers({tags:?})")
    }
}

fn read<T: PersonalData + ExposePersonalData>(bytes: &[u8]) -> Result<Tree, NotRead> {
    let value = T::decode(bytes)?;
    let mut json = Plaintext::with_capacity(bytes.len().saturating_add(64));
    let mut serializer = serde_json::Serializer::new(Writer(&mut json));
    value.serialize_exposed(&mut serializer).map_err(|_| NotRead::NotWritable)?;
    Tree::written(json).ok_or(NotRead::NotWritable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oubliette::personal::{Country, JsonContent, Padding};

    fn shown<T: PersonalData>(readers: &Readers, value: &T) -> Option<String> {
        let mut bytes = Plaintext::with_capacity(0);
        value.encode(&mut bytes);
        let tree = readers.reader(T::TAG)?(bytes.as_bytes()).unwrap();
        Some(String::from_utf8(tree.compact().as_bytes().to_vec()).unwrap())
    }

    #[derive(PartialEq, serde::Serialize, serde::Deserialize)]
    struct Shoe {
        size: u8,
    }

    impl JsonContent for Shoe {
        const TAG: TypeTag = TypeTag::new("shop.shoe");

        fn wipe(&mut self) {
            self.size = 0;
        }
    }

    /// Says nothing when asked.
    struct Mute;

    impl PersonalData for Mute {
        const TAG: TypeTag = TypeTag::new("test.mute");
        const PADDING: Padding = Padding::lengths_are_public();

        fn encode(&self, _: &mut Plaintext) {}

        fn decode(bytes: &[u8]) -> Result<Mute, Invalid> {
            if bytes.is_empty() { Ok(Mute) } else { Err(Invalid::Content) }
        }
    }

    impl ExposePersonalData for Mute {
        fn serialize_exposed<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("SECRET"))
        }
    }

    #[test]
    fn built_in_types_are_read_in_their_parts() {
        let readers = Readers::new();
        let address = Address::new(Country::new("FR"), ["12 rue \"X\"", "75002 Paris"]).unwrap();
        assert_eq!(
            shown(&readers, &address).as_deref(),
            Some(r#"{"country":"FR","lines":["12 rue \"X\"","75002 Paris"]}"#)
        );
        assert_eq!(shown(&readers, &"Zoë".parse::<Name>().unwrap()).as_deref(), Some("\"Zoë\""));
        assert_eq!(shown(&readers, &"a@example.com".parse::<Email>().unwrap()).as_deref(), Some("\"a@example.com\""));
        assert_eq!(shown(&readers, &"+33612345678".parse::<Phone>().unwrap()).as_deref(), Some("\"+33612345678\""));
        assert_eq!(shown(&readers, &"a\nb".parse::<Text>().unwrap()).as_deref(), Some("\"a\\nb\""));
    }

    #[test]
    fn other_types_must_be_named() {
        let shoe = Json::new(Shoe { size: 43 }).unwrap();
        assert!(!Readers::new().knows(<Json<Shoe> as PersonalData>::TAG));
        assert_eq!(shown(&Readers::new(), &shoe), None);
        let readers = Readers::new().reading::<Json<Shoe>>();
        assert_eq!(shown(&readers, &shoe).as_deref(), Some(r#"{"size":43}"#));
        assert!(format!("{readers:?}").contains("shop.shoe"));
    }

    #[test]
    fn what_is_no_value_of_the_type_is_told_from_what_cannot_be_written() {
        let readers = Readers::new().reading::<Mute>();
        let read = readers.reader(Mute::TAG).unwrap();
        assert_eq!(read(b"").err(), Some(NotRead::NotWritable));
        assert_eq!(read(b"x").err(), Some(NotRead::Content));
        assert_eq!(readers.reader(Address::TAG).unwrap()(b"\xff").err(), Some(NotRead::Content));
    }
}
