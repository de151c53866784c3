//! A bundle on its way through the passes: its tree, what the passes are told, and what they have to say.

use crate::bundle::facts::{Facts, Options};
use crate::bundle::lookups::Lookup;
use crate::bundle::passes::cloud_tags::Cloud;
use crate::bundle::python::Call;
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
    /// What variables look up and the facts do not have.
    pub lookups: Vec<Lookup>,
    /// Clusters whose runtime the facts do not have.
    pub clusters: Vec<String>,
    /// The run of the bundle's Python code that nothing can go on without.
    pub python: Option<Call>,
    /// The folder files are uploaded from, as seen from the bundle: `.`, `..`, `../..`.
    pub sync_root: String,
    /// The target itself says where it lives, which production wants.
    pub root_path_given: bool,
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

    /// The cloud below the workspace.
    pub fn cloud(&self) -> Cloud {
        Cloud::of_host(self.facts.host.as_deref().unwrap_or_default())
    }

    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}
