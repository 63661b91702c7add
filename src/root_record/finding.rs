//! What a record says was found, that a vault which only went forward would not show.

use super::Record;

/// What was found that a vault which only went forward would not show, and the generation that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Evidence that names this vault proved that its key store was rolled back: everything is refused.
    RolledBack(u64),
    /// One value was sealed in a state that is not of this vault's history. It may be of a copy: that value alone is refused.
    Alarm(u64),
}

impl Finding {
    /// The generation, unless a value alone names it.
    pub(crate) fn proven(self) -> Option<u64> {
        match self {
            Finding::RolledBack(seen) => Some(seen),
            Finding::Alarm(_) => None,
        }
    }

    /// What whoever mends it goes above. A value names what its maker likes: it must not bring the vault near its last generation.
    pub(crate) fn to_go_above(self, have: u64, most: u64) -> u64 {
        match self {
            Finding::RolledBack(seen) => seen,
            Finding::Alarm(seen) if seen <= have.saturating_add(most) => seen,
            Finding::Alarm(_) => 0,
        }
    }

    pub(crate) fn seen(self) -> u64 {
        match self {
            Finding::RolledBack(seen) | Finding::Alarm(seen) => seen,
        }
    }
}

impl Record {
    /// The generation that proved that the vault was rolled back.
    pub(crate) fn gone_back(&self) -> Option<u64> {
        match self.finding {
            Some(Finding::RolledBack(seen)) => Some(seen),
            _ => None,
        }
    }

    /// The generation that a value named which is not of this vault's history.
    pub(crate) fn alarm(&self) -> Option<u64> {
        match self.finding {
            Some(Finding::Alarm(seen)) => Some(seen),
            _ => None,
        }
    }

    /// Takes in what was found: a proof outweighs an alarm, and of two proofs or two alarms the higher one counts.
    pub(crate) fn add_finding(&mut self, new: Finding) {
        self.finding = match (self.finding, new) {
            (Some(Finding::RolledBack(old)), Finding::RolledBack(seen)) => Some(Finding::RolledBack(old.max(seen))),
            (Some(Finding::Alarm(old)), Finding::Alarm(seen)) => Some(Finding::Alarm(old.max(seen))),
            (Some(known @ Finding::RolledBack(_)), Finding::Alarm(_)) => Some(known),
            (_, new) => Some(new),
        };
    }
}
