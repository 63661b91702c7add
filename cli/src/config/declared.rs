//! What the law asks the application to say: how long each purpose is kept, why, for whom, and who answers for it.

use serde::Deserialize;

/// How long a purpose is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Retention {
    /// So long after the grant.
    #[serde(rename = "after_grant")]
    Grant(String),
    /// So long after the last mark of a name, or the grant if that is later.
    #[serde(rename = "after_last")]
    Last(AfterMark),
    /// So long after a mark of a name; for ever without one.
    #[serde(rename = "after_end")]
    End(AfterMark),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterMark {
    pub mark: String,
    pub kept: String,
}

/// What is said about a purpose, for the inventory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredPurpose {
    pub name: String,
    pub why: Option<String>,
    pub basis: Option<String>,
    /// How long, in words.
    pub kept: Option<String>,
    /// Nobody, if the list is there and empty.
    pub recipients: Option<Vec<String>>,
    #[serde(default)]
    pub whose: Vec<String>,
    #[serde(default)]
    pub categories: Vec<String>,
    /// To nobody, if the list is there and empty.
    pub transfers: Option<Vec<String>>,
}

/// Who answers for it all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Controller {
    pub name: Option<String>,
    pub officer: Option<String>,
    pub measures: Vec<String>,
}
