//! The twin's columns for SQL: their names, and their values bound in the same order.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, Meta, Path, Token};

use crate::record::{Kind, Record};
use crate::tokens::code;

/// A column of the twin: its field, and its name in the database.
struct Stored<'r> {
    ident: &'r Ident,
    name: String,
}

/// The twin's columns, in its order.
fn stored(record: &Record) -> Vec<Stored<'_>> {
    let mut all = Vec::new();
    for column in &record.columns {
        let own = match &column.kind {
            Kind::Plain | Kind::Customer { .. } | Kind::Sealed(_) | Kind::Group(_) => Some(&column.ident),
            Kind::Member(member) => member.or_column.as_ref().map(|or_column| &or_column.ident),
        };
        all.extend(own.map(|ident| Stored { ident, name: name(ident, &column.attrs) }));
        all.extend(
            column.indexes().iter().map(|index| Stored { ident: &index.name, name: name(&index.name, &index.attrs) }),
        );
    }
    all
}

/// The field's name, or what `sqlx(rename = "..")` among its attributes makes of it.
fn name(ident: &Ident, attrs: &[Meta]) -> String {
    renamed(attrs).unwrap_or_else(|| ident.unraw().to_string())
}

fn renamed(attrs: &[Meta]) -> Option<String> {
    let lists = attrs.iter().filter_map(|meta| match meta {
        Meta::List(list) if list.path.is_ident("sqlx") => {
            list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()
        }
        _ => None,
    });
    lists.flatten().find_map(|meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident("rename") => match pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

pub(crate) fn methods(record: &Record) -> TokenStream {
    let Record { krate, vis, twin, .. } = record;
    let stored = stored(record);
    let names = stored.iter().map(|column| &column.name);
    let binds = record.binds.iter().map(|to| bind(record, to, &stored));
    code! {
        #[allow(dead_code)]
        impl #twin {
            /// Its columns, in the order in which it declares them: for `INSERT`, upserts and `SELECT`.
            #vis const COLUMNS: #krate::columns::Columns = #krate::columns::Columns::new(&[#(#names),*]);

            #(#binds)*
        }
    }
}

/// `bind = rusqlite`, or `bind = sqlx::Postgres` or another database of sqlx's.
fn bind(record: &Record, to: &Path, stored: &[Stored<'_>]) -> TokenStream {
    let vis = &record.vis;
    let (idents, count) = (stored.iter().map(|column| column.ident), stored.len());
    if to.is_ident("rusqlite") {
        return code! {
            /// The values of `COLUMNS`, in their order, as a statement takes them.
            #vis fn params(&self) -> [&dyn #to::ToSql; #count] {
                [#(&self.#idents),*]
            }
        };
    }
    code! {
        /// Binds the values of `COLUMNS`, in their order, after what is bound already.
        #vis fn bind<'q>(
            &self,
            query: ::sqlx::query::Query<'q, #to, <#to as ::sqlx::Database>::Arguments>,
        ) -> ::sqlx::query::Query<'q, #to, <#to as ::sqlx::Database>::Arguments> {
            query #(.bind(&self.#idents))*
        }
    }
}
