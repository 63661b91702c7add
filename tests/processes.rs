//! Processes: forked children, and one that is looked at instruction by instruction.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "testing")]
#[path = "processes/fork.rs"]
mod fork;
#[cfg(target_arch = "x86_64")]
#[path = "processes/hardware.rs"]
mod hardware;
#[cfg(all(target_arch = "x86_64", target_env = "gnu", feature = "testing"))]
#[path = "processes/shared_lines.rs"]
mod shared_lines;
#[cfg(target_arch = "x86_64")]
#[path = "processes/steps.rs"]
mod steps;

/// One test at a time: a raw clone must find no lock of the allocator's held.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
