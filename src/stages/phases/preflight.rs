//! Phase `preflight` of a promotion: everything that could stop it half way, asked before anything is written.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint::Serve;
use crate::domain::fact::Intent;
use crate::domain::rights::{Right, Securable};
use crate::domain::{Alias, Failure, ModelName, ModelVersion, Reason, fact};
use crate::policy::may_promote::Successor;
use crate::policy::{Verdict, may_promote};
use crate::ports::engine::{Engine, EnginePlan};
use crate::ports::{Request, World};
use crate::saga::Begun;
use crate::stages::assignment::{Assignment, Promotion};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::registry::Registered;
use crate::steps::model::rights::Holder;
use crate::steps::model::{Registry, champion, triggers};
use crate::steps::serve::endpoint;

pub struct Preflight {
    pub promotions: Vec<Arc<Promotion>>,
    pub assignment: Arc<Assignment>,
    pub engine: Arc<dyn Engine>,
}

#[async_trait]
impl Phase for Preflight {
    fn name(&self) -> &str {
        "preflight"
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let asked = &self.assignment;
        let plan = self.engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let mut decision = Decision::default();
        for promotion in &self.promotions {
            let (verdicts, stands_for) = verdicts(&at.world, &plan, promotion, asked).await?;
            decision.verdicts.extend(verdicts);
            // A version that is only passed on is not what the run is about.
            if let Some(alias) = &promotion.alias {
                let Promotion { key, source, version, destination, .. } = promotion.as_ref();
                let promoted = fact::Promotion {
                    key: key.clone(),
                    source: source.clone(),
                    version: *version,
                    destination: destination.clone(),
                    alias: alias.to_string(),
                };
                decision.facts.push((fact::PROMOTION, json!(promoted)));
                decision.facts.push((fact::INTENT, json!(promotion.intent(asked, alias, stands_for))));
            }
        }
        Ok(decision)
    }
}

async fn verdicts(
    world: &World,
    plan: &EnginePlan,
    promotion: &Promotion,
    asked: &Assignment,
) -> Result<(Vec<Verdict>, Option<ModelVersion>), Failure> {
    let Promotion { source, destination, training, .. } = promotion;
    let registry = Registry(world.workspace.as_ref());
    let from = match registry.model(source).await {
        Ok(Some(from)) => from,
        Ok(None) => return Ok((unseen(world, plan, source).await?, None)),
        Err(failure) if failure.reason == Reason::PermissionDenied => {
            return Ok((unseen(world, plan, source).await?, None));
        }
        Err(failure) => return Err(failure),
    };
    let to = registry.model(destination).await?;
    let started = triggers::started_by(world, destination).await?;
    let granted = promotion.granted(world, plan, &from, to.as_ref()).await?;
    // Whoever may not read it is told of the rights alone.
    let (mut verdicts, stands_for) = match granted.passed() {
        true => promotion.was_tested(world, asked).await?,
        false => (Vec::new(), None),
    };
    if promotion.is_shared() {
        verdicts.push(may_promote::is_one_model(source));
    } else {
        let metastore = match &to {
            Some(to) => to.metastore_id.clone(),
            None => metastore(world).await?,
        };
        verdicts.push(may_promote::same_metastore((source, &from.metastore_id), (destination, &metastore)));
    }
    verdicts.extend([
        may_promote::starts_no_training(destination, &started, &names_of(&plan.config, training)),
        may_promote::nothing_trains(&run_by_themselves(&plan.config, training)),
        granted,
    ]);
    if let Some(serve) = &promotion.serve {
        verdicts.extend(free(world, serve).await?);
    }
    Ok((verdicts, stands_for))
}

impl Promotion {
    fn intent(&self, asked: &Assignment, alias: &Alias, stands_for: Option<ModelVersion>) -> Intent {
        Intent {
            release: asked.release.as_ref().map(|release| release.id.to_string()).unwrap_or_default(),
            source: self.source.clone(),
            version: self.version,
            destination: self.destination.clone(),
            alias: alias.clone(),
            stands_for,
            serving: self.serve.as_ref().map(Serve::digest),
        }
    }

    /// What the version says of itself, and whether it replaces the one that it was compared with; and that one.
    async fn was_tested(
        &self,
        world: &World,
        asked: &Assignment,
    ) -> Result<(Vec<Verdict>, Option<ModelVersion>), Failure> {
        let Self { source, version, destination, .. } = self;
        let registry = Registry(world.workspace.as_ref());
        let tags = registry.version_tags(source, *version).await?.unwrap_or_default();
        let release = asked.release.as_ref().map(|release| release.id.to_string()).unwrap_or_default();
        let mut verdicts = vec![may_promote::says_it_passed(source, *version, &tags, &release)];
        let mut stands_for = None;
        if let Some(alias) = &self.alias {
            let now = registry.by_alias(destination, alias).await?;
            let is_itself = match &now {
                Some(now) => champion::stems_from(world, now, (source, *version)).await?,
                None => false,
            };
            let (now, compared) = (now.map(|now| now.version), self.champion.as_ref());
            let successor = Successor { alias, destination, now, is_itself, compared };
            verdicts.push(may_promote::follows_its_champion(&successor, asked.allow_older));
            stands_for = now;
        }
        Ok((verdicts, stands_for))
    }

    /// The principal's rights on both models, and the right of the endpoint's creator to load the new one.
    async fn granted(
        &self,
        world: &World,
        plan: &EnginePlan,
        from: &Registered,
        to: Option<&Registered>,
    ) -> Result<Verdict, Failure> {
        let principal = plan.deployer.as_str();
        let holder = Holder::of(world, principal).await;
        let destination = &self.destination;
        let mut wanted = Vec::from(Right::to_read(&from.name));
        let mut not_owner_of = Vec::new();
        let schema = format!("{}.{}", destination.catalog, destination.schema);
        match to {
            Some(to) => {
                if !self.is_shared() {
                    wanted.extend(Right::to_reach(destination));
                    wanted.push(Right::on_model(destination, "CREATE_MODEL_VERSION"));
                    wanted.push(Right::on_model(destination, "APPLY_TAG"));
                }
                let moves_alias = self.alias.is_some() && !holder.goes_by(&to.owner);
                if moves_alias && !holder.lacks(world, &[Right::on_model(destination, "MANAGE")]).await?.is_empty() {
                    not_owner_of.push((principal.to_owned(), destination.clone()));
                }
            }
            // The bundle makes the model, and perhaps its schema: whoever makes a thing owns it.
            None if exists(world, &schema).await? => {
                wanted.extend(Right::to_reach(destination));
                wanted.push(Right::on(Securable::Schema, schema, "CREATE_MODEL"));
            }
            None => wanted.push(Right::on(Securable::Catalog, &destination.catalog, "USE_CATALOG")),
        }
        let mut missing = vec![(principal.to_owned(), holder.lacks(world, &wanted).await?)];
        if let (Some(serve), Some(_)) = (&self.serve, to)
            && let Some(endpoint) = endpoint::read(world, &serve.endpoint).await?
            && endpoint.creator != principal
        {
            let loads = Right::to_read(destination);
            let lacks = Holder::of(world, &endpoint.creator).await.lacks(world, &loads).await?;
            missing.push((format!("{}, who made the endpoint,", endpoint.creator), lacks));
        }
        Ok(may_promote::granted(&missing, &not_owner_of))
    }
}

async fn free(world: &World, serve: &Serve) -> Result<Option<Verdict>, Failure> {
    let Some(now) = endpoint::read(world, &serve.endpoint).await? else { return Ok(None) };
    let busy = now.update == endpoint::Update::GoesOn;
    let staying = now.serving.clone().trimmed();
    let hides = now.serving.entities.iter().any(|entity| entity.hides_a_key());
    Ok(Some(may_promote::endpoint_is_free(&serve.endpoint, busy, staying.entities.len(), hides, &now.permission)))
}

/// A model that is not there, or that whoever deploys may not see: to which of the rights that is due.
async fn unseen(world: &World, plan: &EnginePlan, source: &ModelName) -> Result<Vec<Verdict>, Failure> {
    let principal = plan.deployer.as_str();
    let rights = Right::to_read(source);
    let lacks = match Holder::of(world, principal).await.lacks(world, &rights).await {
        Ok(lacks) => lacks,
        // Who may do what with it is hidden, too.
        Err(failure) if [Reason::PermissionDenied, Reason::NotFound].contains(&failure.reason) => rights.into(),
        Err(failure) => return Err(failure),
    };
    if !lacks.is_empty() {
        return Ok(vec![may_promote::granted(&[(principal.to_owned(), lacks)], &[])]);
    }
    let message = format!("find model {source} through the workspace that is promoted to: it does not know it");
    let hint = format!("bind catalog `{}` to this workspace", source.catalog);
    Err(Failure::new(Reason::NotFound, message).hint(hint))
}

async fn metastore(world: &World) -> Result<String, Failure> {
    let answer = world.workspace.call(Request::get("/api/2.1/unity-catalog/metastore_summary")).await;
    let answer = answer.and_then(|r| r.json()).map_err(|e| e.into_failure("read which metastore the workspace has"))?;
    Ok(answer["metastore_id"].as_str().unwrap_or_default().to_owned())
}

async fn exists(world: &World, schema: &str) -> Result<bool, Failure> {
    match world.workspace.call(Request::get(format!("/api/2.1/unity-catalog/schemas/{schema}"))).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into_failure(format!("read schema {schema}"))),
    }
}

/// Training jobs of the target whose clock runs.
fn run_by_themselves<'t>(config: &Value, training: &'t [String]) -> Vec<&'t str> {
    let runs = |key: &&String| {
        let job = &config["resources"]["jobs"][key.as_str()];
        ["schedule", "trigger", "continuous"].iter().any(|c| job[c].is_object() && job[c]["pause_status"] != "PAUSED")
    };
    training.iter().filter(runs).map(String::as_str).collect()
}

/// What the target calls them.
fn names_of(config: &Value, training: &[String]) -> Vec<String> {
    let name = |key: &String| config["resources"]["jobs"][key]["name"].as_str().map(str::to_owned);
    training.iter().filter_map(name).collect()
}
