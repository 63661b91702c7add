//! The rules for a store whose commits become durable together and in order, each of which can be taken away.

/// What is said of each is what the protocol does with it; `without` says what happens otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Success is answered after the flush that covers the commit.
    AnswerAfterFlush,
    /// And that flush is confirmed by the standby that may be promoted.
    StandbyConfirms,
    /// The lock is held until others see the record.
    LockedUntilSeen,
    /// A read takes for durable what a flush covers that began after it, and otherwise what the record calls settled.
    ReadsAreFlushed,
    /// A lease is renewed by a read that the standby confirms.
    LeaseIsConfirmed,
    /// A record calls settled what was known to be durable, not what it is based on.
    SettledWasDurable,
    /// "It is there already" is answered after a flush.
    DoneAfterFlush,
    /// So is a commit whose answer was lost, and which is found.
    FoundAfterFlush,
    /// The key of an older version is destroyed after a flush.
    DestroyedAfterFlush,
    /// A commit that writes anything elsewhere first has its base flushed.
    ElsewhereAfterFlush,
    /// No rollback is proven by a record that was read under the lock and not confirmed.
    AlarmIsConfirmed,
    /// Of the log a crash takes the end, and nothing out of its middle: pages and record are in one log.
    OneLog,
}

impl Rule {
    pub const ALL: [Rule; 12] = [
        Rule::AnswerAfterFlush,
        Rule::StandbyConfirms,
        Rule::LockedUntilSeen,
        Rule::ReadsAreFlushed,
        Rule::LeaseIsConfirmed,
        Rule::SettledWasDurable,
        Rule::DoneAfterFlush,
        Rule::FoundAfterFlush,
        Rule::DestroyedAfterFlush,
        Rule::ElsewhereAfterFlush,
        Rule::AlarmIsConfirmed,
        Rule::OneLog,
    ];

    /// By which it is named on the command line, and in ARCHITECTURE.md.
    pub fn name(self) -> &'static str {
        match self {
            Rule::AnswerAfterFlush => "F1",
            Rule::StandbyConfirms => "F2",
            Rule::LockedUntilSeen => "F3",
            Rule::ReadsAreFlushed => "F4",
            Rule::LeaseIsConfirmed => "F5",
            Rule::SettledWasDurable => "F6",
            Rule::DoneAfterFlush => "F7",
            Rule::FoundAfterFlush => "F8",
            Rule::DestroyedAfterFlush => "F9",
            Rule::ElsewhereAfterFlush => "F10",
            Rule::AlarmIsConfirmed => "F11",
            Rule::OneLog => "F12",
        }
    }

    /// What is done when it is taken away.
    pub fn without(self) -> &'static str {
        match self {
            Rule::AnswerAfterFlush => "success is answered before the flush",
            Rule::StandbyConfirms => "success is answered after the primary's own flush",
            Rule::LockedUntilSeen => "the lock is given up when the record is sent",
            Rule::ReadsAreFlushed => "what is read is taken for durable",
            Rule::LeaseIsConfirmed => "any server that answers renews the lease",
            Rule::SettledWasDurable => "a record calls its base settled",
            Rule::DoneAfterFlush => "\"it is there\" is answered at once",
            Rule::FoundAfterFlush => "a commit that is found again is answered at once",
            Rule::DestroyedAfterFlush => "a key is destroyed when the record is seen",
            Rule::ElsewhereAfterFlush => "the mark is raised elsewhere upon a base that was only seen",
            Rule::AlarmIsConfirmed => "what was read under the lock proves a rollback",
            Rule::OneLog => "a commit in the middle may be lost alone",
        }
    }
}
