//! Which model is promoted, from where to where: read from the release and from the ledger of the stage before.

use std::sync::Arc;

use serde_json::Value;

use super::models::{name_of, passed};
use crate::domain::{Alias, Failure, Reason};
use crate::inputs::Config;
use crate::inputs::config::{Model, Serve as Asked};
use crate::policy::canary_is_well::Demands;
use crate::policy::candidate_answers::Limits;
use crate::stages::assignment::{Assignment, Promotion};
use crate::stages::phases::endpoint::Serve;

/// `target` is the resolved configuration of this stage's target.
pub fn promotion(
    config: &Config,
    wanted: Option<&str>,
    assignment: &Assignment,
    target: &Value,
) -> Result<Arc<Promotion>, Failure> {
    let (key, model) = chosen(config, wanted)?;
    let tested = passed(key, "staging", &assignment.tested)?;
    let destination = name_of(model, key, target)?;
    let alias = Alias::parse(model.alias())
        .map_err(|why| Failure::new(Reason::InvalidConfig, format!("read `models.{key}.alias`: an alias {why}")))?;
    Ok(Arc::new(Promotion {
        key: key.to_owned(),
        source: tested.model.clone(),
        version: tested.version,
        champion: tested.champion.clone(),
        destination,
        alias: Some(alias),
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
        limits: Limits {
            tolerance: asked.tolerance,
            latency: asked.latency(),
            any_count: !asked.row_by_row(),
            go_on_untried: asked.goes_on_untried(),
        },
        requests: asked.requests.iter().map(|request| serde_json::json!(request)).collect(),
        build: asked.build().0,
    }
}
