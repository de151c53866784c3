//! MLflow tracking: runs, what was logged to them, and logged models. Experiments have a file of their own beside this.

pub(crate) mod artifacts;
pub(crate) mod filter;
pub(crate) mod logged_models;
pub(crate) mod metrics;
pub(crate) mod runs;
