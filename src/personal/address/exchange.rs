//! Addresses in serde: a struct of a country and a list of lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};

use super::{Address, Invalid, NO_COUNTRY, NO_LINES};
use crate::personal::{Country, ExposePersonalData, Text};

impl ExposePersonalData for Address {
    fn serialize_exposed<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Address", 2)?;
        out.serialize_field("country", self.country.as_str())?;
        out.serialize_field("lines", &self.lines().collect::<Vec<_>>())?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        // As for texts: an error of the format may quote the value, so ours replaces it.
        let mut refused = None;
        let visitor = AddressVisitor { refused: &mut refused };
        deserializer.deserialize_struct("Address", &["country", "lines"], visitor).map_err(|_| match refused {
            Some(error) => D::Error::custom(error),
            None => D::Error::custom(EXPECTED),
        })
    }
}

const EXPECTED: &str = "expected an address, as a struct of a country and a list of lines";

struct AddressVisitor<'r> {
    refused: &'r mut Option<Invalid>,
}

impl AddressVisitor<'_> {
    fn finish<E: Error>(self, country: Option<Country>, lines: Option<Vec<Text>>) -> Result<Address, E> {
        let read = match (country, lines) {
            (None, _) => Err(NO_COUNTRY),
            (_, None) => Err(NO_LINES),
            (Some(country), Some(lines)) => Address::new(country, lines.iter().map(Text::expose_personal_data)),
        };
        read.map_err(|error| {
            *self.refused = Some(error);
            E::custom("refused")
        })
    }
}

impl<'de> Visitor<'de> for AddressVisitor<'_> {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Address, A::Error> {
        let country = parts.next_element()?;
        let lines = parts.next_element()?;
        self.finish(country, lines)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Address, A::Error> {
        let (mut country, mut lines) = (None, None);
        while let Some(key) = parts.next_key::<String>()? {
            match key.as_str() {
                "country" if country.is_none() => {
                    country = Some(parts.next_value().inspect_err(|_| *self.refused = Some(NO_COUNTRY))?);
                }
                "lines" if lines.is_none() => lines = Some(parts.next_value()?),
                "country" | "lines" => return Err(A::Error::custom("given twice")),
                _ => drop(parts.next_value::<IgnoredAny>()?),
            }
        }
        self.finish(country, lines)
    }
}
