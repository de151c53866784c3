//! Journal to text: comment, summary, annotations, outputs. Pure functions.
//!
//! `run` folds the journal into one view; every other file turns that view, or a failure, into
//! the text for one place. Foreign text is neutralised for where it lands: `markdown` for
//! GitHub, `plain` for logs.

pub mod annotations;
mod changes;
pub mod comment;
pub mod failure;
pub mod headline;
pub mod history;
pub mod markdown;
pub mod outputs;
pub mod plain;
pub mod progress;
pub mod run;
mod sections;
pub mod summary;
pub mod terminal;

pub use annotations::annotations;
pub use outputs::{OUTPUTS, Written, outputs};
pub use run::RunView;
