//! Why it is lawful to keep data at all.

use std::fmt;
use std::str::FromStr;

/// One of the six legal bases of Art. 6(1) GDPR.
///
/// ```
/// use oubliette_register::Basis;
///
/// let basis: Basis = "legal_obligation".parse()?;
/// assert_eq!((basis, basis.article(), basis.is_portable()), (Basis::LegalObligation, "Art. 6(1)(c)", false));
/// # Ok::<(), oubliette_register::InvalidBasis>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The person consented, and may withdraw. Art. 6(1)(a).
    Consent,
    /// A contract with the person, or steps before one at the person's request. Art. 6(1)(b).
    Contract,
    /// A law demands it. Art. 6(1)(c).
    LegalObligation,
    /// Somebody's life. Art. 6(1)(d).
    VitalInterests,
    /// A task in the public interest or of an official authority. Art. 6(1)(e).
    PublicTask,
    /// Your interests or another's, if they outweigh those of the person. The person may object. Art. 6(1)(f).
    LegitimateInterests,
}

impl Basis {
    /// All six, in the order of the article.
    pub const ALL: [Basis; 6] = [
        Basis::Consent,
        Basis::Contract,
        Basis::LegalObligation,
        Basis::VitalInterests,
        Basis::PublicTask,
        Basis::LegitimateInterests,
    ];

    /// Its word in tables, documents and the journal: `legal_obligation`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Basis::Consent => "consent",
            Basis::Contract => "contract",
            Basis::LegalObligation => "legal_obligation",
            Basis::VitalInterests => "vital_interests",
            Basis::PublicTask => "public_task",
            Basis::LegitimateInterests => "legitimate_interests",
        }
    }

    /// Its article: `Art. 6(1)(c)`.
    #[must_use]
    pub const fn article(self) -> &'static str {
        match self {
            Basis::Consent => "Art. 6(1)(a)",
            Basis::Contract => "Art. 6(1)(b)",
            Basis::LegalObligation => "Art. 6(1)(c)",
            Basis::VitalInterests => "Art. 6(1)(d)",
            Basis::PublicTask => "Art. 6(1)(e)",
            Basis::LegitimateInterests => "Art. 6(1)(f)",
        }
    }

    /// Whether data on this basis is portable: true for consent and contract. Art. 20(1)(a).
    #[must_use]
    pub const fn is_portable(self) -> bool {
        matches!(self, Basis::Consent | Basis::Contract)
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

/// Text that is not the name of a legal basis.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a legal basis of Art. 6(1): consent, contract, legal_obligation, vital_interests, public_task or \
     legitimate_interests"
)]
#[non_exhaustive]
pub struct InvalidBasis;

impl FromStr for Basis {
    type Err = InvalidBasis;

    fn from_str(name: &str) -> Result<Basis, InvalidBasis> {
        Basis::ALL.into_iter().find(|basis| basis.as_str() == name).ok_or(InvalidBasis)
    }
}

oubliette::journal::message::debug_as_message!(InvalidBasis);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for basis in Basis::ALL {
            assert_eq!(basis.as_str().parse(), Ok(basis));
            assert_eq!(basis.to_string().replace(' ', "_"), basis.as_str());
        }
        for bad in ["", "Consent", "consent ", "legal obligation"] {
            assert_eq!(bad.parse::<Basis>(), Err(InvalidBasis));
        }
    }
}
