//! Bugs planted in the register, so that tests of tests can see them fail.
//!
//! With `--cfg planted` alone, which no feature turns on: `.ci/planted` runs those tests.

use std::cell::Cell;

/// A bug to plant in the register's calls on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A sweep asks no hold.
    SweepsTheHeld,
    /// A withdrawal asks no hold.
    WithdrawsTheHeld,
    /// A reconciliation does not ask the vault which live numbers it has shredded.
    ReconcilesOneWay,
    /// A reconciliation asks neither the journal nor the vault who was erased.
    ErasedComeBack,
    /// A reconciliation places no hold again that the journal tells.
    HoldsForgotten,
    /// A reconciliation closes no request again that the journal tells was closed.
    RequestsRevived,
    /// Nothing waits for an operator's word after a restore.
    NobodyAsked,
    /// A receipt is signed though the application has rows of other numbers.
    RowsNotCompared,
    /// What was delivered to the journal stays in the outbox.
    DeliveredTwice,
    /// An erasure leaves out the customer's newest number.
    NumberLeft,
}

thread_local! {
    static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug in this thread, or takes it away.
pub fn plant(bug: Option<Bug>) {
    BUG.set(bug);
}

pub(crate) fn is_planted(bug: Bug) -> bool {
    BUG.get() == Some(bug)
}
