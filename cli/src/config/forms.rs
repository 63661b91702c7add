//! Keys and indexes of tables, each of which is one thing or a list of them.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexColumn {
    /// The column of tokens.
    pub column: String,
    pub label: String,
    pub bits: u16,
    #[serde(default)]
    pub form: Form,
}

/// What of a value its tokens are made of.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    #[default]
    Canonical,
    Wide,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    #[default]
    Integer,
    Text,
    Uuid,
    Bytes,
    Number,
}

/// A table's key columns, or their types: one, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMore<T>, D::Error> {
        struct Words<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Words<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<OneOrMore<T>, E> {
                T::deserialize(StrDeserializer::new(word)).map(|one| OneOrMore(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<OneOrMore<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = words.next_element()? {
                    all.push(one);
                }
                if all.is_empty() { Err(A::Error::custom("the list is empty")) } else { Ok(OneOrMore(all)) }
            }
        }

        deserializer.deserialize_any(Words(PhantomData))
    }
}

impl Default for OneOrMore<String> {
    fn default() -> OneOrMore<String> {
        OneOrMore(vec!["id".into()])
    }
}

impl Default for OneOrMore<KeyType> {
    fn default() -> OneOrMore<KeyType> {
        OneOrMore(vec![KeyType::Integer])
    }
}

/// The indexes of a column: one table, or a list of them.
#[derive(Clone, Debug, Default)]
pub struct Indexes(pub Vec<IndexColumn>);

impl<'de> Deserialize<'de> for Indexes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Indexes, D::Error> {
        struct Tables;

        impl<'de> Visitor<'de> for Tables {
            type Value = Indexes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Indexes, A::Error> {
                IndexColumn::deserialize(MapAccessDeserializer::new(table)).map(|one| Indexes(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut tables: A) -> Result<Indexes, A::Error> {
                let mut all: Vec<IndexColumn> = Vec::new();
                while let Some(one) = tables.next_element::<IndexColumn>()? {
                    if all.iter().any(|known| known.label == one.label || known.column == one.column) {
                        return Err(A::Error::custom("two indexes of one column have the same `label` or `column`"));
                    }
                    all.push(one);
                }
                Ok(Indexes(all))
            }
        }

        deserializer.deserialize_any(Tables)
    }
}
