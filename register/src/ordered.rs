//! Orders to shred numbers, as the journal tells them: whoever finds the numbers gone must know that no erasure was asked for.
//!
//! The vault alone cannot tell them apart: of a customer all of whose numbers were shredded by number nothing is left either. So the order is in
//! the journal before the vault shreds, and it is the vault's own entry behind it that shows that it came about.

use oubliette::journal::{Event, Label, Numbers, Ranges, Reason, Whom};
use oubliette::{CustomerId, Purpose};

use super::database::{Database, Transactions};
use super::error::RegisterError;
use super::ids::hex;
use super::outbox;
use super::register::Register;
use super::since;

/// An order that was carried out.
struct Order {
    whom: Whom,
    purpose: Option<Label>,
    why: Option<Reason>,
}

/// What the journal tells of such orders.
#[derive(Default)]
pub(crate) struct Orders {
    done: Vec<Order>,
    /// Numbers that were shredded in all purposes for any other cause.
    others: Numbers,
}

/// Has an order in the journal, durably.
pub(crate) async fn tell<D: Transactions>(
    register: &Register,
    db: &mut D,
    whom: Whom,
    purpose: Option<Purpose>,
    why: Option<&Reason>,
) -> Result<(), RegisterError> {
    let event = Event::ShredOrdered { whom, purpose: purpose.map(Into::into), why: why.cloned() };
    db.begin().await?;
    // A list may be too long for one line.
    for event in event.split() {
        outbox::tell(db, register.now(), &event).await?;
    }
    db.commit().await?;
    outbox::flush(register, db).await.map(drop)
}

/// All orders of this database's that the vault has carried out, from the whole journal.
pub(crate) async fn of_journal<D: Database>(register: &Register, db: &mut D) -> Result<Orders, RegisterError> {
    let tag = since::tag(db).await?;
    let (mut orders, mut others): (Orders, Vec<_>) = (Orders::default(), Vec::new());
    let mut waiting: Vec<Order> = Vec::new();
    for entry in register.vault.journal_entries_after(0)? {
        let entry = entry?;
        let ours = entry.id().is_some_and(|id| outbox::is_of(&hex(&id.to_bytes()), &tag));
        match entry.into_event() {
            Event::ShredOrdered { whom, purpose, why } if ours => waiting.push(Order { whom, purpose, why }),
            Event::Shred { whom, purpose, why } => {
                // Requests that share a commit share an entry, which then has the numbers of all.
                let is_of = |order: &Order| order.purpose == purpose && order.why == why && covers(&whom, &order.whom);
                let (mut done, left) = waiting.into_iter().partition::<Vec<Order>, _>(is_of);
                waiting = left;
                if done.is_empty() && purpose.is_none() {
                    match whom {
                        Whom::Numbers(numbers) => others.extend(numbers.as_ranges().as_slice().iter().cloned()),
                        Whom::Through(last) => others.push(CustomerId::MIN.get()..=last.get()),
                    }
                }
                orders.done.append(&mut done);
            }
            _ => {}
        }
    }
    orders.others = Numbers::from(Ranges::of(others));
    Ok(orders)
}

fn covers(all: &Whom, part: &Whom) -> bool {
    match (all, part) {
        (Whom::Numbers(all), Whom::Numbers(part)) => all.and(part) == *part,
        (Whom::Through(last), Whom::Through(first)) => first.get() <= last.get(),
        _ => false,
    }
}

impl Orders {
    /// The newest order that shredded a number in its purpose, if nothing else shredded it: its reason, if it has one.
    pub(crate) fn of(&self, number: CustomerId, purpose: Purpose) -> Option<Option<&Reason>> {
        if self.others.contains(number) {
            return None;
        }
        let is_of = |order: &&Order| {
            let of_purpose = order.purpose.as_ref().is_none_or(|only| only.as_str() == purpose.name());
            of_purpose
                && match &order.whom {
                    Whom::Numbers(numbers) => numbers.contains(number),
                    Whom::Through(last) => number.get() <= last.get(),
                }
        };
        self.done.iter().rev().find(is_of).map(|order| order.why.as_ref())
    }
}
