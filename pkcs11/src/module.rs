//! Modules, loaded once a process. They are not finalised when a token is dropped: another part of the program may use the same one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::error::TokenError;

struct Loaded {
    context: Pkcs11,
    /// The process that started it: a forked child has to start it anew.
    process: u32,
}

static MODULES: LazyLock<Mutex<HashMap<PathBuf, Loaded>>> = LazyLock::new(Mutex::default);

/// The module at `path`, started.
pub(crate) fn module(path: &Path) -> Result<Pkcs11, TokenError> {
    let failed = |source| TokenError::Module { path: path.to_path_buf(), source };
    let process = std::process::id();
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = modules.get(path).filter(|loaded| loaded.process == process) {
        return Ok(loaded.context.clone());
    }
    let context = Pkcs11::new(path).map_err(failed)?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // By another part of the program.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    modules.insert(path.to_path_buf(), Loaded { context: context.clone(), process });
    Ok(context)
}

/// Has the module look at its tokens anew: finalises it, and it is started by the next call. Sessions of others are lost, and opened again by those that
/// are ours.
pub(crate) fn restart(path: &Path) {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = modules.remove(path).filter(|loaded| loaded.process == std::process::id()) {
        // Not unloaded: it may have threads and handlers of its own.
        std::mem::forget(loaded.context.clone());
        // Whatever it says: starting it tells.
        let _ = loaded.context.finalize();
    }
}
