//! The passes over a loaded target, in their order.
//!
//! The order is part of what a bundle means: a prefix is applied after variables are
//! known, paths are translated after defaults are set. Each pass is a function in a file of
//! its own that edits the tree.

pub mod artifacts;
pub mod bundle;
pub mod catalog_names;
pub mod checks;
pub mod cli_version;
pub mod cloud_tags;
pub mod clusters;
pub mod contents;
pub mod defaults;
pub mod early;
pub mod interpolate;
pub mod lists;
pub mod lookups;
pub mod mode;
pub mod names;
pub mod notebook;
pub mod path_fields;
pub mod paths;
pub mod permissions;
pub mod presets;
pub mod python;
pub mod run_as;
pub mod served_models;
pub mod settings;
pub mod sync;
pub mod unsupported;
pub mod variables;
pub mod wheel_compute;
pub mod workspace;

use crate::bundle::fields;
use crate::bundle::passes::bundle::Bundle;

pub type Pass = fn(&mut Bundle<'_>);

/// The passes from a loaded target to its resolved configuration.
pub const PASSES: &[Pass] = &[
    variables::flags,
    early::engine,
    early::resources_have_values,
    early::no_reference_in_auth,
    early::no_reference_in_name,
    early::compute_id,
    cli_version::is_spoken,
    early::workspace_is_there,
    python::add,
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
    unsupported::places,
    typed,
    checks::keys,
    lists::merge_named,
    checks::volumes_hold_artifacts_only,
    served_models::rename,
    paths::relative_to_bundle,
    artifacts::relative_to_bundle,
    python::locate,
    contents::read,
    catalog_names::refer_to_schemas,
    catalog_names::refer_to_catalogs,
    clusters::settle,
    run_as::apply,
    clusters::replace_compute,
    presets::apply,
    defaults::fill,
    checks::single_nodes,
    permissions::apply,
    permissions::settle,
    python::load,
    python::change,
    catalog_names::volume_paths,
    unset,
    defaults::descriptions,
    permissions::deployer_is_named,
    checks::names,
    checks::etags,
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
pub const BEFORE_DEPLOYING: &[Pass] = &[checks::clusters];
/// What only a deployment or its plan looks at.
pub const BY_DEPLOYING: &[Pass] = &[checks::levels_of_secret_scopes];
/// What only `validate` looks at: a deployment finds it out by itself.
pub const BY_VALIDATE: &[Pass] = &[sync::check];

/// Optional texts that are empty are as good as absent; defaults did not fill them.
fn unset(bundle: &mut Bundle<'_>) {
    fields::drop_unset(&mut bundle.config, fields::ROOT);
}

/// What references brought takes the type of its field.
fn typed(bundle: &mut Bundle<'_>) {
    fields::normalize(&mut bundle.config, fields::ROOT, &mut bundle.diagnostics);
}
