//! Which model is promoted, from where to where: read from the release and from the ledger of the stage before.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::model::ModelName;
use crate::domain::{Alias, Failure, Reason, fact};
use crate::inputs::Config;
use crate::inputs::config::{Model, Serve as Asked};
use crate::policy::canary_is_well::Demands;
use crate::policy::candidate_answers::Limits;
use crate::stages::assignment::Assignment;
use crate::stages::endpoint::Serve;
use crate::stages::preflight::Promotion;

/// `target` is the resolved configuration of this stage's target.
pub fn promotion(
    config: &Config,
    wanted: Option<&str>,
    assignment: &Assignment,
    target: &Value,
) -> Result<Arc<Promotion>, Failure> {
    let (key, model) = chosen(config, wanted)?;
    let tested = assignment.tested.iter().find(|tested| tested.key == key);
    let Some(tested) = tested else {
        let message =
            format!("promote model `{key}`: staging's record of this release names no version of it that passed");
        return Err(Failure::new(Reason::NotTested, message)
            .hint("run `deploy-staging` with this release first; it trains, tests and records the version"));
    };
    let destination = name_in(target, key)?;
    let alias = Alias::parse(model.alias())
        .map_err(|why| Failure::new(Reason::InvalidConfig, format!("read `models.{key}.alias`: an alias {why}")))?;
    Ok(Arc::new(Promotion {
        key: key.to_owned(),
        source: tested.model.clone(),
        version: tested.version,
        tested: Some(tested.version),
        destination,
        alias,
        serve: model.serve.as_ref().map(serve),
        training: config.training_jobs(),
    }))
}

fn chosen<'c>(config: &'c Config, wanted: Option<&str>) -> Result<(&'c str, &'c Model), Failure> {
    let keys: Vec<String> = config.models.keys().map(|key| format!("`{key}`")).collect();
    let refuse = |message: String, hint: String| Err(Failure::new(Reason::UnknownModel, message).hint(hint));
    match wanted {
        Some(wanted) => match config.models.get_key_value(wanted) {
            Some((key, model)) => Ok((key, model)),
            None => {
                refuse(format!("find model `{wanted}` in {}", config.file), format!("there are {}", keys.join(", ")))
            }
        },
        None => match config.models.iter().next() {
            Some((key, model)) if config.models.len() == 1 => Ok((key, model)),
            Some(_) => refuse(
                "know which model to promote".to_owned(),
                format!("set the input `model` to one of {}", keys.join(", ")),
            ),
            None => refuse(
                format!("know which model to promote: {} names none", config.file),
                "add it under `models`, by its key under `resources.registered_models`".to_owned(),
            ),
        },
    }
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

fn serve(asked: &Asked) -> Serve {
    Serve {
        endpoint: asked.endpoint.clone(),
        settings: asked.settings(),
        traffic: asked.traffic(),
        bake: asked.bake().0,
        demands: Demands {
            requests: asked.requests_at_least().into(),
            failed_percent: asked.errors_at_most(),
            go_on_unproven: asked.goes_on_unproven(),
        },
        limits: Limits { tolerance: asked.tolerance, latency: asked.latency() },
        requests: asked.requests.iter().map(|request| serde_json::json!(request)).collect(),
        build: asked.build().0,
    }
}

/// What the stage before recorded of the models that passed there with a release.
pub fn tested(details: &std::collections::BTreeMap<String, Value>) -> Vec<fact::Tested> {
    details.get(fact::TESTED).and_then(|models| serde_json::from_value(models.clone()).ok()).unwrap_or_default()
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
