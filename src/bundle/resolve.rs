//! From a loaded target to its resolved configuration.
//!
//! After each pass the first error ends the run, because a later pass may rely on what an
//! earlier one has checked. What was resolved so far stays, since `validate` prints it even
//! when it fails.

use crate::bundle::facts::{Facts, Options};
use crate::bundle::load::{self, Loaded};
use crate::bundle::lookups::Lookup;
use crate::bundle::passes::bundle::{Bundle, Unsupported};
use crate::bundle::passes::sync::{self, Reach, SyncFile};
use crate::bundle::passes::{BEFORE_DEPLOYING, BY_DEPLOYING, BY_VALIDATE, PASSES, Pass};
use crate::bundle::python::Call;
use crate::bundle::source::Source;
use crate::domain::{Diagnostic, Failure, Tree};

/// What `validate` prints and everything after it starts from.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub target: String,
    pub config: Tree,
    pub diagnostics: Vec<Diagnostic>,
    /// What a deployment is refused for, or warned of, besides; nothing where `diagnostics`
    /// has an error.
    pub checks: Vec<Diagnostic>,
    /// What `validate` does not say, and a deployment or its plan does.
    pub deploy_checks: Vec<Diagnostic>,
    /// What `validate` alone says besides.
    pub validate_checks: Vec<Diagnostic>,
    /// Not empty: the embedded engine must not be used for this target.
    pub unsupported: Vec<Unsupported>,
    /// Not empty: the workspace has to be asked for these, and the bundle resolved again.
    pub lookups: Vec<Lookup>,
    /// The same: ids of clusters that tasks with local libraries run on.
    pub clusters: Vec<String>,
    /// The same: a run of the bundle's Python code. Nothing behind it is resolved yet.
    pub python: Option<Call>,
    /// The folder files are uploaded from, as seen from the bundle.
    pub sync_root: String,
    /// The bundle's folder as seen from the work tree; none without a repository.
    pub bundle_path: Option<String>,
    pub reach: Reach,
}

impl Resolved {
    /// The files to upload.
    pub fn files(&self, source: &dyn Source) -> Result<Vec<SyncFile>, Failure> {
        sync::files(&self.config, &self.sync_root, self.bundle_path.as_deref(), self.reach, source)
    }

    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Loads a bundle and resolves one target of it.
pub fn resolve(source: &dyn Source, options: &Options, facts: &Facts) -> Result<Resolved, Failure> {
    Ok(resolve_loaded(load::load(source, options)?, source, options, facts))
}

/// Runs the passes over a loaded target until one reports an error.
pub fn resolve_loaded(loaded: Loaded, source: &dyn Source, options: &Options, facts: &Facts) -> Resolved {
    let mut bundle = Bundle {
        config: loaded.config,
        target: loaded.target,
        source,
        options,
        facts,
        diagnostics: loaded.diagnostics,
        unsupported: Vec::new(),
        lookups: Vec::new(),
        clusters: Vec::new(),
        python: None,
        sync_root: ".".to_owned(),
        root_path_given: loaded.root_path_given,
    };
    for pass in PASSES {
        if bundle.failed() || bundle.python.is_some() {
            break;
        }
        pass(&mut bundle);
    }
    let mut later = |passes: &[Pass]| {
        if bundle.failed() || bundle.python.is_some() {
            return Vec::new();
        }
        let before = bundle.diagnostics.len();
        passes.iter().for_each(|pass| pass(&mut bundle));
        bundle.diagnostics.split_off(before)
    };
    let checks = later(BEFORE_DEPLOYING);
    let deploy_checks = later(BY_DEPLOYING);
    let validate_checks = if options.validate { later(BY_VALIDATE) } else { Vec::new() };
    Resolved {
        target: bundle.target,
        config: bundle.config,
        diagnostics: bundle.diagnostics,
        checks,
        deploy_checks,
        validate_checks,
        unsupported: bundle.unsupported,
        lookups: bundle.lookups,
        clusters: bundle.clusters,
        python: bundle.python,
        sync_root: bundle.sync_root,
        bundle_path: facts.git.as_ref().map(|git| git.bundle_path.clone()),
        reach: sync::reach(options),
    }
}
