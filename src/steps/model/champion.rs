//! Finds the version that serves now, and who it is.
//!
//! That there is none is believed only where one would be seen: a registry that hides a model answers as one that has none,
//! and a gate that took the one for the other would compare with nothing.

use super::copy_version::tags;
use super::rights::Holder;
use super::{Registry, Version};
use crate::domain::rights::{Right, Securable};
use crate::domain::{Alias, Failure, ModelName, ModelVersion, Reason};
use crate::ports::{Request, World};

/// A copy of a copy of a copy: there are no more environments.
const COPIES: usize = 3;

/// The version under the alias at the first of these places that has one.
pub async fn standing(world: &World, places: &[ModelName], alias: &Alias) -> Result<Option<Version>, Failure> {
    for model in places {
        match Registry(world.workspace.as_ref()).by_alias(model, alias).await {
            Ok(Some(version)) => return Ok(Some(version)),
            Ok(None) if sees(world, model).await? => {}
            Ok(None) => return Err(unseen(world, model, alias).await?),
            Err(failure) if is_denied(&failure) => return Err(unseen(world, model, alias).await?),
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

/// Whether a version is that one, or was copied from it.
pub async fn stems_from(
    world: &World,
    version: &Version,
    original: (&ModelName, ModelVersion),
) -> Result<bool, Failure> {
    let mut at = (version.model.clone(), version.version);
    for _ in 0..=COPIES {
        if (&at.0, at.1) == original {
            return Ok(true);
        }
        let details = match Registry(world.workspace.as_ref()).details(&at.0, at.1).await {
            Ok(details) => details.unwrap_or_default(),
            Err(failure) if is_denied(&failure) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let source = |key: &str| details.tags.get(key).map(String::as_str).unwrap_or_default();
        let model = ModelName::parse(source(tags::SOURCE_MODEL));
        match (model, ModelVersion::parse(source(tags::SOURCE_VERSION))) {
            (Ok(model), Ok(number)) => at = (model, number),
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// Whether a model of that name would be seen if there were one.
async fn sees(world: &World, model: &ModelName) -> Result<bool, Failure> {
    match Registry(world.workspace.as_ref()).model(model).await {
        Ok(Some(_)) => return Ok(true),
        Ok(None) => {}
        Err(failure) if is_denied(&failure) => return Ok(false),
        Err(failure) => return Err(failure),
    }
    let me = Holder::me(world).await?;
    for right in Right::to_reach(model) {
        let collection = if right.securable == Securable::Catalog { "catalogs" } else { "schemas" };
        let request = Request::get(format!("/api/2.1/unity-catalog/{collection}/{}", right.name));
        match world.workspace.call(request).await {
            Ok(_) => {}
            // Whoever may use the catalog is told of a schema that it may not use.
            Err(error) if error.is_not_found() => return Ok(right.securable == Securable::Schema),
            Err(error) if error.status() == Some(403) => return Ok(false),
            Err(error) => return Err(error.into_failure(format!("read {}", right.name))),
        }
        match me.lacks(world, std::slice::from_ref(&right)).await {
            Ok(lacks) if lacks.is_empty() => {}
            Ok(_) => return Ok(false),
            Err(failure) if is_denied(&failure) => return Ok(false),
            Err(failure) => return Err(failure),
        }
    }
    Ok(true)
}

fn is_denied(failure: &Failure) -> bool {
    failure.reason == Reason::PermissionDenied
}

async fn unseen(world: &World, model: &ModelName, alias: &Alias) -> Result<Failure, Failure> {
    let me = Holder::me(world).await?.principal;
    let message = format!("find who serves as `{alias}` of {model}: {me} may not see whether there is one");
    let grants: Vec<String> =
        Right::to_read(model).iter().map(|right| format!("\n  {};", right.grant_to(&me))).collect();
    let hint = format!(
        "a candidate is compared with whoever serves; let an owner of these things run, the last two as soon as there is \
         such a schema and such a model{}",
        grants.concat()
    );
    Ok(Failure::new(Reason::GrantMissing, message).hint(hint))
}
