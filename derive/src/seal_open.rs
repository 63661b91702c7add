//! The methods of a record and of its twin.

use proc_macro2::TokenStream;
use quote::{format_ident, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;

use crate::record::{Column, Group, Kind, Member, Record, Shape};
use crate::tokens::{asked_const, at, code, field_const, group_const, index_consts, number_const};

pub(crate) fn methods(record: &Record) -> TokenStream {
    let of_record = of_record(record);
    let of_twin = of_twin(record);
    let (krate, ident, twin) = (&record.krate, &record.ident, &record.twin);
    let (own, own_ty) = &record.customer;
    let own = quote_spanned!(at(own_ty)=> row.#own);
    let others: Vec<TokenStream> = record
        .others()
        .map(|(_, Column { ident, ty, .. }, optional)| {
            let number = quote_spanned!(at(ty)=> row.#ident);
            if optional { number } else { code!(::core::option::Option::Some(#number)) }
        })
        .collect();
    let count = others.len();
    let opened = record.columns.iter().enumerate().map(|(place, column)| open(record, place, column));
    let groups = record.columns.iter().enumerate().filter_map(|(place, column)| match &column.kind {
        Kind::Group(group) => Some(open_group(record, place, column, group)),
        _ => None,
    });
    let numbers = |name: &str, of: &Ident| {
        let name = format_ident!("{name}");
        code! {
            fn #name(row: &#of) -> #krate::__private::Numbers<#count> {
                #krate::__private::Numbers { main: #own, others: [#(#others),*] }
            }
        }
    };
    let (of_record_numbers, of_twin_numbers) = (numbers("__numbers", ident), numbers("__numbers_sealed", twin));
    code! {
        #of_record_numbers
        #of_twin_numbers
        #[allow(unused_variables)]
        fn __open(
            row: &#twin,
            keys: &#krate::__private::RowKeys<#count>,
        ) -> ::core::result::Result<#ident, #krate::OpenError> {
            #(#groups)*
            ::core::result::Result::Ok(#ident { #(#opened)* })
        }
        #of_record
        #of_twin
    }
}

fn of_record(record: &Record) -> TokenStream {
    let Record { krate, vis, ident, twin, .. } = record;
    let sealed = record.columns.iter().enumerate().map(|(place, column)| seal(record, place, column));
    code! {
        #[allow(dead_code)]
        impl #ident {
            /// Every column of the sealed twin, in its order.
            #vis const FIELDS: &'static [#krate::fields::FieldInfo] = __COLUMNS;

            /// Seals the record: what to write to the database.
            ///
            /// # Errors
            /// `SealError`, which names the column.
            #[allow(unused_variables)]
            #vis fn seal(&self, vault: &#krate::Vault) -> ::core::result::Result<#twin, #krate::SealError> {
                let row = self;
                let keys = #krate::__private::RowKeys::of(vault, __numbers(row));
                ::core::result::Result::Ok(#twin { #(#sealed)* })
            }
        }
    }
}

fn of_twin(record: &Record) -> TokenStream {
    let Record { krate, vis, ident, twin, .. } = record;
    let reseal = reseal(record);
    code! {
        #[allow(dead_code)]
        impl #twin {
            /// Opens the record, with a `Vault`, or with a `Reader` within its limits.
            ///
            /// # Errors
            /// `OpenError` of the first column that cannot be opened: `Shredded` when the customer was, in the record's
            /// purpose.
            #vis fn open(&self, vault: &impl #krate::__private::Opens) -> ::core::result::Result<#ident, #krate::OpenError> {
                __open(self, &#krate::__private::RowKeys::of(vault, __numbers_sealed(self)))
            }

            /// Opens many records, each with its own result, in their order, with a `Vault` or a `Reader`. Neighbours in customer number share most of
            /// the work: order rows by it where you can. It reads up to 256 rows ahead, and holds their keys.
            #vis fn open_all<__Rows, __Vault>(
                rows: __Rows,
                vault: &__Vault,
            ) -> impl ::core::iter::Iterator<Item = ::core::result::Result<#ident, #krate::OpenError>> + use<__Rows, __Vault>
            where
                __Vault: #krate::__private::Opens,
                __Rows: ::core::iter::IntoIterator,
                __Rows::Item: ::core::borrow::Borrow<#twin>,
            {
                let rows = ::core::iter::IntoIterator::into_iter(rows);
                let rows = #krate::__private::EachRow::new(vault, rows, |row: &__Rows::Item| {
                    __numbers_sealed(::core::borrow::Borrow::borrow(row))
                });
                ::core::iter::Iterator::map(rows, |(row, keys)| __open(::core::borrow::Borrow::borrow(&row), &keys))
            }

            /// Moves the values that are under a replaced key tree to the newest one of their purpose; `true` when there
            /// were any, and the record is to be written back. Tokens stay as they are, and so do values shredded in
            /// another purpose than the record's.
            ///
            /// # Errors
            /// `Error` of the first column that cannot be moved. The record is unchanged.
            #[allow(unused_variables)]
            #vis fn reseal(&mut self, vault: &#krate::Vault) -> ::core::result::Result<bool, #krate::Error> {
                #reseal
            }
        }
    }
}

/// The constant of a field or a group, and the context if there is one.
fn place(record: &Record, constant: &Ident, context: Option<&Ident>) -> TokenStream {
    let krate = &record.krate;
    match context {
        None => code!(::core::convert::From::from(#constant)),
        Some(context) => {
            let bytes = quote_spanned!(at(context)=> (&#krate::__private::Plain(&row.#context)).bytes());
            code!(#constant.within(&{
                #[allow(unused_imports)]
                use #krate::__private::{ByAsRef as _, ByContext as _};
                #bytes
            }))
        }
    }
}

/// The column's value or sealed value, borrowed; in an `Option` unless the column is never NULL.
fn borrowed(krate: &TokenStream, ident: &Ident, shape: Shape, opened: bool) -> TokenStream {
    match shape {
        Shape::Whole => code!(&row.#ident),
        Shape::Held if opened => code!(#krate::Held::kept(#krate::Held::as_ref(&row.#ident))),
        Shape::Optional | Shape::Held => code!(::core::option::Option::as_ref(&row.#ident)),
    }
}

/// The keys that a column goes by.
fn keys(place: usize, shape: Shape) -> TokenStream {
    if shape == Shape::Held {
        let number = number_const(place);
        code!(keys.chosen(#number))
    } else {
        code!(&keys.main)
    }
}

/// The function of the support module for a column of this shape.
fn function(name: &str, shape: Shape) -> Ident {
    match shape {
        Shape::Whole => format_ident!("{name}"),
        Shape::Optional => format_ident!("{name}_optional"),
        Shape::Held => format_ident!("{name}_held"),
    }
}

fn copied(column: &Column) -> TokenStream {
    let ident = &column.ident;
    quote_spanned!(at(&column.ty)=> #ident: ::core::clone::Clone::clone(&row.#ident),)
}

fn seal(record: &Record, number: usize, column: &Column) -> TokenStream {
    let (krate, ident, name) = (&record.krate, &column.ident, column.name());
    let (shape, own) = match &column.kind {
        Kind::Plain | Kind::Customer { .. } => return copied(column),
        Kind::Group(group) => return seal_group(record, number, column, group),
        Kind::Sealed(sealed) => {
            let place = place(record, &field_const(number), sealed.context.as_ref());
            let (keys, mut value) = (keys(number, sealed.shape), borrowed(krate, ident, sealed.shape, true));
            if sealed.shape == Shape::Whole && sealed.or_group.is_some() {
                value = code!(::core::option::Option::Some(#value));
            }
            let seal = function("seal", sealed.stored_shape());
            (sealed.shape, Some(code!(#ident: #krate::__private::#seal(#keys, #name, #place, #value)?,)))
        }
        Kind::Member(member) => {
            // It is written to the group alone.
            let or_column = member.or_column.as_ref().map(|or_column| &or_column.ident);
            (member.shape, or_column.map(|ident| code!(#ident: ::core::option::Option::None,)))
        }
    };
    let value = borrowed(krate, ident, shape, true);
    let token = function("token", if shape == Shape::Held { Shape::Optional } else { shape });
    let tokens = column.indexes().iter().zip(index_consts(number, column)).map(|(index, constant)| {
        let (column, name) = (&index.name, index.name.unraw().to_string());
        code!(#column: #krate::__private::#token(vault, #name, #constant, #value)?,)
    });
    code!(#own #(#tokens)*)
}

/// What the record keeps of the group, with the members that it knows.
fn seal_group(record: &Record, number: usize, column: &Column, group: &Group) -> TokenStream {
    let (krate, ident, name) = (&record.krate, &column.ident, column.name());
    let place = place(record, &group_const(number), group.context.as_ref());
    let kept = borrowed(krate, ident, group.shape, true);
    let seal = function("seal_group", group.shape);
    let put = record.members(group).map(|member| {
        let (constant, put) = (field_const(member.place), function("put", member.shape));
        if !member.is_written {
            return code!(#krate::__private::take_out(members, #constant););
        }
        let value = borrowed(krate, &member.column.ident, member.shape, true);
        code!(#krate::__private::#put(members, #constant, #value);)
    });
    code! {
        #ident: #krate::__private::#seal(&keys.main, #name, #place, #kept, |members| { #(#put)* })?,
    }
}

fn open(record: &Record, number: usize, column: &Column) -> TokenStream {
    let (krate, ident) = (&record.krate, &column.ident);
    match &column.kind {
        Kind::Plain | Kind::Customer { .. } => copied(column),
        // Read before.
        Kind::Group(_) => {
            let local = local("read", number);
            code!(#ident: #local,)
        }
        Kind::Member(member) => open_member(record, number, column, member),
        Kind::Sealed(sealed) if let Some(group) = &sealed.or_group => {
            let (in_group, open) = (local("read", number), function("open_or_group", sealed.shape));
            let place = place(record, &field_const(number), sealed.context.as_ref());
            let stored = borrowed(krate, ident, Shape::Optional, false);
            let group = record.column_of(group).map(|(place, _)| group_const(place));
            code!(#ident: #krate::__private::#open(&keys.main, #place, #stored, #in_group, #group)?,)
        }
        Kind::Sealed(sealed) => {
            let place = place(record, &field_const(number), sealed.context.as_ref());
            let (keys, stored) = (keys(number, sealed.shape), borrowed(krate, ident, sealed.shape, false));
            let open = function("open", sealed.shape);
            code!(#ident: #krate::__private::#open(#keys, #place, #stored)?,)
        }
    }
}

/// Read before, unless it is in a column of its own.
fn open_member(record: &Record, number: usize, column: &Column, member: &Member) -> TokenStream {
    let (krate, ident, in_group) = (&record.krate, &column.ident, local("read", number));
    let Some(or_column) = &member.or_column else { return code!(#ident: #in_group,) };
    let open = function("open_or_column", member.shape);
    let place = place(record, &field_const(number), or_column.context.as_ref());
    let stored = borrowed(krate, &or_column.ident, Shape::Optional, false);
    let group = record.column_of(&member.group).map(|(place, _)| group_const(place));
    code!(#ident: #krate::__private::#open(&keys.main, #place, #stored, #in_group, #group)?,)
}

/// All members at once, into variables.
fn open_group(record: &Record, number: usize, column: &Column, group: &Group) -> TokenStream {
    let (krate, asked, kept) = (&record.krate, asked_const(number), local("read", number));
    let place = place(record, &group_const(number), group.context.as_ref());
    let stored = borrowed(krate, &column.ident, group.shape, false);
    let open = function("open_group", group.shape);
    let members = record.members(group).map(|member| local("read", member.place));
    let read = record.members(group).map(|member| {
        let shape = if member.may_be_elsewhere { Shape::Optional } else { member.shape };
        let (constant, read) = (field_const(member.place), function("member", shape));
        code!(members.#read(#constant)?,)
    });
    code! {
        let (#kept, (#(#members,)*)) = #krate::__private::#open(&keys.main, #place, #asked, #stored, |members| {
            ::core::result::Result::Ok((#(#read)*))
        })?;
    }
}

fn local(name: &str, number: usize) -> Ident {
    format_ident!("{name}_{number}", span = proc_macro2::Span::mixed_site())
}

/// All columns are sealed anew before the first is replaced, so that an error changes nothing.
fn reseal(record: &Record) -> TokenStream {
    let krate = &record.krate;
    let (mut made, mut moved, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    for (number, column) in record.columns.iter().enumerate() {
        let own = &column.ident;
        let (name, ident, constant, context, shape) = match &column.kind {
            Kind::Plain | Kind::Customer { .. } => continue,
            Kind::Sealed(sealed) => ("reseal", own, field_const(number), &sealed.context, sealed.stored_shape()),
            Kind::Group(group) => ("reseal_group", own, group_const(number), &group.context, group.shape),
            Kind::Member(member) => match &member.or_column {
                Some(it) => ("reseal", &it.ident, field_const(number), &it.context, Shape::Optional),
                None => continue,
            },
        };
        let local = local("moved", number);
        let (keys, place, stored) =
            (keys(number, shape), place(record, &constant, context.as_ref()), borrowed(krate, ident, shape, false));
        let reseal = function(name, shape);
        let stored_again =
            if shape == Shape::Whole { code!(sealed) } else { code!(::core::option::Option::Some(sealed)) };
        made.push(code!(let #local = #krate::__private::#reseal(#keys, #place, #stored)?;));
        moved.push(code!(::core::option::Option::is_some(&#local)));
        replaced.push(code! {
            if let ::core::option::Option::Some(sealed) = #local {
                self.#ident = #stored_again;
            }
        });
    }
    code! {
        let row = &*self;
        let keys = #krate::__private::RowKeys::of(vault, __numbers_sealed(row));
        #(#made)*
        let moved = <[bool]>::contains(&[#(#moved),*], &true);
        #(#replaced)*
        ::core::result::Result::Ok(moved)
    }
}
