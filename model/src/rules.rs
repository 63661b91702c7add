//! The rules of the protocol, as ARCHITECTURE.md numbers them, each of which can be taken away to see what it is for.

/// A rule. What is said of each is what the protocol does with it; `Rule::without` says what happens otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// R1: no new record, and no mark, before the record that it is based on is settled in every listed place.
    SettleFirst,
    /// R2: to settle is to write the same bytes again and then to sync, also where all slots look equal. A sync alone proves
    /// nothing: a failure before it was told to somebody else.
    WriteThenSync,
    /// R3: after a failure in its first slot, a place's second slot is left alone.
    StopInAPlace,
    /// R4: the first place of the list is written first.
    FirstPlaceFirst,
    /// R5: the lease is renewed, and a commit based, only upon a record that the first place of its list shows.
    LeaseByTheFirstPlace,
    /// R6: what is new is sealed under the newest record that is known to be durable, not the newest that was seen.
    SealUnderDurable,
    /// R7: what is there already is made durable before the answer says so.
    DoneIsMadeDurable,
    /// R8: a new tree counts when every place has it.
    InEveryPlace,
    /// R9: only what was known to be durable proves a rollback when it is missing.
    OnlyDurableProves,
    /// R10: a sweep makes its record whole first, or deletes nothing.
    SweepWhole,
    /// R11: a place that the newest record does not list is not compared with it.
    UnlistedIsSkipped,
    /// R12: a promotion goes up by two generations, past what the old first place may hold.
    PromotionWins,
    /// R12: but its mark goes up by one, as in every commit.
    PromotionMarksOne,
    /// R12: and it writes the new first place first.
    PromotionOrder,
    /// R13: a commit that gives up places does not call its base settled.
    SettledInTheOldList,
    /// R14: a place that is attached must be empty.
    AttachedIsEmpty,
}

impl Rule {
    pub const ALL: [Rule; 16] = [
        Rule::SettleFirst,
        Rule::WriteThenSync,
        Rule::StopInAPlace,
        Rule::FirstPlaceFirst,
        Rule::LeaseByTheFirstPlace,
        Rule::SealUnderDurable,
        Rule::DoneIsMadeDurable,
        Rule::InEveryPlace,
        Rule::OnlyDurableProves,
        Rule::SweepWhole,
        Rule::UnlistedIsSkipped,
        Rule::PromotionWins,
        Rule::PromotionMarksOne,
        Rule::PromotionOrder,
        Rule::SettledInTheOldList,
        Rule::AttachedIsEmpty,
    ];

    /// Its number, by which it is named on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rule::SettleFirst => "R1",
            Rule::WriteThenSync => "R2",
            Rule::StopInAPlace => "R3",
            Rule::FirstPlaceFirst => "R4",
            Rule::LeaseByTheFirstPlace => "R5",
            Rule::SealUnderDurable => "R6",
            Rule::DoneIsMadeDurable => "R7",
            Rule::InEveryPlace => "R8",
            Rule::OnlyDurableProves => "R9",
            Rule::SweepWhole => "R10",
            Rule::UnlistedIsSkipped => "R11",
            Rule::PromotionWins => "R12",
            Rule::PromotionMarksOne => "R12-mark",
            Rule::PromotionOrder => "R12-order",
            Rule::SettledInTheOldList => "R13",
            Rule::AttachedIsEmpty => "R14-empty",
        }
    }

    /// What is done when it is taken away.
    pub fn without(self) -> &'static str {
        match self {
            Rule::SettleFirst => "a record is built on one that was only seen",
            Rule::WriteThenSync => "slots that look equal are only synced",
            Rule::StopInAPlace => "a place's second slot is written after its first failed",
            Rule::FirstPlaceFirst => "the first place is written last",
            Rule::LeaseByTheFirstPlace => "any place renews the lease",
            Rule::SealUnderDurable => "sealed under what was only seen",
            Rule::DoneIsMadeDurable => "\"it is there\" is answered at once",
            Rule::InEveryPlace => "a tree counts that a place lacks",
            Rule::OnlyDurableProves => "what was only seen proves a rollback",
            Rule::SweepWhole => "a sweep deletes at once",
            Rule::UnlistedIsSkipped => "a place that was given up is compared",
            Rule::PromotionWins => "a promotion goes up by one generation",
            Rule::PromotionMarksOne => "a promotion's mark goes up by two",
            Rule::PromotionOrder => "a promotion writes the new first place last",
            Rule::SettledInTheOldList => "a commit that gives up a place calls its base settled",
            Rule::AttachedIsEmpty => "a place is attached with what was left in it",
        }
    }
}

/// All rules, or all but one.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    taken_away: Option<Rule>,
}

impl Rules {
    pub const ALL: Rules = Rules { taken_away: None };

    pub fn without(rule: Rule) -> Rules {
        Rules { taken_away: Some(rule) }
    }

    pub fn keep(self, rule: Rule) -> bool {
        self.taken_away != Some(rule)
    }

    pub fn lack(self, rule: Rule) -> bool {
        self.taken_away == Some(rule)
    }
}
