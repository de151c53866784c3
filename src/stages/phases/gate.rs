//! Phases `gate` and `tag`: a trained version is judged by what was measured of it, and one that passed says so itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::jobs;
use super::train;
use crate::domain::fact::{self, Rival, Tested};
use crate::domain::{Failure, Purpose, Reason};
use crate::inputs::config::{Dataset, Model};
use crate::policy::Verdict;
use crate::policy::gate::{self, Champion, Comparison, Demand, Score, Scores};
use crate::ports::World;
use crate::saga::{Begun, Graph};
use crate::stages::assignment::{Assignment, Trained};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::champion;
use crate::steps::model::measured::{Measured, measured};
use crate::steps::model::tag_version::{self, TagVersion};
use crate::steps::model::{Registry, Version};

pub struct Gate(pub Arc<Assignment>);

#[async_trait]
impl Phase for Gate {
    fn name(&self) -> &str {
        "gate"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let asked = &self.0;
        let mut verdicts = jobs::verdicts(begun, Purpose::Validation);
        if verdicts.iter().any(|verdict| !verdict.passed()) {
            return Ok(Decision { verdicts, ..Decision::default() });
        }
        let mut lines = Vec::new();
        let mut tested = train::made(at);
        for (model, made) in train::versions(asked, at)? {
            let version = Registry(at.world.workspace.as_ref()).version(&made.model, made.version).await?;
            let version = version.ok_or_else(|| {
                let message = format!("judge version {} of `{}`: it is gone", made.version, made.model);
                Failure::new(Reason::NotFound, message).hint("somebody deleted the version; train again")
            })?;
            let candidate = scores(&at.world, &version, model).await?;
            let (champion, rival) = champion(&at.world, model, asked.bootstrap).await?;
            for tested in tested.iter_mut().filter(|tested| tested.key == model.key) {
                tested.champion = Some(rival.clone());
            }
            let (judged, told) = gate::verdicts(&model.key, &model.demands, &candidate, &champion);
            verdicts.extend(judged);
            lines.extend(told);
        }
        let mut facts = vec![(fact::GATE, json!(lines))];
        if verdicts.iter().all(Verdict::passed) {
            facts.push((fact::TESTED, json!(tested)));
        }
        Ok(Decision { facts, verdicts, ..Decision::default() })
    }
}

pub struct Tag(pub Arc<Assignment>);

#[async_trait]
impl Phase for Tag {
    fn name(&self) -> &str {
        "tag"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let asked = &self.0;
        let release = train::release(asked)?;
        let run = asked.occasion.run_url().unwrap_or_default();
        let tags = tag_version::of_gate(&release.id.to_string(), &release.commit, &run);
        let mut changes = Graph::new();
        // One that was judged before has brought its tags along.
        for (_, Tested { model, version, .. }) in train::versions(asked, at)? {
            changes = changes.then(Arc::new(TagVersion { model, version, tags: tags.clone() }));
        }
        Ok(Decision { changes, ..Decision::default() })
    }
}

/// Whom a version of the model is compared with.
pub async fn champion(world: &World, model: &Trained, bootstrap: bool) -> Result<(Champion, Rival), Failure> {
    let Some(version) = champion::standing(world, &model.rivals, &model.alias).await? else {
        return Ok((if bootstrap { Champion::First } else { Champion::Nobody }, Rival::None));
    };
    let who = format!("version {} of {}", version.version, version.model);
    let champion = Champion::Is(who, scores(world, &version, model).await?);
    Ok((champion, Rival::Is { model: version.model, version: version.version }))
}

/// Whether every version that a record says passed was compared with whoever serves now, or serves now itself.
pub async fn still_stands(world: &World, asked: &Assignment, tested: &[Tested]) -> Result<bool, Failure> {
    for model in &asked.models {
        let Some(tested) = tested.iter().find(|tested| tested.key == model.key) else { return Ok(false) };
        let now = champion::standing(world, &model.rivals, &model.alias).await?;
        let known = match (&tested.champion, &now) {
            (None, _) | (Some(Rival::None), None) => true,
            (Some(Rival::Is { model, version }), Some(now)) => (model, *version) == (&now.model, now.version),
            _ => false,
        };
        let itself = async |now: &Version| champion::stems_from(world, now, (&tested.model, tested.version)).await;
        let serves = match &now {
            Some(now) if !known => itself(now).await?,
            _ => known,
        };
        let registry = Registry(world.workspace.as_ref());
        let tags = registry.version_tags(&tested.model, tested.version).await?.unwrap_or_default();
        if !serves || tags.get(tag_version::GATE).is_none_or(|gate| gate != tag_version::PASSED) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn scores(world: &World, version: &Version, model: &Trained) -> Result<Scores, Failure> {
    let wanted: Vec<&str> = model.demands.keys().map(String::as_str).collect();
    let measured = measured(world, version, &wanted).await?.into_iter();
    Ok(measured
        .map(|(name, Measured { value, contradicted_by, dataset })| (name, Score { value, contradicted_by, dataset }))
        .collect())
}

/// What `mlops-deploy.yml` demands, by metric; each slice is a metric of its own, `<metric>/<slice>`.
pub fn demands(model: &Model) -> BTreeMap<String, Demand> {
    let mut demands = BTreeMap::new();
    for (metric, rule) in &model.gate {
        let demand = Demand {
            at_least: rule.at_least,
            at_most: rule.at_most,
            higher_is_better: rule.higher_is_better(),
            champion: Comparison {
                not_worse_by: rule.not_worse_than_champion_by,
                not_worse_by_relative: rule.not_worse_than_champion_by_relative,
                better_by: rule.better_than_champion_by,
                better_by_relative: rule.better_than_champion_by_relative,
            },
            same_dataset: rule.dataset != Some(Dataset::Any),
        };
        let slices = rule.slices.iter().map(|slice| format!("{metric}/{slice}"));
        demands.extend(std::iter::once(metric.clone()).chain(slices).map(|metric| (metric, demand)));
    }
    demands
}
