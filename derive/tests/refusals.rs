//! What does not compile, and what the compiler says; and what compiles without a warning.
//!
//! After a change of the messages: `TRYBUILD=overwrite cargo test -p oubliette-derive --test refusals`, and read the
//! difference.

#[test]
fn the_compiler_says_what_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/accepted/*.rs");
    cases.compile_fail("tests/refused/*.rs");
}
