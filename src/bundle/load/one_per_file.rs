//! Files that say in their name what they define, and define more than that.
//!
//! `train.job.yml` promises one job. Looked at file by file, while loading: afterwards nobody
//! knows any more which file a resource was alone in.

use std::collections::BTreeSet;

use crate::bundle::fields;
use crate::domain::{Diagnostic, Origin, Path, Tree};

/// What to recommend for an included file.
pub fn recommendation(name: &str, tree: &Tree) -> Option<Diagnostic> {
    let (stem, ending) = name.rsplit_once('.').filter(|(_, ending)| ["yml", "yaml"].contains(ending))?;
    let word = stem.rsplit('/').next()?.rsplit_once('.')?.1;
    let promised = fields::resource_kinds().find(|kind| one_of(kind) == word)?;
    let defined = resources(tree);
    let distinct: BTreeSet<(&str, &str)> = defined.iter().map(|found| (found.kind, found.key)).collect();
    let kept = distinct.len() <= 1 && distinct.iter().all(|(kind, _)| *kind == promised);
    if kept {
        return None;
    }
    let spoken = |kind: &str| one_of(kind).replace('_', " ");
    let what = format!("define a single {} in a file with the .{word}.{ending} extension.", spoken(promised));
    let mut paths: Vec<String> = defined.iter().map(|found| found.path.to_string()).collect();
    let mut origins: Vec<Origin> = defined.iter().flat_map(|found| found.origins.iter().cloned()).collect();
    paths.sort();
    origins.sort();
    let items: Vec<String> = distinct.iter().map(|(kind, key)| format!("  - {key} ({})", spoken(kind))).collect();
    let why = format!("This file defines or configures:\n{}", items.join("\n"));
    Some(paths.into_iter().fold(Diagnostic::recommendation(what).at(origins), Diagnostic::path).detail(why))
}

struct Found<'t> {
    kind: &'t str,
    key: &'t str,
    path: Path,
    origins: &'t [Origin],
}

/// The resources of a file, those of its targets too.
fn resources(tree: &Tree) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let targets = tree.get("targets").and_then(Tree::as_map).into_iter().flatten();
    let targets = targets.map(|(name, target)| (target.get("resources"), vec!["targets", name, "resources"]));
    for (resources, at) in std::iter::once((tree.get("resources"), vec!["resources"])).chain(targets) {
        for (kind, group) in resources.and_then(Tree::as_map).into_iter().flatten() {
            for (key, resource) in group.as_map().into_iter().flatten() {
                let path = Path::of(&[&at[..], &[kind, key]].concat());
                found.push(Found { kind, key, path, origins: &resource.origins });
            }
        }
    }
    found
}

fn one_of(kind: &str) -> &str {
    let plural = if kind.ends_with("ches") || kind.ends_with("xes") { "es" } else { "s" };
    kind.strip_suffix(plural).unwrap_or(kind)
}
