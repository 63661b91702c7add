//! Long jobs through sqlx: one set of tests, run against SQLite, PostgreSQL and MariaDB.

/// The tests of `bodies.rs`, `keys.rs` and `plain.rs`, once a database, each under the attributes given.
macro_rules! tests {
    ($($attributes:tt)*) => {
        each! {
            [$($attributes)*] bodies
            a_live_table_is_sealed_while_rows_are_written
            into_other_columns_by_a_key_of_bytes_or_text
            into_a_group_that_is_bound_to_its_row
            a_new_tree_a_new_epoch_and_a_shred
            a_duplicate_is_a_problem_of_its_row_alone
            what_does_not_fit_is_not_committed
        }
        each! {
            [$($attributes)*] keys
            keys_of_several_columns
            keys_of_a_fixed_width
            keys_that_are_decimal_numbers
            keys_that_are_uuids_or_texts
            keys_that_a_collation_takes_for_one_are_refused
        }
        each! {
            [$($attributes)*] plain
            columns_of_json
            phones_in_columns_of_numbers
            columns_of_an_address_and_back
        }
        each! {
            [$($attributes)*] statements
            statements_of_the_docs
        }
    };
}

macro_rules! each {
    ($attributes:tt $of:ident $($test:ident)*) => { $(each!(@ $attributes $of $test);)* };
    (@ [$($attributes:tt)*] $of:ident $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $($attributes)*
        async fn $test() {
            $of::$test().await;
        }
    };
}

mod fair;
mod mariadb;
mod postgres;
mod sqlite;
