//! How things are written: scalars, JSON, references, patterns. Each file reads or writes one language, and knows nothing of
//! bundles.

pub mod document;
pub mod glob;
pub mod ignore_rules;
pub mod json;
pub mod reference;
pub mod scalars;
