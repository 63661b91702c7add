//! URLs of databases. They hold passwords, so neither an argument nor the configuration says more than where one is kept.

use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::permissions;

const MOST_BYTES: u64 = 8192;

/// Reads a URL from a file that only its owner may read, or from an environment variable; `None` if neither is named.
pub fn read(file: Option<&Path>, variable: Option<&str>) -> Result<Option<Zeroizing<String>>, Failure> {
    let url = match (file, variable) {
        (Some(file), _) => permissions::read_all(permissions::open_secret(file)?, file, MOST_BYTES)?,
        (None, Some(variable)) => {
            let missing = |_| Failure::new(Exit::Config, format!("the environment variable {variable} is not set"));
            std::env::var(variable).map_err(missing)?.into_bytes().into()
        }
        (None, None) => return Ok(None),
    };
    let url = std::str::from_utf8(&url).map_err(|_| Failure::new(Exit::Config, "the PostgreSQL URL is not UTF-8"))?;
    Ok(Some(Zeroizing::new(url.trim().to_owned())))
}
