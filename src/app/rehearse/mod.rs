//! `rehearse`: the stages in order, for a bundle folder, on this machine alone.
//!
//! Nothing is simulated but the two services: each stage runs as a process of its own, with
//! the environment that a runner gives, speaks HTTP to the stand-ins, and exits with its
//! code. What it leaves behind stays in a folder to look at.

mod account;
mod scene;
mod step;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::domain::{Failure, Reason};
use crate::rehearsal::github::{self, Conclusion, Event, GitHub, JobSpec};
use crate::rehearsal::workspace::Alone;

use self::account::Account;
use self::scene::Scene;

#[derive(Args)]
pub struct Rehearse {
    /// Folder of the databricks.yml
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Another version of the bundle, which comes after it as a second pull request; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pub then: Vec<PathBuf>,
    /// Only run the stand-in workspace and the stand-in GitHub, until interrupted
    #[arg(long)]
    pub serve: bool,
    /// Where comment, summary, outputs and journals are left
    #[arg(long, default_value = ".rehearsal", value_name = "FOLDER")]
    pub out: PathBuf,
    /// With --serve: start a stand-in GitHub too, at this address, and print its own first
    #[arg(long, value_name = "ADDRESS", requires = "serve")]
    pub github: Option<SocketAddr>,
    #[command(flatten)]
    pub alone: Alone,
}

/// A stage of the story: what starts it, and what its job may do.
struct Act {
    stage: &'static str,
    permissions: &'static str,
    environment: Option<String>,
    event: Event,
    /// Inputs of its own, by name.
    inputs: Vec<(&'static str, String)>,
}

const TO_DEPLOY: &str = "contents: read, id-token: write, pull-requests: write, deployments: write, actions: read";

pub async fn run(asked: Rehearse) -> Result<ExitCode, Failure> {
    if asked.serve {
        // It is served as long as this lives.
        let _github = asked.github.map(serve_github).transpose().map_err(scene::wrong)?;
        asked.alone.run().await.map_err(scene::wrong)?;
        return Ok(ExitCode::SUCCESS);
    }
    rehearse(&asked).await
}

fn serve_github(bind: SocketAddr) -> std::io::Result<GitHub> {
    let github = GitHub::start(github::Config { bind, ..github::Config::default() })?;
    println!("GITHUB_SERVER_URL={}", github.server_url());
    Ok(github)
}

async fn rehearse(asked: &Rehearse) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let account = Account::to_terminal();
    let mut scene = Scene::set(&asked.folder, &asked.out, asked.alone.tasks()).await?;
    account.opening(&scene);
    let mut ended = delivered(&mut scene, &account).await?;
    for bundle in &asked.then {
        if ended.is_err() {
            break;
        }
        scene.change(bundle)?;
        ended = delivered(&mut scene, &account).await?;
    }
    account.closing(&scene, start.elapsed());
    Ok(ended.err().unwrap_or(ExitCode::SUCCESS))
}

/// What is checked out, from its pull request as far as its configuration has environments; or the exit code of the stage
/// that stopped it.
async fn delivered(scene: &mut Scene, account: &Account) -> Result<Result<(), ExitCode>, Failure> {
    let pull = scene.open_pull_request()?;
    let validate = Act {
        stage: "validate",
        permissions: "contents: read, id-token: write, pull-requests: write",
        environment: None,
        event: Event::pull_request(pull),
        inputs: Vec::new(),
    };
    if let Err(code) = perform(scene, account, validate).await? {
        return Ok(Err(code));
    }
    scene.merge(pull)?;
    let scene = &*scene;
    let deploy = |stage, environment: &str, inputs| Act {
        stage,
        permissions: TO_DEPLOY,
        environment: Some(scene.environment_of(environment)),
        event: Event::push("main"),
        inputs,
    };
    // Nothing is in the registries of a new story: each model's first version is meant, wherever it is trained.
    let bootstrap = || scene.is_new().then(|| ("bootstrap", "true".to_owned()));
    let release = match perform(scene, account, deploy("deploy-dev", "dev", bootstrap().into_iter().collect())).await? {
        Ok(outputs) => outputs.get("release").cloned().unwrap_or_default(),
        Err(code) => return Ok(Err(code)),
    };
    if !scene.has_books("staging") {
        return Ok(Ok(()));
    }
    let inputs = [("release", release.clone())].into_iter().chain(bootstrap()).collect();
    if let Err(code) = perform(scene, account, deploy("deploy-staging", "staging", inputs)).await? {
        return Ok(Err(code));
    }
    let promoted = if scene.has_books("prod") { scene.models() } else { Vec::new() };
    for model in promoted {
        let inputs = vec![("release", release.clone()), ("model", model)];
        if let Err(code) = perform(scene, account, deploy("promote-prod", "prod", inputs)).await? {
            return Ok(Err(code));
        }
    }
    Ok(Ok(()))
}

/// Runs one stage and its post step: its outputs, or the exit code with which the story ends.
async fn perform(
    scene: &Scene,
    account: &Account,
    act: Act,
) -> Result<Result<BTreeMap<String, String>, ExitCode>, Failure> {
    account.stage(act.stage);
    let mut spec = JobSpec::on(act.event).named(act.stage).permit(act.permissions).map_err(scene::wrong)?;
    if let Some(name) = &act.environment {
        spec = spec.environment(name);
    }
    let folder = scene.folder_of(act.stage);
    let job = scene.github.start_job(spec).map_err(scene::wrong)?;
    let runner = job.runner(&folder.join("runner")).map_err(|e| unwritable(&folder, e))?;
    let start = Instant::now();
    let mut env = scene.step_environment(&runner, job.token(), act.stage)?;
    env.extend(act.inputs.into_iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), value)));
    let code = step::run(&env, &[], &scene.checkout, account).await?;
    for (name, value) in runner.state().map_err(scene::wrong)? {
        env.insert(format!("STATE_{name}"), value);
    }
    let settled = step::run(&env, &["settle"], &scene.checkout, account).await?;
    job.finish(if code == 0 { Conclusion::Success } else { Conclusion::Failure });
    scene.keep(&runner, &folder).map_err(|e| unwritable(&folder, e))?;
    account.stage_ended(act.stage, code, start.elapsed(), &folder);
    let ended = if code == 0 { settled } else { code };
    let outputs = runner.outputs().map_err(scene::wrong)?;
    Ok(if ended == 0 { Ok(outputs) } else { Err(ExitCode::from(ended)) })
}

fn unwritable(folder: &Path, error: std::io::Error) -> Failure {
    Failure::new(Reason::DiskError, format!("write below {}", folder.display())).because(error)
}
