//! Restore drills with real directories: what a backup that was put back, a lost disk or a damaged file does to a vault,
//! and what mends it.

mod backups;
mod damage;
mod mirrors;

use crate::support;
