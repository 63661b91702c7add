//! What may stand where in an address: letters, marks, joiners, dots.

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroizing;

use super::Invalid;
use crate::personal::secret_text::SecretText;
use crate::personal::unicode::is_joiner;

// `email_address` knows few marks (it refuses what Hindi, Thai and Arabic are written with) and lets some symbols pass by
// the bytes of their numbers. So it is shown an `x` for every letter, digit and mark that is not ASCII, and judges the
// shape; what may be a letter is judged here, and what may be in a domain by IDNA.
pub(super) fn letters_stood_in(part: &str, is_dot: fn(char) -> bool) -> Option<SecretText> {
    let mut stand_in = SecretText::with_capacity(part.len());
    let mut mark_may_follow = false;
    for c in part.chars() {
        if is_dot(c) {
            mark_may_follow = false;
            stand_in.push('.');
            continue;
        }
        // Judged by the letters around it.
        if is_joiner(c) {
            continue;
        }
        let letter = c.is_alphanumeric() || matches!(c, '·' | '・');
        let mark = is_combining_mark(c);
        if !(c.is_ascii() || letter || mark && mark_may_follow) {
            return None;
        }
        mark_may_follow = letter || mark;
        stand_in.push(if c.is_ascii() { c } else { 'x' });
    }
    Some(stand_in)
}

/// The full stops of East Asia, which part a domain's labels like ours (UTS #46).
pub(super) const fn is_wide_dot(c: char) -> bool {
    matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

// Whether each joiner stands where its script needs one: by the contextual rules of internationalised domain names
// (RFC 5892, appendix A.1 and A.2), which `idna` applies to a label. A run of letters is shown to it as one.
pub(super) fn joiners_are_in_place(local: &str) -> bool {
    let words = local.split(|c: char| !(c.is_alphabetic() || is_combining_mark(c) || is_joiner(c)));
    words.filter(|word| word.contains(is_joiner)).all(|word| {
        let label = Uts46::new().to_ascii(word.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Ignore);
        // A copy of it, which is wiped here.
        label.map(|label| drop(Zeroizing::new(label.into_owned()))).is_ok()
    })
}

pub(super) fn check_shape(local: SecretText, domain: &str) -> Result<(), Invalid> {
    // By its methods: a patch release has added a field before.
    let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
    let mut address = local;
    address.push('@');
    address.push_str(domain);
    match EmailAddress::parse_with_options(address.as_str(), options) {
        // It holds a copy, which is wiped here.
        Ok(copy) => {
            drop(Zeroizing::new(String::from(copy)));
            Ok(())
        }
        // One error for both parts; the mailbox is right if it is with another domain.
        Err(email_address::Error::InvalidCharacter) if EmailAddress::is_valid_local_part(local_of(&address)) => {
            Err(Invalid::Domain)
        }
        Err(error) => Err(error.into()),
    }
}

fn local_of(address: &SecretText) -> &str {
    address.as_str().rsplit_once('@').map(|(local, _)| local).unwrap_or_default()
}
