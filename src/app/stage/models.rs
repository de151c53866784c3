//! The models of a release: what each target calls them, and which of them an environment trains.

use serde_json::Value;

use crate::domain::release::Manifest;
use crate::domain::{Alias, Failure, ModelName, Reason};
use crate::inputs::Config;
use crate::inputs::config::{Environment, Train, VersionFrom};
use crate::stages::gate;
use crate::stages::train::Trained;
use crate::steps::model::find_version::Way;

/// The environment that models are promoted to: the champion that counts is there.
const PROMOTED_TO: &str = "prod";

/// What `environment` trains of the models that `mlops-deploy.yml` names.
pub fn trained_in(
    config: &Config,
    environment: &Environment,
    target: &str,
    manifest: &Manifest,
) -> Result<Vec<Trained>, Failure> {
    let here = manifest.targets.get(target).unwrap_or(&Value::Null);
    let there = config.environments.get(PROMOTED_TO).and_then(|to| manifest.targets.get(&to.target));
    let mut found = Vec::new();
    for (key, model) in &config.models {
        let Some(train) = model.train.as_ref().filter(|train| train.environment() == environment.name) else {
            continue;
        };
        let name = name_in(here, key)?;
        let rivals = there.and_then(|there| name_in(there, key).ok()).into_iter().chain([name.clone()]);
        found.push(Trained {
            key: key.clone(),
            way: way(key, train)?,
            validate: model.validations(),
            demands: gate::demands(model),
            rivals: rivals.collect(),
            alias: alias(&format!("models.{key}.alias"), model.alias())?,
            train: train.clone(),
            model: name,
        });
    }
    Ok(found)
}

fn way(key: &str, train: &Train) -> Result<Way, Failure> {
    Ok(match &train.version_from {
        Some(VersionFrom { alias: Some(name), .. }) => {
            Way::Alias(alias(&format!("models.{key}.train.version_from.alias"), name)?)
        }
        Some(VersionFrom { task: Some(task), .. }) => Way::Task(task.clone()),
        _ => Way::Run,
    })
}

fn alias(at: &str, name: &str) -> Result<Alias, Failure> {
    Alias::parse(name).map_err(|why| Failure::new(Reason::InvalidConfig, format!("read `{at}`: an alias {why}")))
}

/// A model's name as the target spells it.
pub fn name_in(target: &Value, key: &str) -> Result<ModelName, Failure> {
    let model = &target["resources"]["registered_models"][key];
    let part = |field: &str| looked_up(target, model[field].as_str().unwrap_or_default(), 4);
    let unknown = |why: String| {
        Failure::new(Reason::UnknownModel, format!("find out what model `{key}` is called: {why}"))
            .hint("`models` names keys under `resources.registered_models` of the bundle")
    };
    if !model.is_object() {
        return Err(unknown("the bundle has no such registered model".to_owned()));
    }
    ModelName::new(part("catalog_name"), part("schema_name"), part("name"))
        .map_err(|why| unknown(format!("its name {why}")))
}

/// A text whose whole is a reference to a field of another resource is that field.
fn looked_up(target: &Value, text: &str, deep: usize) -> String {
    let reference = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let found = reference
        .filter(|_| deep > 0)
        .and_then(|path| path.split('.').try_fold(target, |at, step| at.get(step)).and_then(Value::as_str));
    found.map_or_else(|| text.to_owned(), |found| looked_up(target, found, deep - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_that_refers_to_the_schema_is_looked_up() {
        let target = json!({"resources": {
            "schemas": {"models": {"name": "ml", "catalog_name": "prod"}},
            "registered_models": {"churn": {"name": "churn", "catalog_name": "${resources.schemas.models.catalog_name}",
                                            "schema_name": "${resources.schemas.models.name}"}}}});
        assert_eq!(name_in(&target, "churn").unwrap().to_string(), "prod.ml.churn");
        assert_eq!(name_in(&target, "other").unwrap_err().reason, Reason::UnknownModel);
    }
}
