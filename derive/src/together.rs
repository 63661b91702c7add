//! What a record's fields must be to each other.

use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Type};

use crate::attributes::Errors;
use crate::record::{Column, Kind, column_of};

/// The field with the record's own number.
pub(crate) fn own_customer(record: &Ident, columns: &[Column], errors: &mut Errors) -> Option<(Ident, Type)> {
    let mut own = None;
    for column in columns {
        let Kind::Customer { other: None, optional } = &column.kind else { continue };
        let name = column.name();
        if own.is_some() {
            errors.at(
                column.ident.span(),
                format!("`{name}` is a second number; say for which other purpose: `customer = PURPOSE`"),
            );
        } else if *optional {
            errors.at(column.ty.span(), format!("a record always has its own customer: make `{name}` a `CustomerId`"));
        }
        own = own.or_else(|| Some((column.ident.clone(), column.ty.clone())));
    }
    if own.is_none() {
        errors.at(record.span(), "say whose record it is: mark its `CustomerId` with `#[personal(customer)]`");
    }
    own
}

/// A context is read from the twin before anything is opened.
pub(crate) fn check_contexts(columns: &[Column], errors: &mut Errors) {
    for column in columns {
        let context = match &column.kind {
            Kind::Sealed(sealed) => &sealed.context,
            Kind::Group(group) => &group.context,
            Kind::Member(member) => match &member.or_column {
                Some(or_column) => &or_column.context,
                None => continue,
            },
            Kind::Plain | Kind::Customer { .. } => continue,
        };
        let Some(context) = context else { continue };
        let name = context.unraw();
        match columns.iter().find(|other| other.ident == *context).map(|other| &other.kind) {
            Some(Kind::Sealed(_) | Kind::Member(_) | Kind::Group(_)) => {
                errors.at(context.span(), format!("`{name}` is sealed itself; a context is a plain column"));
            }
            Some(_) => {}
            None => errors.at(context.span(), format!("this record has no field `{name}`")),
        }
    }
}

/// Columns of tokens are fields of the twin beside the others.
pub(crate) fn check_names(columns: &[Column], errors: &mut Errors) {
    let mut names: Vec<&Ident> = columns.iter().map(|column| &column.ident).collect();
    for column in columns {
        let or_column = match &column.kind {
            Kind::Member(member) => member.or_column.as_ref().map(|or_column| &or_column.ident),
            _ => None,
        };
        for name in or_column.into_iter().chain(column.indexes().iter().map(|index| &index.name)) {
            if names.contains(&name) {
                errors.at(name.span(), format!("the twin would have two fields `{}`", name.unraw()));
            }
            names.push(name);
        }
    }
}

/// Each group has one column and something in it.
pub(crate) fn check_groups(columns: &[Column], errors: &mut Errors) {
    for (at, column) in columns.iter().enumerate() {
        let of = column.group();
        if let Some(group) = of.filter(|group| column_of(columns, group).is_none()) {
            let shown = quote!(#group).to_string().replace(' ', "");
            errors.at(
                group.span(),
                format!(
                    "no field of this record is the column of the group `{shown}`: add \
                     `#[personal(group = {shown})] name_of_the_column: Members`"
                ),
            );
        }
        let Kind::Group(group) = &column.kind else { continue };
        let is_same = |other: &Column| matches!(&other.kind, Kind::Group(other) if other.path == group.path);
        if columns.iter().take(at).any(is_same) {
            errors.at(group.path.span(), "a group is in one column, and another field of this record is that");
        }
        if !columns.iter().any(|other| other.group() == Some(&group.path)) {
            let told = "write the same `group = ..` on those that are, beside `seal = FIELD`";
            let name = column.name();
            errors.at(column.ident.span(), format!("no field of this record is in `{name}`: {told}"));
        }
    }
}
