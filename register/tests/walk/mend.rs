//! Database, journal and vault are put back to different nights; the operator mends them as DRILLS.md says.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use oubliette::journal::{self, Expectations, JournalError, Receipt};
use oubliette::testing::Stop;
use oubliette::{CustomerId, KeyStoreError, UnlockError, recovery::RecoverError};
use oubliette_register::{Reconciled, RegisterError};

use super::model::Truth;
use super::ops::{Act, NAMES, Op, Trip};
use super::returned::{Returned, Told};
use super::seen::Seen;
use super::world::{World, key, purpose};
use crate::support::*;

/// What the operator has done by now.
#[derive(Debug, Default)]
struct Operator {
    /// The journal's file was written from the register's table.
    has_written: bool,
    /// The last entry before what the journal has lost, which was accepted.
    accepted: Option<u64>,
    /// Whom the journal cannot tell is shredded by receipts and tickets.
    needs_tickets: bool,
    /// Whose the numbers are, the operator has to say.
    vouches: bool,
    /// The vault was mended, and is open.
    is_open: bool,
}

impl World {
    pub async fn restore(&mut self, truth: &mut Truth, act: &Act) -> Result<(), String> {
        let Op::Restore { database, journal, vault, shreds_lost } = act.op else { return Ok(()) };
        let nights: Vec<usize> = (0..self.nights.len()).filter(|night| !self.nights[*night].is_of_another).collect();
        if nights.is_empty() {
            return Ok(());
        }
        let [database, journal, vault] =
            [database, journal, vault].map(|night| night.map(|night| nights[night % nights.len()]));
        // The copies under an older root key were destroyed with it.
        let vault = vault.filter(|night| self.nights[*night].key == self.key);
        // A journal from before a loss that was accepted is another journal: the table can tell, if it is no older.
        let journal = journal.filter(|night| database.is_none() || self.nights[*night].losses == self.losses);
        if (database, journal, vault) == (None, None, None) {
            return Ok(());
        }
        let told = Told::of(&self.entries(&Expectations::new())?);
        self.stop();
        if let Some(night) = database {
            let content = self.nights[night].database.clone();
            self.db.replace(&content).await;
        }
        journal.into_iter().for_each(|night| self.put_back("log", night));
        vault.into_iter().for_each(|night| self.put_back("vault", night));
        if vault.is_some() && journal.is_some() {
            // Of these nothing is left that tells: the database was not told before the process was killed.
            let recorded =
                |number: &CustomerId| truth.seen.numbers.get(number).is_none_or(|row| row.state.starts_with("shred"));
            truth.gone.retain(recorded);
        }
        let restored = self.seen().await;
        let known_until = self.table_ends().await.max(self.last_entry().map_or(0, |last| last.n()));
        if vault.is_some() {
            // Nor of these: the tables do not have them, the journal was not told of them, and the rest went back.
            let is_known = |number: &CustomerId| told.granted.contains(number) || restored.numbers.contains_key(number);
            let forgotten: BTreeSet<CustomerId> =
                truth.issued.keys().filter(|number| !is_known(number)).copied().collect();
            for night in &mut self.nights {
                night.is_of_another |= !night.numbers.is_disjoint(&forgotten);
            }
            truth.issued.retain(|number, _| is_known(number));
            truth.gone.retain(is_known);
            truth.lost.retain(is_known);
            self.values.retain(|value| is_known(&value.number));
        }
        let mut operator = Operator::default();
        let lost = self.mend(truth, act, [database.is_some(), journal.is_some()], &told, &mut operator).await?;
        if operator.accepted.is_some() {
            truth.has_gap = true;
            self.losses += 1;
        }
        // A shred of whoever was shredded before commits nothing: no root record vouches for its entries, and these tables were killed before they
        // were told. That the journal has lost them shows by the receipt alone, which does not fit it any more.
        let names_lost = |receipt: &Receipt| receipt.content().entries.iter().any(|entry| entry.n() > known_until);
        if journal.is_some() && !truth.has_gap && self.receipts_from(0).iter().any(names_lost) {
            let expected = self.receipts_from(0).iter().fold(Expectations::new(), Expectations::receipt);
            // Unless the same entries are back, by a copy that knew more.
            truth.has_gap = self.entries(&expected).is_err();
        }
        let still_told = Told::of(&self.entries(&Expectations::new())?);
        let accepted = operator.accepted.is_some();
        let vouches = operator.vouches;
        let returned =
            Returned { accepted, vouches, restored, is_database: database.is_some(), told, still_told, lost };
        self.returned(truth, &returned, shreds_lost).await
    }

    async fn mend(
        &mut self,
        truth: &Truth,
        act: &Act,
        [is_database, is_journal]: [bool; 2],
        told: &Told,
        operator: &mut Operator,
    ) -> Result<BTreeSet<CustomerId>, String> {
        let mut lost = BTreeSet::new();
        for _ in 0..6 {
            if !operator.is_open {
                self.unlock(truth, operator).await?;
            }
            operator.is_open = false;
            if operator.needs_tickets {
                self.shred_by_tickets(truth)?;
            }
            self.refuses(truth, is_database, operator.accepted.is_some(), told).await?;
            if let Some(Trip::Killed { step, torn }) = act.trip {
                self.steps.stop_at(step, Stop::Die { torn });
                // The next process finishes it, and is told what this one was not told.
                let _ = own_transaction!(self.db, self.register, resume());
                let was_killed = self.steps.died();
                self.steps.reset();
                if was_killed {
                    self.stop();
                    self.start().map_err(|error| format!("after a kill: {error:?}"))?;
                }
            }
            match own_transaction!(self.db, self.register, resume()) {
                Ok(resumed) => {
                    if let Some(error) = resumed.unfinished {
                        return Err(format!("resume: {error:?}"));
                    }
                    lost.extend(resumed.reconciled.into_iter().flat_map(|reconciled| reconciled.ownerless));
                }
                // The journal that was written from the table, or its events, tell of a later vault.
                Err(RegisterError::KeyStore(KeyStoreError::RolledBack { .. })) => {
                    self.stop();
                    self.replay(truth, operator)?;
                    operator.is_open = true;
                    continue;
                }
                Err(RegisterError::JournalDiffers { .. }) => {
                    self.stop();
                    match self.first_gap() {
                        // Its lines since then are of what the journal has lost: they are kept elsewhere, as evidence.
                        Some(from) if operator.accepted.is_some() || !is_journal => {
                            self.db.sql(&format!("DELETE FROM oubliette_journal WHERE n >= {from}")).await;
                        }
                        _ if operator.has_written => {
                            return Err("the table differs from the file made of it".to_owned());
                        }
                        _ => self.write_journal_from_table(operator).await,
                    }
                    continue;
                }
                Err(error) => return Err(format!("resume: {error:?}")),
            }
            let reconciled: Reconciled = match own_transaction!(self.db, self.register, reconcile()) {
                // The table knew no more than the journal, and the register has numbers that the vault has not.
                Err(RegisterError::KeyStore(KeyStoreError::RolledBack { .. })) => {
                    self.stop();
                    self.replay(truth, operator)?;
                    operator.is_open = true;
                    continue;
                }
                done => done.map_err(|error| format!("reconcile: {error:?}"))?,
            };
            if let Some(error) = &reconciled.unfinished {
                return Err(format!("reconcile: {error:?}"));
            }
            // What proves it was lost with a key tree, where the database is from before that.
            operator.vouches = is_database && self.retired > 0 && !reconciled.misassigned.is_empty();
            if !reconciled.misassigned.is_empty() && !operator.vouches {
                return Err(format!(
                    "nobody changed a row by hand, and these are others': {:?}",
                    reconciled.misassigned
                ));
            }
            lost.extend(reconciled.ownerless);
            // Nothing but the register's own rows says that these were shredded.
            for number in reconciled.still_readable {
                let (_, news, _) = truth.issued[&number];
                self.vault.shredding([number]).purpose(purpose(news)).run().map_err(|error| format!("{error:?}"))?;
            }
            return Ok(lost);
        }
        Err("it cannot be mended".to_owned())
    }

    /// Until the vault opens.
    async fn unlock(&mut self, truth: &Truth, operator: &mut Operator) -> Result<(), String> {
        for _ in 0..4 {
            let is_rolled_back =
                |error: &UnlockError| matches!(error, UnlockError::KeyStore(KeyStoreError::RolledBack { .. }));
            match self.start() {
                Ok(()) => return Ok(()),
                Err(UnlockError::Journal(JournalError::OtherHistory { .. })) if !operator.has_written => {
                    self.write_journal_from_table(operator).await;
                }
                Err(UnlockError::Journal(JournalError::CutOff { .. })) => {
                    if !operator.has_written && self.is_table_ahead().await {
                        self.write_journal_from_table(operator).await;
                        continue;
                    }
                    operator.accepted.get_or_insert(self.last_entry().map_or(0, |last| last.n()));
                    match self.builder().accept_journal_loss(why("it is lost")).unlock(key(self.key)) {
                        Ok(vault) => {
                            self.start_with(vault);
                            return Ok(());
                        }
                        Err(error) if is_rolled_back(&error) => return self.replay(truth, operator),
                        Err(error) => return Err(format!("accept: {error:?}")),
                    }
                }
                // Not before the newest journal is in its place.
                Err(error) if is_rolled_back(&error) && !operator.has_written && self.is_table_ahead().await => {
                    self.write_journal_from_table(operator).await;
                }
                Err(error) if is_rolled_back(&error) => return self.replay(truth, operator),
                Err(error) => return Err(format!("unlock: {error:?}")),
            }
        }
        Err("the vault cannot be unlocked".to_owned())
    }

    fn replay(&mut self, truth: &Truth, operator: &mut Operator) -> Result<(), String> {
        let highest = truth.issued.keys().max().copied().unwrap_or(CustomerId::MIN);
        let next = self.key + 1;
        let mut builder = self.builder();
        if operator.accepted.is_some() {
            builder = builder.accept_journal_loss(why("it is lost"));
            operator.needs_tickets = true;
        }
        let vault = match builder.replay(key(self.key), key(next), highest) {
            Err(RecoverError::GapInJournal { .. }) => {
                operator.needs_tickets = true;
                let builder = self.builder().accept_journal_loss(why("it was lost before"));
                builder.replay(key(self.key), key(next), highest)
            }
            done => done,
        };
        let vault = vault.map_err(|error| format!("replay: {error:?}"))?;
        // The old root key is destroyed.
        self.key = next;
        self.start_with(vault);
        Ok(())
    }

    fn shred_by_tickets(&self, truth: &Truth) -> Result<(), String> {
        for news in [false, true] {
            let of = truth.gone.iter().filter(|number| truth.issued[*number].1 == news).copied();
            self.vault
                .shredding(of.collect::<oubliette::ShredTarget>())
                .purpose(purpose(news))
                .run()
                .map_err(|error| format!("tickets: {error:?}"))?;
        }
        Ok(())
    }

    /// Before anything was mended the register opens nobody, and shreds nobody who is held.
    async fn refuses(&mut self, truth: &Truth, is_database: bool, has_gap: bool, told: &Told) -> Result<(), String> {
        if self.is_table_ahead().await {
            for name in NAMES {
                let access = on!(self.db, self.register, access(&super::world::declared(), &who(name)));
                let keys = on!(self.db, self.register, keys(&who(name), ORDERS));
                if access.is_ok() || keys.is_ok() {
                    return Err(format!("{name} is opened by an older journal"));
                }
            }
        }
        let seen: Seen = self.seen().await;
        // Of what no root record vouched for, and went back with both, nothing is left that tells.
        let still_told = Told::of(&self.entries(&Expectations::new())?);
        let is_told = |id: &i64| still_told.holds.contains(id) || (has_gap && told.holds.contains(id));
        let is_forgotten = |id: &&i64| is_told(id) && !seen.holds.contains_key(id);
        if is_database && truth.seen.holds.keys().any(|id| is_forgotten(&id)) {
            let swept = own_transaction!(self.db, self.register, sweep(|_| ControlFlow::Continue(())));
            if swept.is_ok() {
                return Err("it was swept, and the database has forgotten a hold".to_owned());
            }
        }
        Ok(())
    }

    /// The first entry that the journal has lost, as it says itself.
    fn first_gap(&self) -> Option<u64> {
        let expected = Expectations::new().without_head();
        let verified = journal::verify(self.journal_path(), &self.public, &expected, |_| ()).ok()?;
        verified.gaps.iter().map(|gap| gap.from).min()
    }

    async fn table_ends(&mut self) -> u64 {
        let last = self.db.ask("SELECT max(n) AS answer FROM oubliette_journal").await;
        last.first().and_then(|last| last.parse().ok()).unwrap_or(0)
    }

    async fn is_table_ahead(&mut self) -> bool {
        self.table_ends().await > self.last_entry().map_or(0, |last| last.n())
    }

    async fn write_journal_from_table(&mut self, operator: &mut Operator) {
        let mut lines = self.db.ask("SELECT line AS answer, n FROM oubliette_journal ORDER BY n").await;
        // What the journal once lost, and the table did not, is no part of it any more.
        let parsed = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let gaps: Vec<(u64, u64)> = lines
            .iter()
            .map(parsed)
            .filter(|line| line["event"]["kind"] == "gap")
            .map(|line| (line["event"]["from"].as_u64().unwrap(), line["event"]["to"].as_u64().unwrap()))
            .collect();
        let is_lost = |n: u64| gaps.iter().any(|(from, to)| (*from..=*to).contains(&n));
        lines.retain(|line| !is_lost(parsed(line)["n"].as_u64().unwrap()));
        std::fs::write(self.journal_path(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let _ = std::fs::remove_file(self.place.path().join("log/journal.head"));
        operator.has_written = true;
    }
}
