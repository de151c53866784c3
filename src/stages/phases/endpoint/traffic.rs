//! More and more traffic for the candidate, watched at each step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::candidate::{requests, try_out};
use super::{Part, arrived, before, original};
use crate::domain::endpoint::Entity;
use crate::domain::{Failure, Reason};
use crate::policy::Verdict;
use crate::policy::canary_is_well::{self, Beside, Seen};
use crate::saga::{Begun, Graph};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::serve::endpoint;
use crate::steps::serve::metrics::{Counted, Tally};

pub(super) struct Share {
    pub part: Part,
    pub percent: u64,
    pub name: String,
}

#[async_trait]
impl Phase for Share {
    fn name(&self) -> &str {
        &self.name
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let candidate = self.part.candidate(at, begun).await?;
        let now = endpoint::read(&at.world, &self.part.serve.endpoint).await?.ok_or_else(|| self.part.gone())?;
        let before = before(begun).map(|was| was.traffic).unwrap_or_default();
        let wanted = now.serving.clone().giving(&candidate, self.percent, &before);
        if now.serving.is(&wanted) {
            // A first version has everything from the beginning.
            return Ok(Decision::default());
        }
        let step = self.part.step(at, format!("{} %", self.percent), wanted, &candidate, original(begun));
        Ok(Decision { changes: Graph::new().then(Arc::new(step)), ..Decision::default() })
    }
}

pub(super) struct Bake {
    pub part: Part,
    pub percent: u64,
    pub name: String,
}

/// Who is watched.
struct Watched<'a> {
    candidate: &'a str,
    /// What got most before.
    champion: Option<&'a str>,
    entities: Vec<String>,
    /// Our own requests, which prove nothing about those of others.
    ours: u64,
}

impl Bake {
    /// Often enough that no minute of the metrics is missed.
    const LOOK: Duration = Duration::from_secs(20);

    async fn watched(&self, at: &Context, who: &Watched<'_>) -> Result<Seen, Failure> {
        let serve = &self.part.serve;
        let mut tally = Tally::new(&serve.endpoint, who.entities.clone(), serve.limits.latency);
        let started = at.world.clock.now();
        loop {
            let waited = at.world.clock.now().duration_since(started).unsigned_abs();
            tally.look(&at.world, waited).await?;
            let seen = self.seen(&tally, who, waited);
            let verdict = canary_is_well::verdict(who.candidate, seen, serve.demands);
            let bad = verdict.answer.is_err_and(|failure| failure.reason == Reason::CanaryFailed);
            let judged = seen.asked() >= serve.demands.requests.max(1);
            if waited >= serve.bake || (bad && judged) {
                return Ok(seen);
            }
            if at.options.stop.requested() {
                let message = format!("stopped while `{}` was watched", who.candidate);
                return Err(Failure::new(Reason::Cancelled, message));
            }
            at.world.clock.sleep(Self::LOOK.min(serve.bake - waited)).await;
        }
    }

    fn seen(&self, tally: &Tally, who: &Watched<'_>, waited: Duration) -> Seen {
        let apart = tally.tells_apart();
        let counted = tally.since(apart.then_some(who.candidate));
        // What has no traffic any more had some in the minute before; so had everything where nobody tells them apart.
        let champion = match who.champion {
            Some(name) if apart => tally.throughout(name),
            None if apart => Counted::default(),
            _ => tally.before(None),
        };
        Seen {
            percent: self.percent,
            seconds: waited.as_secs(),
            requests: counted.requests.saturating_sub(who.ours),
            failed: counted.server_errors,
            client_errors: counted.client_errors,
            slow: counted.slow,
            beside: Beside { requests: champion.requests, client_errors: champion.client_errors },
            of_everything: !apart,
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
        let Some(was) = before(begun) else {
            // Nothing else serves: whoever asks, asks the candidate, and there is nothing to go back to.
            return Ok(Decision::default());
        };
        let candidate = self.part.candidate(at, begun).await?;
        let requests = requests(&self.part, at, begun).await?;
        let mut verdicts = Vec::new();
        if !requests.is_empty() {
            verdicts.push(try_out(&self.part, at, begun, &requests, self.percent).await?);
        }
        if verdicts.iter().all(Verdict::passed) {
            let mut entities: Vec<String> = was.entities.iter().map(|entity| entity.name().to_owned()).collect();
            entities.push(candidate.clone());
            let champion = was.champion().map(Entity::name).filter(|champion| *champion != candidate);
            let ours = u64::try_from(requests.len()).unwrap_or(u64::MAX);
            let who = Watched { candidate: &candidate, champion, entities, ours };
            let seen = self.watched(at, &who).await?;
            verdicts.push(canary_is_well::verdict(&candidate, seen, self.part.serve.demands));
        }
        Ok(Decision { verdicts, ..Decision::default() })
    }
}
