//! A world for one stage: a stand-in GitHub, a stand-in workspace that trusts its jobs, a
//! checkout of a tiny bundle; the real program runs in it as a runner would run it.
//!
//! Each test has a world of its own, so that they run side by side. The bundle is small on
//! purpose: the fault matrix runs it once for each request and each fault.

mod memory;
mod placeholders;

pub mod tiers;
pub mod trainer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mlops_deploy::rehearsal::github::{self, Conclusion, Event, GitHub, JobSpec, PullRequest, Runner, RunningJob};
use mlops_deploy::rehearsal::workspace::{self, Control, Federation, Metastore, Policy, Principal, Running};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use memory::Memory;
pub use tiers::{At, STAGING_DEPLOYER};

pub const DEPLOYER: &str = "6f1c0d52-2f0b-4c36-9a55-1b1f3d0a7e01";
pub const READER: &str = "0b2e5a91-7c64-4f0d-bd7e-92a1c3f4e504";
/// Where the bundle is deployed, as the workspace lists it.
pub const ROOT: &str = "/Users/6f1c0d52-2f0b-4c36-9a55-1b1f3d0a7e01/.bundle/tiny/dev";
pub const REPOSITORY: &str = "acme/tiny";

/// A stage that does not end is a failed test.
const LIMIT: Duration = Duration::from_secs(60);

pub struct StageWorld {
    pub github: GitHub,
    workspace: Running,
    /// Of the same metastore, where there are tiers.
    staging: Option<Running>,
    prod: Option<Running>,
    folder: TempDir,
}

/// A job on its runner, before and after its step.
pub struct Step {
    pub job: RunningJob,
    pub runner: Runner,
    pub env: BTreeMap<String, String>,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_mlops-deploy");

/// What a step left.
#[derive(Debug)]
pub struct Left {
    /// 128 + 9 for a killed one.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub outputs: BTreeMap<String, String>,
    pub summary: String,
    /// The journal's lines.
    pub journal: String,
}

impl Left {
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl StageWorld {
    pub async fn new() -> Self {
        Self::with(BUNDLE).await
    }

    /// With another `databricks.yml`, in which HOST, DEPLOYER stand for what is known only now.
    pub async fn with(bundle: &str) -> Self {
        Self::begin(bundle, CONFIG, false).await
    }

    async fn begin(bundle: &str, configuration: &str, tiers: bool) -> Self {
        let config = github::Config { repository: REPOSITORY.to_owned(), ..github::Config::default() };
        let github = GitHub::start(config).unwrap();
        let policy = |subject: &str| Policy {
            issuer: github.issuer(),
            audiences: Vec::new(),
            subject: format!("repo:{REPOSITORY}:{subject}"),
        };
        let gated = || policy("environment:development");
        let reads = vec![policy("pull_request"), policy("ref:refs/heads/main"), gated()];
        let federation = Federation {
            jwks_url: github.jwks_url(),
            account_id: "5f0c1a52-6f2b-4a8e-9b39-7b1de0f3c001".to_owned(),
            principals: vec![
                (Principal::deployer(DEPLOYER, "deploy-dev"), vec![gated()]),
                (Principal::reader(READER, "plan-dev"), reads),
            ],
            token_seconds: 300,
        };
        let mut config = workspace::Config::federated(federation);
        config.catalogs = vec!["dev".to_owned()];
        config.catalog_users = vec![DEPLOYER.to_owned()];
        config.volumes = vec!["dev.ops.deployments".to_owned(), "dev.ops.releases".to_owned()];
        config.volume_writers = vec![DEPLOYER.to_owned()];
        let (mut staging, mut prod) = (None, None);
        if tiers {
            let metastore = Metastore::default();
            config.metastore = Some(metastore.clone());
            config.seed = "dev".to_owned();
            staging = Some(tiers::workspace(&github, &metastore, &tiers::STAGING).await);
            prod = Some(tiers::workspace(&github, &metastore, &tiers::PROD).await);
        }
        let workspace = workspace::serve(config).await.unwrap();
        let world = Self { github, workspace, staging, prod, folder: TempDir::new().unwrap() };
        world.check_out(bundle, configuration);
        world.github.push("main", "ana", "Begin").unwrap();
        world.point_head("main");
        world
    }

    pub fn workspace(&self) -> &Control {
        self.workspace.control()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("checkout").join(name)
    }

    /// Writes a file of the checkout.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    /// A new commit on main, checked out.
    pub fn push(&self) -> String {
        let commit = self.github.push("main", "ana", "Change").unwrap();
        self.point_head("main");
        commit
    }

    pub fn pull_request(&self) -> u64 {
        self.github.push("candidate", "ana", "Change the bundle").unwrap();
        self.point_head("candidate");
        self.github.open_pull_request(PullRequest::from_branch("candidate", "ana")).unwrap()
    }

    /// A pull request that somebody has merged; main is checked out.
    pub fn merged(&self) -> u64 {
        let pull = self.pull_request();
        self.github.merge(pull, "ana").unwrap();
        self.point_head("main");
        pull
    }

    pub fn point_head(&self, branch: &str) {
        let commit = self.github.tip(branch).unwrap();
        self.write(".git/HEAD", &format!("ref: refs/heads/{branch}\n"));
        self.write(&format!(".git/refs/heads/{branch}"), &format!("{commit}\n"));
    }

    /// The job of a pull request's check.
    pub fn validate(&self, event: Event) -> Step {
        let spec = JobSpec::on(event).named("validate");
        self.step(spec.permit("contents: read, id-token: write, pull-requests: write").unwrap(), "validate")
    }

    /// The job of a push to main, in its environment.
    pub fn deploy(&self) -> Step {
        let permissions = "contents: read, id-token: write, pull-requests: write, deployments: write";
        let spec = JobSpec::on(Event::push("main")).named("deploy").permit(permissions).unwrap();
        self.step(spec.environment("development"), "deploy-dev")
    }

    pub fn step(&self, spec: JobSpec, stage: &str) -> Step {
        let job = self.github.start_job(spec).unwrap();
        let folder = tempfile::Builder::new().prefix("job-").tempdir_in(self.folder.path()).unwrap();
        let runner = job.runner(&folder.keep()).unwrap();
        let mut env = runner.vars.clone();
        let checkout = self.folder.path().join("checkout");
        for (name, value) in [
            ("GITHUB_WORKSPACE", checkout.to_str().unwrap()),
            ("INPUT_STAGE", stage),
            ("INPUT_GITHUB-TOKEN", job.token()),
            ("DATABRICKS_BUNDLE_RETRY_INTERVAL_MS", "1"),
            ("MLOPS_DEPLOY_RETRY_INTERVAL_MS", "1"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        Step { job, runner, env }
    }

    /// Deploys and settles; the way most stories begin.
    pub async fn deployed(&self) -> Left {
        let step = self.deploy();
        let left = step.run().await;
        left.expect(0);
        step.settle().await.expect(0);
        left
    }

    /// Writes the bundle, in which HOST and DEPLOYER stand for what is known only now, and TARGET-DEV for a whole target.
    pub fn write_bundle(&self, bundle: &str) {
        self.write("databricks.yml", &self.known(bundle));
    }

    fn known(&self, text: &str) -> String {
        let staging = self.staging.as_ref().map_or("", Running::url);
        let prod = self.prod.as_ref().map_or("", Running::url);
        tiers::known(&placeholders::written_out(text), staging, prod)
            .replace("HOST", self.workspace.url())
            .replace("DEPLOYER", DEPLOYER)
            .replace("READER", READER)
    }

    fn check_out(&self, bundle: &str, configuration: &str) {
        self.write_bundle(bundle);
        self.write("mlops-deploy.yml", &self.known(configuration));
        self.write("src/train.py", "# Databricks notebook source\nprint('trained')\n");
        fs::create_dir_all(self.path(".git/objects")).unwrap();
        let origin = format!("{}/{REPOSITORY}.git", self.github.server_url());
        let config = format!("[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = {origin}\n");
        self.write(".git/config", &config);
    }
}

impl Step {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn spawn(&self) -> tokio::process::Child {
        spawn(&self.env, &[])
    }

    /// On a disk that takes no file of more than so many blocks of 512 bytes.
    pub fn spawn_on_small_disk(&self, blocks: u64) -> tokio::process::Child {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\"");
        start(tokio::process::Command::new("sh").args(["-c", &script, PROGRAM]), &self.env)
    }

    pub async fn run(&self) -> Left {
        self.left(self.spawn()).await
    }

    /// The post step.
    pub async fn settle(&self) -> Left {
        let mut env = self.env.clone();
        env.extend(self.runner.state().unwrap().into_iter().map(|(name, value)| (format!("STATE_{name}"), value)));
        let left = self.left(spawn(&env, &["settle"])).await;
        self.job.finish(if left.output("outcome") == "succeeded" { Conclusion::Success } else { Conclusion::Failure });
        left
    }

    pub async fn left(&self, child: tokio::process::Child) -> Left {
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let output = output.expect("the stage ends within its deadline").unwrap();
        Left {
            code: output.status.code().unwrap_or(137),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            outputs: self.runner.outputs().unwrap(),
            summary: self.runner.summary(),
            journal: self.journal(),
        }
    }

    fn journal(&self) -> String {
        let state = self.runner.state().unwrap();
        state.get("journal").and_then(|path| fs::read_to_string(Path::new(path)).ok()).unwrap_or_default()
    }

    /// Where its journal lies, and what the journal keeps apart.
    pub fn folder(&self) -> PathBuf {
        Path::new(&self.runner.state().unwrap()["journal"]).parent().unwrap().to_path_buf()
    }
}

fn spawn(env: &BTreeMap<String, String>, args: &[&str]) -> tokio::process::Child {
    start(tokio::process::Command::new(PROGRAM).args(args), env)
}

fn start(command: &mut tokio::process::Command, env: &BTreeMap<String, String>) -> tokio::process::Child {
    command.env_clear().envs(env).current_dir(&env["GITHUB_WORKSPACE"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// What the workspace holds of a kind, by id.
pub fn table(control: &Control, kind: &str) -> BTreeMap<String, Value> {
    let dump = control.dump();
    let stores = dump.as_object().unwrap().values();
    let tables = stores.filter_map(|store| store["tables"][kind].as_object());
    tables.flatten().map(|(id, doc)| (id.clone(), doc.clone())).collect()
}

/// A person at work in dev's workspace.
pub async fn as_somebody(control: &Control, method: reqwest::Method, path: &str, body: Value) -> Value {
    as_user(control, DEPLOYER, method, path, body).await
}

pub async fn as_user(control: &Control, user: &str, method: reqwest::Method, path: &str, body: Value) -> Value {
    let request = reqwest::Client::new().request(method, format!("{}{path}", control.url()));
    let token = control.token_for(user).unwrap();
    let reply = request.bearer_auth(token).json(&body).send().await.unwrap();
    assert!(reply.status().is_success(), "{path}: {}", reply.status());
    reply.json().await.unwrap_or_default()
}

/// What the message about a lock that a dead run left tells a person to do.
pub async fn delete_lock(world: &StageWorld, at: At) {
    let lock = json!({"path": format!("{}/state/deploy.lock", at.root())});
    if world.at(at).settled().to_string().contains("deploy.lock") {
        as_user(world.at(at), at.deployer(), reqwest::Method::POST, "/api/2.0/workspace/delete", lock).await;
    }
}

/// What a deployment leaves, without its own record of how that came about.
pub fn settled(control: &Control) -> Value {
    let mut dump = control.settled();
    for store in dump.as_object_mut().unwrap().values_mut() {
        for files in store.as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut) {
            files.retain(|path, _| !path.contains("/.mlops-deploy"));
        }
    }
    dump
}

/// What there are two of, where a workspace lets two share a name: a settled dump tells them
/// apart by a number.
pub fn doubled(control: &Control) -> Option<String> {
    let dump = control.settled().to_string();
    let labels = dump.split('<').filter_map(|rest| rest.split_once('>')).map(|(label, _)| label);
    let shared = |label: &&str| ["jobs:", "pipelines:", "experiments:"].iter().any(|kind| label.starts_with(kind));
    labels.filter(shared).find(|label| label.ends_with(":2")).map(str::to_owned)
}

/// The lines that only one of two dumps has.
pub fn difference(before: &Value, after: &Value) -> String {
    let lines = |dump: &Value| serde_json::to_string_pretty(dump).unwrap();
    let (before, after) = (lines(before), lines(after));
    let only = |one: &str, other: &str| -> String {
        one.lines().filter(|line| !other.lines().any(|l| l == *line)).map(|line| format!("{line}\n")).collect()
    };
    format!("gone:\n{}new:\n{}", only(&before, &after), only(&after, &before))
}

const CONFIG: &str = "\
environments:
  dev:
    host: HOST
    client_id: DEPLOYER
    principal:
      application_id: DEPLOYER
      display_name: deploy-dev
    plan:
      client_id: READER
    catalog: dev
    github_environment: development
smoke:
  - job: train
";

pub const BUNDLE: &str = "\
bundle:
  name: tiny
targets:
  TARGET-DEV
resources:
  schemas:
    scores:
      catalog_name: dev
      name: scores
      comment: Where scores lie
  jobs:
    train:
      name: train
      description: Trains
      tasks:
        - task_key: train
          notebook_task:
            notebook_path: src/train.py
";
