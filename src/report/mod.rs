//! Journal to text: comment, summary, annotations, outputs. Pure functions.

pub mod failure;
pub mod plain;
