//! What to expect of an index before there is one.

use crate::index::{Bits, Index};
use crate::personal::Canonical;

/// A processor tries about this many values a second, on one core.
const GUESSES_A_SECOND: f64 = 5e6;

/// What a number of bits comes to in a table of so many rows. From [`Index::plan`].
///
/// [`Index::plan`] has an example.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Plan {
    rows: u64,
    bits: Bits,
    values: Option<u64>,
}

/// Something to think about before an index is declared.
///
/// [`Index::plan`] has an example.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PlanWarning {
    /// So few values exist that whoever has the root record and root key can try them all, and with this many bits learns
    /// most rows' values. Use fewer bits, an index on less of the value, or none.
    FewValues {
        /// How many there are, about.
        values: u64,
        /// How long trying them all takes on one core, in seconds.
        seconds: f64,
    },
    /// A query reads this many rows that only match by chance, on average: each must be opened to be told. Use more
    /// bits.
    ManyFalseHits {
        /// Rows a query.
        rows: f64,
    },
    /// Hardly any row matches by chance, so equal tokens mean equal values to whoever sees the column. Fewer bits would blur
    /// that, and still find few rows.
    TellsEqualValues {
        /// With this many, a query reads about two rows by chance.
        enough: u16,
    },
}

impl std::fmt::Display for PlanWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PlanWarning::FewValues { values, seconds } => write!(
                f,
                "about {values} values exist: whoever holds the root record and root key tries them all in \
                 {seconds:.0} s; use fewer bits, or an index on less of the value"
            ),
            PlanWarning::ManyFalseHits { rows } => {
                write!(f, "a query reads about {rows:.0} rows that match by chance; use more bits")
            }
            PlanWarning::TellsEqualValues { enough } => write!(
                f,
                "equal tokens mean equal values to whoever sees the column; {enough} bits would blur that, at about two \
                 rows a query that match by chance"
            ),
        }
    }
}

impl<T: Canonical> Index<T> {
    /// What this index comes to in a table of so many rows.
    ///
    /// ```
    /// # use oubliette::{Field, Index, Purpose, bits, personal::Email, search::PlanWarning};
    /// # const ORDERS: Purpose = Purpose::new("orders");
    /// const BY_EMAIL: Index<Email> = ORDERS.field::<Email>("email").index("exact", bits(16));
    /// let plan = BY_EMAIL.plan(1_000_000);
    /// assert!((15.0..16.0).contains(&plan.false_hits_a_query()));
    /// assert!(plan.warnings().is_empty());
    /// assert!(matches!(BY_EMAIL.plan(100_000_000).warnings()[..], [PlanWarning::ManyFalseHits { .. }]));
    /// ```
    pub fn plan(self, rows: u64) -> Plan {
        Plan { rows, bits: self.bits, values: T::VALUES }
    }
}

impl Plan {
    /// Rows that a query finds beside the right ones, on average. No more during a re-index, since each row has a token of one
    /// epoch only.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // an estimate
    pub fn false_hits_a_query(&self) -> f64 {
        self.rows as f64 / 2_f64.powi(i32::from(self.bits.get()))
    }

    /// What to think about, the gravest first.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // estimates
    pub fn warnings(&self) -> Vec<PlanWarning> {
        let mut warnings = Vec::new();
        let false_hits = self.false_hits_a_query();
        // With so few bits that many values share a token, trying them all leaves as many candidates.
        let told = self.values.filter(|values| 2_f64.powi(i32::from(self.bits.get())) * 16.0 > *values as f64);
        if let Some(values) = told {
            warnings.push(PlanWarning::FewValues { values, seconds: values as f64 / GUESSES_A_SECOND });
        }
        if false_hits > 100.0 {
            warnings.push(PlanWarning::ManyFalseHits { rows: false_hits });
        }
        let enough = (self.rows as f64 / 2.0).log2().floor();
        if false_hits < 0.001 && enough >= 1.0 {
            warnings.push(PlanWarning::TellsEqualValues { enough: enough as u16 });
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Purpose;
    use crate::index::bits;
    use crate::personal::{Email, Phone};

    #[test]
    fn few_values_are_warned_of() {
        const BY_PHONE: Index<Phone> = Purpose::new("orders").field::<Phone>("phone").index("exact", bits(64));
        let warnings = BY_PHONE.plan(1_000_000).warnings();
        assert!(matches!(warnings[..], [PlanWarning::FewValues { .. }, PlanWarning::TellsEqualValues { enough: 18 }]));
        assert!(warnings.iter().all(|warning| warning.to_string().len() > 40));
        const COARSE: Index<Phone> = Purpose::new("orders").field::<Phone>("phone").index("coarse", bits(16));
        assert!(COARSE.plan(1_000_000).warnings().is_empty());
    }

    /// The estimate against a count: tokens of 10 000 values in 10 bits.
    #[test]
    fn false_hits_are_what_is_counted() {
        let vault = crate::Vault::in_memory([Purpose::new("orders")]);
        const BY_EMAIL: Index<Email> = Purpose::new("orders").field::<Email>("email").index("exact", bits(10));
        let token = |n: u32| vault.token(BY_EMAIL, &format!("c{n}@example.com").parse().unwrap()).unwrap();
        let rows: Vec<_> = (0..10_000).map(token).collect();
        let asked: Vec<_> = (10_000..10_200).map(token).collect();
        let hits = asked.iter().map(|asked| rows.iter().filter(|row| *row == asked).count()).sum::<usize>() as f64;
        let expected = BY_EMAIL.plan(10_000).false_hits_a_query();
        assert!((hits / 200.0 - expected).abs() < 1.0, "{hits} {expected}");
    }
}
