//! Key trees in an entry, as the text that names them: for serde's `with`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::vault::KeyTreeId;

struct Text(KeyTreeId);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map(Text).map_err(D::Error::custom)
    }
}

pub(super) fn serialize<S: Serializer>(tree: &KeyTreeId, serializer: S) -> Result<S::Ok, S::Error> {
    Text(*tree).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyTreeId, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

pub(super) mod maybe {
    use super::{Deserialize, Deserializer, KeyTreeId, Serialize, Serializer, Text};

    #[allow(clippy::ref_option)] // the shape that serde calls
    pub(in crate::journal) fn serialize<S: Serializer>(
        tree: &Option<KeyTreeId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        tree.map(Text).serialize(serializer)
    }

    pub(in crate::journal) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<KeyTreeId>, D::Error> {
        Option::<Text>::deserialize(deserializer).map(|text| text.map(|text| text.0))
    }
}

pub(super) mod many {
    use super::{Deserialize, Deserializer, KeyTreeId, Serializer, Text};

    pub(in crate::journal) fn serialize<S: Serializer>(trees: &[KeyTreeId], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(trees.iter().copied().map(Text))
    }

    pub(in crate::journal) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<KeyTreeId>, D::Error> {
        Vec::<Text>::deserialize(deserializer).map(|texts| texts.into_iter().map(|text| text.0).collect())
    }
}
