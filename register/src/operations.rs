//! Each operation is written once, as an `async fn` over any database; these macros make it a method of the handles.

/// `read fn` and `write fn`: within the application's transaction. A `write` is done whole or not at all.
macro_rules! in_transaction {
    ($($(#[$doc:meta])* $kind:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $out:ty = $body:path;)*) => {
        impl crate::sqlite::InTransactionSqlite<'_> {
            $(crate::operations::in_transaction!(@sqlite $kind [$($doc),*] $name ($($argument: $type),*) $out, $body);)*
        }
        #[cfg(feature = "postgres")]
        #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
        impl crate::postgres::InTransactionPostgres<'_> {
            $(crate::operations::in_transaction!(@postgres $kind [$($doc),*] $name ($($argument: $type),*) $out, $body);)*
        }
    };
    (@sqlite read [$($doc:meta),*] $name:ident ($($argument:ident: $type:ty),*) $out:ty, $body:path) => {
        $(#[$doc])*
        pub fn $name(&self, $($argument: $type),*) -> Result<$out, crate::error::RegisterError> {
            crate::sqlite::wait($body(self.register, &mut self.read(), $($argument),*))
        }
    };
    (@sqlite write [$($doc:meta),*] $name:ident ($($argument:ident: $type:ty),*) $out:ty, $body:path) => {
        $(#[$doc])*
        pub fn $name(&self, $($argument: $type),*) -> Result<$out, crate::error::RegisterError> {
            let mut database = self.write()?;
            let done = crate::sqlite::wait($body(self.register, &mut database, $($argument),*))?;
            database.keep()?;
            Ok(done)
        }
    };
    (@postgres read [$($doc:meta),*] $name:ident ($($argument:ident: $type:ty),*) $out:ty, $body:path) => {
        $(#[$doc])*
        pub async fn $name(&mut self, $($argument: $type),*) -> Result<$out, crate::error::RegisterError> {
            $body(self.register, &mut self.read(), $($argument),*).await
        }
    };
    (@postgres write [$($doc:meta),*] $name:ident ($($argument:ident: $type:ty),*) $out:ty, $body:path) => {
        $(#[$doc])*
        pub async fn $name(&mut self, $($argument: $type),*) -> Result<$out, crate::error::RegisterError> {
            let register = self.register;
            let mut database = self.write().await?;
            let done = $body(register, &mut database, $($argument),*).await?;
            database.keep().await?;
            Ok(done)
        }
    };
}

/// Methods that need no key: with the vault, or [without it](crate::KeylessRegister).
macro_rules! at_desk {
    ($($(#[$doc:meta])* $kind:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $out:ty = $body:path;)*) => {
        impl<O: crate::keyless::AnyRegister> crate::sqlite::InTransactionSqlite<'_, O> {
            $(crate::operations::in_transaction!(@sqlite $kind [$($doc),*] $name ($($argument: $type),*) $out, $body);)*
        }
        #[cfg(feature = "postgres")]
        #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
        impl<O: crate::keyless::AnyRegister> crate::postgres::InTransactionPostgres<'_, O> {
            $(crate::operations::in_transaction!(@postgres $kind [$($doc),*] $name ($($argument: $type),*) $out, $body);)*
        }
    };
}

/// With connections to itself, in transactions of its own.
macro_rules! own_transaction {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $out:ty = $body:path;)*) => {
        impl crate::sqlite::OwnTransactionSqlite<'_> {$(
            $(#[$doc])*
            pub fn $name(&mut self, $($argument: $type),*) -> Result<$out, crate::error::RegisterError> {
                let register = self.register;
                crate::sqlite::wait($body(register, &mut self.database(), $($argument),*))
            }
        )*}
        #[cfg(feature = "postgres")]
        #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
        impl crate::postgres::OwnTransactionPostgres<'_> {$(
            $(#[$doc])*
            pub async fn $name(&self, $($argument: $type),*) -> Result<$out, crate::error::RegisterError> {
                $body(self.register, &mut self.database(), $($argument),*).await
            }
        )*}
    };
}
pub(crate) use {at_desk, in_transaction, own_transaction};
