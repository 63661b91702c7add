//! Making the register's tables, and saying beside them by which rules they are worked on.

use super::agreement;
use super::database::Database;
use super::error::RegisterError;
use super::operations::in_transaction;
use super::register::Register;
use super::schema;

in_transaction! {
    /// Makes the register's tables if they are missing, checks that they belong to this vault, and stores these
    /// [rules](crate::Rules) so that other programs can [compare](Self::compare_rules) theirs. New tables begin with a
    /// copy of the journal.
    ///
    /// # Errors
    /// [`RegisterError::OtherSchema`] and [`RegisterError::OtherVault`] if there are other tables already.
    write fn create_tables() -> () = create;
}

async fn create<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    schema::make(register, db).await?;
    agreement::write(register, db).await
}
