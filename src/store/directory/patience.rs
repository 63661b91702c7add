//! Asking a mirror, which may be on a disk or a mount that hangs: nobody waits for it for ever.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::place::Place;
use crate::store::{Problem, StoreError};

/// How long a mirror is waited for when a directory is opened.
pub(super) const MOST: Duration = Duration::from_secs(2);

/// Asks on a thread of its own, which ends when the mirror lets it go. A mirror that does not answer in time is as one that is away.
pub(super) fn in_time<T: Send + 'static>(
    mirror: &Arc<Place>,
    most: Duration,
    ask: fn(&Place) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (answer, answered) = channel();
    let asked = mirror.clone();
    let thread = std::thread::Builder::new().name("oubliette-place".to_owned());
    let location = || mirror.root().display().to_string();
    let spawned = thread.spawn(move || {
        let _ = answer.send(ask(&asked));
    });
    spawned.map_err(|error| StoreError::new(Problem::Io, location()).caused_by(error))?;
    answered.recv_timeout(most).unwrap_or_else(|_| Err(StoreError::new(Problem::NoAnswer, location())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_hangs_is_as_one_that_is_away() {
        let place = Arc::new(Place::within(std::path::Path::new("nowhere"), super::super::disk::Disk::default()));
        let hangs = |_: &Place| {
            std::thread::sleep(Duration::from_secs(5));
            Ok(())
        };
        let error = in_time(&place, Duration::from_millis(20), hangs).unwrap_err();
        assert_eq!(error.problem(), Problem::NoAnswer);
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert_eq!(in_time(&place, MOST, |_| Ok(7)).unwrap(), 7);
        let error = in_time(&place, MOST, |place| place.identify().map(drop)).unwrap_err();
        assert_eq!(error.problem(), Problem::Missing);
    }
}
