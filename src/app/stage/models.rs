//! The models of a release: what each target calls them, and which of them an environment trains.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::fact::Tested;
use crate::domain::release::Manifest;
use crate::domain::{Alias, Failure, ModelName, Reason};
use crate::inputs::Config;
use crate::inputs::config::{Environment, Model, Train, VersionFrom};
use crate::stages::assignment::{Promotion, Taken, Trained};
use crate::stages::phases::gate;
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
        let name = name_of(model, key, here)?;
        let promoted = there.and_then(|there| name_of(model, key, there).ok()).filter(|promoted| *promoted != name);
        let rivals = promoted.into_iter().chain([name.clone()]);
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

/// What `environment`, which passes models on, takes from the one before: all that were trained there. `tested` is what
/// passed its gate there with this release.
pub fn taken_by(
    config: &Config,
    environment: &Environment,
    before: &str,
    target: &Value,
    tested: &[Tested],
) -> Result<Vec<Taken>, Failure> {
    let trained = |train: &&Train| train.environment() == before;
    let mut found = Vec::new();
    for (key, model) in &config.models {
        if model.train.as_ref().filter(trained).is_none() {
            continue;
        }
        let here = |train: &&Train| train.environment() == environment.name;
        let jobs = config.models.values().filter_map(|model| model.train.as_ref());
        let (kept, other): (Vec<&Train>, Vec<&Train>) = jobs.partition(here);
        let training = other.into_iter().map(|train| &train.job).filter(|job| kept.iter().all(|t| t.job != **job));
        let tested = passed(key, before, tested)?;
        let promotion = Promotion {
            key: key.clone(),
            source: tested.model.clone(),
            version: tested.version,
            champion: tested.champion.clone(),
            destination: name_of(model, key, target)?,
            alias: None,
            serve: None,
            training: training.cloned().collect(),
        };
        found.push(Taken { promotion: Arc::new(promotion), validate: model.validations() });
    }
    Ok(found)
}

/// The version of a model that passed its gate in the environment before.
pub fn passed<'t>(key: &str, before: &str, tested: &'t [Tested]) -> Result<&'t Tested, Failure> {
    tested.iter().find(|tested| tested.key == key).ok_or_else(|| {
        let message = format!(
            "promote model `{key}`: the record that {before} has of this release names no version of it that passed"
        );
        Failure::new(Reason::NotTested, message)
            .hint(format!("run `deploy-{before}` with this release first; it trains, tests and records the version"))
    })
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

/// A model's name: what the target calls it, or what `mlops-deploy.yml` calls the one that all environments share.
pub fn name_of(model: &Model, key: &str, target: &Value) -> Result<ModelName, Failure> {
    let Some(shared) = &model.name else { return name_in(target, key) };
    let at = format!("models.{key}.name");
    let shared = ModelName::parse(shared)
        .map_err(|why| Failure::new(Reason::InvalidConfig, format!("read `{at}`: a model {why}")))?;
    if !target["resources"]["registered_models"][key].is_object() {
        return Ok(shared);
    }
    let made = name_in(target, key)?;
    if made == shared {
        return Ok(shared);
    }
    let message = format!("find out what model `{key}` is called: `{at}` says {shared}, and the bundle makes {made}");
    Err(Failure::new(Reason::UnknownModel, message)
        .hint(format!("take `{at}` out where each environment has a model of its own, or make the two names one")))
}

/// A model's name as the target spells it.
fn name_in(target: &Value, key: &str) -> Result<ModelName, Failure> {
    let model = &target["resources"]["registered_models"][key];
    let part = |field: &str| looked_up(target, model[field].as_str().unwrap_or_default(), 4);
    let unknown = |why: String| {
        Failure::new(Reason::UnknownModel, format!("find out what model `{key}` is called: {why}")).hint(format!(
            "`models` names keys under `resources.registered_models` of the bundle; for a model that is not made by it \
             set `models.{key}.name`"
        ))
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

    #[test]
    fn a_shared_name_stands_where_the_target_makes_no_other() {
        let shared = Model { name: Some("ml.models.churn".into()), ..Model::default() };
        let own = |catalog: &str| {
            let model = json!({"name": "churn", "catalog_name": catalog, "schema_name": "models"});
            json!({"resources": {"registered_models": {"churn": model}}})
        };
        for target in [json!({}), own("ml")] {
            assert_eq!(name_of(&shared, "churn", &target).unwrap().to_string(), "ml.models.churn");
        }
        let failure = name_of(&shared, "churn", &own("prod")).unwrap_err();
        assert!(failure.message.contains("ml.models.churn") && failure.message.contains("prod.models.churn"));
    }
}
