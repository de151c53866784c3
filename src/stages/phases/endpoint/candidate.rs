//! The candidate beside what serves: without traffic, tried by its own address.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Part, arrived, before, original};
use crate::domain::endpoint::Serving;
use crate::domain::{Failure, fact};
use crate::policy::Verdict;
use crate::policy::candidate_answers::{self, Trial};
use crate::ports::World;
use crate::saga::{Begun, Graph};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::input_example;
use crate::steps::serve::{ask, endpoint};

/// Beside what serves, at 0 %. Entities that an earlier promotion left without traffic make place for it.
pub(super) struct Candidate(pub(super) Part);

#[async_trait]
impl Phase for Candidate {
    fn name(&self) -> &str {
        "candidate"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let (model, version) = self.0.version(begun)?;
        let now = endpoint::read(&at.world, &self.0.serve.endpoint).await?;
        let serving = now.as_ref().map(|now| now.serving.clone()).unwrap_or_default();
        let candidate = serving.candidate(&model, version, &self.0.serve.settings);
        let serves_all = serving.gives_all_to(&candidate);
        let wanted = match serving.entities.as_slice() {
            // There is no endpoint, or one whose first build failed.
            [] => Serving::alone(candidate.clone()),
            _ => serving.clone().trimmed().with(candidate.clone()),
        };
        if original(begun).is_some() && serving.is(&wanted) {
            // The run that is carried on was interrupted while this was built.
            return Ok(Decision::default());
        }
        let facts =
            vec![(fact::ENDPOINT, json!({"name": self.0.serve.endpoint, "was": now.map(|e| e.serving.words())}))];
        if serves_all {
            // An earlier run came as far as this: what still lies beside it is its way back.
            return Ok(Decision { facts, ..Decision::default() });
        }
        let step = self.0.step(at, "candidate".to_owned(), wanted, candidate.name(), None);
        Ok(Decision { facts, changes: Graph::new().then(Arc::new(step)), ..Decision::default() })
    }
}

pub(super) struct Try(pub(super) Part);

#[async_trait]
impl Phase for Try {
    fn name(&self) -> &str {
        "try"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        if let Some(refused) = arrived(begun).filter(|arrived| !arrived.passed()) {
            return Ok(Decision { verdicts: vec![refused], ..Decision::default() });
        }
        let requests = requests(&self.0, at, begun).await?;
        let mut verdicts = Vec::from_iter(arrived(begun));
        verdicts.push(try_out(&self.0, at, begun, &requests, 0).await?);
        Ok(Decision { verdicts, ..Decision::default() })
    }
}

/// What a candidate is tried with: what is configured, and its own input example.
pub(super) async fn requests(part: &Part, at: &Context, begun: &[Begun]) -> Result<Vec<Value>, Failure> {
    let (model, version) = part.version(begun)?;
    let mut requests = part.serve.requests.clone();
    requests.extend(input_example::request(&at.world, &model, version).await?);
    Ok(requests)
}

/// Asks candidate and champion the same, each by its own address.
pub(super) async fn try_out(
    part: &Part,
    at: &Context,
    begun: &[Begun],
    requests: &[Value],
    percent: u64,
) -> Result<Verdict, Failure> {
    let candidate = part.candidate(at, begun).await?;
    let champion = before(begun).and_then(|was| was.champion().map(|e| e.name().to_owned()));
    let mut trials = Vec::new();
    for request in requests {
        trials.push(trial(&at.world, &part.serve.endpoint, &candidate, champion.as_deref(), request).await);
    }
    Ok(candidate_answers::verdict(&candidate, percent, &trials, part.serve.limits))
}

async fn trial(world: &World, endpoint: &str, candidate: &str, champion: Option<&str>, request: &Value) -> Trial {
    let answer = ask::entity(world, endpoint, candidate, request).await;
    let champion = match champion.filter(|champion| *champion != candidate) {
        Some(champion) => Some(ask::entity(world, endpoint, champion, request).await.result),
        None => None,
    };
    Trial { candidate: answer.result, candidate_took: answer.elapsed, champion, rows: input_example::rows(request) }
}
