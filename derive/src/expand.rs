//! The code of a record: its twin, its list of columns, and what is checked while compiling.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Path, Type};

use crate::record::{Column, Kind, Record, Sealed, Shape};
use crate::seal_open;
use crate::tokens::{at, code, field_const, index_consts, number_const};

pub(crate) fn expand(record: &Record) -> TokenStream {
    let twin = twin(record);
    let columns = columns(record);
    let checks = checks(record);
    let methods = seal_open::methods(record);
    // The block keeps our constants and functions apart from the user's.
    code! {
        #twin
        const _: () = {
            #columns
            #checks
            #methods
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
    let sealed = match &column.kind {
        Kind::Sealed(sealed) => sealed,
        Kind::Plain | Kind::Customer { .. } => {
            let doc = format!(" `{name}`, as it is.");
            return code!(#[doc = #doc] #(#[#attrs])* #vis #ident: #ty,);
        }
    };
    let inner = &sealed.ty;
    let stored = |of: &str, stored: Type| match sealed.shape {
        Shape::Whole => (format!(" {of}."), stored.into_token_stream()),
        Shape::Optional => (format!(" {of}; NULL if there is none."), code!(::core::option::Option<#stored>)),
        Shape::Held => {
            (format!(" {of}; NULL if there is none, or it was shredded."), code!(::core::option::Option<#stored>))
        }
    };
    let of_value = if sealed.text {
        syn::parse_quote!(#krate::columns::SealedText<#inner>)
    } else {
        syn::parse_quote!(#krate::Sealed<#inner>)
    };
    let (doc, ty) = stored(&format!("`{name}`, sealed"), of_value);
    let tokens = sealed.indexes.iter().map(|index| {
        let (name_of_index, attrs) = (&index.name, &index.attrs);
        let (doc, ty) = stored(&format!("`{name}` as a token to search by"), syn::parse_quote!(#krate::Token<#inner>));
        code!(#[doc = #doc] #(#[#attrs])* #vis #name_of_index: #ty,)
    });
    code!(#[doc = #doc] #(#[#attrs])* #vis #ident: #ty, #(#tokens)*)
}

/// The list of columns, and the typed constants that everything else goes by.
fn columns(record: &Record) -> TokenStream {
    let (krate, main) = (&record.krate, &record.purpose);
    let mut infos = Vec::new();
    let mut constants = Vec::new();
    for (place, column) in record.columns.iter().enumerate() {
        let name = column.name();
        let sealed = match &column.kind {
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
            Kind::Sealed(sealed) => sealed,
        };
        let (constant, ty, field) = (field_const(place), &sealed.ty, &sealed.field);
        constants.push(code!(const #constant: #krate::Field<#ty> = #field;));
        let context = match &sealed.context {
            Some(context) => {
                let context = context.unraw().to_string();
                code!(::core::option::Option::Some(#context))
            }
            None => code!(::core::option::Option::None),
        };
        infos.push(code!(#krate::__private::sealed_column(#name, #constant, #context)));
        for (index, constant) in sealed.indexes.iter().zip(index_consts(place, sealed)) {
            let (column, path) = (index.name.unraw().to_string(), &index.index);
            constants.push(code!(const #constant: #krate::Index<#ty> = #path;));
            infos.push(code!(#krate::__private::token_column(#column, #name, #constant)));
        }
    }
    code! {
        #(#constants)*
        const __COLUMNS: &[#krate::FieldInfo] = &[#(#infos),*];
    }
}

/// What only the compiler can know: constants' purposes and labels, and types.
fn checks(record: &Record) -> TokenStream {
    let others: Vec<&Path> = record.others().map(|(purpose, ..)| purpose).collect();
    let checks = record.columns.iter().enumerate().map(|(place, column)| match &column.kind {
        Kind::Plain => plain_check(record, column),
        Kind::Customer { .. } => TokenStream::new(),
        Kind::Sealed(sealed) => sealed_checks(record, place, column, sealed, &others),
    });
    let numbers = others.iter().enumerate().map(|(place, purpose)| {
        let (krate, main, before) = (&record.krate, &record.purpose, others.iter().take(place));
        check(
            purpose,
            &code!(#krate::__private::place_among(#purpose, &[#main, #(#before),*]) == #place + 1),
            "a record has one customer number a purpose",
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
    let message = format!("`{}` is plain, and its type is personal data: seal it", column.name());
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
                "`{name}` is of another purpose than the record, and can be shredded alone: make its type `Held<..>`"
            ),
        )
    };
    let label = check(
        &sealed.field,
        &code!(#krate::__private::label_is_unique(__COLUMNS, #constant)),
        &format!("the label of `{name}` is that of another column of this record, in one purpose"),
    );
    let indexes = sealed.indexes.iter().zip(index_consts(place, sealed)).map(|(index, of)| {
        check(
            &index.index,
            &code!(#krate::__private::same_field(#of.field(), #constant)),
            &format!("the index of `{}` is one of another field than `{name}`", index.name.unraw()),
        )
    });
    code!(#purpose #label #(#indexes)*)
}
