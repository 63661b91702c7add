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

/// The struct that carries the derive.
pub(crate) struct Record {
    pub(crate) krate: TokenStream,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) twin: Ident,
    pub(crate) purpose: Path,
    pub(crate) derives: Vec<TokenStream>,
    pub(crate) attrs: Vec<Meta>,
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
            return Err(Error::new(span, "this record was not understood"));
        };
        Ok(Record {
            krate: on_struct.krate.map_or_else(|| quote!(::oubliette), |path| quote!(#path)),
            vis: input.vis.clone(),
            ident: input.ident.clone(),
            twin,
            purpose,
            derives: on_struct.derives,
            attrs: on_struct.attrs,
            customer,
            columns,
        })
    }

    /// The numbers declared for other purposes: the purpose, the field, and whether it is optional.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&Path, &Column, bool)> {
        self.columns.iter().filter_map(|column| match &column.kind {
            Kind::Customer { other: Some(purpose), optional } => Some((purpose, column, *optional)),
            _ => None,
        })
    }
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

/// The field with the record's own number.
fn own_customer(record: &Ident, columns: &[Column], errors: &mut Errors) -> Option<(Ident, Type)> {
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
fn check_contexts(columns: &[Column], errors: &mut Errors) {
    for column in columns {
        let Kind::Sealed(sealed) = &column.kind else { continue };
        let Some(context) = &sealed.context else { continue };
        let name = context.unraw();
        match columns.iter().find(|other| other.ident == *context).map(|other| &other.kind) {
            Some(Kind::Sealed(_)) => {
                errors.at(context.span(), format!("`{name}` is sealed itself; a context is a plain column"));
            }
            Some(_) => {}
            None => errors.at(context.span(), format!("this record has no field `{name}`")),
        }
    }
}

/// Columns of tokens are fields of the twin beside the others.
fn check_names(columns: &[Column], errors: &mut Errors) {
    let mut names: Vec<&Ident> = columns.iter().map(|column| &column.ident).collect();
    for column in columns {
        let Kind::Sealed(sealed) = &column.kind else { continue };
        for index in &sealed.indexes {
            if names.contains(&&index.name) {
                let name = index.name.unraw();
                errors.at(index.name.span(), format!("the twin would have two fields `{name}`"));
            }
            names.push(&index.name);
        }
    }
}

impl Column {
    fn read(field: &Field) -> Result<Column> {
        let ident = field.ident.clone().ok_or_else(|| Error::new(field.span(), "a column has a name"))?;
        let read = FieldAttributes::read(&field.attrs)?;
        let kind = Kind::read(&ident, &field.ty, read.customer, read.plain, read.seal)?;
        let mut column = Column { vis: field.vis.clone(), ty: field.ty.clone(), attrs: read.attrs, kind, ident };
        match &mut column.kind {
            Kind::Sealed(sealed) => {
                sealed.text = read.text.is_some();
                (sealed.context, sealed.indexes) = (read.context, read.indexes);
            }
            Kind::Plain | Kind::Customer { .. } => {
                let stray = read.context.as_ref().or(read.indexes.first().map(|index| &index.name)).map(Ident::span);
                if let Some(span) = stray.or(read.text) {
                    return Err(Error::new(span, "only a sealed field has a context, an index, or a text form"));
                }
            }
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
        seal: Option<Path>,
    ) -> Result<Kind> {
        let name = ident.unraw();
        match (customer, plain, seal) {
            (Some((_, other)), None, None) => {
                let optional = shape_of(ty).0 == Shape::Optional;
                Ok(Kind::Customer { other, optional })
            }
            (None, Some(_), None) => Ok(Kind::Plain),
            (None, None, Some(field)) => {
                let (shape, ty) = shape_of(ty);
                if shape_of(&ty).0 != Shape::Whole {
                    return Err(Error::new(ty.span(), format!("`{name}` can be NULL in one way only, not in two")));
                }
                Ok(Kind::Sealed(Box::new(Sealed { field, ty, shape, text: false, context: None, indexes: Vec::new() })))
            }
            (None, None, None) => Err(Error::new(
                ident.span(),
                format!(
                    "`{name}` does not say what it is: `#[personal(seal = FIELD)]` if it is personal, \
                     `#[personal(customer)]` if it is the customer's number, `#[personal(plain)]` if anybody may read it"
                ),
            )),
            _ => Err(Error::new(ident.span(), format!("`{name}` is one of sealed, customer and plain"))),
        }
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
