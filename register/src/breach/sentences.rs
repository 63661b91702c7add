//! What the report says in sentences.

use std::fmt::Write;

use super::given::Breach;
use super::leak::{Leak, Taken};
use super::materials::Materials;
use super::report::{BreachReport, Exposure};
use super::situation::{Situation, Stored};

pub(super) fn consequences(
    breach: &Breach,
    report: &BreachReport,
    materials: &Materials,
    situation: &Situation,
) -> Vec<String> {
    let mut all = Vec::new();
    let scope = report.scope;
    if scope.persons == 0 {
        all.push("The listed leaks hold no values: no personal data leaked.".to_owned());
    } else if scope.persons_readable == 0 {
        all.push(
            "Every sealed value that leaked is unintelligible: it is encrypted by AES-256-GCM under keys that did not leak."
                .to_owned(),
        );
    } else {
        all.push(format!(
            "It must be assumed that values of {} of {} persons are known.",
            scope.persons_readable, scope.persons
        ));
    }
    if !materials.opened(&situation.history).is_empty() {
        all.push(
            "Keys leaked. Until the measures below are taken, they open values under the same key trees in every copy of the \
           database, older or newer, also those of customers who are enrolled later."
                .to_owned(),
        );
    }
    let mut records: Vec<u64> = breach.leaks.iter().filter_map(record_of).collect();
    records.sort_unstable();
    records.dedup();
    all.extend(records.iter().flat_map(|record| of_version(*record, situation)));
    let tokens = report.purposes.iter().flat_map(|purpose| &purpose.columns);
    if tokens.clone().any(|column| column.states.contains_key(&Exposure::Comparable)) {
        all.push("Tokens tell which rows have equal values, and how common a value is.".to_owned());
    }
    if tokens.clone().any(|column| column.states.contains_key(&Exposure::Guessable)) {
        all.push(
            "Tokens leaked with their keys. Values that can be guessed, such as addresses and telephone numbers, can be found \
           out by trying, also those of customers who were shredded since."
                .to_owned(),
        );
    }
    if breach.leaks.iter().any(|leak| matches!(leak, Leak::Database { .. })) {
        all.push(
            "A copy of the database shows which rows belong to one person, how long values are (after padding), and roughly \
           when they were sealed."
                .to_owned(),
        );
        all.push(
            "If the copied database has the register's tables, they show in clear who is a customer (by the application's \
           ids), for which purposes and on which basis, what was requested and when, and who received data."
                .to_owned(),
        );
    }
    all
}

fn record_of(leak: &Leak) -> Option<u64> {
    match leak {
        Leak::RootRecord { generation } => Some(*generation),
        _ => None,
    }
}

/// What becomes of a copied root record by itself, where its key is a version in a token.
fn of_version(record: u64, situation: &Situation) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(version) = situation.history.version_of(record) {
        let number = version.number;
        let mut text = format!("The root record of generation {record} is under version {number} of the root key, ");
        // Writing to a string does not fail.
        let _ = match (version.gone, version.kept) {
            (Some(gone), _) => write!(
                text,
                "whose key was destroyed in the token by {:.0}: this record opens nothing, alone or with \
                 the token as it was from then on.",
                gone.at
            ),
            (None, Some(until)) => write!(
                text,
                "whose key is kept until {until:.0} or longer, until an entry of the journal says that it is gone: until then \
                 whoever has this record and the use of the token reads with it."
            ),
            (None, None) if version.is_superseded => write!(
                text,
                "which is superseded; the journal does not say that its key was destroyed, so it must be taken to be there."
            ),
            (None, None) => write!(
                text,
                "which is in use: whoever has this record and the use of the token reads with it until the next version has \
                 begun."
            ),
        };
        all.push(text);
    }
    for copy in situation.history.copies_of(record) {
        all.push(match copy.gone {
            Some(gone) => format!(
                "A copy of the vault that was made of generation {record} was under a key of its own, which was destroyed by \
                 {:.0}.",
                gone.at
            ),
            None => format!(
                "A copy of the vault that was made of generation {record} is under a key of its own, which is in the token \
                 until somebody destroys the copy's series there: no later version of the root key changes that."
            ),
        });
    }
    all
}

pub(super) fn assumptions(
    breach: &Breach,
    situation: &Situation,
    materials: &Materials,
    erased_before: u64,
) -> Vec<String> {
    let mut all = vec!["Only what is listed leaked, and all of it may be in the same hands.".to_owned()];
    let has = |what: fn(&Leak) -> bool| breach.leaks.iter().any(what);
    let mut say = |text: &str| all.push(text.to_owned());
    if has(|leak| matches!(leak, Leak::Database { .. })) {
        say(
            "The copied database has a row for everybody who was registered when it was made, with all columns filled.",
        );
        say("Data outside the inventory's columns is not counted: logs, exports, caches, statistics.");
        if erased_before > 0 {
            all.push(format!(
                "{erased_before} numbers were shredded before the copy was made, and are not counted: what the copy may \
                 still have of them opens with nothing that leaked. The rows of those who were erased are taken to have \
                 been deleted with them."
            ));
        }
    }
    let mut say = |text: &str| all.push(text.to_owned());
    let plain = situation.columns.iter().any(|column| column.stored == Stored::Plain && column.purpose.is_none());
    if plain && has(|leak| matches!(leak, Leak::Database { .. })) {
        say("The columns listed as stored in clear hold no personal data that matters. Judge whether that is so.");
    }
    if has(|leak| matches!(leak, Leak::RootRecord { .. })) && materials.opened(&situation.history).is_empty() {
        say(
            "The root key of the copied root record did not leak, and has at least 128 bits of entropy. A weak passphrase can be \
           guessed, although Argon2id makes that slow: if it is weak, list the root key as leaked too.",
        );
    }
    if situation.history.has_versions() && has(|leak| !matches!(leak, Leak::Database { .. })) {
        say(
            "A version's key counts as destroyed from when the journal says so: the token answered that it was, and the machine that destroyed \
             it wrote the time by its own clock, for which five minutes are allowed.",
        );
        say(
            "No token was cloned or backed up with its keys, and no machine was stopped, suspended or dumped while a program \
             on it had the vault open: no destruction reaches what such a copy holds. If there is one, list the token, or the \
             program's memory, as of that time.",
        );
    }
    if has(|leak| matches!(leak, Leak::Token { .. })) && !situation.history.has_versions() {
        say("The journal tells of no versions of the root key: the token is taken to open every root record.");
    }
    if has(|leak| matches!(leak, Leak::Pages { .. })) {
        say("Copied pages include superseded ones, which are kept for a time after each shred.");
    }
    if !situation.history.is_complete() {
        say(
            "The vault's journal does not reach back to its creation, or has a gap: pages are taken to be unnecessary, and \
             only shreds that are known count.",
        );
    }
    if situation.enrolments.iter().any(|held| held.shredded.is_some()) {
        say("Root records that were overwritten when somebody was shredded are gone, unless one of them is listed.");
    }
    for leak in &breach.leaks {
        let Leak::Service { taken, .. } = leak else { continue };
        match (taken, &situation.openings) {
            (Taken::Answers, Some(_)) => say(
                "The program gave out what its audit has, and nothing else; if the program was killed, the audit lacks its last \
                 interval. Where the audit says that openings are missing, all that it could open is counted.",
            ),
            (Taken::Answers, None) => {
                say("The program's openings are not audited, so everything that it could open is counted.")
            }
            (Taken::Memory, _) => {
                say(
                    "Whoever was in the program had its database too: all that it could open is counted, whatever its audit has.",
                );
            }
        }
    }
    if let Some(issued) = situation.issued {
        let mut numbers: Vec<_> = situation.enrolments.iter().map(|held| held.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let known = numbers.len() as u64;
        if issued > known {
            all.push(format!(
                "The vault has issued {issued} numbers, wasted ones included, and {known} of them are in the register: \
                 customers who are not in the register are not counted."
            ));
        }
    }
    all
}

impl BreachReport {
    /// Whether the persons must be told (Art. 34), as far as that can be told here, and why.
    #[must_use]
    pub fn persons_to_be_told(&self) -> String {
        let scope = self.scope;
        if scope.persons == 0 {
            return "No person is known to be concerned.".to_owned();
        }
        if scope.persons_readable == 0 {
            let mut text =
                "Not on account of the sealed values: they are unintelligible to whoever has no right to them \
                 (Art. 34(3)(a))."
                    .to_owned();
            if !self.in_clear.is_empty() {
                text += " The columns in clear are to be judged by themselves.";
            }
            return text;
        }
        format!(
            "If the risk to them is high, which the controller judges: the {} persons of whom something was readable. {} \
             of those concerned have no id any more, since they were erased.",
            scope.persons_readable, scope.persons_without_id
        )
    }

    /// For people: the headings of Art. 33(3).
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_markdown(&mut out);
        out
    }

    fn write_markdown(&self, out: &mut String) -> std::fmt::Result {
        let scope = self.scope;
        writeln!(out, "# Notification of a personal data breach (Art. 33 GDPR)\n")?;
        writeln!(out, "- Aware since: {:.0}", self.aware_at)?;
        writeln!(out, "- To be notified by: {:.0} (72 hours; later with the reasons for the delay)", self.notify_by)?;
        if self.is_late() {
            let hours = self.made_at.duration_since(self.notify_by).as_hours();
            writeln!(out, "- **LATE** by {} days and {} hours: the notice must say why", hours / 24, hours % 24)?;
        }
        writeln!(out, "- Worked out at: {:.0}\n", self.made_at)?;
        writeln!(out, "## (a) Nature of the breach\n")?;
        writeln!(out, "What may be in other hands:\n")?;
        self.leaked.iter().try_for_each(|leak| writeln!(out, "- {leak}"))?;
        writeln!(out, "\n- Categories of persons: {}", self.categories.as_deref().unwrap_or("*to be filled in*"))?;
        writeln!(out, "- Persons concerned, approximately: {}", scope.persons)?;
        writeln!(out, "- of whom something was readable: {}", scope.persons_readable)?;
        writeln!(out, "- Records (values) concerned, approximately: {}", scope.values)?;
        writeln!(out, "- of which readable: {}", scope.values_readable)?;
        if !self.purposes.is_empty() {
            writeln!(out, "\n| purpose | column | stood | persons |\n|---|---|---|---|")?;
        }
        for purpose in &self.purposes {
            for column in &purpose.columns {
                for (state, count) in &column.states {
                    let name = format!("{}.{}", column.column.table, column.column.column);
                    writeln!(out, "| {} | {} | {state} | {count} |", cell(&purpose.purpose), cell(&name))?;
                }
            }
        }
        if !self.in_clear.is_empty() {
            let names: Vec<String> =
                self.in_clear.iter().map(|plain| format!("{}.{}", plain.table, plain.column)).collect();
            writeln!(out, "\nColumns stored in clear: {}.", names.join(", "))?;
        }
        writeln!(out, "\n## (b) Contact\n\n{}\n", self.contact.as_deref().unwrap_or("*to be filled in*"))?;
        writeln!(out, "## (c) Likely consequences\n")?;
        self.consequences.iter().try_for_each(|text| writeln!(out, "- {text}"))?;
        writeln!(out, "\n## (d) Measures\n")?;
        for measure in &self.measures {
            match measure.taken_at {
                Some(at) => writeln!(out, "- taken, {at:.0}: {}", measure.what)?,
                None => writeln!(out, "- proposed: {}", measure.what)?,
            }
        }
        if self.measures.is_empty() {
            writeln!(out, "- none follows from the listed leaks")?;
        }
        writeln!(out, "\n## Persons to be told (Art. 34)\n\n{}\n", self.persons_to_be_told())?;
        writeln!(out, "## Assumptions\n")?;
        self.assumptions.iter().try_for_each(|text| writeln!(out, "- {text}"))
    }
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
