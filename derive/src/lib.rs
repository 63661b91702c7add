//! The derive macro of [`oubliette`](https://docs.rs/oubliette), which re-exports it behind its feature `derive`.

mod attributes;
mod expand;
mod record;
mod seal_open;
mod tokens;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Generates the sealed twin of a record: the struct that a database keeps, with every personal field sealed.
///
/// ```
/// use oubliette::personal::{Email, Phone, Text};
/// use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, Vault, bits};
/// use uuid::Uuid;
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
/// const PHONE: Field<Phone> = ORDERS.field("phone");
/// const NOTE: Field<Text> = ORDERS.field("note");
/// const NEWSLETTER: Purpose = Purpose::new("newsletter");
/// const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
///
/// #[derive(Personal)]
/// #[personal(purpose = ORDERS, sealed = SealedUser, derive(Clone, serde::Serialize))]
/// struct User {
///     #[personal(customer)]
///     no: CustomerId,
///     #[personal(customer = NEWSLETTER)]
///     news_no: Option<CustomerId>,
///     #[personal(plain, attr(serde(rename = "uid")))]
///     id: Uuid,
///     #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
///     email: Email, // and a column email_idx: Token<Email>
///     #[personal(seal = PHONE)]
///     phone: Option<Phone>, // None stays NULL
///     #[personal(seal = NEWS_EMAIL)]
///     news: Held<Email>,
///     #[personal(seal = NOTE, context = id)]
///     note: Text,
/// }
///
/// # let vault = Vault::in_memory([ORDERS, NEWSLETTER]);
/// # let (no, news_no) = (vault.enroll()?, vault.enroll()?);
/// # let email: Email = "alice@example.com".parse()?;
/// # let (phone, note, id) = (None, "rings twice".parse()?, Uuid::from_u128(1));
/// let user = User { no, news_no: Some(news_no), id, email: email.clone(), phone, news: Held::Kept(email), note };
/// let row: SealedUser = user.seal(&vault)?; // what to write
/// let _ = vault.shred_purpose(NEWSLETTER, [news_no])?;
/// let user: User = row.open(&vault)?; // what was read
/// assert_eq!(user.news, Held::Shredded);
/// # assert_eq!(serde_json::to_value(&row)?["uid"], id.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is generated
/// - `User::seal(&self, &Vault)` gives the twin, or a `SealRecordError` that names the column.
/// - `SealedUser::open(&self, &Vault)` gives the record, or an `OpenError`: `Shredded` when the customer was, in the
///   record's purpose.
/// - `SealedUser::open_all(rows, &Vault)` opens many, each with its own result, at the speed of `Vault::each_customer`.
/// - `SealedUser::reseal(&mut self, &Vault)` moves what is under a replaced key tree to the newest one.
/// - `User::FIELDS`, a `&'static [FieldInfo]`: every column of the twin, for inventories.
///
/// Each has the struct's visibility, and each field of the twin that of the struct's.
///
/// # Every field says what it is
/// | on a field | it is | in the twin |
/// |---|---|---|
/// | `seal = FIELD` | personal: sealed as that `Field` | `Sealed<T>`, of an `Option<T>` or a `Held<T>` an `Option<Sealed<T>>` |
/// | `customer` | the record's own `CustomerId` | as it is |
/// | `customer = PURPOSE` | the number for another purpose, or an `Option` of it | as it is |
/// | `plain` | not personal, and `Clone` | as it is |
///
/// A field that says nothing does not compile: a column added next year cannot slip through in plaintext.
///
/// | beside `seal` | |
/// |---|---|
/// | `index(column = INDEX)` | a column of tokens: `Token<T>`, or an `Option` of it where the sealed one is; may be repeated |
/// | `context = column` | binds the value to a plain column or a number, whose type is `Context` or `AsRef<[u8]>` |
/// | `text` | `columns::SealedText<T>` instead of `Sealed<T>` |
///
/// | on any of them | |
/// |---|---|
/// | `attr(..)` | attributes for the twin's field: `attr(serde(rename = "uid"), sqlx(rename = "uid"))`; for a column of tokens `index(column = INDEX, attr(..))` |
///
/// | on the struct | |
/// |---|---|
/// | `purpose = PURPOSE` | what the record is kept for |
/// | `sealed = Twin` | the twin's name |
/// | `derive(..)`, `attr(..)` | derives and attributes for the twin |
/// | `crate = path` | where `oubliette` is, if not at `::oubliette` |
///
/// `Option` and `Held` are known by these names, with or without a path; an alias of them is not.
///
/// # Other purposes
/// A field of another purpose than the record's can be shredded alone, so it must be a `Held<T>`: the rest still opens
/// then. It goes by the number declared for its purpose, or by the record's own. NULL and an absent number are opened as
/// `Absent`. `Shredded` and `Absent` are stored as NULL; a `Kept` value without a number is an error.
///
/// # What else does not compile
/// Two columns of one label in one purpose; an index of another field; a plain column whose type is personal data; a
/// context that is sealed itself.
#[proc_macro_derive(Personal, attributes(personal))]
pub fn personal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::Record::read(&input).map_or_else(|error| error.to_compile_error(), |record| expand::expand(&record)).into()
}
