//! Changes of the list of places.

use crate::error::KeyStoreError;
use crate::journal::{Event, Results};
use crate::root_key::is_of_a_missing_token;
use crate::store::PlaceId;
use crate::vault::commit::{CommitError, Draft, ListChange, Step};
use crate::vault::journal::{Entries, labels};
use crate::vault::operations::Operations;

impl Operations<'_> {
    /// Commits a change of the list of places. `before` runs under the store's exclusion, with the record as it was.
    pub(in crate::vault) fn change_list(
        &self,
        change: ListChange,
        before: &mut dyn FnMut(&mut Draft<'_>) -> Result<(), KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        let mut entries = Entries::default();
        let is_promotion = matches!(change, ListChange::Promote(..));
        let gives_up_a_place = matches!(change, ListChange::Promote(..) | ListChange::Detach(_));
        let plan = change.clone();
        let done = self.commit_list(change, &mut |draft| {
            before(draft)?;
            if is_promotion {
                // R12: it wins over a commit that may have been under way in the first place when that was lost.
                draft.generation = draft.record.clear.generation + 2;
            } else {
                draft.refuse_if_gone_back()?;
            }
            let list = std::mem::take(&mut draft.record.places);
            draft.record.places = plan.apply(&list)?;
            // What lies in a place that is given up cannot be read any more, and whoever still sees that place alone stops (E10).
            draft.gives_up_a_place = gives_up_a_place;
            draft.begins_version = gives_up_a_place;
            let after = draft.record.places.clone();
            self.intend_once(draft, &mut entries, || {
                let without = |list: &[PlaceId], others: &[PlaceId]| {
                    labels(list.iter().filter(|place| !others.contains(place)).map(PlaceId::to_string))
                };
                let first = after.first().filter(|first| list.first() != Some(*first)).map(PlaceId::to_string);
                let first = labels(first)?.pop();
                Ok(Event::Places { attached: without(&after, &list)?, detached: without(&list, &after)?, first })
            })?;
            Ok(Step::Write(Vec::new(), ()))
        });
        self.conclude(&mut entries, &done, &Results::default());
        let done = self.reread_if_unknown(done).map_err(CommitError::cause)?;
        // That a lost token cannot be asked for older keys is told by what comes next: the rotation that gives it up, and until then `status`.
        let is_expected =
            |error: &KeyStoreError| matches!(error, KeyStoreError::RootKey(error) if is_of_a_missing_token(error));
        done.old_copy.filter(|error| !(gives_up_a_place && is_expected(error))).map_or(Ok(()), Err)
    }
}
