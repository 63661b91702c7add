//! A struct, understood: what each of its fields is.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Field, Fields, FieldsNamed, GenericArgument, Ident, Meta, Path, PathArguments, Result,
    Type, Visibility,
};

use crate::attributes::{Errors, FieldAttributes, IndexColumn, StructAttributes};
use crate::together::{check_contexts, check_groups, check_names, own_customer};

/// The struct that carries the derive.
pub(crate) struct Record {
    pub(crate) krate: TokenStream,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) twin: Ident,
    pub(crate) purpose: Path,
    pub(crate) derives: Vec<TokenStream>,
    pub(crate) attrs: Vec<Meta>,
    /// `rusqlite`, or databases of sqlx's.
    pub(crate) binds: Vec<Path>,
    /// The field with its own customer's number.
    pub(crate) customer: (Ident, Type),
    pub(crate) columns: Vec<Column>,
}

/// One of its fields.
pub(crate) struct Column {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) ty: Type,
    pub(crate) attrs: Vec<Meta>,
    pub(crate) kind: Kind,
}

/// What a field is.
pub(crate) enum Kind {
    Plain,
    /// A customer's number: the record's own, or that for another purpose.
    Customer {
        other: Option<Path>,
        optional: bool,
    },
    Sealed(Box<Sealed>),
    /// Of a field of one of its groups.
    Member(Box<Member>),
    /// The column that a group is sealed in.
    Group(Box<Group>),
}

/// A field within a group: no column of its own, but for its tokens.
pub(crate) struct Member {
    pub(crate) field: Path,
    pub(crate) group: Path,
    /// Within `Option`.
    pub(crate) ty: Type,
    pub(crate) shape: Shape,
    pub(crate) indexes: Vec<IndexColumn>,
    /// The column of its own in which it may be instead.
    pub(crate) or_column: Option<OrColumn>,
}

/// A column of its own in which a member may be.
pub(crate) struct OrColumn {
    pub(crate) ident: Ident,
    pub(crate) text: bool,
    pub(crate) context: Option<Ident>,
}

/// A field that is read from a group.
pub(crate) struct InGroup<'r> {
    pub(crate) place: usize,
    pub(crate) column: &'r Column,
    pub(crate) shape: Shape,
    /// It is written there, and nowhere else.
    pub(crate) is_written: bool,
    /// It may be in a column instead.
    pub(crate) may_be_elsewhere: bool,
}

/// A column of a group. The record's field has what of the group the record does not know.
pub(crate) struct Group {
    pub(crate) path: Path,
    pub(crate) shape: Shape,
    pub(crate) text: bool,
    pub(crate) context: Option<Ident>,
}

/// How a sealed field is stored.
pub(crate) struct Sealed {
    pub(crate) field: Path,
    /// Within `Option` or `Held`.
    pub(crate) ty: Type,
    pub(crate) shape: Shape,
    /// In a column of text.
    pub(crate) text: bool,
    pub(crate) context: Option<Ident>,
    pub(crate) indexes: Vec<IndexColumn>,
    /// The group in which it may be instead.
    pub(crate) or_group: Option<Path>,
}

impl Sealed {
    /// What the column says about NULL: one whose value may be in a group can be NULL.
    pub(crate) fn stored_shape(&self) -> Shape {
        if self.or_group.is_some() { Shape::Optional } else { self.shape }
    }
}

/// What a type says about NULL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    Optional,
    Held,
}

impl Column {
    /// Its name as the compiler's messages and the database have it.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

impl Record {
    pub(crate) fn read(input: &DeriveInput) -> Result<Record> {
        let fields = named_fields(input)?;
        let mut errors = Errors::default();
        if !input.generics.params.is_empty() {
            errors.at(input.generics.span(), "a record has no generics: its columns are those of one table");
        }
        let on_struct = StructAttributes::read(&input.attrs).unwrap_or_else(|error| {
            errors.push(error);
            StructAttributes::default()
        });
        let mut columns = Vec::new();
        for field in &fields.named {
            match Column::read(field) {
                Ok(column) => columns.push(column),
                Err(error) => errors.push(error),
            }
        }
        // What is missing is told only when all that is there was understood.
        errors.finish()?;
        Record::put_together(input, on_struct, columns)
    }

    fn put_together(input: &DeriveInput, on_struct: StructAttributes, columns: Vec<Column>) -> Result<Record> {
        let mut errors = Errors::default();
        let customer = own_customer(&input.ident, &columns, &mut errors);
        check_contexts(&columns, &mut errors);
        check_names(&columns, &mut errors);
        check_groups(&columns, &mut errors);
        let span = input.ident.span();
        let purpose = on_struct.purpose.or_else(|| {
            errors.at(span, "say what the record is kept for: `#[personal(purpose = PURPOSE)]`");
            None
        });
        let twin = on_struct.sealed.or_else(|| {
            errors.at(span, format!("name the sealed twin: `#[personal(sealed = Sealed{})]`", input.ident.unraw()));
            None
        });
        errors.finish()?;
        let (Some(customer), Some(purpose), Some(twin)) = (customer, purpose, twin) else {
            return Err(Error::new(span, "this record could not be read"));
        };
        Ok(Record {
            krate: on_struct.krate.map_or_else(|| quote!(::oubliette), |path| quote!(#path)),
            vis: input.vis.clone(),
            ident: input.ident.clone(),
            twin,
            purpose,
            derives: on_struct.derives,
            attrs: on_struct.attrs,
            binds: on_struct.binds,
            customer,
            columns,
        })
    }

    /// The fields that are read from the group in this column.
    pub(crate) fn members<'r>(&'r self, group: &'r Group) -> impl Iterator<Item = InGroup<'r>> {
        self.columns.iter().enumerate().filter_map(move |(place, column)| match &column.kind {
            Kind::Member(member) if member.group == group.path => {
                let (shape, may_be_elsewhere) = (member.shape, member.or_column.is_some());
                Some(InGroup { place, column, shape, is_written: true, may_be_elsewhere })
            }
            Kind::Sealed(sealed) if sealed.or_group.as_ref() == Some(&group.path) => {
                let shape = sealed.shape;
                Some(InGroup { place, column, shape, is_written: false, may_be_elsewhere: true })
            }
            _ => None,
        })
    }

    /// The column of a group, with its place.
    pub(crate) fn column_of(&self, group: &Path) -> Option<(usize, &Column)> {
        column_of(&self.columns, group)
    }

    /// The numbers declared for other purposes: the purpose, the field, and whether it is optional.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&Path, &Column, bool)> {
        self.columns.iter().filter_map(|column| match &column.kind {
            Kind::Customer { other: Some(purpose), optional } => Some((purpose, column, *optional)),
            _ => None,
        })
    }
}

pub(crate) fn column_of<'c>(columns: &'c [Column], of: &Path) -> Option<(usize, &'c Column)> {
    columns.iter().enumerate().find(|(_, column)| matches!(&column.kind, Kind::Group(group) if group.path == *of))
}

fn named_fields(input: &DeriveInput) -> Result<&FieldsNamed> {
    let what = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Ok(fields),
            Fields::Unnamed(_) => "a tuple struct has no names for columns",
            Fields::Unit => "a unit struct has no columns",
        },
        Data::Enum(_) => "an enum has no columns",
        Data::Union(_) => "a union has no columns",
    };
    Err(Error::new(input.ident.span(), format!("a record is a struct with named fields: {what}")))
}

impl Column {
    /// Its columns of tokens.
    pub(crate) fn indexes(&self) -> &[IndexColumn] {
        match &self.kind {
            Kind::Sealed(sealed) => &sealed.indexes,
            Kind::Member(member) => &member.indexes,
            Kind::Plain | Kind::Customer { .. } | Kind::Group(_) => &[],
        }
    }

    /// The group that it is, or may be, in.
    pub(crate) fn group(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Member(member) => Some(&member.group),
            Kind::Sealed(sealed) => sealed.or_group.as_ref(),
            Kind::Plain | Kind::Customer { .. } | Kind::Group(_) => None,
        }
    }

    fn read(field: &Field) -> Result<Column> {
        let ident = field.ident.clone().ok_or_else(|| Error::new(field.span(), "a column has a name"))?;
        let read = FieldAttributes::read(&field.attrs)?;
        let kind = Kind::read(&ident, &field.ty, read.customer, read.plain, (read.seal, read.group))?;
        let mut column = Column { vis: field.vis.clone(), ty: field.ty.clone(), attrs: read.attrs, kind, ident };
        let index = read.indexes.first().map(|index| index.name.span());
        let context = read.context.as_ref().map(Ident::span);
        let (or_column, or_group) =
            (read.or_column.as_ref().map(Ident::span), read.or_group.as_ref().map(Spanned::span));
        let stray = match &mut column.kind {
            Kind::Sealed(sealed) => {
                let is_held = sealed.shape == Shape::Held;
                sealed.text = read.text.is_some();
                (sealed.context, sealed.indexes, sealed.or_group) = (read.context, read.indexes, read.or_group);
                let held = or_group.filter(|_| is_held).map(|span| (span, HELD));
                held.or(
                    or_column.map(|span| (span, "is in a column of its own already: `or_group = GROUP` is for that"))
                )
            }
            Kind::Member(member) => {
                member.indexes = read.indexes;
                member.or_column = read.or_column.map(|ident| {
                    let (text, context) = (read.text.is_some(), read.context);
                    OrColumn { ident, text, context }
                });
                let of_column = context.or(read.text).filter(|_| or_column.is_none());
                let attr = column.attrs.first().map(Spanned::span);
                let told = "has no column of its own: that goes on the field that is the group's column";
                let in_two = or_group.map(|span| (span, "is in a group already: `or_column = column` is for that"));
                of_column.or(attr).map(|span| (span, told)).or(in_two)
            }
            Kind::Group(group) => {
                (group.text, group.context) = (read.text.is_some(), read.context);
                let told = "is a group's column: that goes on a member of it";
                index.or(or_column).or(or_group).map(|span| (span, told))
            }
            Kind::Plain | Kind::Customer { .. } => {
                let told = "is not sealed: only a sealed field has a context, an index, or a text form";
                context.or(index).or(read.text).or(or_column).or(or_group).map(|span| (span, told))
            }
        };
        if let Some((span, told)) = stray {
            return Err(Error::new(span, format!("`{}` {told}", column.name())));
        }
        Ok(column)
    }
}

impl Kind {
    fn read(
        ident: &Ident,
        ty: &Type,
        customer: Option<(Span, Option<Path>)>,
        plain: Option<Span>,
        (seal, group): (Option<Path>, Option<Path>),
    ) -> Result<Kind> {
        let name = ident.unraw();
        match (customer, plain, seal, group) {
            (Some((_, other)), None, None, None) => {
                let optional = shape_of(ty).0 == Shape::Optional;
                Ok(Kind::Customer { other, optional })
            }
            (None, Some(_), None, None) => Ok(Kind::Plain),
            (None, None, Some(field), group) => {
                let (shape, ty) = shape_of(ty);
                if shape_of(&ty).0 != Shape::Whole {
                    return Err(Error::new(
                        ty.span(),
                        format!("`{name}` can be NULL in one way only: use `Option` or `Held`, not both"),
                    ));
                }
                if let Some(plain) = known_plain(&ty) {
                    return Err(Error::new(ty.span(), format!("`{name}` is `{plain}`, {NOT_PERSONAL}")));
                }
                let indexes = Vec::new();
                match group {
                    None => {
                        let sealed = Sealed { field, ty, shape, text: false, context: None, indexes, or_group: None };
                        Ok(Kind::Sealed(Box::new(sealed)))
                    }
                    Some(group) if shape == Shape::Held => Err(Error::new(group.span(), format!("`{name}` {HELD}"))),
                    Some(group) => {
                        Ok(Kind::Member(Box::new(Member { field, group, ty, shape, indexes, or_column: None })))
                    }
                }
            }
            (None, None, None, Some(path)) => {
                let (shape, inner) = shape_of(ty);
                // The commonest mistake is a member that does not say which field it is.
                if shape == Shape::Held || !is_members(&inner) {
                    let told = "is a group's column, whose type is `Members`, or an `Option` of it; a field within the group says \
                                `seal = FIELD` as well";
                    return Err(Error::new(ty.span(), format!("`{name}` {told}")));
                }
                Ok(Kind::Group(Box::new(Group { path, shape, text: false, context: None })))
            }
            (None, None, None, None) => Err(Error::new(
                ident.span(),
                format!(
                    "`{name}` does not say what it is: `#[personal(seal = FIELD)]` if it is personal, \
                     `#[personal(customer)]` if it is the customer's number, `#[personal(plain)]` if anybody may read it"
                ),
            )),
            _ => Err(Error::new(ident.span(), format!("`{name}` can be only one of sealed, customer and plain"))),
        }
    }
}

const HELD: &str = "is `Held`, and can be shredded alone: it stays in a column of its own, and in no group";

const NOT_PERSONAL: &str = "and what is sealed has a type of personal data: `Name`, `Email`, `Phone`, `Address`, `Date`, `Text`, `Json<..>`, or one \
     of your own. What people typed becomes one by `.parse()`";

/// A type of the standard library that everybody tries first. The compiler would name what it lacks, once for each use.
fn known_plain(ty: &Type) -> Option<String> {
    const PLAIN: &[&str] = &[
        "String", "Vec", "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64",
    ];
    match ty {
        Type::Group(group) => known_plain(&group.elem),
        Type::Reference(reference) => known_plain(&reference.elem).or(Some("&..".to_owned())),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?.ident.to_string();
            let is_std = path.path.segments.len() == 1
                || path.path.segments.first().is_some_and(|first| first.ident == "std" || first.ident == "alloc");
            (is_std && PLAIN.contains(&last.as_str())).then_some(last)
        }
        _ => None,
    }
}

fn is_members(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_members(&group.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Members"),
        _ => false,
    }
}

/// `Option<T>`, `Held<T>`, or a `T` that is neither.
pub(crate) fn shape_of(ty: &Type) -> (Shape, Type) {
    if let Type::Group(group) = ty {
        return shape_of(&group.elem);
    }
    let (Type::Path(path), whole) = (ty, (Shape::Whole, ty.clone())) else { return (Shape::Whole, ty.clone()) };
    let Some(last) = path.path.segments.last() else { return whole };
    let shape = if last.ident == "Option" {
        Shape::Optional
    } else if last.ident == "Held" {
        Shape::Held
    } else {
        return whole;
    };
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => match arguments.args.first() {
            Some(GenericArgument::Type(inner)) => (shape, inner.clone()),
            _ => whole,
        },
        _ => whole,
    }
}
