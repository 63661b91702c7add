//! Forms of a part of a value, and of several values together, to index by.

use crate::personal::{Canonical, CanonicalForm, Email, Phone};

impl Email {
    /// The domain, canonical: for [`Field::index_by`](crate::Field::index_by). To query, take that of any address there.
    #[must_use]
    pub fn domain_form(&self) -> CanonicalForm {
        let form = self.canonical_form();
        let bytes = form.expose_personal_data();
        let at = bytes.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
        CanonicalForm::new(bytes.get(at..).unwrap_or_default().to_vec())
    }
}

impl Phone {
    /// The last four digits, an extension apart: for [`Field::index_by`](crate::Field::index_by). To query by digits
    /// alone, `CanonicalForm::new(b"5678".to_vec())`.
    #[must_use]
    pub fn last_four_digits_form(&self) -> CanonicalForm {
        let form = self.canonical_form();
        let number = form.expose_personal_data().split(|byte| *byte == b';').next().unwrap_or_default();
        CanonicalForm::new(number.last_chunk::<4>().map_or_else(Vec::new, |digits| digits.to_vec()))
    }
}

impl CanonicalForm {
    /// Several forms as one, such as a name with a postcode, for [`Vault::token_of`](crate::Vault::token_of) and
    /// [`Vault::tokens_of`](crate::Vault::tokens_of). Each stands behind its length in eight bytes, so that other forms, or the same
    /// in another order, give another result.
    #[must_use]
    pub fn of_all<'f>(forms: impl IntoIterator<Item = &'f CanonicalForm>) -> CanonicalForm {
        let forms: Vec<&[u8]> = forms.into_iter().map(CanonicalForm::expose_personal_data).collect();
        // In one allocation: growing would leave a copy behind.
        let mut all = Vec::with_capacity(forms.iter().map(|form| 8 + form.len()).sum());
        for form in forms {
            all.extend_from_slice(&(form.len() as u64).to_be_bytes());
            all.extend_from_slice(form);
        }
        CanonicalForm::new(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(form: &CanonicalForm) -> &[u8] {
        form.expose_personal_data()
    }

    #[test]
    fn parts_are_those_of_the_canonical_form() {
        let email = |text: &str| text.parse::<Email>().unwrap().domain_form();
        assert_eq!(bytes(&email("Alice@Bücher.EXAMPLE")), b"xn--bcher-kva.example");
        assert_eq!(email("\"a@b\"@example.com"), email("c@EXAMPLE.com"), "the last @ counts");
        let phone = |text: &str| text.parse::<Phone>().unwrap().last_four_digits_form();
        assert_eq!(bytes(&phone("+33612345678")), b"5678");
    }

    #[cfg(feature = "phone")]
    #[test]
    fn an_extension_is_no_part_of_the_number() {
        let phone: Phone = "+33612345678;ext=1234".parse().unwrap();
        assert_eq!(bytes(&phone.last_four_digits_form()), b"5678");
    }

    #[test]
    fn joined_forms_cannot_be_confused() {
        let form = |text: &str| CanonicalForm::new(text.as_bytes().to_vec());
        let all = |texts: &[&str]| {
            let forms: Vec<CanonicalForm> = texts.iter().map(|text| form(text)).collect();
            CanonicalForm::of_all(&forms)
        };
        assert_ne!(all(&["ab", "c"]), all(&["a", "bc"]));
        assert_ne!(all(&["a", "b"]), all(&["b", "a"]));
        assert_ne!(all(&["a"]), all(&["a", ""]));
        assert_eq!(bytes(&all(&["ab"])), b"\0\0\0\0\0\0\0\x02ab");
    }
}
