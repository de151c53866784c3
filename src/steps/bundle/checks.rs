//! What only the workspace can say about a resolved bundle, before anything is deployed.

use super::upload::prepare_folder;
use super::workspace_files::{WorkspaceFiles, escape};
use crate::domain::{Diagnostic, Failure, Tree};
use crate::ports::Request;

/// The folder of the files is made already here: who may not write into it should hear so
/// from `validate`.
pub async fn workspace(files: &WorkspaceFiles, config: &Tree) -> Result<Vec<Diagnostic>, Failure> {
    let mut found = Vec::new();
    let nothing_to_upload = config.find(&["sync", "paths"]).and_then(Tree::as_list).is_some_and(<[Tree]>::is_empty);
    if let Some(folder) = config.text(&["workspace", "file_path"])
        && !nothing_to_upload
        && let Err(failure) = prepare_folder(files, folder).await
    {
        found.push(Diagnostic::error(failure.message));
    }
    found.extend(artifact_volume(files, config).await?);
    Ok(found)
}

/// Artifacts may go to a volume; it has to be there.
pub async fn artifact_volume(files: &WorkspaceFiles, config: &Tree) -> Result<Option<Diagnostic>, Failure> {
    let Some(path) = config.find(&["workspace", "artifact_path"]) else { return Ok(None) };
    let Some(rest) = path.as_str().and_then(|p| p.strip_prefix("/Volumes/")) else { return Ok(None) };
    let parts: Vec<&str> = rest.split('/').take(3).filter(|part| !part.is_empty()).collect();
    let [catalog, schema, volume] = parts[..] else {
        let form = "expected UC volume path to be in the format /Volumes/<catalog>/<schema>/<volume>/...";
        let what = format!("{form}, got /Volumes/{rest}");
        return Ok(Some(Diagnostic::error(what).path("workspace.artifact_path").at_tree(path)));
    };
    let name = format!("{catalog}.{schema}.{volume}");
    let request = Request::get(format!("/api/2.1/unity-catalog/volumes/{}", escape(&name)));
    match files.rest().call(request).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => {
            let what = Diagnostic::error(format!("volume {name} does not exist"));
            let what = what.path("workspace.artifact_path").at_tree(path);
            Ok(Some(match ours(config, [catalog, schema, volume]) {
                Some((key, volume)) => what.path(format!("resources.volumes.{key}")).at_tree(volume).detail(
                    "The volume is the bundle's own and not deployed yet. Deploy it with another artifact_path \
                     first, and then have it hold the artifacts.",
                ),
                None => what,
            }))
        }
        Err(error) => Err(error.into_failure(format!("look for volume {name}"))),
    }
}

/// The volume of the bundle that has this name.
fn ours<'t>(config: &'t Tree, [catalog, schema, volume]: [&str; 3]) -> Option<(&'t String, &'t Tree)> {
    let volumes = config.find(&["resources", "volumes"]).and_then(Tree::as_map).into_iter().flatten();
    let is = |tree: &Tree, field: &str, value: &str| tree.text(&[field]) == Some(value);
    volumes.into_iter().find(|(_, tree)| {
        is(tree, "catalog_name", catalog) && is(tree, "schema_name", schema) && is(tree, "name", volume)
    })
}
