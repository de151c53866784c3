//! From a loaded target to its resolved configuration: the passes, in their order.
//!
//! The order is part of what a bundle means: a prefix is applied after variables are
//! known, paths are translated after defaults are set. Each pass is a function in a file of
//! its own that edits the tree; after each the first error ends the run, because a later
//! pass may rely on what an earlier one has checked. What was resolved so far stays, since
//! `validate` prints it even when it fails.

use crate::bundle::facts::{Facts, Options};
use crate::bundle::load::{self, Loaded};
use crate::bundle::lookups::{self, Lookup};
use crate::bundle::source::Source;
use crate::bundle::sync::SyncFile;
use crate::bundle::{
    artifacts, checks, clusters, contents, defaults, early, fields, interpolate, lists, mode, paths, permissions,
    presets, run_as, schema_names, served_models, sync, unsupported, variables, wheel_compute, workspace,
};
use crate::domain::{Diagnostic, Failure, Origin, Severity, Tree};

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
    /// What a deployment is refused for, or warned of, besides; nothing where `diagnostics`
    /// has an error.
    pub checks: Vec<Diagnostic>,
    /// What `validate` alone says besides.
    pub validate_checks: Vec<Diagnostic>,
    /// Not empty: the embedded engine must not be used for this target.
    pub unsupported: Vec<Unsupported>,
    /// Not empty: the workspace has to be asked for these, and the bundle resolved again.
    pub lookups: Vec<Lookup>,
    /// The same: ids of clusters that tasks with local libraries run on.
    pub clusters: Vec<String>,
    /// The folder files are uploaded from, as seen from the bundle.
    pub sync_root: String,
    /// The bundle's folder as seen from the work tree; none without a repository.
    pub bundle_path: Option<String>,
}

impl Resolved {
    /// The files to upload.
    pub fn files(&self, source: &dyn Source) -> Result<Vec<SyncFile>, Failure> {
        sync::files(&self.config, &self.sync_root, self.bundle_path.as_deref(), source)
    }

    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// The passes from a loaded target to its resolved configuration.
pub const PASSES: &[Pass] = &[
    variables::flags,
    early::engine,
    early::resources_have_values,
    early::no_reference_in_auth,
    early::no_reference_in_name,
    early::compute_id,
    early::version,
    early::workspace_is_there,
    unsupported::constructs,
    sync::relative_to_bundle,
    sync::infer_root,
    workspace::current_user,
    workspace::git,
    workspace::folders,
    workspace::doubled_prefix,
    variables::assign,
    lookups::resolve,
    mode::development,
    interpolate::interpolate,
    typed,
    lists::merge_named,
    checks::volumes_hold_artifacts_only,
    served_models::rename,
    paths::relative_to_bundle,
    artifacts::relative_to_bundle,
    contents::read,
    schema_names::refer_to_schemas,
    clusters::settle,
    run_as::apply,
    clusters::replace_compute,
    presets::apply,
    defaults::fill,
    checks::single_nodes,
    checks::names,
    checks::etags,
    schema_names::volume_paths,
    unset,
    defaults::descriptions,
    permissions::apply,
    permissions::deployer_is_named,
    checks::grants,
    checks::fields,
    paths::expand_pipeline_globs,
    paths::translate,
    wheel_compute::check,
    artifacts::prepare,
    mode::check,
    permissions::shared_root,
    checks::apps,
    defaults::annotate,
];

/// What is looked at before a deployment or its plan, and not before a destroy.
const BEFORE_DEPLOYING: &[Pass] = &[checks::clusters];
/// What only `validate` looks at: a deployment finds it out by itself.
const BY_VALIDATE: &[Pass] = &[sync::check];

/// Optional texts that are empty are as good as absent; defaults did not fill them.
fn unset(bundle: &mut Bundle<'_>) {
    fields::drop_unset(&mut bundle.config, fields::ROOT);
}

/// What references brought takes the type of its field.
fn typed(bundle: &mut Bundle<'_>) {
    fields::normalize(&mut bundle.config, fields::ROOT, &mut bundle.diagnostics);
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
        sync_root: ".".to_owned(),
        root_path_given: loaded.root_path_given,
    };
    for pass in PASSES {
        if bundle.failed() {
            break;
        }
        pass(&mut bundle);
    }
    let mut later = |passes: &[Pass]| {
        if bundle.failed() {
            return Vec::new();
        }
        let before = bundle.diagnostics.len();
        passes.iter().for_each(|pass| pass(&mut bundle));
        bundle.diagnostics.split_off(before)
    };
    let checks = later(BEFORE_DEPLOYING);
    let validate_checks = if options.validate { later(BY_VALIDATE) } else { Vec::new() };
    Resolved {
        target: bundle.target,
        config: bundle.config,
        diagnostics: bundle.diagnostics,
        checks,
        validate_checks,
        unsupported: bundle.unsupported,
        lookups: bundle.lookups,
        clusters: bundle.clusters,
        sync_root: bundle.sync_root,
        bundle_path: facts.git.as_ref().map(|git| git.bundle_path.clone()),
    }
}
