//! Asks Unity Catalog which privileges a principal lacks, so that every missing grant is said at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::Value;

use crate::domain::Failure;
use crate::domain::rights::{Right, Securable};
use crate::ports::{Request, World};
use crate::steps::bundle::workspace_files::escape;

/// Which of these rights the principal does not have. What the owner of a thing may do, it may do without a grant.
pub async fn missing(world: &World, principal: &str, wanted: &[Right]) -> Result<Vec<Right>, Failure> {
    let names = names(world, principal).await;
    let mut seen: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let mut missing = Vec::new();
    for right in wanted {
        let at = (right.securable.name(), right.name.as_str());
        let has = match seen.entry(at) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(new) => new.insert(effective(world, &names, at).await?),
        };
        let is = |privilege: &str| has.iter().any(|p| p.eq_ignore_ascii_case(privilege));
        let granted = is(right.privilege) || is("ALL_PRIVILEGES") || is("MANAGE");
        if !granted && owner(world, right).await?.as_deref() != Some(principal) {
            missing.push(right.clone());
        }
    }
    Ok(missing)
}

/// Who owns the thing that a right is on; nobody where we may not see it.
async fn owner(world: &World, right: &Right) -> Result<Option<String>, Failure> {
    let collection = match right.securable {
        Securable::Catalog => "catalogs",
        Securable::Schema => "schemas",
        Securable::Model => "models",
    };
    let request = Request::get(format!("/api/2.1/unity-catalog/{collection}/{}", escape(&right.name)));
    match world.workspace.call(request).await.and_then(|r| r.json()) {
        Ok(answer) => Ok(answer["owner"].as_str().map(str::to_owned)),
        Err(error) if error.is_not_found() || error.status() == Some(403) => Ok(None),
        Err(error) => Err(error.into_failure(format!("read who owns {}", right.name))),
    }
}

/// The principal and every group that it is known to be in. Who may not ask is told of no group.
async fn names(world: &World, principal: &str) -> Vec<String> {
    let mut names = vec![principal.to_owned(), "account users".to_owned()];
    let (collection, field) =
        if principal.contains('@') { ("Users", "userName") } else { ("ServicePrincipals", "applicationId") };
    let request = Request::get(format!("/api/2.0/preview/scim/v2/{collection}"))
        .query("filter", format!("{field} eq \"{principal}\""))
        .query("attributes", "groups");
    let answer = world.workspace.call(request).await.and_then(|r| r.json()).unwrap_or_default();
    let found = answer["Resources"].as_array().into_iter().flatten();
    let groups = found.flat_map(|who| who["groups"].as_array().into_iter().flatten());
    names.extend(groups.filter_map(|group| group["display"].as_str().map(str::to_owned)));
    names
}

async fn effective(world: &World, who: &[String], (kind, name): (&str, &str)) -> Result<Vec<String>, Failure> {
    let path = format!("/api/2.1/unity-catalog/effective-permissions/{kind}/{}", escape(name));
    let request = Request::get(path).query("max_results", "0");
    let answer = world.workspace.call(request).await.and_then(|r| r.json());
    let answer = answer.map_err(|e| e.into_failure(format!("read who may do what with {name}")))?;
    let assignments = answer["privilege_assignments"].as_array().into_iter().flatten();
    let ours = assignments.filter(|a| a["principal"].as_str().is_some_and(|p| who.iter().any(|w| w == p)));
    let privileges = ours.flat_map(|a| a["privileges"].as_array().into_iter().flatten());
    // Older answers list the names alone.
    let name = |p: &Value| p["privilege"].as_str().or(p.as_str()).map(|p| p.replace(' ', "_"));
    Ok(privileges.filter_map(name).collect())
}
