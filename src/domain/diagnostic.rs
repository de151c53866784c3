//! What we have to say about somebody's configuration, and where.
//!
//! The printed form is the one of the official command: a head with the severity, then the
//! paths, then the places, then a free text, each diagnostic followed by an empty line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tree::{Origin, Tree};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
    Recommendation,
    /// What the official command says aside: it stands on a line of its own and counts for nothing.
    Notice,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
            Severity::Recommendation => "Recommendation",
            Severity::Notice => "Warn",
        })
    }
}

/// One finding: a sentence, the configuration paths it is about, and the places in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub summary: String,
    pub detail: Option<String>,
    pub paths: Vec<String>,
    pub origins: Vec<Origin>,
    /// Where an annotation belongs when the printed form names no place, as for YAML that
    /// does not parse: the official command has that in its sentence.
    pub place: Option<Origin>,
}

impl Diagnostic {
    pub fn new(severity: Severity, summary: impl Into<String>) -> Self {
        Self { severity, summary: summary.into(), detail: None, paths: Vec::new(), origins: Vec::new(), place: None }
    }

    pub fn error(summary: impl Into<String>) -> Self {
        Self::new(Severity::Error, summary)
    }

    pub fn warning(summary: impl Into<String>) -> Self {
        Self::new(Severity::Warning, summary)
    }

    pub fn recommendation(summary: impl Into<String>) -> Self {
        Self::new(Severity::Recommendation, summary)
    }

    pub fn notice(summary: impl Into<String>) -> Self {
        Self::new(Severity::Notice, summary)
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn path(mut self, path: impl fmt::Display) -> Self {
        let path = path.to_string();
        if !path.is_empty() {
            self.paths.push(path);
        }
        self
    }

    pub fn at(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.origins.extend(origins);
        self
    }

    pub fn at_tree(self, tree: &Tree) -> Self {
        self.at(tree.origins.iter().cloned())
    }

    /// The one place an annotation points at.
    pub fn annotation(&self) -> Option<&Origin> {
        self.origins.first().or(self.place.as_ref())
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity, self.summary)?;
        for (i, path) in self.paths.iter().enumerate() {
            writeln!(f, "{}{path}", if i == 0 { "  at " } else { "     " })?;
        }
        for (i, origin) in self.origins.iter().enumerate() {
            writeln!(f, "{}{origin}", if i == 0 { "  in " } else { "     " })?;
        }
        if let Some(detail) = self.detail.as_deref().filter(|d| !d.is_empty()) {
            writeln!(f, "\n{detail}")?;
        }
        if self.severity == Severity::Notice { Ok(()) } else { writeln!(f) }
    }
}
