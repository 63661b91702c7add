#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod builder;
mod connect;
mod driver;
mod error;
mod failure;
mod lock;
mod pages;
mod password;
mod pool;
mod read;
mod root;
mod schema;
mod session;
mod standbys;
mod store;
mod survey;
mod tls;
mod watch;

pub use builder::{ConfirmReads, PostgresStoreBuilder};
pub use error::StoreOpenError;
pub use store::PostgresStore;
pub use survey::{Keeps, Promise, Replication, Role, Slot, Standby, Survey};
