//! From a loaded target to its resolved configuration: the passes, in their order.
//!
//! The order is part of what a bundle means: a prefix is applied after variables are
//! known, paths are translated after defaults are set. Each pass is a function in a file of
//! its own that edits the tree; after each the first error ends the run, because a later
//! pass may rely on what an earlier one has checked. What was resolved so far stays, since
//! `validate` prints it even when it fails.

use crate::bundle::facts::{Facts, Options};
use crate::bundle::source::Source;
use crate::domain::{Diagnostic, Origin, Severity, Tree};

/// A construct that means something to the official engine and nothing to ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    pub path: String,
    pub origin: Option<Origin>,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "unsupported: {} ({}:{})", self.path, origin.file, origin.line),
            None => write!(f, "unsupported: {}", self.path),
        }
    }
}

/// A bundle on its way through the passes.
pub struct Bundle<'a> {
    pub config: Tree,
    pub target: String,
    pub source: &'a dyn Source,
    pub options: &'a Options,
    pub facts: &'a Facts,
    pub diagnostics: Vec<Diagnostic>,
    pub unsupported: Vec<Unsupported>,
}

impl Bundle<'_> {
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Names a construct that only another engine knows; the whole bundle is refused.
    pub fn refuse(&mut self, path: impl std::fmt::Display, tree: &Tree) {
        let origin = tree.key.clone().or_else(|| tree.origin().cloned());
        self.unsupported.push(Unsupported { path: path.to_string(), origin });
    }

    fn failed(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

pub type Pass = fn(&mut Bundle<'_>);

/// What `validate` prints and everything after it starts from.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub target: String,
    pub config: Tree,
    pub diagnostics: Vec<Diagnostic>,
    /// Not empty: the embedded engine must not be used for this target.
    pub unsupported: Vec<Unsupported>,
}

impl Resolved {
    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// The passes from a loaded target to its resolved configuration.
pub const PASSES: &[Pass] = &[];

/// Runs the passes over a loaded target until one reports an error.
pub fn resolve(mut bundle: Bundle<'_>) -> Resolved {
    for pass in PASSES {
        if bundle.failed() {
            break;
        }
        pass(&mut bundle);
    }
    Resolved {
        target: bundle.target,
        config: bundle.config,
        diagnostics: bundle.diagnostics,
        unsupported: bundle.unsupported,
    }
}
