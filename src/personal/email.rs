//! Email addresses.

mod shape;

use std::str::FromStr;

use zeroize::Zeroizing;

use super::secret_text::{SecretText, decode_text, deserializes_from_text};
use super::secret_text::{exposes_text, serializes_exposed_text, wipes_what_it_reads};
use super::unicode::{is_ignorable, is_joiner};
use super::{Canonical, CanonicalForm, Invalid, Padding, PersonalData, Plaintext, TypeTag};
use shape::{check_shape, is_wide_dot, joiners_are_in_place, letters_stood_in};

/// An email address: a mailbox and a domain with a top level, in any script, and nothing around it.
///
/// Kept as typed, without white space at its ends and in no normal form; only a fullwidth `＠`, as input methods write it,
/// is kept as `@`. Plus tags and quoted mailboxes are addresses like others. Joiners (U+200C and U+200D) are taken where the
/// letters beside them need one, as in Persian and Sinhala: by the contextual rules of internationalised domain names
/// (RFC 5892, appendix A.1 and A.2), in the domain and in the mailbox, whose letters are those of RFC 6532.
///
/// | refused | what to do instead |
/// |---|---|
/// | a display name, `Jane <jane@example.com>` | give the address alone, and the name as a [`Name`](super::Name) |
/// | a number for a domain, `a@127.0.0.1` | ask for an address with a domain; mail to numbers is refused nearly everywhere |
/// | a domain that IDNA (strict) does not allow, or without a top level | check its spelling; the form `xn--…` is taken too |
/// | invisible characters, and joiners elsewhere | type the address again; two that look alike would differ |
/// | several addresses | one [`Email`] each |
/// | more than 254 bytes, or 64 before the `@` | check it with its owner: no mail server carries it |
///
/// The canonical form is the mailbox in small letters, without needless quotes, and the domain in its ASCII form. By the
/// letter of the standard a mailbox may mean other things in capitals; no provider of any size makes that difference, and
/// people do not know which one they typed. Only case is folded: mailboxes that differ in any other way may belong to
/// different people, so plus tags, dots, `ı` and `i`, `ß` and `ss` stay apart.
///
/// Padding: steps of 64 bytes, so that nearly all addresses have one size.
///
/// ```
/// use oubliette::personal::{Canonical, Email};
/// let typed: Email = "Zoë+Shop@BÜCHER.example".parse()?;
/// assert_eq!(typed.expose_personal_data(), "Zoë+Shop@BÜCHER.example");
/// assert_eq!(typed.canonical_form().expose_personal_data(), "zoë+shop@xn--bcher-kva.example".as_bytes());
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
///
#[doc = include_str!("folding/email.md")]
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    text: SecretText,
}

impl Email {
    /// Most bytes in an address, those of the domain counted in either form: what SMTP can carry (RFC 5321, with its
    /// erratum 1690).
    pub const MOST_BYTES: usize = 254;
}

// RFC 5321, 4.5.3.1.1.
const MOST_LOCAL_BYTES: usize = 64;

exposes_text!(Email);
serializes_exposed_text!(Email);
wipes_what_it_reads!(Email, Invalid);
deserializes_from_text!(Email, "an email address, as a string");

const EMPTY: Invalid = Invalid::Empty("the email address is empty; leave the field out instead");
const TOO_LONG: Invalid =
    Invalid::TooLong("the email address is too long; it may have 254 bytes, of which 64 before the @");

impl From<email_address::Error> for Invalid {
    fn from(error: email_address::Error) -> Invalid {
        use email_address::Error;
        match error {
            Error::MissingSeparator => Invalid::AtMissing,
            Error::LocalPartEmpty => Invalid::MailboxMissing,
            Error::LocalPartTooLong | Error::DomainTooLong => TOO_LONG,
            Error::DomainEmpty => Invalid::DomainMissing,
            Error::DomainTooFew => Invalid::TopLevelDomainMissing,
            Error::InvalidIPAddress | Error::UnsupportedDomainLiteral => Invalid::IpAddress,
            Error::UnsupportedDisplayName | Error::MissingDisplayName | Error::MissingEndBracket => {
                Invalid::DisplayName
            }
            Error::SubDomainEmpty | Error::SubDomainTooLong | Error::DomainInvalidSeparator => Invalid::Domain,
            // `InvalidCharacter` above all.
            _ => Invalid::Mailbox,
        }
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Email, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EMPTY);
        }
        if text.len() > Email::MOST_BYTES.saturating_mul(4) {
            return Err(TOO_LONG);
        }
        if text.chars().any(|c| c.is_control() || is_ignorable(c) && !is_joiner(c)) {
            return Err(Invalid::InvisibleCharacter);
        }
        // The fullwidth one is what an input method for Chinese or Japanese writes; no mail is sent with it.
        let (local, domain) = text.rsplit_once(['@', '\u{ff20}']).ok_or(Invalid::AtMissing)?;
        if domain.starts_with('[') {
            return Err(Invalid::IpAddress);
        }
        if domain.ends_with('>') || local.starts_with('<') {
            return Err(Invalid::DisplayName);
        }
        if !joiners_are_in_place(local) {
            return Err(Invalid::InvisibleCharacter);
        }
        let mut kept = SecretText::with_capacity(text.len());
        [local, "@", domain].into_iter().for_each(|part| kept.push_str(part));
        let stand_in = letters_stood_in(local, |_| false).ok_or(Invalid::Mailbox)?;
        let domain_stand_in = letters_stood_in(domain, is_wide_dot).ok_or(Invalid::Domain)?;
        check_shape(stand_in, domain_stand_in.as_str())?;
        let ascii = ascii_domain(domain).ok_or_else(|| match domain.contains(is_joiner) {
            true => Invalid::InvisibleCharacter,
            false => Invalid::Domain,
        })?;
        if ascii.rsplit('.').next().is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(Invalid::IpAddress);
        }
        let carried = local.len().saturating_add(1).saturating_add(ascii.len());
        if local.len() > MOST_LOCAL_BYTES || kept.as_str().len().max(carried) > Email::MOST_BYTES {
            return Err(TOO_LONG);
        }
        Ok(Email { text: kept })
    }
}

fn ascii_domain(domain: &str) -> Option<Zeroizing<String>> {
    idna::domain_to_ascii_strict(domain).ok().map(Zeroizing::new)
}

impl PersonalData for Email {
    const TAG: TypeTag = TypeTag::ours("obl.email");
    const PADDING: Padding = Padding::steps_of(64);

    fn size_hint(&self) -> usize {
        self.text.as_str().len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.text.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Email, Invalid> {
        let text = decode_text(bytes, Email::MOST_BYTES)?;
        if text.as_str().contains('@') { Ok(Email { text }) } else { Err(Invalid::Content) }
    }
}

impl Canonical for Email {
    fn canonical_form(&self) -> CanonicalForm {
        let (local, domain) = self.text.as_str().rsplit_once('@').unwrap_or_default();
        let local = unquoted(SecretText::nfc(local).as_str());
        // `str::to_lowercase`, since it knows the final sigma, which `char`'s does not.
        let lowered = Zeroizing::new(local.as_str().to_lowercase());
        let mut form = SecretText::nfc(&lowered);
        form.push('@');
        // An address sealed under older rules than those of the library now has its domain lowered only.
        let domain = ascii_domain(domain).unwrap_or_else(|| Zeroizing::new(domain.to_lowercase()));
        form.push_str(&domain);
        CanonicalForm::of_text(form.as_str())
    }
}

// `"jane"@example.com` and `jane@example.com` are one mailbox, as are `"a\b"` and `"ab"` (RFC 5321, 4.1.2).
fn unquoted(local: &str) -> SecretText {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return SecretText::copy_of(local);
    };
    let mut content = SecretText::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        content.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    let needs_quotes = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '(' | ')' | ',' | ':' | ';' | '<' | '>' | '@' | '[' | '\\' | ']')
    };
    if content.as_str().split('.').all(|atom| !atom.is_empty() && !atom.contains(needs_quotes)) {
        return content;
    }
    let mut requoted = SecretText::with_capacity(local.len());
    requoted.push('"');
    for c in content.as_str().chars() {
        if matches!(c, '"' | '\\') {
            requoted.push('\\');
        }
        requoted.push(c);
    }
    requoted.push('"');
    requoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Email, Invalid> {
        text.parse()
    }

    fn form(text: &str) -> String {
        String::from_utf8(parse(text).unwrap().canonical_form().expose_personal_data().to_vec()).unwrap()
    }

    #[test]
    fn addresses_of_all_kinds_are_kept() {
        for text in [
            "alice@example.com",
            "a@b.co",
            "first.last+tag=x@sub.example.co.uk",
            "o'brien!#$%&*/?^_`{|}~@example.com",
            "\"john doe\"@example.com",
            "\"a@b\\\"c\"@example.com",
            "1234567890@123.example",
            "用户@例子.广告",
            "संपर्क@डाटामेल.भारत",
            "ทดสอบ@ทดสอบ.ไทย",
            "اختبار@مثال.إختبار",
            "δοκιμή@παράδειγμα.δοκιμή",
            "josé.núñez@correo.españa.es",
            "квіточка@пошта.укр",
            "a@xn--bcher-kva.example",
            "pau@l·l.cat",
            "x@ｅｘａｍｐｌｅ.com",
            "x@例え。jp",
            "علی\u{200c}رضا@example.com",
            "می\u{200c}خواهم.علی\u{200c}رضا1+2@example.com",
            "ශ\u{dca}\u{200d}රී@example.com",
            "क्\u{200d}ष@example.com",
            "a@نامه\u{200c}ای.com",
            "a@ශ්\u{200d}රී.com",
            "塚@example.com",
        ] {
            match parse(text) {
                Ok(email) => assert_eq!(email.expose_personal_data(), text),
                Err(error) => panic!("{text}: {error}"),
            }
        }
        assert_eq!(parse(" jose\u{301}@example.com\r\n").unwrap().expose_personal_data(), "jose\u{301}@example.com");
        assert_eq!(parse("a＠example.com").unwrap().expose_personal_data(), "a@example.com", "what mail is sent with");
    }

    #[test]
    fn the_rule_broken_is_named() {
        use Invalid::*;
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_domain = format!("a@{}com", "abcdefghi.".repeat(26));
        let long_318 = format!("{}@{}com", "a".repeat(64), format!("{}.", "b".repeat(63)).repeat(4).split_at(250).0);
        let long_label = format!("a@{}.com", "b".repeat(64));
        // 58 letters of three bytes are 179 bytes as typed, and more than 63 in ASCII.
        let long_ascii = format!("a@{}.com", "ก้า".repeat(20));
        for (text, why) in [
            ("", EMPTY),
            (" \r\n", EMPTY),
            (&long_local, TOO_LONG),
            (&long_domain, TOO_LONG),
            (&"a@".repeat(5000), TOO_LONG),
            (&format!("{}@example.com", "é".repeat(33)), TOO_LONG),
            ("a@b.com\r\nBcc: c@d.com", InvisibleCharacter),
            ("a\0@b.com", InvisibleCharacter),
            ("\"a\tb\"@b.com", InvisibleCharacter),
            ("a\u{200b}b@b.com", InvisibleCharacter),
            ("a@b\u{200b}.com", InvisibleCharacter),
            ("a@b\u{ad}.com", InvisibleCharacter),
            ("a@b\u{200d}c.com", InvisibleCharacter),
            ("\u{feff}a@b.com", InvisibleCharacter),
            ("\u{202e}moc.b@a", InvisibleCharacter),
            ("a@b.com\u{2069}", InvisibleCharacter),
            ("example.com", AtMissing),
            ("\"a＠b\"＠b＠example.com", Mailbox),
            ("@example.com", MailboxMissing),
            ("\"\"@example.com", MailboxMissing),
            (".a@example.com", Mailbox),
            ("a.@example.com", Mailbox),
            ("a..b@example.com", Mailbox),
            ("a b@example.com", Mailbox),
            ("a@b@example.com", Mailbox),
            ("a,b@example.com", Mailbox),
            ("\"a@example.com", Mailbox),
            ("\"a\\\"@example.com", Mailbox),
            ("(x)a@example.com", Mailbox),
            ("a\u{a0}b@example.com", Mailbox),
            ("\u{301}a@example.com", Mailbox),
            ("a.\u{94d}@example.com", Mailbox),
            ("❤@example.com", Mailbox),
            ("a€@example.com", Mailbox),
            ("Jane <jane@example.com>", DisplayName),
            ("<jane@example.com>", DisplayName),
            ("\"Jane\" <jane@example.com>", DisplayName),
            ("a@", DomainMissing),
            ("a@localhost", TopLevelDomainMissing),
            ("a@com", TopLevelDomainMissing),
            ("a@[127.0.0.1]", IpAddress),
            ("a@127.0.0.1", IpAddress),
            ("a@example.123", IpAddress),
            ("a@example.com.", Domain),
            ("a@.example.com", Domain),
            ("a@example..com", Domain),
            ("a@x_y.com", Domain),
            ("a@-a.fr", Domain),
            ("a@a-.fr", Domain),
            ("a@exa mple.com", Domain),
            ("a@b.com, c@d.com", Mailbox),
            ("a@b.com;c", Domain),
            ("a@xn--zzzzzz-.com", Domain),
            ("a@xn--a.com", Domain),
            ("a@例え。。jp", Domain),
            ("a。b@example.com", Mailbox),
            ("a\u{200c}b@example.com", InvisibleCharacter),
            ("\u{200d}a@example.com", InvisibleCharacter),
            ("\u{200c}@example.com", InvisibleCharacter),
            ("علی\u{200c}@example.com", InvisibleCharacter),
            ("علی\u{200d}رضا@example.com", InvisibleCharacter),
            ("ක\u{200d}ර@example.com", InvisibleCharacter),
            ("a@نامه\u{200d}ای.com", InvisibleCharacter),
            ("a@b.c℀m", Domain),
            (&long_label, Domain),
            (&long_ascii, Domain),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        assert_eq!(long_318.len(), 318);
        assert!(parse(&long_318).is_err());
        assert!(parse(&format!("{}@example.com", "a".repeat(64))).is_ok());
        let most = format!("{}@{}", "a".repeat(64), format!("{}.", "b".repeat(61)).repeat(3) + "com");
        assert_eq!(most.len(), 254);
        assert!(parse(&most).is_ok());
        assert_eq!(parse(&most.replace("com", "comm")), Err(TOO_LONG));
    }

    #[test]
    fn the_canonical_form_folds_case_quotes_and_domain() {
        assert_eq!(form("Alice.B+Tag@EXAMPLE.Com"), "alice.b+tag@example.com");
        assert_eq!(form("a@BÜCHER.example"), "a@xn--bcher-kva.example");
        assert_eq!(form("a@bu\u{308}cher.example"), form("a@XN--BCHER-KVA.example"));
        assert_eq!(form("a@ｅｘａｍｐｌｅ.com"), "a@example.com");
        assert_eq!(form("\"Alice\"@example.com"), "alice@example.com");
        assert_eq!(form("\"a\\lice\"@example.com"), "alice@example.com");
        assert_eq!(form("\"A \\b\\\"c\"@example.com"), "\"a b\\\"c\"@example.com");
        assert_eq!(form("\"a..b\"@example.com"), "\"a..b\"@example.com");
        assert_eq!(form("ΝΙΚΟΣ@example.com"), form("νικος@example.com"));
    }

    // A password reset once went to `mıke@…` for `mike@…`.
    #[test]
    fn other_peoples_mailboxes_stay_apart() {
        for (one, other) in [
            ("mike@x.com", "mıke@x.com"),
            ("weiss@x.com", "weiß@x.com"),
            ("a.b@x.com", "ab@x.com"),
            ("a+b@x.com", "a@x.com"),
            ("josé@x.com", "jose@x.com"),
            ("ｊane@x.com", "jane@x.com"),
            ("a@faß.de", "a@fass.de"),
        ] {
            assert_ne!(form(one), form(other));
        }
    }

    #[test]
    fn old_content_opens_whatever_the_rules_are_now() {
        for bytes in [&b"a@localhost"[..], b"A@x_y.COM", "\u{202e}@b".as_bytes()] {
            assert!(Email::decode(bytes).is_ok());
        }
        assert_eq!(Email::decode(b"A@x_Y.COM").unwrap().canonical_form().expose_personal_data(), b"a@x_y.com");
        for bytes in [&b""[..], b"nobody", b"a@\xff", &[b'@'; 255]] {
            assert_eq!(Email::decode(bytes), Err(Invalid::Content));
        }
    }
}
