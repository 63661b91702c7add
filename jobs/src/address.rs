//! Addresses of which a country is not always said, and those that stand in columns of their own.

use oubliette::personal::{Address, Country, Invalid};

use super::parts::{Parsed, Parts};

const DEFAULT: &str = "the address names no country, so the given country was taken";
const LAST_LINE: &str = "the last line was taken as the country";

/// Reads addresses from one column of text, for [`seal_parsed`](super::Job::seal_parsed). It calls [`Address::parse`]
/// with this country for addresses that name none. A [dry run](super::DryRun) lists the rows whose country is a guess.
pub fn address_in(country: Country) -> impl Fn(&str) -> Result<Parsed<Address>, Invalid> + Send + Sync {
    move |text| {
        let address = Address::parse(text, country)?;
        // Nothing else can be meant by its full name.
        if text.parse::<Address>().is_ok() {
            return Ok(address.into());
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        let kept = address.expose_personal_data_parts().1.count();
        Ok(Parsed::guessed(address, if kept < lines { LAST_LINE } else { DEFAULT }))
    }
}

/// Where a postcode stands, by country.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeTown,
    AfterTown,
    OwnLine,
}

impl Place {
    fn of(country: Country) -> Place {
        match country.as_str() {
            "GB" | "IE" | "GG" | "JE" | "IM" | "GI" | "FK" => Place::OwnLine,
            "US" | "CA" | "AU" | "NZ" | "IN" | "SG" | "TH" | "ID" | "ZA" | "PH" | "MY" | "PR" | "TW" | "BD" | "PK" => {
                Place::AfterTown
            }
            _ => Place::BeforeTown,
        }
    }
}

impl Parts<Address, 4> {
    /// Four columns: street (with every line before the town), postcode, town and country. The postcode stands before
    /// the town, after it or on a line of its own, as is usual in the country. The way back finds it there by its
    /// digits, and by its letters in Dutch, British and Canadian postcodes. A row whose postcode would not be found
    /// again is refused; [`one_way`](Parts::one_way) accepts it.
    ///
    /// The column of countries holds codes (`FR`; `UK` and `EL` are understood) or full names, in English or in an
    /// official language of the country. A blank cell means the given country, and a dry run lists the row. If no
    /// country is given, a row with a blank cell is refused. On the way back the column gets the code.
    #[must_use]
    pub fn address(blank: Option<Country>) -> Parts<Address, 4> {
        let join = move |[street, postcode, town, country]: [Option<&str>; 4]| {
            let said = country.map(country_of).transpose()?;
            let country = said.or(blank).ok_or(NotAnAddress::NoCountry)?;
            let mut lines: Vec<String> = street.unwrap_or_default().lines().map(str::to_owned).collect();
            let both = |first: Option<&str>, second: Option<&str>| {
                [first, second].into_iter().flatten().collect::<Vec<_>>().join(" ")
            };
            match Place::of(country) {
                Place::BeforeTown => lines.push(both(postcode, town)),
                Place::AfterTown => lines.push(both(town, postcode)),
                Place::OwnLine => lines.extend([town, postcode].into_iter().flatten().map(str::to_owned)),
            }
            let address = Address::new(country, &lines).map_err(NotAnAddress::Invalid)?;
            Ok::<_, NotAnAddress>(if said.is_some() { address.into() } else { Parsed::guessed(address, DEFAULT) })
        };
        let same_country = |at, one: &str, other: &str| match at {
            // A blank one comes back as the country that was taken for it.
            3 => one.is_empty() || country_of(one).ok() == country_of(other).ok(),
            _ => one == other,
        };
        Parts::new(join).and_back(split).alike(same_country)
    }
}

#[derive(Debug, thiserror::Error)]
enum NotAnAddress {
    #[error("the country is blank; give the job a country for such rows")]
    NoCountry,
    #[error("the country is neither a code, such as FR, nor a full name")]
    UnknownCountry,
    #[error(transparent)]
    Invalid(Invalid),
}

fn country_of(text: &str) -> Result<Country, NotAnAddress> {
    let code = match text.trim().to_ascii_uppercase().as_str() {
        "UK" => Ok(Country::new("GB")),
        "EL" => Ok(Country::new("GR")),
        code => code.parse(),
    };
    // By its full name, as an address's last line has it.
    let named = || format!("-\n{text}").parse().ok().map(|address: Address| address.expose_personal_data_parts().0);
    code.ok().or_else(named).ok_or(NotAnAddress::UnknownCountry)
}

fn split(address: &Address) -> Option<[Option<String>; 4]> {
    let (country, lines) = address.expose_personal_data_parts();
    let mut lines: Vec<&str> = lines.collect();
    let last = lines.pop()?;
    let (postcode, town) = match Place::of(country) {
        Place::OwnLine if last.contains(has_digit) => (last, lines.pop().unwrap_or_default()),
        Place::OwnLine => ("", last),
        Place::BeforeTown => {
            let mut end = 0;
            for word in last.split(' ') {
                let dutch = end > 0 && word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
                if !(word.contains(has_digit) || country.as_str() == "NL" && dutch) {
                    break;
                }
                end += word.len() + 1;
            }
            let (postcode, town) = last.split_at_checked(end.min(last.len()))?;
            (postcode.trim_end(), town)
        }
        Place::AfterTown => {
            let mut start = last.len();
            for word in last.rsplit(' ').take_while(|word| word.contains(has_digit)) {
                start = start.saturating_sub(word.len() + usize::from(start < last.len()));
            }
            let (town, postcode) = last.split_at_checked(start)?;
            (postcode, town.trim_end())
        }
    };
    let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some([part(&lines.join("\n")), part(postcode), part(town), part(country.as_str())])
}

fn has_digit(c: char) -> bool {
    c.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_as_they_were_put_together() {
        for [street, postcode, town, country] in [
            ["12 rue de la Paix", "75002", "Paris", "FR"],
            ["12 rue de la Paix\nBâtiment B", "75002", "Paris 2e", "FR"],
            ["Dam 1", "1012 JS", "Amsterdam", "NL"],
            ["Václavské nám. 1", "110 00", "Praha 1", "CZ"],
            ["Brīvības 1", "LV-1010", "Rīga", "LV"],
            ["10 Downing Street", "SW1A 2AA", "London", "GB"],
            ["1 Main St", "62704", "Springfield IL", "US"],
            ["24 Sussex Dr", "K1M 1M4", "Ottawa ON", "CA"],
            ["1 George St", "2000", "Sydney NSW", "AU"],
            ["", "75002", "Paris", "FR"],
            ["12 rue de la Paix", "", "Paris", "FR"],
            ["12 rue de la Paix", "75002", "", "FR"],
            ["O'Connell St", "", "Dublin", "IE"],
        ] {
            let given = [street, postcode, town, country].map(|part| (!part.is_empty()).then_some(part));
            let lines = match Place::of(country.parse().unwrap()) {
                Place::OwnLine => vec![street.to_owned(), town.to_owned(), postcode.to_owned()],
                Place::BeforeTown => vec![street.to_owned(), format!("{postcode} {town}")],
                Place::AfterTown => vec![street.to_owned(), format!("{town} {postcode}")],
            };
            let lines: Vec<&str> = lines.iter().flat_map(|line| line.lines()).collect();
            let address = Address::new(country.parse().unwrap(), lines).unwrap();
            assert_eq!(split(&address).unwrap(), given.map(|part| part.map(str::to_owned)), "{address:?} {town}");
        }
    }

    #[test]
    fn countries_of_a_column_of_their_own() {
        for (text, code) in [("fr", "FR"), (" UK", "GB"), ("Deutschland", "DE"), ("Czech Republic", "CZ"), ("EL", "GR")]
        {
            assert_eq!(country_of(text).unwrap().as_str(), code);
        }
        assert!(country_of("Atlantis").is_err() && country_of("XX").is_err());
    }

    #[test]
    fn a_country_that_is_not_said_in_full_is_a_guess() {
        let read = address_in(Country::new("DE"));
        let guess = |text| read(text).unwrap().guess;
        assert_eq!(guess("Unter den Linden 1\n10117 Berlin\nDeutschland"), None);
        assert_eq!(guess("12 rue de la Paix\n75002 Paris\nFrance"), None);
        assert_eq!(guess("Unter den Linden 1\n10117 Berlin"), Some(DEFAULT));
        assert_eq!(guess("Unter den Linden 1\n10117 Berlin\nDE"), Some(LAST_LINE));
    }
}
