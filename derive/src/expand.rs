//! The code of a record: its twin, its list of columns, and what is checked while compiling.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Path, Type};

use crate::record::{Column, Group, Kind, Member, Record, Sealed, Shape};
use crate::tokens::{asked_const, at, code, field_const, group_const, index_consts, number_const};
use crate::{seal_open, sql};

pub(crate) fn expand(record: &Record) -> TokenStream {
    let twin = twin(record);
    let columns = columns(record);
    let checks = checks(record);
    let methods = seal_open::methods(record);
    let sql = sql::methods(record);
    // The block keeps our constants and functions apart from the user's.
    code! {
        #twin
        const _: () = {
            #columns
            #checks
            #methods
            #sql
        };
    }
}

fn twin(record: &Record) -> TokenStream {
    let Record { vis, ident, twin, derives, attrs, .. } = record;
    let fields = record.columns.iter().map(|column| twin_fields(record, column));
    let doc = format!(" [`{}`] as a database keeps it: its personal columns are sealed.", ident.unraw());
    code! {
        #[doc = #doc]
        #(#[derive(#derives)])*
        #(#[#attrs])*
        #vis struct #twin {
            #(#fields)*
        }
    }
}

/// The column, and those of its tokens.
fn twin_fields(record: &Record, column: &Column) -> TokenStream {
    let (Column { ident, vis, ty, attrs, .. }, krate, name) = (column, &record.krate, column.name());
    let (inner, shape, own) = match &column.kind {
        Kind::Plain | Kind::Customer { .. } => {
            let doc = format!(" `{name}`, as it is.");
            return code!(#[doc = #doc] #(#[#attrs])* #vis #ident: #ty,);
        }
        Kind::Sealed(sealed) => {
            let of = format!("`{name}`, sealed");
            let own = own_column(record, column, (ident, &sealed.ty), sealed.stored_shape(), (of, sealed.text));
            (&sealed.ty, sealed.shape, Some(own))
        }
        Kind::Member(member) => {
            let own = member.or_column.as_ref().map(|or_column| {
                let of = format!("`{name}`, sealed, until it is in the group");
                own_column(record, column, (&or_column.ident, &member.ty), Shape::Optional, (of, or_column.text))
            });
            (&member.ty, member.shape, own)
        }
        Kind::Group(group) => {
            let members = record.members(group).filter(|member| member.is_written);
            let members: Vec<String> = members.map(|member| format!("`{}`", member.column.name())).collect();
            let of = format!("{}, sealed as one", members.join(", "));
            let members = syn::parse_quote!(#krate::Members);
            return own_column(record, column, (ident, &members), group.shape, (of, group.text));
        }
    };
    let tokens = column.indexes().iter().map(|index| {
        let (name_of_index, attrs) = (&index.name, &index.attrs);
        let of = format!("`{name}` as a token to search by");
        let (doc, ty) = stored(&of, syn::parse_quote!(#krate::Token<#inner>), shape);
        code!(#[doc = #doc] #(#[#attrs])* #vis #name_of_index: #ty,)
    });
    code!(#own #(#tokens)*)
}

/// The column that a value is sealed in.
fn own_column(
    record: &Record,
    column: &Column,
    (ident, inner): (&Ident, &Type),
    shape: Shape,
    (of, text): (String, bool),
) -> TokenStream {
    let (Column { vis, attrs, .. }, krate) = (column, &record.krate);
    let of_value = if text {
        syn::parse_quote!(#krate::columns::SealedText<#inner>)
    } else {
        syn::parse_quote!(#krate::Sealed<#inner>)
    };
    let (doc, ty) = stored(&of, of_value, shape);
    code!(#[doc = #doc] #(#[#attrs])* #vis #ident: #ty,)
}

/// The documentation and the type of a column that may be NULL or not.
fn stored(of: &str, stored: Type, shape: Shape) -> (String, TokenStream) {
    let null = match shape {
        Shape::Whole => return (format!(" {of}."), stored.into_token_stream()),
        Shape::Optional => "NULL if there is none.",
        Shape::Held => "NULL if there is none, or it was shredded.",
    };
    (format!(" {of}; {null}"), code!(::core::option::Option<#stored>))
}

/// The list of columns, and the typed constants that everything else goes by.
fn columns(record: &Record) -> TokenStream {
    let (krate, main) = (&record.krate, &record.purpose);
    let mut infos = Vec::new();
    let mut constants = Vec::new();
    for (place, column) in record.columns.iter().enumerate() {
        let name = column.name();
        let context = |context: &Option<Ident>| match context {
            Some(context) => {
                let context = context.unraw().to_string();
                code!(::core::option::Option::Some(#context))
            }
            None => code!(::core::option::Option::None),
        };
        let constant = field_const(place);
        let mut field = |ty: &Type, path: &Path| constants.push(code!(const #constant: #krate::Field<#ty> = #path;));
        let ty = match &column.kind {
            Kind::Plain => {
                infos.push(code!(#krate::__private::plain_column(#name)));
                continue;
            }
            Kind::Customer { other: None, .. } => {
                infos.push(code!(#krate::__private::own_customer_column(#name, #main)));
                continue;
            }
            Kind::Customer { other: Some(purpose), .. } => {
                infos.push(code!(#krate::__private::customer_column(#name, #purpose)));
                continue;
            }
            Kind::Group(group) => {
                let (constant, asked) = (group_const(place), asked_const(place));
                let (path, context) = (&group.path, context(&group.context));
                let members = record.members(group).map(|member| field_const(member.place));
                constants.push(code! {
                    const #constant: #krate::Group = #path;
                    const #asked: &[#krate::fields::FieldId] = &[#(#krate::__private::field_id(#members)),*];
                });
                infos.push(code!(#krate::__private::group_column(#name, #constant, #context)));
                continue;
            }
            Kind::Sealed(sealed) => {
                field(&sealed.ty, &sealed.field);
                let context = context(&sealed.context);
                infos.push(code!(#krate::__private::sealed_column(#name, #constant, #context)));
                if let Some((_, of)) = sealed.or_group.as_ref().and_then(|group| record.column_of(group)) {
                    // Another name than the column's: two entries of one are taken for a mistake.
                    let of = of.name();
                    let name = format!("{of}.{name}");
                    infos.push(code!(#krate::__private::member(#name, #of, #constant)));
                }
                &sealed.ty
            }
            Kind::Member(member) => {
                field(&member.ty, &member.field);
                let of = record.column_of(&member.group).map_or_else(String::new, |(_, column)| column.name());
                infos.push(code!(#krate::__private::member(#name, #of, #constant)));
                if let Some(or_column) = &member.or_column {
                    let (name, context) = (or_column.ident.unraw().to_string(), context(&or_column.context));
                    infos.push(code!(#krate::__private::sealed_column(#name, #constant, #context)));
                }
                &member.ty
            }
        };
        for (index, constant) in column.indexes().iter().zip(index_consts(place, column)) {
            let (column, path) = (index.name.unraw().to_string(), &index.index);
            constants.push(code!(const #constant: #krate::Index<#ty> = #path;));
            infos.push(code!(#krate::__private::token_column(#column, #name, #constant)));
        }
    }
    code! {
        #(#constants)*
        const __COLUMNS: &[#krate::fields::FieldInfo] = &[#(#infos),*];
    }
}

/// What only the compiler can know: constants' purposes and labels, and types.
fn checks(record: &Record) -> TokenStream {
    let others: Vec<&Path> = record.others().map(|(purpose, ..)| purpose).collect();
    let checks = record.columns.iter().enumerate().map(|(place, column)| match &column.kind {
        Kind::Plain => plain_check(record, column),
        Kind::Customer { .. } => TokenStream::new(),
        Kind::Sealed(sealed) => sealed_checks(record, place, column, sealed, &others),
        Kind::Member(member) => member_checks(record, place, column, member),
        Kind::Group(group) => group_checks(record, place, column, group),
    });
    let numbers = others.iter().enumerate().map(|(place, purpose)| {
        let (krate, main, before) = (&record.krate, &record.purpose, others.iter().take(place));
        check(
            purpose,
            &code!(#krate::__private::place_among(#purpose, &[#main, #(#before),*]) == #place + 1),
            "a record has one customer number for each purpose",
        )
    });
    code!(#(#checks)* #(#numbers)*)
}

fn check(place: &impl ToTokens, holds: &TokenStream, message: &str) -> TokenStream {
    quote_spanned!(at(place)=> const _: () = ::core::assert!(#holds, #message);)
}

fn plain_check(record: &Record, column: &Column) -> TokenStream {
    let (krate, ty) = (&record.krate, &column.ty);
    let inner = crate::record::shape_of(ty).1;
    let message = format!("`{}` is plain, but its type is personal data: seal it", column.name());
    let holds = code!({
        #[allow(unused_imports)]
        use #krate::__private::OtherData as _;
        !#krate::__private::Probe::<#inner>::IS_PERSONAL
    });
    check(ty, &holds, &message)
}

fn sealed_checks(record: &Record, place: usize, column: &Column, sealed: &Sealed, others: &[&Path]) -> TokenStream {
    let (krate, main, constant, name) = (&record.krate, &record.purpose, field_const(place), column.name());
    let purpose = if sealed.shape == Shape::Held {
        let number = number_const(place);
        code! {
            const #number: usize = #krate::__private::place_among(#constant.purpose(), &[#(#others),*]);
        }
    } else {
        check(
            &sealed.field,
            &code!(#krate::__private::same_purpose(#constant.purpose(), #main)),
            &format!(
                "`{name}` has another purpose than the record, so it can be shredded alone: make its type `Held<..>`"
            ),
        )
    };
    let (label, indexes) = (label_check(record, place, column, &sealed.field), index_checks(record, place, column));
    code!(#purpose #label #indexes)
}

fn member_checks(record: &Record, place: usize, column: &Column, member: &Member) -> TokenStream {
    let (krate, main, constant, name) = (&record.krate, &record.purpose, field_const(place), column.name());
    let purpose = check(
        &member.field,
        &code!(#krate::__private::same_purpose(#constant.purpose(), #main)),
        &format!(
            "`{name}` has another purpose than the record, so it can be shredded alone: take it out of the group, and \
             make its type `Held<..>`"
        ),
    );
    let (label, indexes) = (label_check(record, place, column, &member.field), index_checks(record, place, column));
    code!(#purpose #label #indexes)
}

fn group_checks(record: &Record, place: usize, column: &Column, group: &Group) -> TokenStream {
    let (krate, main, constant, name) = (&record.krate, &record.purpose, group_const(place), column.name());
    let purpose = check(
        &group.path,
        &code!(#krate::__private::same_purpose(#constant.purpose(), #main)),
        &format!("the group of `{name}` has another purpose than the record"),
    );
    let label = check(
        &group.path,
        &code!(#krate::__private::group_is_unique(__COLUMNS, #constant)),
        &format!("the group `{name}` has the same label as another column of this record"),
    );
    let asked = asked_const(place);
    let count = check(&group.path, &code!(#asked.len() <= 64), "a group has 64 members at most");
    code!(#purpose #label #count)
}

fn label_check(record: &Record, place: usize, column: &Column, field: &Path) -> TokenStream {
    let (krate, constant) = (&record.krate, field_const(place));
    let places = match &column.kind {
        Kind::Sealed(sealed) if sealed.or_group.is_some() => 2_usize,
        Kind::Member(member) if member.or_column.is_some() => 2,
        _ => 1,
    };
    check(
        field,
        &code!(#krate::__private::places_of(__COLUMNS, #constant) == #places),
        &format!("`{}` has the same label as another column of this record, in the same purpose", column.name()),
    )
}

fn index_checks(record: &Record, place: usize, column: &Column) -> TokenStream {
    let (krate, constant, name) = (&record.krate, field_const(place), column.name());
    let indexes = column.indexes().iter().zip(index_consts(place, column)).map(|(index, of)| {
        check(
            &index.index,
            &code!(#krate::__private::same_field(#of.field(), #constant)),
            &format!("the index of `{}` belongs to another field than `{name}`", index.name.unraw()),
        )
    });
    code!(#(#indexes)*)
}
