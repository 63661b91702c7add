//! Making the register's tables, and saying beside them by which rules they are worked on.

use super::agreement;
use super::database::Database;
use super::error::RegisterError;
use super::operations::in_transaction;
use super::register::Register;
use super::schema;

in_transaction! {
    /// Makes the register's tables, where they are missing, checks whose they are, and writes these
    /// [rules](crate::Rules) down for [others](Self::compare_rules) that work on them. New tables begin with a copy of the journal as it is.
    ///
    /// # Errors
    /// [`RegisterError::OtherSchema`] and [`RegisterError::OtherVault`] of tables that are there already.
    write fn create_tables() -> () = create;
}

async fn create<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    schema::make(register, db).await?;
    agreement::write(register, db).await
}
