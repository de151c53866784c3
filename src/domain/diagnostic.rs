//! What we have to say about somebody's configuration, and where.

use super::tree::Origin;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Recommendation,
}

/// One finding: a sentence, the configuration paths it is about, and the places in files.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub summary: String,
    pub detail: Option<String>,
    pub paths: Vec<String>,
    pub origins: Vec<Origin>,
}
