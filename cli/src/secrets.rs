//! Root keys: from a prompt, a file descriptor or a file. Never from an argument or the environment, where other users and
//! programs can read them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use oubliette::RootKey;
use oubliette_pkcs11::Token;
use zeroize::Zeroizing;

use crate::args::{Common, NewKey};
use crate::config::RootKeySource;
use crate::exit::{Exit, Failure};
use crate::permissions;
use crate::token::{Needed, TokenSource};

/// Most bytes of a passphrase.
const MOST_BYTES: usize = 4096;
/// Shorter passphrases are let through with a word of caution: whoever has a root record can try them.
const SHORT: usize = 20;

/// Where root keys come from.
#[derive(Debug)]
pub struct Secrets {
    current: Source,
    /// What it was before it moved to the token of the configuration.
    without_token: Source,
    token: Option<Source>,
    /// The token, once it was logged in to.
    opened: Option<Token>,
    /// Descriptors that were opened: a second line continues where the first ended.
    descriptors: HashMap<u32, Descriptor>,
    /// A root key that was made here, and the file it is in.
    generated: Option<(PathBuf, RootKey)>,
}

#[derive(Debug)]
enum Descriptor {
    StandardInput,
    File(File),
}

#[derive(Clone, Debug)]
enum Source {
    Prompt,
    Descriptor(u32),
    PassphraseFile(PathBuf),
    KeyFile(PathBuf),
    /// The tokens, and where the first one's PIN is if it was given.
    Token(Box<TokenSource>, Option<Box<Source>>, Needed),
}

impl Secrets {
    pub fn new(common: &Common, configured: &RootKeySource) -> Secrets {
        let given = source(common.passphrase_fd, common.passphrase_file.as_ref(), common.key_file.as_ref());
        let files = || source(None, configured.passphrase_file.as_ref(), configured.key_file.as_ref());
        let without_token = given.clone().or_else(files).unwrap_or(Source::Prompt);
        let token = configured
            .token
            .as_ref()
            .map(|token| Source::Token(Box::new(token.clone()), given.map(Box::new), Needed::Any));
        let current = token.clone().unwrap_or_else(|| without_token.clone());
        Secrets { current, without_token, token, opened: None, descriptors: HashMap::new(), generated: None }
    }

    /// The vault is not in the token yet: its root key is what the configuration says beside.
    pub fn before_the_token(&mut self) {
        self.current = self.without_token.clone();
    }

    /// The root record is under the first token alone, from before there were several.
    pub fn one_token(&mut self) -> Result<(), Failure> {
        if let Source::Token(token, ..) = &mut self.current {
            **token = token.alone(None);
            return Ok(());
        }
        Err(no_token())
    }

    /// The names of the tokens that the configuration says.
    pub fn token_names(&self) -> Result<Vec<String>, Failure> {
        let Some(Source::Token(token, ..)) = &self.token else { return Err(no_token()) };
        let names: Option<Vec<String>> = token.each().into_iter().map(|token| token.name).collect();
        names.ok_or_else(|| Failure::new(Exit::Config, "the token has no name; give it one under [root_key.token]"))
    }

    /// The root key in all tokens of the configuration: none may be away.
    pub fn of_all_tokens(&mut self) -> Result<RootKey, Failure> {
        match self.token.clone() {
            Some(Source::Token(token, pin, _)) => self.read(&Source::Token(token, pin, Needed::All)),
            _ => Err(no_token()),
        }
    }

    /// The file that the current root key is read from, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.current {
            Source::PassphraseFile(file) | Source::KeyFile(file) => Some(file),
            Source::Token(token, ..) => token.pin_file.as_deref(),
            Source::Prompt | Source::Descriptor(_) => None,
        }
    }

    /// The vault's root key.
    pub fn current(&mut self) -> Result<RootKey, Failure> {
        match self.current.clone() {
            Source::Prompt => Ok(RootKey::passphrase(prompt("Passphrase of the vault: ")?.as_str())),
            source => self.read(&source),
        }
    }

    /// The root key that a vault is to be rotated to. A passphrase is asked for twice.
    pub fn new_root_key(&mut self, new: &NewKey) -> Result<RootKey, Failure> {
        if let Some(path) = &new.generate {
            return self.generate(path);
        }
        if new.to_token {
            return self.of_all_tokens();
        }
        let given = source(new.new_passphrase_fd, new.new_passphrase_file.as_ref(), new.new_key_file.as_ref());
        if let Some(source) = given {
            return self.read(&source);
        }
        new_passphrase()
    }

    /// The root key of a vault that is to be made. A passphrase is asked for twice.
    pub fn for_new_vault(&mut self, generate: Option<&Path>) -> Result<RootKey, Failure> {
        match (generate, self.current.clone()) {
            (Some(path), _) => self.generate(path),
            (None, Source::Prompt) => new_passphrase(),
            (None, Source::Token(token, pin, _)) => self.read(&Source::Token(token, pin, Needed::All)),
            (None, source) => self.read(&source),
        }
    }

    fn generate(&mut self, path: &Path) -> Result<RootKey, Failure> {
        let key = generate(path)?;
        self.generated = Some((path.to_path_buf(), key.clone()));
        Ok(key)
    }

    /// The root key in the token of the configuration, whether the vault is under it or not.
    pub fn of_token(&mut self) -> Result<RootKey, Failure> {
        let token = self.token.clone().ok_or_else(no_token)?;
        self.read(&token)
    }

    /// How many bytes are free in the token that was logged in to, and of how many, if it tells.
    pub fn room_in_token(&self) -> Option<(u64, u64)> {
        self.opened.as_ref()?.room().ok().flatten()
    }

    /// The root key that this command made, and its file: to be removed when the vault did not come under it.
    pub fn take_generated(&mut self) -> Option<(PathBuf, RootKey)> {
        self.generated.take()
    }

    fn read(&mut self, source: &Source) -> Result<RootKey, Failure> {
        match source {
            Source::Descriptor(number) => Ok(passphrase(&self.line_of(*number)?, false)),
            Source::PassphraseFile(path) => {
                let mut file = permissions::open_secret(path)?;
                Ok(passphrase(&line(&mut file, &path.display().to_string())?, false))
            }
            Source::KeyFile(path) => key_file(path),
            Source::Token(token, pin, needed) => {
                let tokens = self.log_in(token, pin.as_deref(), *needed)?;
                self.opened = tokens.first().map(|(_, token)| token.clone());
                token.root_key(tokens)
            }
            Source::Prompt => Err(Failure::usage("a file is needed here, not a prompt")),
        }
    }

    /// Logs in to each token. One of several may be away where one is enough.
    fn log_in(
        &mut self,
        token: &TokenSource,
        pin: Option<&Source>,
        needed: Needed,
    ) -> Result<Vec<(Option<String>, Token)>, Failure> {
        let (mut opened, mut away) = (Vec::new(), None);
        for (nth, one) in token.each().into_iter().enumerate() {
            let pin = self.pin(&one, pin.filter(|_| nth == 0))?;
            match one.open(pin) {
                Ok(token) => opened.push((one.name, token)),
                // A PIN that is refused is tried once.
                Err(failure) if needed == Needed::All || failure.exit != Exit::TryAgain => return Err(failure),
                Err(failure) => away = away.or(Some((one.name.unwrap_or(one.label), failure))),
            }
        }
        if let Some((name, failure)) = away {
            if opened.is_empty() {
                return Err(failure);
            }
            let _ = writeln!(
                std::io::stderr(),
                "caution: the token {name:?} is away, so no version of the root key begins: {}",
                failure.message
            );
        }
        Ok(opened)
    }

    /// A token's PIN: by argument where a passphrase would be, from the file that the configuration names, or asked for.
    fn pin(&mut self, token: &TokenSource, given: Option<&Source>) -> Result<Zeroizing<String>, Failure> {
        let file = match given {
            Some(Source::Descriptor(number)) => return self.line_of(*number),
            Some(Source::PassphraseFile(path)) => Some(path),
            Some(_) => {
                return Err(Failure::usage(
                    "the root key is in a token, whose PIN cannot come from --key-file; give --passphrase-file",
                ));
            }
            None => token.pin_file.as_ref(),
        };
        match file {
            Some(path) => line(&mut permissions::open_secret(path)?, &path.display().to_string()),
            None => prompt(&format!("PIN of the token {:?}: ", token.label)),
        }
    }

    fn line_of(&mut self, number: u32) -> Result<Zeroizing<String>, Failure> {
        let name = format!("file descriptor {number}");
        let descriptor = match self.descriptors.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Descriptor::open(number)?),
        };
        match descriptor {
            Descriptor::File(file) => line(file, &name),
            Descriptor::StandardInput => line(&mut std::io::stdin().lock(), &name),
        }
    }
}

impl Descriptor {
    fn open(number: u32) -> Result<Descriptor, Failure> {
        match number {
            0 => Ok(Descriptor::StandardInput),
            // Standard output and error may well be open for reading, and are not meant.
            1 | 2 => Err(Failure::usage("a passphrase cannot be read from file descriptor 1 or 2")),
            _ => {
                let missing =
                    |_| Failure::new(Exit::Missing, format!("file descriptor {number} is not open for reading"));
                File::open(format!("/dev/fd/{number}")).map(Descriptor::File).map_err(missing)
            }
        }
    }
}

fn no_token() -> Failure {
    Failure::new(Exit::Config, "no token is configured; name it in [root_key.token]")
}

fn source(fd: Option<u32>, passphrase: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Source> {
    fd.map(Source::Descriptor)
        .or_else(|| passphrase.cloned().map(Source::PassphraseFile))
        .or_else(|| key.cloned().map(Source::KeyFile))
}

/// Asks on the terminal itself, so that standard input and output may be redirected.
fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    let answer = rpassword::prompt_password(question).map_err(|error| {
        let how = "give --passphrase-fd, --passphrase-file or --key-file";
        Failure::new(Exit::Refused, format!("there is no terminal to ask for the passphrase on ({error}); {how}"))
    })?;
    Ok(Zeroizing::new(answer))
}

fn new_passphrase() -> Result<RootKey, Failure> {
    let first = prompt("New passphrase: ")?;
    let again = prompt("New passphrase, once more: ")?;
    if first != again {
        return Err(Failure::new(Exit::Refused, "the two passphrases differ; nothing happened"));
    }
    Ok(passphrase(&first, true))
}

fn passphrase(phrase: &Zeroizing<String>, is_new: bool) -> RootKey {
    if is_new && phrase.chars().count() < SHORT {
        let _ = writeln!(
            std::io::stderr(),
            "caution: somebody with a copy of the root record can guess a short passphrase; take six random words"
        );
    }
    RootKey::passphrase(phrase.as_str())
}

/// One line, byte by byte: what follows it is somebody else's.
fn line(from: &mut dyn Read, name: &str) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    let mut byte = Zeroizing::new([0]);
    loop {
        let read = from.read(&mut *byte).map_err(|error| Failure::new(Exit::TryAgain, format!("{name}: {error}")))?;
        if read == 0 || *byte == [b'\n'] {
            break;
        }
        if bytes.len() == MOST_BYTES {
            return Err(Failure::new(Exit::Refused, format!("{name}: a line of more than {MOST_BYTES} bytes")));
        }
        bytes.extend_from_slice(&*byte);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(Failure::new(Exit::Refused, format!("{name}: the line is empty, and a passphrase is needed")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new(Exit::Refused, format!("{name}: not UTF-8")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// 32 bytes, or 64 hexadecimal digits and perhaps a line's end.
fn key_file(path: &Path) -> Result<RootKey, Failure> {
    let content = permissions::read_all(permissions::open_secret(path)?, path, 128)?;
    let mut key = Zeroizing::new([0; 32]);
    if content.len() == key.len() {
        key.copy_from_slice(&content);
        return Ok(RootKey::bytes(*key));
    }
    let digits = content.trim_ascii_end();
    let is_hexadecimal = digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit);
    let wrong = || {
        let message =
            format!("{}: not a key file: it holds neither 32 bytes nor 64 hexadecimal digits", path.display());
        Failure::new(Exit::Refused, message)
    };
    if !is_hexadecimal {
        return Err(wrong());
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(RootKey::bytes(*key))
}

/// A new random key, durable in a file of its own before it is used: losing it would lose every value.
fn generate(path: &Path) -> Result<RootKey, Failure> {
    let (key, bytes) = RootKey::generate().map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        let digits = Zeroizing::new(bytes.iter().fold(String::with_capacity(65), |mut digits, byte| {
            digits.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
            digits
        }));
        file.write_all(digits.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    written.map_err(|error| permissions::of_io(path, &error))?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| permissions::of_io(directory, &error))?;
    }
    Ok(key)
}
