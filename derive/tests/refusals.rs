//! What does not compile, and what the compiler says. (`strict` is what compiles without a warning: one such case here would have
//! all that the vault needs built once more, not only checked.)
//!
//! After a change of the messages: `TRYBUILD=overwrite cargo test -p oubliette-derive --test refusals -- --ignored`, and read the
//! difference.

#[test]
#[ignore = "checks the vault and all that it needs once more, in a minute; `.ci/run test` runs it"]
fn the_compiler_says_what_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/refused/*.rs");
}
