//! The store stops at every step of every kind of commit: it dies, whole or torn, it fails once, it fails for good.
//! Afterwards there is the old state or the new, nobody who lives is lost, nobody shredded is back, and what the caller
//! was told is true.

mod commits;
mod places;
mod power;
mod stage;
mod twice;
mod versions;
