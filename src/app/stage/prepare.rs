//! Everything that can be found wrong before a token exists: configuration, commit, hosts,
//! every target of the bundle.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::adapters::host::git::Repository;
use crate::app::Desk;
use crate::domain::fact::{Release, Tested};
use crate::domain::ledger::Head;
use crate::domain::{Failure, Reason, Stage};
use crate::inputs::Config;
use crate::inputs::config::{self, Environment, PlanPrincipal, Releases};
use crate::inputs::event::Occasion;
use crate::inputs::parse::Inputs;
use crate::policy::host_allowed::{self, NamedHost};
use crate::policy::{Verdict, plan_principal};
use crate::ports::engine::ActAs;
use crate::stages::assignment::{Assignment, Taken, Trained};
use crate::steps::ledger::Ledger;

/// The configuration file, read and checked.
pub async fn configuration(desk: &Desk, inputs: &Inputs) -> Result<Config, Failure> {
    let shown = inputs.config.strip_prefix(&inputs.root).unwrap_or(&inputs.config).display().to_string();
    let bytes = crate::ports::Files::read(desk.files.as_ref(), &inputs.config).await;
    let bytes = bytes.map_err(|e| Failure::new(Reason::ConfigNotFound, format!("read {shown}")).because(e))?;
    let bytes = bytes.ok_or_else(|| config::not_found(&shown))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::new(Reason::InvalidConfig, format!("read {shown}: it is not UTF-8 text"))
            .hint("save the file as UTF-8")
    })?;
    Config::read(&text, &shown)
}

/// What is checked out, and that it is what was demanded.
pub fn commit(inputs: &Inputs, occasion: &Occasion) -> Result<Option<String>, Failure> {
    let repository = Repository::discover(&inputs.bundle_path).map_err(|e| unreadable(&inputs.bundle_path, e))?;
    let head = match &repository {
        Some(repository) => repository.head().map_err(|e| unreadable(&repository.worktree, e))?.commit,
        None => None,
    };
    let mismatch = |wanted: &str| {
        let found = head.as_deref().unwrap_or("no commit");
        Failure::new(Reason::CommitMismatch, format!("use commit {wanted}: {found} is checked out"))
            .hint("give `actions/checkout` the same `ref`")
    };
    if let Some(wanted) = &inputs.commit
        && head.as_ref() != Some(wanted)
    {
        return Err(mismatch(wanted));
    }
    // `GITHUB_SHA` is the default branch's tip there, not what the first workflow ran on.
    if occasion.event() == "workflow_run" && inputs.commit.is_none() {
        return Err(Failure::new(
            Reason::CommitMismatch,
            "know what to deploy for `workflow_run`: no `commit` is given",
        )
        .hint("set `commit: ${{ github.event.workflow_run.head_sha }}`, and give it to `actions/checkout` as `ref`"));
    }
    Ok(head.or_else(|| occasion.head_sha().map(str::to_owned)))
}

/// The input `commit` is a demand on the release too.
pub fn same_commit(inputs: &Inputs, release: &Release) -> Result<(), Failure> {
    match &inputs.commit {
        Some(wanted) if *wanted != release.commit => {
            let message = format!("use commit {wanted}: release {} is of {}", release.id.short(), release.commit);
            Err(Failure::new(Reason::CommitMismatch, message)
                .hint("give the release of that commit, or leave `commit` out"))
        }
        _ => Ok(()),
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Reason::InvalidInput, format!("read the repository around {}", path.display())).because(error)
}

/// The environment of the stage, or the one that an explicit target belongs to.
pub fn environment<'c>(config: &'c Config, inputs: &Inputs) -> Result<&'c Environment, Failure> {
    let of_stage = inputs.stage.environment();
    let Some((target, environment)) = inputs.target.as_ref().and_then(|t| Some((t, config.of_target(t)?))) else {
        return config.environment(of_stage);
    };
    if inputs.stage.writes() && environment.name != of_stage {
        let stage = inputs.stage.name();
        let message = format!("deploy target `{target}` by `{stage}`: it is the target of `{}`", environment.name);
        return Err(Failure::new(Reason::InvalidInput, message).hint(format!(
            "leave `target` out; what goes to `{}` comes through the stages before it, or by hand with `mlops-deploy bundle deploy`",
            environment.name
        )));
    }
    Ok(environment)
}

/// Every host that a target names must be listed, and be that of the target's own environment.
pub fn hosts(config: &Config, named: Vec<NamedHost>) -> Verdict {
    let allowed: Vec<String> = config.environments.values().map(|e| e.host.to_string()).collect();
    host_allowed::verdict(&named, &allowed)
}

/// Whether the event may read with the principal that there is.
pub fn plan_principal(environment: &Environment, occasion: &Occasion) -> Option<Verdict> {
    if occasion.trust.may_deploy() {
        return None;
    }
    let principal = match environment.plan {
        PlanPrincipal::None => plan_principal::PlanPrincipal::Missing,
        PlanPrincipal::Same => plan_principal::PlanPrincipal::Same,
        PlanPrincipal::ClientId(_) => plan_principal::PlanPrincipal::Own,
    };
    Some(plan_principal::verdict(&environment.name, principal))
}

/// Who signs in: the read-only principal where the stage only reads and there is one.
pub fn client_id(environment: &Environment, writes: bool) -> Option<String> {
    match &environment.plan {
        PlanPrincipal::ClientId(id) if !writes => Some(id.clone()),
        _ => environment.client_id.clone(),
    }
}

/// In whose name a reader plans.
pub fn act_as(environment: &Environment, writes: bool) -> Option<ActAs> {
    let reads_for_another = !writes && matches!(environment.plan, PlanPrincipal::ClientId(_));
    let application_id = match &environment.principal {
        Some(principal) => principal.application_id.clone(),
        None => environment.client_id.clone()?,
    };
    let display_name = environment.principal.as_ref().and_then(|p| p.display_name.clone());
    reads_for_another.then_some(ActAs { application_id, display_name })
}

/// What is worked on.
#[derive(Default)]
pub struct Work {
    pub commit: Option<String>,
    pub bundle: String,
    pub release: Option<Release>,
    pub seen: BTreeMap<String, Head>,
    pub tested: Vec<Tested>,
    pub models: Vec<Trained>,
    pub taken: Vec<Taken>,
}

pub fn target(inputs: &Inputs, environment: &Environment) -> String {
    inputs.target.clone().unwrap_or_else(|| environment.target.clone())
}

pub fn assignment(
    inputs: &Inputs,
    config: &Config,
    environment: &Environment,
    occasion: &Occasion,
    work: Work,
) -> Arc<Assignment> {
    let run_key = match &occasion.run {
        Some(run) => format!("{}-{}-{}", run.id, run.attempt, run.job),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let writes = inputs.stage.writes();
    Arc::new(Assignment {
        target: target(inputs, environment),
        ledger: ledger(environment, &work.bundle).filter(|_| work.release.is_some()),
        releases: match &config.releases {
            Releases::Volume(folder) if inputs.stage == Stage::DeployDev => Some(folder.clone()),
            _ => None,
        },
        bundle: work.bundle,
        release: work.release,
        seen: work.seen,
        tested: work.tested,
        models: work.models,
        taken: work.taken,
        bootstrap: inputs.bootstrap,
        environment: environment.clone(),
        smoke: config.smoke.clone(),
        occasion: occasion.clone(),
        commit: work.commit,
        allow_older: inputs.allow_older,
        lock_timeout: inputs.lock_timeout.0,
        act_as: act_as(environment, writes),
        run_key: run_key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect(),
    })
}

/// The ledger of an environment, if it keeps one.
pub fn ledger(environment: &Environment, bundle: &str) -> Option<Ledger> {
    Some(Ledger::new(&environment.name, environment.records.as_deref()?, bundle))
}
