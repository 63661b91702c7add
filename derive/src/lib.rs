//! The derive macro of [`oubliette`](https://docs.rs/oubliette), which re-exports it behind its feature `derive`.
//!
//! *Chapter 2 of [the book of oubliette](https://docs.rs/oubliette/latest/oubliette/#the-book): model, whole records. Before it: [start](https://docs.rs/oubliette). After it: [search](https://docs.rs/oubliette/latest/oubliette/search/index.html).*

mod attributes;
mod expand;
mod record;
mod seal_open;
mod sql;
mod together;
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
/// let _ = vault.shredding([news_no]).purpose(NEWSLETTER).run()?;
/// let user: User = row.open(&vault)?; // what was read
/// assert_eq!(user.news, Held::Shredded);
/// # assert_eq!(serde_json::to_value(&row)?["uid"], id.to_string());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is generated
/// - `User::seal(&self, &Vault)` gives the twin, or a `SealError` that names the column.
/// - `SealedUser::open(&self, &Vault)` gives the record, or an `OpenError`: `Shredded` when the customer was, in the
///   record's purpose.
/// - `SealedUser::open_all(rows, &Vault)` opens many, each with its own result, at the speed of `Vault::each_customer`.
/// - `SealedUser::reseal(&mut self, &Vault)` moves what is under a replaced key tree to the newest one.
/// - `User::FIELDS`, a `&'static [FieldInfo]`: every column of the twin, for inventories.
/// - `SealedUser::COLUMNS`: the names of its columns, and with `bind` its values, in one order ([below](#inserts-and-upserts)).
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
/// | `seal = FIELD, group = GROUP` | personal: sealed with the rest of the `Group` ([below](#groups)) | no column of its own |
/// | `group = GROUP` | the group's column: what of it the record does not know, as `Members` | `Sealed<Members>`, of an `Option<Members>` an `Option` of it |
///
/// A field that says nothing does not compile: a column added next year cannot slip through in plaintext.
///
/// | beside `seal` | |
/// |---|---|
/// | `index(column = INDEX)` | a column of tokens: `Token<T>`, or an `Option` of it where the field is; may be repeated |
///
/// | beside `seal`, of a field with a column of its own; and on a group's column | |
/// |---|---|
/// | `context = column` | binds the value to a plain column or a number, whose type is `Context` or `AsRef<[u8]>` |
/// | `text` | `columns::SealedText<T>` instead of `Sealed<T>` |
///
/// | beside `seal`, while a field [moves](#moving-a-field) | |
/// |---|---|
/// | `group = GROUP, or_column = column` | written to the group; read from that column as long as it holds one |
/// | `or_group = GROUP` | written to its own column; read from the group as long as that holds one |
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
/// | `bind = rusqlite`, `bind = sqlx::Postgres` | a method of the twin that gives its values to a statement; may be repeated |
/// | `crate = path` | where `oubliette` is, if not at `::oubliette` |
///
/// `Option`, `Held` and `Members` are known by these names, with or without a path; an alias of one is not.
///
/// # Inserts and upserts
/// A record of many columns is written without repeating them: `SealedUser::COLUMNS` has their names as SQL takes them, and `bind`
/// gives the values in the same order. `bind = rusqlite` makes `params(&self)`; `bind = sqlx::Postgres`, or another database of
/// sqlx's, makes `bind(&self, query)`.
/// ```
/// use oubliette::personal::{Email, Name};
/// use oubliette::{CustomerId, Field, Index, Personal, Purpose, Vault, bits};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NAME: Field<Name> = ORDERS.field("name");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
///
/// #[derive(Personal)]
/// #[personal(purpose = ORDERS, sealed = SealedUser, bind = rusqlite)]
/// struct User {
///     #[personal(plain)]
///     id: i64,
///     #[personal(customer)]
///     no: CustomerId,
///     #[personal(seal = NAME)]
///     name: Name,
///     #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
///     email: Email,
/// }
///
/// fn save(db: &rusqlite::Connection, row: &SealedUser) -> rusqlite::Result<usize> {
///     let columns = SealedUser::COLUMNS;
///     let sql = format!(
///         "INSERT INTO users ({columns}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
///         columns.marks(),         // ?, ?, ?, ?, ?
///         columns.excluded("id"),  // no = excluded.no, name = excluded.name, ..
///     );
///     db.execute(&sql, row.params())
/// }
/// # let db = rusqlite::Connection::open_in_memory()?;
/// # db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, no INTEGER, name BLOB, email BLOB, email_idx BLOB UNIQUE)", [])?;
/// # let vault = Vault::in_memory([ORDERS]);
/// # let no = vault.enroll()?;
/// # for name in ["Alice Ní Bhriain", "Alice Brennan"] {
/// #     let user = User { id: 7, no, name: name.parse()?, email: "alice@example.com".parse()? };
/// #     assert_eq!(save(&db, &user.seal(&vault)?)?, 1);
/// # }
/// # let read = db.query_row(&format!("SELECT {} FROM users", SealedUser::COLUMNS), [], |row| {
/// #     Ok(SealedUser { id: row.get(0)?, no: row.get(1)?, name: row.get(2)?, email: row.get(3)?, email_idx: row.get(4)? })
/// # })?;
/// # assert_eq!(read.open(&vault)?.name.expose_personal_data(), "Alice Brennan");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// An upsert by a token (`ON CONFLICT (email_idx)`) must not bring a number of its own: the module `columns` has the right one.
///
/// # Other purposes
/// A field of another purpose than the record's can be shredded alone, so it must be a `Held<T>`: the rest still opens
/// then. It goes by the number declared for its purpose, or by the record's own. NULL and an absent number are opened as
/// `Absent`. `Shredded` and `Absent` are stored as NULL; a `Kept` value without a number is an error.
///
/// # Groups
/// Each sealed column costs 82 bytes and a cipher of its own. Fields of the record's purpose that are mostly read together are
/// sealed as one, in one column, with `group = GROUP` beside `seal = FIELD`:
/// ```
/// use oubliette::personal::{Email, Name, Phone};
/// use oubliette::{CustomerId, Field, Group, Index, Members, Personal, Purpose, Vault, bits};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NAME: Field<Name> = ORDERS.field("name");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
/// const PHONE: Field<Phone> = ORDERS.field("phone");
/// const CONTACT: Group = ORDERS.group("contact");
///
/// #[derive(Personal)]
/// #[personal(purpose = ORDERS, sealed = SealedUser)]
/// struct User {
///     #[personal(customer)]
///     no: CustomerId,
///     #[personal(seal = NAME, group = CONTACT)]
///     name: Name,
///     #[personal(seal = EMAIL, group = CONTACT, index(email_idx = BY_EMAIL))]
///     email: Email, // a column email_idx, and none for the email
///     #[personal(seal = PHONE, group = CONTACT)]
///     phone: Option<Phone>,
///     #[personal(group = CONTACT)]
///     contact: Members, // the column
/// }
///
/// # let vault = Vault::in_memory([ORDERS]);
/// # let no = vault.enroll()?;
/// # let (name, email, phone) = ("Alice Ní Bhriain".parse()?, "alice@example.com".parse()?, None);
/// let user = User { no, name, email, phone, contact: Members::new() };
/// let SealedUser { no, email_idx, contact } = user.seal(&vault)?;
/// let mut user: User = SealedUser { no, email_idx, contact }.open(&vault)?;
/// user.phone = Some("+33 6 12 34 56 78".parse()?);
/// let row = user.seal(&vault)?;
/// # assert!(row.open(&vault)?.phone.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// - **Fields come and go.** An added field must be an `Option` until every row has it: otherwise rows from before are
///   `NotInGroup`. One of another type under the same label is `OtherType`. A field that was taken out of the record stays in the
///   rows until a job, or `contact.remove("phone")`, takes it out.
/// - **Versions run side by side.** What a program does not know is in the group's own field, and is sealed again with the
///   rest: an older version that changes a row keeps what a newer one put there. So change a record that you opened; one that
///   is made anew, with `Members::new()`, has lost it.
/// - **Limits and audits** take each member as a column of its own: the limits must allow every member of the record, and the
///   audit notes those that were there. To open one alone: `CustomerKeys::open_member`.
/// - A group is written alike on all its fields: `CONTACT` and `crate::CONTACT` are two.
///
/// # Moving a field
/// Between a column of its own and a group, while the application runs; the jobs are those of `oubliette-jobs`. Between two deploys wait
/// until no process of the version before runs.
/// 1. In a column: `seal = PHONE`. Make the column nullable.
/// 2. `seal = PHONE, or_group = CONTACT`: written to the column, and read from both.
/// 3. `seal = PHONE, group = CONTACT, or_column = phone`: written to the group, with NULL for the column, and read from both. Now
///    run the job (`Job::into_group`) until nothing is left behind.
/// 4. In the group: `seal = PHONE, group = CONTACT`. Drop the column.
///
/// The way back is the same from the end, with `Job::out_of_group` in step 2. A job finds a value in both places only if a process
/// that knows one of them ran beside one of the next step but one.
///
/// # What else does not compile
/// Two columns or members of one label in one purpose; an index of another field; a plain column whose type is personal data; a
/// context that is sealed itself; a group without a column, or of another purpose than the record's.
#[proc_macro_derive(Personal, attributes(personal))]
pub fn personal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::Record::read(&input).map_or_else(|error| error.to_compile_error(), |record| expand::expand(&record)).into()
}
