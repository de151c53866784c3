//! Phases that bring a model version to its serving endpoint: as a candidate without traffic, tried by its own address,
//! then step by step, watched at each one.
//!
//! A bad sign at any of them ends the stage, and what was there before the first is restored by one update.

mod candidate;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use self::candidate::{Candidate, Try};
use self::traffic::{Bake, Share};
use crate::domain::endpoint::Serving;
use crate::domain::{Digest, Failure, ModelName, ModelVersion, Reason, canonical};
use crate::policy::canary_is_well::Demands;
use crate::policy::candidate_answers::Limits;
use crate::policy::{Verdict, endpoint_serves};
use crate::saga::Begun;
use crate::stages::phase::{Context, Phase};
use crate::steps::serve::endpoint;
use crate::steps::serve::set_endpoint::{self, SetEndpoint, Wanted};

/// How a model is served.
#[derive(Clone, Debug, Serialize)]
pub struct Serve {
    pub endpoint: String,
    /// Size and the like, as far as they are configured, as the API spells them.
    pub settings: Map<String, Value>,
    /// Percent, ending with 100.
    pub traffic: Vec<u64>,
    pub bake: Duration,
    pub demands: Demands,
    pub limits: Limits,
    /// Bodies to try a candidate with, beside its own input example.
    pub requests: Vec<Value>,
    /// How long the workspace may build.
    pub build: Duration,
}

/// Finds out which version is to be served: what an earlier phase made.
pub type Promoted = Arc<dyn Fn(&[Begun]) -> Option<(ModelName, ModelVersion)> + Send + Sync>;

pub fn phases(serve: &Serve, promoted: &Promoted) -> Vec<Box<dyn Phase>> {
    let part = || Part { serve: serve.clone(), promoted: Arc::clone(promoted) };
    let mut phases: Vec<Box<dyn Phase>> = vec![Box::new(Candidate(part())), Box::new(Try(part()))];
    for percent in &serve.traffic {
        phases.push(Box::new(Share { part: part(), percent: *percent, name: format!("traffic-{percent}") }));
        phases.push(Box::new(Bake { part: part(), percent: *percent, name: format!("bake-{percent}") }));
    }
    phases
}

impl Serve {
    /// Of everything that is configured: two that are equal serve alike, watch alike and ask alike.
    pub fn digest(&self) -> Digest {
        Digest::of(&canonical::bytes(self))
    }
}

struct Part {
    serve: Serve,
    promoted: Promoted,
}

impl Part {
    fn version(&self, begun: &[Begun]) -> Result<(ModelName, ModelVersion), Failure> {
        let none = || Failure::new(Reason::Internal, "serve a model version: none was promoted before");
        (self.promoted)(begun).ok_or_else(none)
    }

    /// The name of the entity that is promoted: what this run gave it, or what it is served as already.
    async fn candidate(&self, at: &Context, begun: &[Begun]) -> Result<String, Failure> {
        if let Some(last) = begun.iter().rev().find(|b| b.spec.verb == set_endpoint::VERB) {
            return Ok(last.spec.args["candidate"].as_str().unwrap_or_default().to_owned());
        }
        let (model, version) = self.version(begun)?;
        let now = endpoint::read(&at.world, &self.serve.endpoint).await?.ok_or_else(|| self.gone())?;
        let served = now.serving.entity_of(&model, version).map(|entity| entity.name().to_owned());
        served.ok_or_else(|| self.gone())
    }

    fn gone(&self) -> Failure {
        let message = format!("share out the traffic of endpoint `{}`: it is gone", self.serve.endpoint);
        Failure::new(Reason::EndpointChanged, message).hint("somebody deleted it meanwhile")
    }

    fn step(
        &self,
        at: &Context,
        step: String,
        wanted: Serving,
        candidate: &str,
        original: Option<Value>,
    ) -> SetEndpoint {
        SetEndpoint {
            name: self.serve.endpoint.clone(),
            step,
            wanted: Wanted::Whole(wanted),
            candidate: candidate.to_owned(),
            original,
            limit: self.serve.build,
            stop: Some(at.options.stop.clone()),
        }
    }
}

/// What the endpoint was before the first step of this run, or of the one that it carries on; null where there was none.
fn original(begun: &[Begun]) -> Option<Value> {
    let first = begun.iter().find(|b| b.spec.verb == set_endpoint::VERB)?;
    Some(first.receipt.0["original"].clone())
}

/// What served before; an endpoint whose first build failed served nothing.
fn before(begun: &[Begun]) -> Option<Serving> {
    let before: Serving = serde_json::from_value(original(begun)?).ok()?;
    Some(before).filter(|before| !before.entities.is_empty())
}

/// What the last update of the endpoint came to; nothing where none was needed.
fn arrived(begun: &[Begun]) -> Option<Verdict> {
    let last = begun.iter().rev().find(|b| b.spec.verb == set_endpoint::VERB)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcome = last.outcome.as_ref().map(|outcome| &outcome.0).unwrap_or(&Value::Null);
    Some(endpoint_serves::verdict(&endpoint_serves::Ended {
        endpoint: text(&last.spec.args["endpoint"]),
        step: text(&last.spec.args["step"]),
        meant: text(&last.spec.args["wanted"]),
        update: text(&outcome["update"]),
        serves: text(&outcome["serves"]),
        log: text(&outcome["log"]),
    }))
}
