//! Phase `watch`: what a promotion promised about the time it took, and about what serves now.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::copy::copied;
use super::record::fact;
use crate::domain::fact::{self, CarriedOn};
use crate::domain::{Failure, Reason};
use crate::policy::{Verdict, may_promote};
use crate::ports::engine::Engine;
use crate::saga::Begun;
use crate::stages::assignment::{Assignment, Promotion};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::runs_since::runs_since;
use crate::steps::serve::endpoint;

pub struct Watch {
    pub promotions: Vec<Arc<Promotion>>,
    pub assignment: Arc<Assignment>,
    pub engine: Arc<dyn Engine>,
}

#[async_trait]
impl Phase for Watch {
    fn name(&self) -> &str {
        "watch"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let mut verdicts = vec![self.nothing_trained(at).await?];
        for promotion in &self.promotions {
            verdicts.extend(serves(promotion, at, begun).await?);
        }
        Ok(Decision { verdicts, ..Decision::default() })
    }
}

impl Watch {
    async fn nothing_trained(&self, at: &Context) -> Result<Verdict, Failure> {
        let asked = &self.assignment;
        let entries = at.journal.entries();
        let own = entries.first().map(|entry| entry.at.clone());
        // A promotion that is carried on began with the first of its runs.
        let began = fact::<CarriedOn>(&entries, fact::CARRIED_ON).map(|all| all.since).or(own);
        let began = began.and_then(|at| at.parse::<Timestamp>().ok());
        let since = began.unwrap_or_else(|| at.world.clock.now());
        let plan = self.engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let mut found = Vec::new();
        let training: BTreeSet<&String> = self.promotions.iter().flat_map(|p| &p.training).collect();
        for key in &training {
            let live = &plan.document["plan"][format!("resources.jobs.{key}")]["remote_state"]["job_id"];
            let Some(id) = live.as_i64().or_else(|| live.as_str()?.parse().ok()) else { continue };
            found.extend(runs_since(&at.world, id, since).await?.into_iter().map(|url| ((*key).clone(), url)));
        }
        Ok(may_promote::nothing_trained(training.len(), &found))
    }
}

/// The endpoint gives the promoted version everything.
async fn serves(promotion: &Promotion, at: &Context, begun: &[Begun]) -> Result<Option<Verdict>, Failure> {
    const RULE: &str = "serves-it";
    let (Some(serve), Some((model, version))) = (&promotion.serve, copied(promotion, begun)) else {
        return Ok(None);
    };
    let now = endpoint::read(&at.world, &serve.endpoint).await?;
    let serving = now.map(|now| now.serving).unwrap_or_default();
    let words = serving.words();
    let served = serving.entity_of(&model, version);
    let everything = served.is_some_and(|entity| serving.traffic.get(entity.name()) == Some(&100));
    if everything {
        return Ok(Some(Verdict::yes(RULE, format!("endpoint `{}` serves {words}", serve.endpoint))));
    }
    let message =
        format!("end with version {version} of {model} serving: endpoint `{}` serves {words}", serve.endpoint);
    let failure = Failure::new(Reason::EndpointChanged, message);
    Ok(Some(Verdict::no(RULE, failure.hint("somebody else updates this endpoint; a bundle that has it, perhaps"))))
}
