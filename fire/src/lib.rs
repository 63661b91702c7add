//! Many processes on one vault in PostgreSQL, while servers, networks, clocks and tokens fail; and a checker of what they recorded.
//!
//! Nothing here is published. Three parts:
//! - **`worker`** (`src/bin/worker/`): a process that opens the vault and reads, seals, enrolls and shreds at random until it is told to stop or is
//!   killed. It records each call as it begins and as it ends ([`history`]); values that others sealed it takes from their
//!   records, as an application takes them from its database.
//! - **the checker** ([`checker`]): reads what all recorded and says which rule was broken, by which line. It shares no code with the vault.
//! - **the scenarios** (`tests/fire.rs`): start servers, proxies and eight workers, do the damage, check. One at a time; most take ten to
//!   thirty seconds. Each plants no fault but what its name says; those under `planted` take a protection away, and must be noticed.
//!
//! ```sh
//! cargo test -p oubliette-fire                                   # the checker's own tests: seconds
//! cargo test -p oubliette-fire -- --include-ignored              # all scenarios; needs root, PostgreSQL and SoftHSM
//! FIRE_ROUNDS=20 cargo test -p oubliette-fire -- --ignored network --nocapture      # twenty times as long
//! FIRE_SEED=4711 cargo test -p oubliette-fire -- --ignored network --nocapture      # the same choices once more
//! cargo run -p oubliette-fire --bin check -- /tmp/fire-x         # the checker, on histories that were kept
//! ```
//! | scenario | what it costs, by the clock, beside four other builds on two cores |
//! |---|---|
//! | `losses`: processes killed; the server stopped hard | 24 s, 35 s |
//! | `network`: bad weather; a machine cut off; processes stopped | 35 s, 23 s, 25 s |
//! | `clocks` | 27 s |
//! | `failover`: synchronous; deposed; asynchronous, and recovered | 23 s, 37 s, 48 s |
//! | `restores`: under living processes, and recovered; that nobody saw | 67 s, 5 s |
//! | `tokens`: removed and put back; a restore to a destroyed version | 46 s, 49 s |
//! | `machines`: cut off without a word; power lost with the lock; a network in two halves | 24 s, 33 s, 12 s |
//! | `planted`: no lease; any primary believed; no lock | 17 s, 27 s, 9 s |
//!
//! **What is not run here.** Wall clocks and sleep are moved in the vault's clock hook (`testing::MovedClocks`), since nobody may set a
//! machine's clock for one process. Servers are killed, not their machines: a server that loses what it had not synced is not played. "Repeats"
//! are connections made anew, and what was held back and arrives late; TCP repeats nothing by itself.
//!
//! **Two networks.** `network` and the rest have a proxy between each machine and each server, which can delay a piece, hold it back and deliver it late, or
//! end half a connection. A proxy answers for whoever is behind it, though: what is sent is taken. In `machines` each machine and each server is a
//! network namespace on one switch, from which it is unplugged: packets are gone, TCP hangs, and nobody is told. That needs root.
//!
//! Each scenario prints its seed, and keeps the histories of a run that failed, with the server's log. A seed repeats who does what and when
//! which fault comes; it does not repeat how the machine schedules it, so a rare failure may take several runs of its seed.
//! The histories are what tells: each line has a time of one clock for all processes, and the checker names the lines.

pub mod checker;
pub mod history;
pub mod random;
