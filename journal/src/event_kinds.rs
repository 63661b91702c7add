//! Of what kind an event is, and what it names.

use super::event::Event;
use super::number::Number;
use super::numbers::Numbers;
use super::parts::{Ending, Results, RootKeyVersion, Whom};

impl Event {
    /// An outcome of the intent in entry `of`.
    #[must_use]
    pub fn outcome(of: u64, result: Ending, results: Results) -> Event {
        let Results { newly, already, tree, trees, epoch, effective_at, root_key } = results;
        Event::Outcome { of, result, newly, already, tree, trees, epoch, effective_at, root_key }
    }

    /// Whether the event is an intent, which an [`Outcome`](Event::Outcome) ends.
    #[must_use]
    pub fn is_intent(&self) -> bool {
        matches!(
            self,
            Event::Shred { .. }
                | Event::RotateRootKey { .. }
                | Event::RotatePurpose { .. }
                | Event::RetireReplaced { .. }
                | Event::BeginEpoch { .. }
                | Event::RetireEpoch { .. }
                | Event::Recover { .. }
                | Event::ClearAlarm { .. }
                | Event::AddPurposes { .. }
                | Event::Places { .. }
                | Event::ForgetSeries { .. }
        )
    }

    /// The version of the root key that the event names, if it names one.
    #[must_use]
    pub fn root_key(&self) -> Option<&RootKeyVersion> {
        match self {
            Event::Outcome { root_key, .. } => root_key.as_ref(),
            Event::RootKey { version } => Some(version),
            _ => None,
        }
    }

    /// Whether only the vault may write the event: beside a commit, or to keep the journal or an audit.
    #[must_use]
    pub fn is_the_vaults(&self) -> bool {
        let keeps_the_journal = matches!(
            self,
            Event::Opened { .. }
                | Event::Outcome { .. }
                | Event::Gap { .. }
                | Event::Torn { .. }
                | Event::Openings { .. }
                | Event::RootKey { .. }
                | Event::Copied { .. }
        );
        keeps_the_journal || self.is_intent()
    }

    /// The highest customer number that the event names, if it names any.
    #[must_use]
    pub fn highest_number(&self) -> Option<Number> {
        match self {
            Event::Shred { whom: Whom::Through(last), .. } | Event::ShredOrdered { whom: Whom::Through(last), .. } => {
                Some(*last)
            }
            Event::Granted { number, .. } | Event::Ended { number, .. } | Event::Disclosed { number, .. } => {
                Some(*number)
            }
            Event::Recover { highest_number, .. } | Event::ClearAlarm { highest_number, .. } => *highest_number,
            Event::Merged { numbers, into } => numbers.highest().max(into.highest()),
            _ => self.numbers().and_then(Numbers::highest),
        }
    }
}
