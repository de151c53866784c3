//! What fields a configuration may have, their types, and which of them may be shown.
//!
//! `sdk.txt` is made by `tools/field_tables.py` from the published Databricks SDK for Python;
//! `bundle.txt` is the bundle's own part, written by hand. Both are text: a table is reviewed
//! in a diff, and reading 40 KB costs less than a millisecond, once and only when asked.

mod check;
mod normalize;
mod table;
mod unset;

pub use check::{enums, required};
pub use normalize::normalize;
pub use table::{Field, Message, Type, enum_values, message};
pub use unset::{drop_own_unset, drop_unset};

/// The sections of `resources`, of kinds with a table here or without.
pub fn resource_kinds() -> impl Iterator<Item = &'static str> {
    message("bundle.Resources").map(|resources| resources.fields()).unwrap_or_default().iter().map(|field| field.name)
}

/// The message of a whole `databricks.yml`.
pub const ROOT: &str = "bundle.Root";
