//! A password that is asked for at each connection.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::failure::Failure;

type Answer = Result<Zeroizing<String>, Box<dyn Error + Send + Sync>>;

/// Whom to ask.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<dyn Fn() -> Answer + Send + Sync>);

impl Passwords {
    pub(crate) fn from<E: Into<Box<dyn Error + Send + Sync>>>(
        ask: impl Fn() -> Result<String, E> + Send + Sync + 'static,
    ) -> Passwords {
        Passwords(Arc::new(move || ask().map(Zeroizing::new).map_err(Into::into)))
    }

    /// On a thread of its own: the application may ask a service over the network, and all connections live on the thread that waits here.
    pub(crate) async fn ask(&self, within: Duration) -> Result<Zeroizing<String>, Failure> {
        let (sender, answer) = oneshot::channel();
        let ask = self.0.clone();
        let thread = std::thread::Builder::new().name("oubliette-password".to_owned());
        thread.spawn(move || drop(sender.send(ask()))).map_err(|error| Failure::NoPassword(error.into()))?;
        match timeout(within, answer).await {
            Ok(Ok(answer)) => answer.map_err(Failure::NoPassword),
            // It panicked.
            Ok(Err(ended)) => Err(Failure::NoPassword(ended.into())),
            Err(late) => Err(Failure::NoPassword(late.into())),
        }
    }
}
