//! The directory store on a real file system: crashes at every step, damage, permissions, other processes.

mod basics;
mod crashes;
#[cfg(unix)]
mod damage;
#[cfg(unix)]
mod formats;
#[cfg(target_os = "linux")]
mod media;
mod processes;
mod support;
mod sweeps;
