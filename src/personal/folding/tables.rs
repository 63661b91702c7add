//! Which characters are written for one another, whatever stands around them.

/// Apostrophes of all kinds, primes, accents that stand alone, the Hebrew geresh, the Armenian apostrophe.
const fn is_apostrophe(c: char) -> bool {
    matches!(c,
        '\u{60}' | '\u{b4}' | '\u{2b9}'..='\u{2bf}' | '\u{2c8}' | '\u{2ca}'..='\u{2cb}' | '\u{2ee}' | '\u{384}'
        | '\u{55a}' | '\u{5f3}' | '\u{1fbd}' | '\u{1fbf}' | '\u{1fef}' | '\u{1ffd}' | '\u{1ffe}'
        | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{a78b}'..='\u{a78c}' | '\u{ff07}')
}

const fn is_quotation_mark(c: char) -> bool {
    matches!(c, '\u{ab}' | '\u{bb}' | '\u{5f4}' | '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{301d}'..='\u{301f}')
}

/// Hyphens and dashes, the minus sign, box-drawing lines that stand in for dashes in Japan.
const fn is_dash(c: char) -> bool {
    matches!(c,
        '\u{2d7}' | '\u{58a}' | '\u{5be}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{2500}'..='\u{2501}'
        | '\u{2e3a}'..='\u{2e3b}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// Dots at half height, which part the names of foreigners and of peoples in China and Japan.
const fn is_middle_dot(c: char) -> bool {
    matches!(
        c,
        '\u{b7}' | '\u{387}' | '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{2e31}' | '\u{30fb}' | '\u{ff65}'
    )
}

/// The zeros of all decimal digits (General_Category Nd of Unicode 18.0); one to nine follow each.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50,
    0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8,
    0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

fn digit(c: char) -> Option<char> {
    let behind = ZEROS.partition_point(|zero| *zero <= u32::from(c));
    let zero = ZEROS.get(behind.checked_sub(1)?)?;
    char::from_digit(u32::from(c).checked_sub(*zero)?, 10)
}

/// The plain character for one that is written in its place, on whatever keyboard there was.
pub(super) fn plain(c: char) -> char {
    match c {
        _ if c < '\u{80}' && c != '`' => c,
        _ if is_apostrophe(c) => '\'',
        _ if is_quotation_mark(c) => '"',
        _ if is_dash(c) => '-',
        _ if is_middle_dot(c) => '\u{b7}',
        // The degree sign stands in for the ordinal o: n° 5, 3°.
        '\u{b0}' => 'o',
        '\u{301c}' => '~',
        '\u{2044}' => '/',
        // The voice marks of kana, where they are typed apart: カ゛.
        '\u{309b}' => '\u{3099}',
        '\u{309c}' => '\u{309a}',
        _ => digit(c).unwrap_or(c),
    }
}

/// Characters with a number in them that are no digits: superscripts, subscripts, circled and bracketed numbers, hours
/// and days. Normal form KC would make digits of them, and `52` of `5²`.
pub(super) const fn holds_number(c: char) -> bool {
    matches!(c,
        '\u{b2}'..='\u{b3}' | '\u{b9}' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}'
        | '\u{2460}'..='\u{249b}' | '\u{24ea}' | '\u{3251}'..='\u{325f}' | '\u{32b1}'..='\u{32cb}'
        | '\u{3358}'..='\u{3370}' | '\u{3378}'..='\u{3379}' | '\u{339f}'..='\u{33a6}' | '\u{33a8}' | '\u{33af}'
        | '\u{33e0}'..='\u{33fe}' | '\u{1f100}'..='\u{1f10a}')
}

/// `½` and the like: a number of its own behind the one before it.
pub(super) const fn is_fraction(c: char) -> bool {
    matches!(c, '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215f}' | '\u{2189}')
}

/// Written as one character and as several: before compatibility characters and invisible ones go.
pub(super) const APART: &[(&str, &str)] = &[
    // The chillu letters of Malayalam, and Bengali's khanda ta (The Unicode Standard, chapter 12).
    ("\u{d23}\u{d4d}\u{200d}", "\u{d7a}"),
    ("\u{d28}\u{d4d}\u{200d}", "\u{d7b}"),
    ("\u{d30}\u{d4d}\u{200d}", "\u{d7c}"),
    ("\u{d32}\u{d4d}\u{200d}", "\u{d7d}"),
    ("\u{d33}\u{d4d}\u{200d}", "\u{d7e}"),
    ("\u{d15}\u{d4d}\u{200d}", "\u{d7f}"),
    ("\u{9a4}\u{9cd}\u{200d}", "\u{9ce}"),
    // Ordinals: 1.º and 1º.
    (".\u{aa}", "\u{aa}"),
    (".\u{ba}", "\u{ba}"),
];

/// The same of letters, once case is folded.
pub(super) const SEQUENCES: &[(&str, &str)] = &[
    // The Armenian ligature is written ԵՒ in capitals, or ԵՎ in today's spelling.
    ("\u{565}\u{57e}", "\u{565}\u{582}"),
    // Two of Thai's and Lao's sara e look like sara ae.
    ("\u{e40}\u{e40}", "\u{e41}"),
    ("\u{ec0}\u{ec0}", "\u{ec1}"),
    // Two ways to write the Tamil shri, which look the same.
    ("\u{bb8}\u{bcd}\u{bb0}\u{bc0}", "\u{bb6}\u{bcd}\u{bb0}\u{bc0}"),
    // Heh with yeh above it, which takes another letter apart.
    ("\u{6d5}\u{654}", "\u{647}\u{654}"),
];

/// The one letter, or two, that stand for letters which people's keyboards lack, or which look the same in most words.
pub(super) const fn letter(c: char) -> Option<&'static str> {
    Some(match c {
        // Turkish and Azerbaijani capitals of i and ı are İ and I, and everybody else's I.
        'ı' => "i",
        // The capitals of eth and of the African d look like that of đ, and are typed for it.
        'ð' | 'ɖ' => "đ",
        'ß' | 'ẞ' => "ss",
        // Farsi yeh and alef maksura are yeh; keheh and swash kaf are kaf; heh goal is heh.
        '\u{6cc}' | '\u{649}' => "\u{64a}",
        '\u{6a9}' | '\u{6aa}' => "\u{643}",
        '\u{6c1}' => "\u{647}",
        '\u{6c3}' => "\u{629}",
        // Tatweel only makes a word wider.
        '\u{640}' => "",
        // Yiddish digraphs.
        '\u{5f0}' => "\u{5d5}\u{5d5}",
        '\u{5f1}' => "\u{5d5}\u{5d9}",
        '\u{5f2}' => "\u{5d9}\u{5d9}",
        // Small ka and ke, in place names mostly.
        '\u{30f5}' => "\u{30ab}",
        '\u{30f6}' => "\u{30b1}",
        _ => return None,
    })
}

/// Letters of the Greek alphabet, taken apart and in small letters.
pub(super) const fn is_greek(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{3e1}' | '\u{3f0}'..='\u{3ff}')
}

/// Ideographs, and what is written like one.
pub(super) const fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Hiragana and katakana with their marks, taken apart, and the long vowel mark.
pub(super) const fn is_kana(c: char) -> bool {
    matches!(c,
        '\u{3041}'..='\u{3096}' | '\u{3099}'..='\u{309a}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{1aff0}'..='\u{1b16f}')
}

/// The combining diacritical marks of Europe's scripts.
pub(super) const fn is_european_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}
