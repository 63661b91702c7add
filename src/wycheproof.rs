//! Project Wycheproof's vectors, for tests: JSON files in tests/wycheproof, read and never built in.

use std::path::Path;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// A file of vectors: `G` is what its groups state, `T` what each test has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<G, T> {
    number_of_tests: usize,
    test_groups: Vec<Group<G, T>>,
}

#[derive(Deserialize)]
pub(crate) struct Group<G, T> {
    #[serde(flatten)]
    pub(crate) stated: G,
    pub(crate) tests: Vec<T>,
}

/// What a test must come to. The third that the project has, `acceptable`, occurs in none of our files.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Valid,
    Invalid,
}

/// Every group of a file.
pub(crate) fn load<G: DeserializeOwned, T: DeserializeOwned>(name: &str) -> Vec<Group<G, T>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wycheproof").join(name);
    let file: File<G, T> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let tests: usize = file.test_groups.iter().map(|group| group.tests.len()).sum();
    assert_eq!(tests, file.number_of_tests, "{name} is whole");
    file.test_groups
}

/// Bytes in hexadecimal.
pub(crate) fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}
