//! Column types through sqlx: one set of tests, run against SQLite, PostgreSQL and MariaDB.

/// The tests of `bodies.rs`, once a database, each under the attributes given.
macro_rules! tests {
    ($($attributes:tt)*) => {
        each! {
            [$($attributes)*]
            every_type_comes_back
            tokens_of_all_epochs_and_customers_are_found
            what_has_not_the_form_is_a_typed_error_that_repeats_nothing
            a_value_moved_to_another_row_does_not_open
            a_column_of_plaintext_is_sealed_under_its_readers
        }
    };
}

macro_rules! each {
    ($attributes:tt $($test:ident)*) => { $(each!(@ $attributes $test);)* };
    (@ [$($attributes:tt)*] $test:ident) => {
        #[tokio::test]
        $($attributes)*
        async fn $test() {
            bodies::$test().await;
        }
    };
}

mod mariadb;
mod postgres;
mod sqlite;
