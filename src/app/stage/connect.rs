//! Signs in to the one host that the stage works on, and makes the world of its steps.
//!
//! Asked only after the host was found on the allow-list. In a job the way is GitHub's ID
//! token; a personal token is a fallback that is warned about; on a laptop it is the profile
//! that the environment or the host names, or `DATABRICKS_TOKEN`.

use std::sync::Arc;

use crate::adapters::databricks::{Connection, Connector, Profiles};
use crate::adapters::github::{GitHubApi, GitHubSettings};
use crate::adapters::host::Repository;
use crate::adapters::retry::Pace;
use crate::adapters::transfer::{self, HttpTransfer};
use crate::adapters::{host, http};
use crate::app::Desk;
use crate::domain::{Failure, Host, Reason, Secret};
use crate::inputs::config::Environment;
use crate::inputs::event::Occasion;
use crate::inputs::parse::Inputs;
use crate::ports::{GitHub, Identity, Process, World};

/// Who signs in.
pub struct Who<'a> {
    pub environment: &'a Environment,
    pub client_id: Option<String>,
}

pub fn connect(
    desk: &Desk,
    inputs: &Inputs,
    who: &Who<'_>,
    process: Arc<dyn Process>,
    github: Option<Arc<dyn GitHub>>,
) -> Result<(World, Arc<dyn Identity>), Failure> {
    let host = who.environment.host.to_string();
    let clock = Arc::clone(&desk.clock) as Arc<dyn crate::ports::Clock>;
    let connector = Connector::from_env(&desk.env, Arc::clone(&clock), Arc::clone(&desk.masker))?;
    let Connection { workspace, identity } = if let Some(token) = &inputs.databricks_token {
        tracing::warn!("signing in with a personal token; let the workspace trust GitHub's ID tokens instead");
        connector.by_token(&host, token.clone())?
    } else if desk.console.is_actions() {
        connector.by_oidc(&host, who.client_id.as_deref(), who.environment.audience.as_deref())?
    } else {
        connector.by_token(&host, laptop_token(desk, who.environment, &host)?)?
    };
    let user_agent = http::user_agent(desk.console.is_actions());
    let transfer = HttpTransfer::new(user_agent, Arc::clone(&identity), transfer::endpoints(&desk.env));
    let world = World {
        workspace,
        transfer: Arc::new(transfer),
        files: Arc::clone(&desk.files) as Arc<dyn crate::ports::Files>,
        process,
        clock,
        github,
        history: Repository::discover(&inputs.bundle_path).ok().flatten().map(|found| Arc::new(found) as _),
    };
    Ok((world, identity))
}

fn laptop_token(desk: &Desk, environment: &Environment, host: &str) -> Result<Secret, Failure> {
    if let Some(token) = desk.var("DATABRICKS_TOKEN") {
        let meant =
            desk.var("DATABRICKS_HOST").map(|meant| Host::parse(meant).map_or(meant.to_owned(), |h| h.to_string()));
        return match meant.filter(|meant| meant != host) {
            None => Ok(Secret::new(token)),
            // Who wrote mlops-deploy.yml would else get it.
            Some(meant) => Err(Failure::new(
                Reason::HostNotAllowed,
                format!("sign in to {host}: DATABRICKS_TOKEN is that of DATABRICKS_HOST, {meant}"),
            )
            .hint("give the token of this environment's workspace with its DATABRICKS_HOST, or a profile of .databrickscfg")),
        };
    }
    let profiles = match Profiles::path(&desk.env) {
        Some(path) => Profiles::load(&path)?,
        None => Profiles::default(),
    };
    if let Some(profile) = profiles.of_host(host)? {
        return Ok(profile.token);
    }
    let name = environment.profile.as_deref().unwrap_or("DEFAULT");
    let failure = Failure::new(Reason::Unauthorized, format!("sign in to {host}: there is no token for it"));
    Err(failure
        .hint(format!("set DATABRICKS_TOKEN, or add a profile such as `[{name}]` with this host to .databrickscfg")))
}

/// Present in a job that was given a token.
pub fn github(desk: &Desk, inputs: &Inputs, occasion: &Occasion) -> Result<Option<Arc<dyn GitHub>>, Failure> {
    let (Some(token), Some(repository)) = (&inputs.github_token, &occasion.repository) else { return Ok(None) };
    let settings = GitHubSettings {
        api_url: occasion.api_url.clone(),
        graphql_url: desk.var("GITHUB_GRAPHQL_URL").map(str::to_owned),
        repository: repository.clone(),
        token: token.clone(),
        user_agent: http::user_agent(true),
        pace: Pace::from_env(desk.var("MLOPS_DEPLOY_RETRY_INTERVAL_MS")),
    };
    let clock: Arc<dyn crate::ports::Clock> = Arc::clone(&desk.clock) as Arc<_>;
    Ok(Some(Arc::new(GitHubApi::new(settings, clock)?)))
}

/// The runner's folder for this job, or the machine's.
pub fn scratch(desk: &Desk) -> std::path::PathBuf {
    host::files::temp_folder(desk.var("RUNNER_TEMP")).join("mlops-deploy")
}
