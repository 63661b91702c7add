//! What `create` is asked.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
pub struct Create {
    /// A purpose that data is kept for, once for each; the configuration's purposes unless given
    #[arg(long = "purpose", value_name = "NAME")]
    pub purposes: Vec<String>,
    /// The lease, such as `500ms`: how long a process may open values without reading the root record; one second
    /// unless given
    #[arg(long, value_name = "TIME")]
    pub lease: Option<String>,
    /// Make a random root key, and write it to this file, which must not exist
    #[arg(long, value_name = "FILE", group = "root_key")]
    pub generate: Option<PathBuf>,
}
