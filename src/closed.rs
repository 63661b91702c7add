//! What keeps a trait of this crate to this crate.

/// What such a trait asks for: outside of the crate nobody can name it, so nobody can implement the trait. In a file of its
/// own, since those that implement lie in several layers.
pub trait Closed {}
