//! What the application says once: how long each purpose is kept, where its index columns are, what stays of an erasure.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use oubliette::journal::Receipt;
use oubliette::{Purpose, ReceiptContext};

use super::clock::Clock;
use super::error::RegisterError;
use super::names::is_name;
use super::rows::RowsOf;

/// How long data of a purpose is kept. [`Rules`] has an example. Spans are of the calendar, in UTC: a month after 31
/// January is the last of February.
#[derive(Clone, Debug)]
pub struct Keep {
    pub(crate) from: From,
    pub(crate) span: Span,
}

/// From when the time counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Grant,
    Last(String),
    End(String),
}

impl Keep {
    /// Counts from the grant: for example a consent that you ask for anew every two years.
    #[must_use]
    pub fn after_grant(span: impl Into<Span>) -> Keep {
        Keep { from: From::Grant, span: span.into() }
    }

    /// Counts from the last [`mark`](super::InTransactionSqlite::mark) of this name, or from the grant if that is
    /// later: for example from the last order.
    #[must_use]
    pub fn after_last(mark: impl Into<String>, span: impl Into<Span>) -> Keep {
        Keep { from: From::Last(mark.into()), span: span.into() }
    }

    /// Counts from a [`mark`](super::InTransactionSqlite::mark) of this name since the grant: for example from the end
    /// of a contract. Without such a mark the data is kept for ever.
    #[must_use]
    pub fn after_end(mark: impl Into<String>, span: impl Into<Span>) -> Keep {
        Keep { from: From::End(mark.into()), span: span.into() }
    }

    /// The name of the mark that counts.
    pub(crate) fn mark(&self) -> Option<&str> {
        match &self.from {
            From::Grant => None,
            From::Last(mark) | From::End(mark) => Some(mark),
        }
    }

    /// When a grant ends by this rule, if that is known.
    pub(crate) fn end(&self, granted: Timestamp, mark: Option<Timestamp>) -> Result<Option<Timestamp>, RegisterError> {
        let from = match (&self.from, mark) {
            (From::Grant, _) | (From::Last(_), None) => granted,
            (From::Last(_), Some(mark)) => granted.max(mark),
            (From::End(_), Some(mark)) if mark >= granted => mark,
            (From::End(_), _) => return Ok(None),
        };
        after(from, self.span).map(Some)
    }

    /// Nothing that counts from a later time than this is due now. A week late, since months and years differ in length.
    pub(crate) fn latest_due(&self, now: Timestamp) -> Result<Timestamp, RegisterError> {
        let before =
            now.to_zoned_datetime(TimeZone::UTC).checked_sub(self.span).map_err(RegisterError::Time)?.timestamp();
        Ok(before.checked_add(SignedDuration::from_hours(24 * 7)).unwrap_or(Timestamp::MAX))
    }
}

/// A time of the calendar later, in UTC.
pub(crate) fn after(time: Timestamp, span: Span) -> Result<Timestamp, RegisterError> {
    Ok(time.to_zoned_datetime(TimeZone::UTC).checked_add(span).map_err(RegisterError::Time)?.timestamp())
}

/// A column of tokens in a table of the application's, which the register sets to NULL for those who are shredded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenColumn {
    pub(crate) table: String,
    pub(crate) number_column: String,
    pub(crate) column: String,
}

type Sink = dyn Fn(&Receipt) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// The application's rules, for [`Register::new`](super::Register::new).
///
/// ```
/// use jiff::{SignedDuration, ToSpan};
/// use oubliette::Purpose;
/// use oubliette_register::{Keep, Rules};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NEWSLETTER: Purpose = Purpose::new("newsletter");
///
/// let rules = Rules::new()
///     .keep(ORDERS, Keep::after_last("order", 10.years()))
///     .keep(NEWSLETTER, Keep::after_grant(2.years()))
///     .tokens("customers", "no", ["email_idx"])
///     .grace(SignedDuration::from_hours(7 * 24))
///     .keep_evidence(["when", "text"]);
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Rules {
    pub(crate) keeps: Vec<(Purpose, Keep)>,
    pub(crate) tokens: Vec<TokenColumn>,
    pub(crate) rows: Vec<RowsOf>,
    pub(crate) grace: Option<SignedDuration>,
    pub(crate) kept_evidence: Vec<String>,
    pub(crate) receipt_context: ReceiptContext,
    pub(crate) receipts: Option<Arc<Sink>>,
    pub(crate) clock: Arc<Clock>,
    #[cfg(feature = "testing")]
    pub(crate) steps: Option<oubliette::testing::Steps>,
    invalid: Option<&'static str>,
}

impl Rules {
    /// No rules: data is kept until its grants end, and there are no columns of tokens.
    pub fn new() -> Rules {
        Rules::default()
    }

    /// Says how long data of a purpose is kept. A [sweep](super::OwnTransactionSqlite::sweep) ends what is due. A grant
    /// with an end of its own ends at the earlier of the two. If a purpose has several grants, the one that ends last
    /// counts.
    pub fn keep(mut self, purpose: Purpose, keep: Keep) -> Rules {
        // A span that no calendar holds would fail at the first sweep.
        let end = |span: Span| after(Timestamp::UNIX_EPOCH, span).ok();
        let positive = keep.span.is_positive()
            && end(keep.span).zip(end(Span::new().years(1000))).is_some_and(|(end, longest)| end <= longest);
        let good = keep.mark().is_none_or(is_name);
        if !positive || !good || self.keeps.iter().any(|(known, _)| *known == purpose) {
            self.refuse("a purpose has one rule, with a span of at most 1000 years and a mark of 1 to 64 bytes");
        }
        self.keeps.push((purpose, keep));
        self
    }

    /// Names a table's columns of tokens (`customers`, or `shop.customers`) and its column of customer numbers. A shred
    /// sets these tokens to NULL in the customer's rows. Write the names as the database has them.
    pub fn tokens<'c>(mut self, table: &str, number_column: &str, columns: impl IntoIterator<Item = &'c str>) -> Rules {
        columns.into_iter().for_each(|column| self.add_tokens(table, number_column, column));
        self
    }

    /// Names a table's columns of tokens, as [`tokens`](Rules::tokens) does, from a record:
    /// `Rules::new().record("customers", Customer::FIELDS)`. The table's columns must have the names of the record's
    /// fields.
    pub fn record(mut self, table: &str, fields: &[oubliette::fields::FieldInfo]) -> Rules {
        use oubliette::fields::FieldKind;
        let number_of = |wanted: Purpose| {
            let numbers = fields.iter().filter_map(|field| match field.kind {
                FieldKind::Customer { purpose, own, .. } => Some((field.column, purpose == wanted, own)),
                _ => None,
            });
            let of_purpose = numbers.clone().find(|(_, theirs, _)| *theirs);
            of_purpose.or_else(|| numbers.clone().find(|(_, _, own)| *own)).map(|(column, _, _)| column)
        };
        for field in fields {
            if let FieldKind::Token { purpose, .. } = field.kind {
                match number_of(purpose) {
                    Some(number) => self.add_tokens(table, number, field.column),
                    None => self.refuse("a record with tokens has a customer number"),
                }
            }
        }
        self
    }

    fn add_tokens(&mut self, table: &str, number_column: &str, column: &str) {
        self.check_names(table, &[number_column, column]);
        let (table, number_column, column) = (table.to_owned(), number_column.to_owned(), column.to_owned());
        self.tokens.push(TokenColumn { table, number_column, column });
    }

    /// Says how long a requested erasure waits, so that a mistake can be called off. Then a sweep carries it out.
    /// [`erase`](super::OwnTransactionSqlite::erase) does not wait. The grace is less than 28 days, since an answer is
    /// due within a month. **A shred cannot be undone.**
    pub fn grace(mut self, grace: SignedDuration) -> Rules {
        if grace <= SignedDuration::ZERO || grace >= SignedDuration::from_hours(28 * 24) {
            self.refuse("a grace is at least zero and less than 28 days");
        }
        self.grace = Some(grace);
        self
    }

    /// Names the parts of a grant's evidence that stay after the customer is erased; by default none. A part that
    /// contains the customer's id never stays.
    ///
    /// A grant's purpose, basis, recipient, beginning and end always stay: they name nobody, and show that there was a
    /// basis (GDPR Art. 5(2)). You must judge whether you also have to prove a consent after the erasure (Art. 7(1),
    /// 17(3)(e)).
    pub fn keep_evidence<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Rules {
        self.kept_evidence.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// What receipts say of copies that a shred does not reach: how long backups and copies of the root record are
    /// kept, and which indexes there are.
    pub fn receipt_context(mut self, context: ReceiptContext) -> Rules {
        self.receipt_context = context;
        self
    }

    /// Says where receipts go before the register forgets whose they are. If the function fails, or the process is
    /// killed, the erasure stays unfinished and [`resume`](super::OwnTransactionSqlite::resume) issues another receipt:
    /// none is lost, and one may come twice. Without this function, a process that is killed at the last moment has
    /// erased the customer and returned no receipt.
    ///
    /// The register calls it within a transaction, so keep it short: write a file, or queue a mail.
    pub fn receipts(
        mut self,
        keep: impl Fn(&Receipt) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Rules {
        self.receipts = Some(Arc::new(keep));
        self
    }

    /// Replaces the machine's clock.
    #[cfg(feature = "testing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Rules {
        self.clock = Arc::new(Clock::telling(now));
        self
    }

    /// Counts the steps of what shreds, and stops at one of them.
    #[cfg(feature = "testing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    pub fn steps(mut self, steps: &oubliette::testing::Steps) -> Rules {
        self.steps = Some(steps.clone());
        self
    }

    pub(crate) fn check(&self) -> Result<(), RegisterError> {
        self.invalid.map_or(Ok(()), |what| Err(RegisterError::Invalid { what }))
    }

    pub(crate) fn keep_of(&self, purpose: &str) -> Option<&Keep> {
        self.keeps.iter().find(|(known, _)| known.name() == purpose).map(|(_, keep)| keep)
    }

    /// The mark that a purpose's rule counts from; no mark has an empty name.
    pub(crate) fn mark_of(&self, purpose: &str) -> &str {
        self.keep_of(purpose).and_then(Keep::mark).unwrap_or_default()
    }

    pub(crate) fn check_names(&mut self, table: &str, columns: &[&str]) {
        // PostgreSQL's limit is 63 bytes, MySQL's 64 characters.
        if !table.split('.').chain(columns.iter().copied()).all(is_name) {
            self.refuse("a name of a table or column has 1 to 64 bytes and no control characters");
        }
    }

    fn refuse(&mut self, what: &'static str) {
        self.invalid.get_or_insert(what);
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("keeps", &self.keeps)
            .field("tokens", &self.tokens)
            .field("rows", &self.rows)
            .field("grace", &self.grace)
            .field("kept_evidence", &self.kept_evidence)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        assert_eq!(after(at("2026-01-31T10:00:00Z"), 1.month()).unwrap(), at("2026-02-28T10:00:00Z"));
        assert_eq!(after(at("2028-01-31T10:00:00Z"), 1.month()).unwrap(), at("2028-02-29T10:00:00Z"));
        assert_eq!(after(at("2026-12-24T23:59:59Z"), 1.month()).unwrap(), at("2027-01-24T23:59:59Z"));
        assert!(after(Timestamp::MAX, 1.month()).is_err());
    }

    #[test]
    fn rules_count_from_what_they_say() {
        let (granted, mark) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let end = |keep: Keep, mark| keep.end(granted, mark).unwrap().map(|end| end.to_string());
        let year = |year: &str| Some(format!("{year}-01-01T00:00:00Z"));
        assert_eq!(end(Keep::after_grant(1.year()), Some(mark)), year("2027"));
        assert_eq!(end(Keep::after_last("order", 1.year()), None), year("2027"));
        assert_eq!(end(Keep::after_last("order", 1.year()), Some(mark)), year("2028"));
        assert_eq!(end(Keep::after_last("order", 1.year()), Some(at("2020-01-01T00:00:00Z"))), year("2027"));
        assert_eq!(end(Keep::after_end("contract", 1.year()), None), None);
        assert_eq!(end(Keep::after_end("contract", 1.year()), Some(mark)), year("2028"));
        assert_eq!(end(Keep::after_end("contract", 1.year()), Some(at("2020-01-01T00:00:00Z"))), None);
    }

    #[test]
    fn what_may_be_due_is_never_overlooked() {
        for day in 1..=365 {
            let now = at("2027-01-01T00:00:00Z") + SignedDuration::from_hours(24 * day);
            for span in [1.month(), 13.months(), 2.years(), 30.days()] {
                let keep = Keep::after_grant(span);
                let latest = keep.latest_due(now).unwrap();
                assert!(
                    keep.end(latest + SignedDuration::from_millis(1), None).unwrap().unwrap() > now,
                    "{now} {span}"
                );
            }
        }
    }

    fn days_of(year: i32, month: i32) -> i32 {
        match month {
            4 | 6 | 9 | 11 => 30,
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            _ => 31,
        }
    }

    /// Times of three centuries, those around the ends of months and of Februaries often.
    fn times() -> impl Strategy<Value = Timestamp> {
        let day = prop_oneof![1..=31_i32, 28..=31_i32];
        let month = prop_oneof![1..=12_i32, 1..=3_i32];
        let year = prop_oneof![1970..2300_i32, 2095..2105_i32, 2023..2029_i32];
        (year, month, day, 0..86_400_000_i64).prop_map(|(year, month, day, millisecond)| {
            let day = day.min(days_of(year, month));
            at(&format!("{year:04}-{month:02}-{day:02}T00:00:00Z")) + SignedDuration::from_millis(millisecond)
        })
    }

    fn spans() -> impl Strategy<Value = Span> {
        let (years, months) = (prop_oneof![Just(0), 0..12_i64], prop_oneof![Just(0), 0..40_i64]);
        let (days, hours) = (prop_oneof![Just(0), 0..1_500_i64], prop_oneof![Just(0), 0..72_i64]);
        let span = (years, months, days, hours)
            .prop_map(|(years, months, days, hours)| Span::new().years(years).months(months).days(days).hours(hours));
        span.prop_filter("positive", |span| span.is_positive())
    }

    proptest! {
        /// The database's bound is generous: whatever is due by the calendar is looked at.
        #[test]
        fn what_is_due_is_within_the_bound(granted in times(), span in spans(), later in 0..10_000_000_000_i64) {
            let keep = Keep::after_grant(span);
            let end = keep.end(granted, None).unwrap().unwrap();
            for now in [end, end + SignedDuration::from_millis(later)] {
                prop_assert!(granted <= keep.latest_due(now).unwrap(), "{granted} and {span} end at {end}; {now}");
            }
        }

        /// A month later is the same day of the next month, or its last, at the same time of day.
        #[test]
        fn months_are_those_of_a_calendar_of_our_own(granted in times(), months in 1..400_i64) {
            let end = after(granted, months.months()).unwrap();
            let [from, to] = [granted, end].map(|time| time.to_zoned_datetime(TimeZone::UTC).datetime());
            let count = |date: jiff::civil::DateTime| i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
            prop_assert_eq!(count(to) - count(from), months);
            let last = days_of(i32::from(to.year()), i32::from(to.month()));
            prop_assert_eq!(i32::from(to.day()), i32::from(from.day()).min(last));
            prop_assert_eq!(from.time(), to.time());
        }

        /// A later mark never shortens what is kept, nothing ends before what it counts from, and no mark is no end.
        #[test]
        fn marks_only_ever_move_the_end_on(
            granted in times(), one in times(), other in times(), span in spans(),
        ) {
            let (earlier, later) = (one.min(other), one.max(other));
            let last = Keep::after_last("order", span);
            let of_grant = Keep::after_grant(span).end(granted, Some(later)).unwrap();
            let end = |mark| last.end(granted, mark).unwrap();
            prop_assert_eq!(end(None), of_grant);
            prop_assert!(end(Some(earlier)) >= of_grant && end(Some(later)) >= end(Some(earlier)));
            prop_assert!(end(Some(later)).is_some_and(|end| end > granted.max(later)));
            let contract = Keep::after_end("contract", span);
            prop_assert_eq!(contract.end(granted, None).unwrap(), None);
            let ended = contract.end(granted, Some(one)).unwrap();
            prop_assert_eq!(ended.is_some(), one >= granted);
            prop_assert!(ended.is_none_or(|end| end > one));
        }
    }

    #[test]
    fn a_records_tokens_go_by_the_number_of_their_purpose() {
        use oubliette::personal::Email;
        use oubliette::{bits, fields::FieldInfo};
        const ORDERS: Purpose = Purpose::new("orders");
        const NEWS: Purpose = Purpose::new("newsletter");
        const OTHER: Purpose = Purpose::new("other");
        let token = |column, purpose: Purpose| {
            FieldInfo::token(column, "email", purpose.field::<Email>("email").index("exact", bits(32)))
        };
        let number = FieldInfo::customer;
        let fields = [
            number("news_no", NEWS, false),
            number("no", ORDERS, true),
            token("email_idx", ORDERS),
            token("news_idx", NEWS),
            token("other_idx", OTHER),
        ];
        let rules = Rules::new().record("shop.customers", &fields);
        assert!(rules.check().is_ok());
        let columns = rules.tokens.iter().map(|token| (token.number_column.as_str(), token.column.as_str()));
        let expected = [("no", "email_idx"), ("news_no", "news_idx"), ("no", "other_idx")];
        assert_eq!(columns.collect::<Vec<_>>(), expected);
        assert!(Rules::new().record("customers", &[token("email_idx", ORDERS)]).check().is_err());
    }

    #[test]
    fn bad_rules_are_refused() {
        const ORDERS: Purpose = Purpose::new("orders");
        assert!(Rules::new().keep(ORDERS, Keep::after_grant(1.month())).check().is_ok());
        assert!(Rules::new().keep(ORDERS, Keep::after_grant(0.months())).check().is_err());
        assert!(Rules::new().keep(ORDERS, Keep::after_grant(1000.years())).check().is_ok());
        for span in [1001.years(), 1000.years().days(1), 15_000.years(), 7_000_000.days()] {
            assert!(Rules::new().keep(ORDERS, Keep::after_grant(span)).check().is_err(), "{span}");
        }
        assert!(Rules::new().keep(ORDERS, Keep::after_last("", 1.month())).check().is_err());
        let twice = Rules::new().keep(ORDERS, Keep::after_grant(1.month())).keep(ORDERS, Keep::after_grant(2.months()));
        assert!(twice.check().is_err());
        assert!(Rules::new().tokens("shop.customers", "no", ["email_idx"]).check().is_ok());
        assert!(Rules::new().tokens("shop.", "no", ["email_idx"]).check().is_err());
        assert!(Rules::new().tokens("customers", "no", ["a\0"]).check().is_err());
        assert!(Rules::new().grace(SignedDuration::from_hours(28 * 24)).check().is_err());
    }
}
