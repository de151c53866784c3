//! Phases `gate` and `tag`: a trained version is judged by what was measured of it, and one that passed says so itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::jobs;
use super::train::{self, Trained};
use crate::domain::fact::{self, Tested};
use crate::domain::{Failure, Purpose, Reason};
use crate::inputs::config::{Dataset, Model};
use crate::policy::gate::{self, Champion, Comparison, Demand, Score, Scores};
use crate::ports::World;
use crate::saga::{Begun, Graph};
use crate::stages::assignment::Assignment;
use crate::stages::phase::{Context, Decision, Phase};
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
        for (model, made) in train::versions(asked, at)? {
            let version = Registry(at.world.workspace.as_ref()).version(&made.model, made.version).await?;
            let version = version.ok_or_else(|| {
                let message = format!("judge version {} of `{}`: it is gone", made.version, made.model);
                Failure::new(Reason::NotFound, message).hint("somebody deleted the version; train again")
            })?;
            let candidate = scores(&at.world, &version, model).await?;
            let champion = champion(&at.world, model, asked.bootstrap).await?;
            let (judged, told) = gate::verdicts(&model.key, &model.demands, &candidate, &champion);
            verdicts.extend(judged);
            lines.extend(told);
        }
        Ok(Decision { facts: vec![(fact::GATE, json!(lines))], verdicts, ..Decision::default() })
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
        Ok(Decision { facts: vec![(fact::TESTED, json!(train::made(at)))], changes, ..Decision::default() })
    }
}

/// Whom a version of the model is compared with.
pub async fn champion(world: &World, model: &Trained, bootstrap: bool) -> Result<Champion, Failure> {
    for rival in &model.rivals {
        if let Some(version) = Registry(world.workspace.as_ref()).by_alias(rival, &model.alias).await? {
            let who = format!("version {} of {rival}", version.version);
            return Ok(Champion::Is(who, scores(world, &version, model).await?));
        }
    }
    Ok(if bootstrap { Champion::First } else { Champion::Nobody })
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
