//! What a connection string says: the driver's part, and how the connection is encrypted.

use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::error::StoreOpenError;

/// How the connection is encrypted, and whom it must come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Not at all.
    Disable,
    /// If the server offers it; it may be anybody.
    Prefer,
    /// Always; it may be anybody.
    Require,
    /// Always, and the server shows a certificate for the host's name.
    VerifyFull,
}

/// A connection string, taken apart.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) encryption: Encryption,
    /// The certificates to trust, instead of the system's.
    pub(crate) certificates: Option<PathBuf>,
    /// Whether a server will do that does not force commits to its disk.
    pub(crate) allow_fsync_off: bool,
    /// For messages: without user and password.
    pub(crate) shown: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Address, StoreOpenError> {
        let mut ours = Ours::default();
        let rest = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            ours.take_from_url(text)
        } else {
            ours.take_from_pairs(text)
        };
        // The driver's own error is not passed on: a slip in the quoting would have it quote the password.
        let mut config = Config::from_str(&rest?).map_err(|_| unreadable())?;
        let has_tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        if config.get_hosts().is_empty() {
            return Err(StoreOpenError::Address("it names no host"));
        }
        let allow_fsync_off = match ours.allow_fsync_off.as_deref() {
            None | Some("no") => false,
            Some("yes") => true,
            Some(_) => return Err(StoreOpenError::Address("allow_fsync_off is yes or no")),
        };
        let certificates = ours.certificates.map(PathBuf::from);
        let encryption = match ours.mode.as_deref() {
            // A socket in the file system is not encrypted.
            _ if !has_tcp => Encryption::Disable,
            Some("disable") => Encryption::Disable,
            Some("prefer") => Encryption::Prefer,
            // Who names the certificates to trust wants them looked at.
            Some("require") if certificates.is_none() => Encryption::Require,
            None | Some("require" | "verify-ca" | "verify-full") => Encryption::VerifyFull,
            Some(_) => return Err(StoreOpenError::Address("sslmode is disable, prefer, require or verify-full")),
        };
        config.ssl_mode(match encryption {
            Encryption::Disable => SslMode::Disable,
            Encryption::Prefer => SslMode::Prefer,
            Encryption::Require | Encryption::VerifyFull => SslMode::Require,
        });
        if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several servers the one that takes writes.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("oubliette");
        }
        let shown = shown(&config);
        Ok(Address { config, encryption, certificates, allow_fsync_off, shown })
    }
}

fn unreadable() -> StoreOpenError {
    StoreOpenError::Address(
        "it is neither a URL (postgres://user@host/database) nor pairs (host=... user=... dbname=...)",
    )
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(nth, host)| {
        let port = ports.get(nth).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts: Vec<String> = hosts.collect();
    format!("PostgreSQL at {}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

/// The options that the driver does not know in this form.
#[derive(Default)]
struct Ours {
    mode: Option<String>,
    certificates: Option<String>,
    allow_fsync_off: Option<String>,
}

impl Ours {
    /// Whether it is one of ours.
    fn take(&mut self, name: &str, value: String) -> Result<bool, StoreOpenError> {
        match name {
            "sslmode" => self.mode = Some(value),
            "sslrootcert" if value == "system" => self.certificates = None,
            "sslrootcert" => self.certificates = Some(value),
            "allow_fsync_off" => self.allow_fsync_off = Some(value),
            "sslcert" | "sslkey" | "sslcrl" => {
                return Err(StoreOpenError::Address(
                    "certificates of clients and lists of revoked ones are not supported",
                ));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes ours out of a URL, and gives back the rest.
    fn take_from_url(&mut self, text: &str) -> Result<String, StoreOpenError> {
        let Some((base, query)) = text.split_once('?') else { return Ok(text.to_owned()) };
        let mut left = Vec::new();
        for option in query.split('&') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = percent_decode_str(value).decode_utf8().map_err(|_| unreadable())?;
            if !self.take(name, value.into_owned())? {
                left.push(option);
            }
        }
        Ok(if left.is_empty() { base.to_owned() } else { format!("{base}?{}", left.join("&")) })
    }

    /// Takes ours out of pairs, and gives back the rest. Values with blanks stand in single quotes, and a backslash
    /// keeps the character after it.
    fn take_from_pairs(&mut self, text: &str) -> Result<String, StoreOpenError> {
        let mut left = String::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=').ok_or_else(unreadable)?;
            let after = after.trim_start();
            let (value, length) = value(after).ok_or_else(unreadable)?;
            let raw = after.get(..length).ok_or_else(unreadable)?;
            if !self.take(name.trim(), value)? {
                left.push_str(name.trim());
                left.push('=');
                left.push_str(raw);
                left.push(' ');
            }
            rest = after.get(length..).ok_or_else(unreadable)?.trim_start();
        }
        Ok(left)
    }
}

/// The value at the start of a text, and how much of the text it takes.
fn value(text: &str) -> Option<(String, usize)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if quoted => return Some((value, at + 1)),
            blank if blank.is_whitespace() && !quoted => return Some((value, at)),
            other => value.push(other),
        }
    }
    if quoted { None } else { Some((value, text.len())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_connection_string_says_how_it_is_encrypted() {
        for (text, encryption, certificates) in [
            ("postgres://a@db/x", Encryption::VerifyFull, None),
            ("postgres://a@db/x?sslmode=disable", Encryption::Disable, None),
            ("postgresql://a@db/x?connect_timeout=3&sslmode=prefer", Encryption::Prefer, None),
            ("postgres://a@db/x?sslmode=require", Encryption::Require, None),
            (
                "postgres://a@db/x?sslmode=require&sslrootcert=%2Fetc%2Fca.pem",
                Encryption::VerifyFull,
                Some("/etc/ca.pem"),
            ),
            ("postgres://a@db/x?sslmode=verify-full&sslrootcert=system", Encryption::VerifyFull, None),
            ("host=db user=a sslmode=verify-ca sslrootcert='/a b/c.pem'", Encryption::VerifyFull, Some("/a b/c.pem")),
            ("host=db user=a password='it\\'s = here' sslmode = disable", Encryption::Disable, None),
            ("postgres://a@localhost/x?host=/run/postgresql", Encryption::VerifyFull, None),
            ("host=/run/postgresql user=a", Encryption::Disable, None),
        ] {
            let address = parse(text);
            assert_eq!(address.encryption, encryption, "{text}");
            assert_eq!(address.certificates, certificates.map(PathBuf::from), "{text}");
        }
        assert_eq!(parse("host=db password='it\\'s = here'").config.get_password(), Some(&b"it's = here"[..]));
    }

    #[test]
    fn a_server_without_fsync_is_allowed_by_who_says_so() {
        for (text, is_allowed) in [
            ("postgres://a@db/x", false),
            ("postgres://a@db/x?allow_fsync_off=yes&sslmode=disable", true),
            ("host=/run/postgresql user=a allow_fsync_off=yes dbname=x", true),
            ("host=/run/postgresql user=a allow_fsync_off=no", false),
        ] {
            assert_eq!(parse(text).allow_fsync_off, is_allowed, "{text}");
        }
        assert!(Address::parse("host=/run/postgresql allow_fsync_off=true").is_err());
    }

    #[test]
    fn what_is_refused_names_no_password() {
        for text in [
            "postgres://a:secret@db/x?sslmode=allow",
            "host=db password=two secret words",
            "host=db password='secret",
            "postgres://a:secret@/x",
            "secret",
            "host=db sslcert=secret",
        ] {
            let error = Address::parse(text).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("secret"), "{text}: {error}");
        }
        assert_eq!(parse("postgres://a:secret@db,dc:6432/x").shown, "PostgreSQL at db:5432,dc:6432/x");
    }

    #[test]
    fn of_several_servers_the_one_that_takes_writes() {
        assert_eq!(parse("postgres://a@db,dc/x").config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(parse("postgres://a@db/x").config.get_target_session_attrs(), TargetSessionAttrs::Any);
    }
}
