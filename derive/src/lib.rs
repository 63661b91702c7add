//! The derive macro of `oubliette`.
