//! Names of countries, as an address's last line.

use super::folding::{Commas, folded};
use super::{Country, secret_text::SecretText};

// Code, name in English, and folded: its names in English, in the languages of its offices and in ISO 3166-1 (CLDR 49,
// and what people write beside). A name is missing if something else can be meant: a state or province of another country
// (ISO 3166-2: Georgia, Luxembourg, Mali, Niger), or a town that mail is sent to (Jamaica, Lebanon, Peru, San Marino).
#[rustfmt::skip]
const NAMES: &[(&str, &str, &str)] = &[
    ("AD", "Andorra", "principality of andorra"),
    ("AE", "United Arab Emirates", "united arab emirates|الإمارات العربية المتحدة|uae|u a e"),
    ("AF", "Afghanistan", "afghanistan|افغانستان|owganystan|islamic republic of afghanistan"),
    ("AG", "Antigua & Barbuda", "antigua & barbuda|antigua and barbuda"),
    ("AI", "Anguilla", "anguilla"),
    ("AL", "Albania", "albania|shqipëri|republic of albania|shqiperi"),
    ("AM", "Armenia", "armenia|հայաստան|republic of armenia"),
    ("AO", "Angola", "republic of angola"),
    ("AQ", "Antarctica", "antarctica"),
    ("AR", "Argentina", "argentina|argentine republic"),
    ("AS", "American Samoa", "american samoa"),
    ("AT", "Austria", "austria|österreich|austrija|avstrija|ausztria|republic of austria|osterreich"),
    ("AU", "Australia", "australia"),
    ("AW", "Aruba", "aruba"),
    ("AX", "Åland Islands", "åland islands|åland|aland islands|aland"),
    ("AZ", "Azerbaijan", "azerbaijan|azərbaycan|азәрбајҹан|republic of azerbaijan"),
    ("BA", "Bosnia & Herzegovina", "bosnia & herzegovina|босна и херцеговина|bosna i hercegovina|bosnia and herzegovina|republic of bosnia and herzegovina"),
    ("BB", "Barbados", "barbados"),
    ("BD", "Bangladesh", "bangladesh|বাংলাদেশ|people's republic of bangladesh"),
    ("BE", "Belgium", "belgium|belgië|belgique|belgien|kingdom of belgium|belgie"),
    ("BF", "Burkina Faso", "burkina faso"),
    ("BG", "Bulgaria", "bulgaria|българия|republic of bulgaria"),
    ("BH", "Bahrain", "bahrain|البحرين|kingdom of bahrain"),
    ("BI", "Burundi", "burundi|uburundi|republic of burundi"),
    ("BJ", "Benin", "benin|bénin|republic of benin"),
    ("BL", "St. Barthélemy", ""),
    ("BM", "Bermuda", "bermuda"),
    ("BN", "Brunei", "brunei|بروني|brunei darussalam"),
    ("BO", "Bolivia", "bolivia|plurinational state of bolivia"),
    ("BQ", "Caribbean Netherlands", "caribbean netherlands|caribisch nederland|bonaire|sint eustatius"),
    ("BR", "Brazil", "brazil|brasil|brazile|federative republic of brazil"),
    ("BS", "Bahamas", "bahamas|commonwealth of the bahamas|the bahamas"),
    ("BT", "Bhutan", "bhutan|འབྲུག|kingdom of bhutan"),
    ("BV", "Bouvet Island", "bouvet island"),
    ("BW", "Botswana", "botswana|republic of botswana"),
    ("BY", "Belarus", "belarus|беларусь|republic of belarus"),
    ("BZ", "Belize", "belize"),
    ("CA", "Canada", "canada|ᑲᓇᑕᒥ"),
    ("CC", "Cocos (Keeling) Islands", "cocos (keeling) islands"),
    ("CD", "Congo - Kinshasa", "congo-kinshasa|kongo-kinshasa|republíki ya kongó demokratíki|democratic republic of the congo|république démocratique du congo|republiki ya kongo demokratiki|republique democratique du congo"),
    ("CF", "Central African Republic", "central african republic|ködörösêse tî bêafrîka|république centrafricaine|kodorosese ti beafrika|republique centrafricaine"),
    ("CG", "Congo - Brazzaville", "congo-brazzaville|congo|republic of the congo|république du congo|republique du congo"),
    ("CH", "Switzerland", "switzerland|schweiz|schwiiz|suisse|svizzera|svizra|swiss confederation|schweiz/suisse"),
    ("CI", "Côte d’Ivoire", "côte d'ivoire|republic of côte d'ivoire|ivory coast|cote d'ivoire|republic of cote d'ivoire"),
    ("CK", "Cook Islands", "cook islands"),
    ("CL", "Chile", "chile|republic of chile"),
    ("CM", "Cameroon", "cameroon|cameroun|republic of cameroon"),
    ("CN", "China", "china|中国|جۇڭگو|cunghgoz|རྒྱ་ནག|중국|people's republic of china|中华人民共和国"),
    ("CO", "Colombia", "colombia|republic of colombia"),
    ("CR", "Costa Rica", "costa rica|republic of costa rica"),
    ("CU", "Cuba", "cuba|republic of cuba"),
    ("CV", "Cape Verde", "cape verde|cabo verde|republic of cabo verde"),
    ("CW", "Curaçao", "curaçao|kòrsou|curacao|korsou"),
    ("CX", "Christmas Island", "christmas island"),
    ("CY", "Cyprus", "cyprus|κυπροσ|kibris|republic of cyprus"),
    ("CZ", "Czechia", "czechia|česko|czech republic|česká republika|cesko|ceska republika"),
    ("DE", "Germany", "germany|deutschland|tjiisklun|federal republic of germany|bundesrepublik deutschland"),
    ("DJ", "Djibouti", "djibouti|جيبوتي|republic of djibouti"),
    ("DK", "Denmark", "denmark|danmark|dänemark|danmarki|kingdom of denmark|danemark"),
    ("DM", "Dominica", "dominica|commonwealth of dominica"),
    ("DO", "Dominican Republic", "dominican republic|república dominicana|republica dominicana"),
    ("DZ", "Algeria", "algeria|الجزائر|algérie|people's democratic republic of algeria|algerie"),
    ("EC", "Ecuador", "ecuador|republic of ecuador"),
    ("EE", "Estonia", "estonia|eesti|republic of estonia"),
    ("EG", "Egypt", "egypt|مصر|arab republic of egypt"),
    ("EH", "Western Sahara", "western sahara|الصحراء الغربية"),
    ("ER", "Eritrea", "eritrea|ኤርትራ|إريتريا|the state of eritrea|state of eritrea"),
    ("ES", "Spain", "spain|españa|espanya|espainia|espanha|kingdom of spain|espana"),
    ("ET", "Ethiopia", "ethiopia|ኢትዮጵያ|federal democratic republic of ethiopia"),
    ("FI", "Finland", "finland|suomi|lää'ddjânnam|republic of finland|laa'ddjannam"),
    ("FJ", "Fiji", "fiji|republic of fiji"),
    ("FK", "Falkland Islands", "falkland islands|falkland islands (malvinas)"),
    ("FM", "Micronesia", "micronesia|federated states of micronesia"),
    ("FO", "Faroe Islands", "faroe islands|føroyar"),
    ("FR", "France", "france|french republic"),
    ("GA", "Gabon", "gabon|gabonese republic"),
    ("GB", "United Kingdom", "united kingdom|y deyrnas unedig|an ríocht aontaithe|an rìoghachd aonaichte|united kingdom of great britain and northern ireland|great britain|england|scotland|wales|northern ireland|cymru|an riocht aontaithe|an rioghachd aonaichte"),
    ("GD", "Grenada", ""),
    ("GE", "Georgia", "საქართველო|гуырдзыстон|қырҭтәыла|republic of georgia"),
    ("GF", "French Guiana", "french guiana|guyane française|guyane francaise"),
    ("GG", "Guernsey", "guernsey"),
    ("GH", "Ghana", "ghana|gaana|ghana nutome|republic of ghana"),
    ("GI", "Gibraltar", "gibraltar"),
    ("GL", "Greenland", "greenland|kalaallit nunaat"),
    ("GM", "Gambia", "gambia|republic of the gambia|the gambia"),
    ("GN", "Guinea", "guinea|guinée|republic of guinea|guinee"),
    ("GP", "Guadeloupe", "guadeloupe"),
    ("GQ", "Equatorial Guinea", "equatorial guinea|guinea ecuatorial|guinée équatoriale|guiné equatorial|republic of equatorial guinea|guinee equatoriale|guine equatorial"),
    ("GR", "Greece", "greece|ελλαδα|hellenic republic"),
    ("GS", "South Georgia & South Sandwich Islands", "south georgia & south sandwich islands|south georgia and the south sandwich islands"),
    ("GT", "Guatemala", "guatemala|republic of guatemala"),
    ("GU", "Guam", "guam"),
    ("GW", "Guinea-Bissau", "guinea-bissau|guiné-bissau|republic of guinea-bissau|guine-bissau"),
    ("GY", "Guyana", "guyana|republic of guyana"),
    ("HK", "Hong Kong SAR China", "hong kong sar china|中國香港特別行政區|hong kong|hong kong special administrative region of china|香港"),
    ("HM", "Heard Island & McDonald Islands", "heard island & mcdonald islands|heard island and mcdonald islands"),
    ("HN", "Honduras", "honduras|republic of honduras"),
    ("HR", "Croatia", "croatia|hrvatska|croazia|croasia|republic of croatia"),
    ("HT", "Haiti", "haiti|haïti|republic of haiti"),
    ("HU", "Hungary", "hungary|magyarország|magyarorszag"),
    ("ID", "Indonesia", "indonesia|republic of indonesia"),
    ("IE", "Ireland", "ireland|éire|republic of ireland|eire"),
    ("IL", "Israel", "israel|ישראל|إسرائيل|state of israel"),
    ("IM", "Isle of Man", "isle of man|ellan vannin"),
    ("IN", "India", "india|भारत|ভারত|భారతదేశం|இந்தியா|بھارت|ભારત|ಭಾರತ|ଭାରତ|ഇന്ത്യ|ਭਾਰਤ|ভাৰত|ᱤᱱᱰᱤᱭᱟ|هِندوستان|ڀارت|भारतः|republic of india"),
    ("IO", "British Indian Ocean Territory", "british indian ocean territory"),
    ("IQ", "Iraq", "iraq|العراق|عێراق|republic of iraq"),
    ("IR", "Iran", "iran|ايران|islamic republic of iran"),
    ("IS", "Iceland", "iceland|ísland|republic of iceland"),
    ("IT", "Italy", "italy|italia|italie|italian republic"),
    ("JE", "Jersey", "jersey"),
    ("JM", "Jamaica", "commonwealth of jamaica"),
    ("JO", "Jordan", "jordan|الأردن|hashemite kingdom of jordan"),
    ("JP", "Japan", "japan|日本|日本国"),
    ("KE", "Kenya", "kenya|republic of kenya"),
    ("KG", "Kyrgyzstan", "kyrgyzstan|кыргызстан|киргизия|kyrgyz republic"),
    ("KH", "Cambodia", "cambodia|កម្ពុជា|kingdom of cambodia"),
    ("KI", "Kiribati", "kiribati|republic of kiribati"),
    ("KM", "Comoros", "comoros|جزر القمر|comores|union of the comoros"),
    ("KN", "St. Kitts & Nevis", "st kitts & nevis|saint kitts and nevis"),
    ("KP", "North Korea", "north korea|북한|democratic people's republic of korea"),
    ("KR", "South Korea", "south korea|대한민국|republic of korea"),
    ("KW", "Kuwait", "kuwait|الكويت|state of kuwait"),
    ("KY", "Cayman Islands", "cayman islands"),
    ("KZ", "Kazakhstan", "kazakhstan|казахстан|қазақстан|republic of kazakhstan"),
    ("LA", "Laos", "laos|ລາວ|lao people's democratic republic|lao pdr"),
    ("LB", "Lebanon", "لبنان|lebanese republic"),
    ("LC", "St. Lucia", ""),
    ("LI", "Liechtenstein", "liechtenstein|liächteschtäi|principality of liechtenstein|liachteschtai"),
    ("LK", "Sri Lanka", "sri lanka|ශ්රී ලංකාව|இலங்கை|democratic socialist republic of sri lanka"),
    ("LR", "Liberia", "liberia|republic of liberia"),
    ("LS", "Lesotho", "lesotho|kingdom of lesotho"),
    ("LT", "Lithuania", "lithuania|lietuva|republic of lithuania"),
    ("LU", "Luxembourg", "lëtzebuerg|grand duchy of luxembourg|letzebuerg"),
    ("LV", "Latvia", "latvia|latvija|republic of latvia"),
    ("LY", "Libya", "libya|ليبيا"),
    ("MA", "Morocco", "morocco|المغرب|maroc|meṛṛuk|kingdom of morocco|merruk"),
    ("MC", "Monaco", "monaco|principality of monaco"),
    ("MD", "Moldova", "moldova|republica moldova|republic of moldova"),
    ("ME", "Montenegro", "montenegro|crna gora"),
    ("MF", "St. Martin", "saint martin (french part)"),
    ("MG", "Madagascar", "madagascar|madagasikara|republic of madagascar"),
    ("MH", "Marshall Islands", "marshall islands|republic of the marshall islands"),
    ("MK", "North Macedonia", "north macedonia|северна македонија|maqedonia e veriut|republic of north macedonia"),
    ("ML", "Mali", "republic of mali"),
    ("MM", "Myanmar (Burma)", "myanmar (burma)|မြန်မာ|myanmar|republic of myanmar|burma"),
    ("MN", "Mongolia", "mongolia|монгол"),
    ("MO", "Macao SAR China", "macao sar china|中國澳門特別行政區|macao|macao special administrative region of china|macau|澳門"),
    ("MP", "Northern Mariana Islands", "northern mariana islands|commonwealth of the northern mariana islands"),
    ("MQ", "Martinique", "martinique"),
    ("MR", "Mauritania", "mauritania|موريتانيا|islamic republic of mauritania"),
    ("MS", "Montserrat", ""),
    ("MT", "Malta", "republic of malta"),
    ("MU", "Mauritius", "mauritius|maurice|republic of mauritius"),
    ("MV", "Maldives", "maldives|ދިވެހި ރާއްޖެ|republic of maldives"),
    ("MW", "Malawi", "malawi|republic of malawi"),
    ("MX", "Mexico", "mexico|méxico|united mexican states"),
    ("MY", "Malaysia", "malaysia"),
    ("MZ", "Mozambique", "mozambique|moçambique|republic of mozambique|mocambique"),
    ("NA", "Namibia", "namibia|republic of namibia"),
    ("NC", "New Caledonia", "new caledonia|nouvelle-calédonie|nouvelle-caledonie"),
    ("NE", "Niger", "republic of the niger|république du niger|republique du niger"),
    ("NF", "Norfolk Island", "norfolk island"),
    ("NG", "Nigeria", "nigeria|nàìjíríà|federal republic of nigeria|naijiria"),
    ("NI", "Nicaragua", "nicaragua|republic of nicaragua"),
    ("NL", "Netherlands", "netherlands|nederland|nederlân|kingdom of the netherlands|the netherlands|nederlan"),
    ("NO", "Norway", "norway|norge|noreg|norga|kingdom of norway"),
    ("NP", "Nepal", "nepal|नेपाल|federal democratic republic of nepal"),
    ("NR", "Nauru", "nauru|republic of nauru"),
    ("NU", "Niue", "niue"),
    ("NZ", "New Zealand", "new zealand|aotearoa"),
    ("OM", "Oman", "oman|عُمان|sultanate of oman"),
    ("PA", "Panama", "panama|panamá|republic of panama"),
    ("PE", "Peru", "republic of peru"),
    ("PF", "French Polynesia", "french polynesia|polynésie française|polynesie francaise"),
    ("PG", "Papua New Guinea", "papua new guinea|papua niugini|independent state of papua new guinea"),
    ("PH", "Philippines", "philippines|pilipinas|republic of the philippines"),
    ("PK", "Pakistan", "pakistan|پاكستان|islamic republic of pakistan"),
    ("PL", "Poland", "poland|polska|polen|lenkija|republic of poland"),
    ("PM", "St. Pierre & Miquelon", "st pierre & miquelon|saint-pierre-et-miquelon|saint pierre and miquelon"),
    ("PN", "Pitcairn Islands", "pitcairn islands|pitcairn"),
    ("PR", "Puerto Rico", "puerto rico"),
    ("PS", "Palestinian Territories", "palestinian territories|الأراضي الفلسطينية|the state of palestine|palestine|state of palestine"),
    ("PT", "Portugal", "portugal|portuguese republic"),
    ("PW", "Palau", "palau|republic of palau"),
    ("PY", "Paraguay", "paraguay|paraguai|republic of paraguay"),
    ("QA", "Qatar", "qatar|قطر|state of qatar"),
    ("RE", "Réunion", "réunion|la réunion|reunion|la reunion"),
    ("RO", "Romania", "romania|românia"),
    ("RS", "Serbia", "serbia|srbija|србија|szerbia|srbsko|сербія|republic of serbia"),
    ("RU", "Russia", "russia|россия|росси|рәсәй|урысей|рузонь мастор|арассыыйа|ород улас|русија|россия федерациязы|урысые|russian federation|рәсәи|урысеи|арассыыиа"),
    ("RW", "Rwanda", "rwanda|u rwanda|rwandese republic"),
    ("SA", "Saudi Arabia", "saudi arabia|المملكة العربية السعودية|kingdom of saudi arabia"),
    ("SB", "Solomon Islands", "solomon islands"),
    ("SC", "Seychelles", "seychelles|republic of seychelles"),
    ("SD", "Sudan", "sudan|السودان|republic of the sudan"),
    ("SE", "Sweden", "sweden|sverige|ruotsi|kingdom of sweden"),
    ("SG", "Singapore", "singapore|新加坡|singapura|சிங்கப்பூர்|republic of singapore"),
    ("SH", "St. Helena, Ascension & Tristan da Cunha", "tristan da cunha"),
    ("SI", "Slovenia", "slovenia|slovenija|zlovenia|republic of slovenia"),
    ("SJ", "Svalbard & Jan Mayen", "svalbard & jan mayen|svalbard og jan mayen|svalbard and jan mayen|svalbard"),
    ("SK", "Slovakia", "slovakia|slovensko|slovak republic"),
    ("SL", "Sierra Leone", "sierra leone|republic of sierra leone"),
    ("SM", "San Marino", "republic of san marino"),
    ("SN", "Senegal", "senegal|senegaal|sénégal|republic of senegal"),
    ("SO", "Somalia", "somalia|soomaaliya|الصومال|federal republic of somalia"),
    ("SR", "Suriname", "suriname|republic of suriname"),
    ("SS", "South Sudan", "south sudan|republic of south sudan"),
    ("ST", "São Tomé & Príncipe", "são tomé & príncipe|são tomé e príncipe|sao tome and principe|democratic republic of sao tome and principe|sao tome & principe|sao tome e principe"),
    ("SV", "El Salvador", "el salvador|republic of el salvador"),
    ("SX", "Sint Maarten", "sint maarten|sint-maarten|sint maarten (dutch part)"),
    ("SY", "Syria", "syria|سوريا|syrian arab republic"),
    ("SZ", "Eswatini", "eswatini|kingdom of eswatini|swaziland"),
    ("TC", "Turks & Caicos Islands", "turks & caicos islands|turks and caicos islands"),
    ("TD", "Chad", "chad|تشاد|tchad|republic of chad"),
    ("TF", "French Southern and Antarctic Lands", "french southern and antarctic lands|french southern territories"),
    ("TG", "Togo", "togo|togolese republic"),
    ("TH", "Thailand", "thailand|ไทย|kingdom of thailand"),
    ("TJ", "Tajikistan", "tajikistan|тоҷикистон|republic of tajikistan"),
    ("TK", "Tokelau", "tokelau"),
    ("TL", "Timor-Leste", "timor-leste|democratic republic of timor-leste|east timor"),
    ("TM", "Turkmenistan", "turkmenistan|türkmenistan"),
    ("TN", "Tunisia", "tunisia|تونس|tunisie|republic of tunisia"),
    ("TO", "Tonga", "tonga|kingdom of tonga"),
    ("TR", "Türkiye", "türkiye|republic of türkiye|turkey|turkiye|republic of turkiye"),
    ("TT", "Trinidad & Tobago", "trinidad & tobago|trinidad and tobago|republic of trinidad and tobago"),
    ("TV", "Tuvalu", "tuvalu"),
    ("TW", "Taiwan", "taiwan|台灣|臺灣|republic of china"),
    ("TZ", "Tanzania", "tanzania|united republic of tanzania"),
    ("UA", "Ukraine", "ukraine|україна|украина|украіна"),
    ("UG", "Uganda", "uganda|republic of uganda"),
    ("UM", "U.S. Outlying Islands", "u s outlying islands|united states minor outlying islands"),
    ("US", "United States", "united states|estados unidos|'amelika hui pū 'ia|united states of america|usa|u s a|'amelika hui pu 'ia"),
    ("UY", "Uruguay", "uruguay|eastern republic of uruguay"),
    ("UZ", "Uzbekistan", "uzbekistan|o'zbekiston|ўзбекистон|republic of uzbekistan|узбекистон"),
    ("VA", "Vatican City", "vatican city|città del vaticano|holy see (vatican city state)|vatican|holy see|citta del vaticano"),
    ("VC", "St. Vincent & Grenadines", "st vincent & grenadines|saint vincent and the grenadines"),
    ("VE", "Venezuela", "venezuela|bolivarian republic of venezuela"),
    ("VG", "British Virgin Islands", "british virgin islands"),
    ("VI", "U.S. Virgin Islands", "u s virgin islands|virgin islands of the united states"),
    ("VN", "Vietnam", "vietnam|việt nam|viet nam|socialist republic of viet nam"),
    ("VU", "Vanuatu", "vanuatu|republic of vanuatu"),
    ("WF", "Wallis & Futuna", "wallis & futuna|wallis-et-futuna|wallis and futuna"),
    ("WS", "Samoa", "samoa|independent state of samoa"),
    ("XK", "Kosovo", "kosovo|kosovë|косово|republic of kosovo|kosove"),
    ("YE", "Yemen", "yemen|اليمن|republic of yemen"),
    ("YT", "Mayotte", "mayotte"),
    ("ZA", "South Africa", "south africa|iningizimu afrika|emzantsi afrika|suid-afrika|afrika borwa|aforika borwa|republic of south africa"),
    ("ZM", "Zambia", "zambia|republic of zambia"),
    ("ZW", "Zimbabwe", "zimbabwe|republic of zimbabwe"),
];

impl Country {
    /// The country that a line names, where nothing else can be meant: by a full name, or by name and code as
    /// [`write_out`](Country::write_out). Two letters alone never do: nearly all are a state or province somewhere.
    pub(super) fn named_by(line: &str) -> Option<Country> {
        let line = line.trim();
        let (name, code) = match line.strip_suffix(')').and_then(|line| line.rsplit_once('(')) {
            Some((name, code)) if code.len() == 2 => (name, Some(code)),
            _ => (line, None),
        };
        let name = folded(name, Commas::Separate);
        let (code, ..) = NAMES.iter().find(|(row, english, names)| match code {
            Some(code) => {
                row.eq_ignore_ascii_case(code) && (is_one_of(&name, names) || name == folded(english, Commas::Separate))
            }
            None => is_one_of(&name, names),
        })?;
        code.parse().ok()
    }

    /// Most bytes of [`write_out`](Country::write_out).
    pub(super) const MOST_WRITTEN_OUT: usize = 48;

    /// Name and code, `France (FR)`, for an address's last line: read back by [`named_by`](Country::named_by).
    /// Every address that is opened asks for it: so a search, and no text of its own.
    pub(super) fn write_out(self, out: &mut SecretText) {
        let code = self.as_str();
        let found = NAMES.binary_search_by(|(known, ..)| (*known).cmp(code)).ok().and_then(|at| NAMES.get(at));
        if let Some((_, name, _)) = found {
            out.push_str(name);
            out.push(' ');
        }
        out.push('(');
        out.push_str(code);
        out.push(')');
    }
}

fn is_one_of(name: &SecretText, names: &str) -> bool {
    names.split('|').any(|known| !known.is_empty() && known == name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Option<String> {
        Country::named_by(line).map(|country| country.to_string())
    }

    #[test]
    fn every_country_is_read_back_as_it_is_written() {
        for (code, name, _) in NAMES {
            let country: Country = code.parse().unwrap();
            let mut written = SecretText::with_capacity(0);
            country.write_out(&mut written);
            assert_eq!(written.as_str(), format!("{name} ({code})"));
            assert!(written.as_str().len() <= Country::MOST_WRITTEN_OUT, "{code}");
            assert_eq!(Country::named_by(written.as_str()), Some(country), "{code}");
            assert_eq!(Country::named_by(&written.as_str().to_uppercase()), Some(country), "{code}");
        }
        assert!(NAMES.is_sorted_by_key(|(code, ..)| *code));
        assert_eq!(NAMES.len(), 250);
    }

    #[test]
    fn names_are_folded_and_belong_to_one_country() {
        let names: Vec<&str> =
            NAMES.iter().flat_map(|(_, _, names)| names.split('|')).filter(|n| !n.is_empty()).collect();
        for name in &names {
            assert_eq!(folded(name, Commas::Separate).as_str(), *name);
            assert!(name.chars().count() > 2 || !name.is_ascii(), "{name}: as short as a code");
        }
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
    }

    #[test]
    fn a_country_is_named_in_full() {
        for (line, code) in [
            ("France", "FR"),
            (" FRANCE ", "FR"),
            ("France (FR)", "FR"),
            ("france (fr)", "FR"),
            ("Georgia (GE)", "GE"),
            ("Deutschland", "DE"),
            ("U.S.A.", "US"),
            ("日本", "JP"),
            ("日本国", "JP"),
            ("ΕΛΛΑΔΑ", "GR"),
            ("Cote d'Ivoire", "CI"),
            ("Côte d’Ivoire", "CI"),
            ("The Netherlands", "NL"),
        ] {
            assert_eq!(named(line).as_deref(), Some(code), "{line}");
        }
        for line in [
            "",
            "Georgia",
            "Georgia (US)",
            "(FR)",
            "(IL)",
            "Springfield (IL)",
            "France (DE)",
            "Luxembourg",
            "Jamaica",
            "Paris",
            "X",
            "Island",
        ] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn no_two_letters_name_a_country() {
        for first in 'A'..='Z' {
            for second in 'A'..='Z' {
                let code = format!("{first}{second}");
                for line in [code.clone(), code.to_lowercase(), format!("{first}.{second}"), format!("({code})")] {
                    assert_eq!(named(&line), None, "{line}");
                }
            }
        }
    }
}
