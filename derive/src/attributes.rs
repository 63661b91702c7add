//! What stands in `#[personal(...)]`, on a struct and on a field.

use proc_macro2::{Span, TokenStream};
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Ident, Meta, Path, Result, Token, parenthesized};

/// Errors, all of which are reported at once.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(Error::new(span, message));
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// On the struct.
#[derive(Default)]
pub(crate) struct StructAttributes {
    pub(crate) purpose: Option<Path>,
    pub(crate) sealed: Option<Ident>,
    pub(crate) krate: Option<Path>,
    pub(crate) derives: Vec<TokenStream>,
    pub(crate) attrs: Vec<Meta>,
    /// The databases whose statements take the twin's values.
    pub(crate) binds: Vec<Path>,
}

impl StructAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<StructAttributes> {
        let mut read = StructAttributes::default();
        each(attributes, |meta| {
            if meta.path.is_ident("purpose") {
                once(&mut read.purpose, meta)
            } else if meta.path.is_ident("sealed") {
                once(&mut read.sealed, meta)
            } else if meta.path.is_ident("crate") {
                once(&mut read.krate, meta)
            } else if meta.path.is_ident("derive") {
                let inside;
                parenthesized!(inside in meta.input);
                read.derives.push(inside.parse()?);
                Ok(())
            } else if meta.path.is_ident("attr") {
                attr(&mut read.attrs, meta)
            } else if meta.path.is_ident("bind") {
                read.binds.push(meta.value()?.parse()?);
                Ok(())
            } else {
                Err(meta.error(
                    "a struct takes `purpose = PURPOSE`, `sealed = Twin`, `derive(..)`, `attr(..)`, `bind = rusqlite`, \
                     `bind = sqlx::Postgres` and `crate = path`",
                ))
            }
        })?;
        Ok(read)
    }
}

/// A column of tokens beside a sealed one.
pub(crate) struct IndexColumn {
    pub(crate) name: Ident,
    pub(crate) index: Path,
    pub(crate) attrs: Vec<Meta>,
}

/// On a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    /// Where it stands, and of which other purpose.
    pub(crate) customer: Option<(Span, Option<Path>)>,
    pub(crate) plain: Option<Span>,
    pub(crate) seal: Option<Path>,
    pub(crate) group: Option<Path>,
    pub(crate) or_column: Option<Ident>,
    pub(crate) or_group: Option<Path>,
    pub(crate) text: Option<Span>,
    pub(crate) context: Option<Ident>,
    pub(crate) indexes: Vec<IndexColumn>,
    pub(crate) attrs: Vec<Meta>,
}

impl FieldAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<FieldAttributes> {
        let mut read = FieldAttributes::default();
        each(attributes, |meta| {
            let span = meta.path.segments.first().map_or_else(Span::call_site, |segment| segment.ident.span());
            if meta.path.is_ident("customer") {
                refuse_second(read.customer.is_some(), meta)?;
                let purpose = if meta.input.peek(Token![=]) { Some(meta.value()?.parse()?) } else { None };
                read.customer = Some((span, purpose));
                Ok(())
            } else if meta.path.is_ident("plain") {
                refuse_second(read.plain.is_some(), meta)?;
                read.plain = Some(span);
                Ok(())
            } else if meta.path.is_ident("seal") {
                once(&mut read.seal, meta)
            } else if meta.path.is_ident("group") {
                once(&mut read.group, meta)
            } else if meta.path.is_ident("or_column") {
                once(&mut read.or_column, meta)
            } else if meta.path.is_ident("or_group") {
                once(&mut read.or_group, meta)
            } else if meta.path.is_ident("text") {
                refuse_second(read.text.is_some(), meta)?;
                read.text = Some(span);
                Ok(())
            } else if meta.path.is_ident("context") {
                once(&mut read.context, meta)
            } else if meta.path.is_ident("index") {
                read.indexes.push(index(meta)?);
                Ok(())
            } else if meta.path.is_ident("attr") {
                attr(&mut read.attrs, meta)
            } else {
                Err(meta.error(
                    "a field takes `seal = FIELD`, `customer`, `plain` or `group = GROUP`; beside one of them `text`, \
                     `context = column`, `index(column = INDEX)`, `or_column = column`, `or_group = GROUP` and `attr(..)`",
                ))
            }
        })?;
        Ok(read)
    }
}

fn each(attributes: &[Attribute], mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("personal")) {
        attribute.parse_nested_meta(|meta| read(&meta))?;
    }
    Ok(())
}

fn refuse_second(given: bool, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if given { Err(meta.error("given twice")) } else { Ok(()) }
}

/// `key = value`, at most once.
fn once<V: Parse>(place: &mut Option<V>, meta: &ParseNestedMeta<'_>) -> Result<()> {
    refuse_second(place.is_some(), meta)?;
    *place = Some(meta.value()?.parse()?);
    Ok(())
}

/// `attr(serde(default), sqlx(rename = "uid"))`: attributes for the twin.
fn attr(attrs: &mut Vec<Meta>, meta: &ParseNestedMeta<'_>) -> Result<()> {
    attrs.extend(metas(meta.input)?);
    Ok(())
}

fn metas(input: ParseStream<'_>) -> Result<impl Iterator<Item = Meta> + use<>> {
    let inside;
    parenthesized!(inside in input);
    Ok(Punctuated::<Meta, Token![,]>::parse_terminated(&inside)?.into_iter())
}

/// `index(column = INDEX)`, or `index(column = INDEX, attr(..))`.
fn index(meta: &ParseNestedMeta<'_>) -> Result<IndexColumn> {
    let inside;
    parenthesized!(inside in meta.input);
    let name = inside.parse()?;
    inside.parse::<Token![=]>()?;
    let mut column = IndexColumn { name, index: inside.parse()?, attrs: Vec::new() };
    while inside.parse::<Option<Token![,]>>()?.is_some() && !inside.is_empty() {
        let key: Ident = inside.parse()?;
        if key != "attr" {
            return Err(Error::new(key.span(), "an index is `index(column = INDEX)`, or with `, attr(..)` after it"));
        }
        column.attrs.extend(metas(&inside)?);
    }
    Ok(column)
}
