//! Phases that bring a model version to its serving endpoint: as a candidate without traffic, tried by its own address,
//! then step by step, watched at each one.
//!
//! A bad sign at any of them ends the stage, and what was there before the first is restored by one update.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::domain::endpoint::{Entity, Serving};
use crate::domain::{Failure, ModelName, ModelVersion, Reason, fact};
use crate::policy::canary_is_well::{self, Demands, Seen};
use crate::policy::candidate_answers::{self, Limits, Trial};
use crate::policy::{Verdict, endpoint_serves};
use crate::ports::World;
use crate::saga::{Begun, Event, Graph};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::input_example;
use crate::steps::serve::set_endpoint::{self, SetEndpoint};
use crate::steps::serve::{ask, endpoint};

/// How a model is served.
#[derive(Clone, Debug)]
pub struct Serve {
    pub endpoint: String,
    /// Size and the like, as the API spells them.
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

struct Part {
    serve: Serve,
    promoted: Promoted,
}

impl Part {
    fn version(&self, begun: &[Begun]) -> Result<(ModelName, ModelVersion), Failure> {
        let none = || Failure::new(Reason::Internal, "serve a model version: none was promoted before");
        (self.promoted)(begun).ok_or_else(none)
    }

    fn candidate(&self, begun: &[Begun]) -> Result<Entity, Failure> {
        let (model, version) = self.version(begun)?;
        let name = entity_name(&model, version);
        Ok(Entity::of_model(&name, &model, version, self.serve.settings.clone()))
    }

    fn step(
        &self,
        at: &Context,
        step: String,
        wanted: Serving,
        candidate: &Entity,
        original: Option<Value>,
    ) -> SetEndpoint {
        SetEndpoint {
            name: self.serve.endpoint.clone(),
            step,
            wanted,
            candidate: candidate.name().to_owned(),
            original,
            limit: self.serve.build,
            stop: Some(at.options.stop.clone()),
        }
    }
}

/// Letters, digits, `_` and `-` are what a name may have.
pub fn entity_name(model: &ModelName, version: ModelVersion) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    format!("{}-v{version}", model.name.chars().map(fits).collect::<String>())
}

/// What the endpoint was before this run's first step; null where there was none.
fn original(begun: &[Begun]) -> Option<Value> {
    let first = begun.iter().find(|b| b.spec.verb == set_endpoint::VERB)?;
    Some(first.receipt.0["original"].clone())
}

fn before(begun: &[Begun]) -> Option<Serving> {
    serde_json::from_value(original(begun)?).ok()
}

/// What the last update of the endpoint came to; nothing where none was needed.
fn arrived(begun: &[Begun]) -> Option<Verdict> {
    let last = begun.iter().rev().find(|b| b.spec.verb == set_endpoint::VERB)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meant = serde_json::from_value::<Serving>(last.spec.args["wanted"].clone()).ok()?;
    let outcome = last.outcome.as_ref().map(|outcome| &outcome.0).unwrap_or(&Value::Null);
    Some(endpoint_serves::verdict(&endpoint_serves::Ended {
        endpoint: text(&last.spec.args["endpoint"]),
        step: text(&last.spec.args["step"]),
        meant: meant.words(),
        update: text(&outcome["update"]),
        serves: text(&outcome["serves"]),
        log: text(&outcome["log"]),
    }))
}

/// Beside what serves, at 0 %. Entities that an earlier promotion left without traffic make place for it.
struct Candidate(Part);

#[async_trait]
impl Phase for Candidate {
    fn name(&self) -> &str {
        "candidate"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let candidate = self.0.candidate(begun)?;
        let now = endpoint::read(&at.world, &self.0.serve.endpoint).await?;
        let wanted = match &now {
            Some(now) => now.serving.clone().trimmed().with(candidate.clone()),
            None => Serving::alone(candidate.clone()),
        };
        let serves_all = now.as_ref().is_some_and(|now| now.serving.gives_all_to(&candidate));
        let facts =
            vec![(fact::ENDPOINT, json!({"name": self.0.serve.endpoint, "was": now.map(|e| e.serving.words())}))];
        if serves_all {
            // An earlier run came as far as this: what still lies beside it is its way back.
            return Ok(Decision { facts, ..Decision::default() });
        }
        let step = self.0.step(at, "candidate".to_owned(), wanted, &candidate, None);
        Ok(Decision { facts, changes: Graph::new().then(Arc::new(step)), ..Decision::default() })
    }
}

struct Try(Part);

#[async_trait]
impl Phase for Try {
    fn name(&self) -> &str {
        "try"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        if let Some(refused) = arrived(begun).filter(|arrived| !arrived.passed()) {
            return Ok(Decision { verdicts: vec![refused], ..Decision::default() });
        }
        let (model, version) = self.0.version(begun)?;
        let candidate = entity_name(&model, version);
        let champion = before(begun).and_then(|was| was.champion().map(|e| e.name().to_owned()));
        let mut requests = self.0.serve.requests.clone();
        match input_example::request(&at.world, &model, version).await {
            Ok(example) => requests.extend(example),
            Err(failure) => {
                let message = format!("the model's own input example could not be tried: {failure}");
                at.journal.record(Event::Notice { message }).await?;
            }
        }
        if requests.is_empty() {
            let message = format!(
                "{model} brings no input example, and `serve.requests` names none: the candidate was not tried"
            );
            at.journal.record(Event::Notice { message }).await?;
        }
        let mut trials = Vec::new();
        for request in &requests {
            trials.push(trial(&at.world, &self.0.serve.endpoint, &candidate, champion.as_deref(), request).await);
        }
        let mut verdicts = Vec::from_iter(arrived(begun));
        verdicts.push(candidate_answers::verdict(&candidate, &trials, self.0.serve.limits));
        Ok(Decision { verdicts, ..Decision::default() })
    }
}

async fn trial(world: &World, endpoint: &str, candidate: &str, champion: Option<&str>, request: &Value) -> Trial {
    let answer = ask::entity(world, endpoint, candidate, request).await;
    let champion = match champion.filter(|champion| *champion != candidate) {
        Some(champion) => Some(ask::entity(world, endpoint, champion, request).await.result),
        None => None,
    };
    Trial { candidate: answer.result, candidate_took: answer.elapsed, champion, rows: input_example::rows(request) }
}

struct Share {
    part: Part,
    percent: u64,
    name: String,
}

#[async_trait]
impl Phase for Share {
    fn name(&self) -> &str {
        &self.name
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let candidate = self.part.candidate(begun)?;
        let Some(now) = endpoint::read(&at.world, &self.part.serve.endpoint).await? else {
            let message = format!("share out the traffic of endpoint `{}`: it is gone", self.part.serve.endpoint);
            return Err(Failure::new(Reason::EndpointChanged, message).hint("somebody deleted it meanwhile"));
        };
        let before = before(begun).map(|was| was.traffic).unwrap_or_default();
        let wanted = now.serving.clone().giving(candidate.name(), self.percent, &before);
        if now.serving.is(&wanted) {
            // A first version has everything from the beginning.
            return Ok(Decision::default());
        }
        let step = self.part.step(at, format!("{} %", self.percent), wanted, &candidate, original(begun));
        Ok(Decision { changes: Graph::new().then(Arc::new(step)), ..Decision::default() })
    }
}

struct Bake {
    part: Part,
    percent: u64,
    name: String,
}

impl Bake {
    const LOOK: Duration = Duration::from_secs(10);

    async fn watched(&self, at: &Context, candidate: &str) -> Result<Seen, Failure> {
        let Serve { endpoint, bake, demands, .. } = &self.part.serve;
        let first = ask::counted(&at.world, endpoint, candidate).await?;
        let started = at.world.clock.now();
        loop {
            let waited = at.world.clock.now().duration_since(started).unsigned_abs();
            let counted = ask::counted(&at.world, endpoint, candidate).await?.since(first);
            let seen = Seen {
                percent: self.percent,
                seconds: waited.as_secs(),
                requests: counted.requests,
                failed: counted.server_errors,
            };
            let bad = counted.server_errors > 0 && !canary_is_well::verdict(candidate, seen, *demands).passed();
            let judged = counted.requests >= demands.requests.max(1);
            if waited >= *bake || (bad && judged) {
                return Ok(seen);
            }
            if at.options.stop.requested() {
                return Err(Failure::new(Reason::Cancelled, format!("stopped while `{candidate}` was watched")));
            }
            at.world.clock.sleep(Self::LOOK.min(*bake - waited)).await;
        }
    }
}

#[async_trait]
impl Phase for Bake {
    fn name(&self) -> &str {
        &self.name
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        if let Some(refused) = arrived(begun).filter(|arrived| !arrived.passed()) {
            return Ok(Decision { verdicts: vec![refused], ..Decision::default() });
        }
        if before(begun).is_none() {
            // Nothing else serves: whoever asks, asks the candidate, and there is nothing to go back to.
            return Ok(Decision::default());
        }
        let (model, version) = self.part.version(begun)?;
        let candidate = entity_name(&model, version);
        let seen = self.watched(at, &candidate).await?;
        let verdicts = vec![canary_is_well::verdict(&candidate, seen, self.part.serve.demands)];
        Ok(Decision { verdicts, ..Decision::default() })
    }
}
