//! Eight processes on three machines share a vault, while everything around them fails. Needs PostgreSQL, and SoftHSM for tokens.
//!
//! How to run them and to repeat a seed: the documentation of the library. What each costs stands beside it, on two cores that have other
//! work: all together took eight and a half minutes, since they run one after the other.

#[path = "fire/clocks.rs"]
mod clocks;
#[path = "fire/failover.rs"]
mod failover;
#[path = "fire/hosts.rs"]
mod hosts;
#[path = "fire/losses.rs"]
mod losses;
#[path = "fire/machines.rs"]
mod machines;
#[path = "fire/network.rs"]
mod network;
#[path = "fire/planted.rs"]
mod planted;
#[path = "fire/proxy.rs"]
mod proxy;
#[path = "fire/restores.rs"]
mod restores;
#[allow(dead_code)]
#[path = "../../postgres/tests/postgres/server.rs"]
mod server;
#[path = "fire/site.rs"]
mod site;
#[path = "fire/support.rs"]
mod support;
#[path = "fire/tokens.rs"]
mod tokens;
