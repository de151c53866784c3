//! The scene of a rehearsal: the stand-ins, the principals they know, a checkout with a
//! history.
//!
//! The bundle is copied, and in the copy each environment's host becomes the address of a
//! stand-in; nothing else of it is touched. Principals and policies are what
//! `mlops-deploy.yml` says a real workspace should have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::unwritable;
use crate::domain::{Failure, Reason};
use crate::inputs::Config;
use crate::inputs::config::{Environment, PlanPrincipal, Releases, not_found};
use crate::inputs::parse::CONFIG_FILE;
use crate::rehearsal::github::{self, GitHub, PullRequest, Runner};
use crate::rehearsal::workspace::{self, Federation, Metastore, Policy, Principal, Rule, Running, TaskMode};

pub struct Scene {
    pub github: GitHub,
    pub workspaces: BTreeMap<String, Running>,
    config: Config,
    repository: String,
    /// One for each version of the bundle; the last is of the one that is checked out.
    pulls: Vec<u64>,
    pub checkout: PathBuf,
    pub out: PathBuf,
}

/// A stand-in told that the story does not add up: our mistake.
pub fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::Internal, format!("set the scene of the rehearsal: {error}"))
}

impl Scene {
    pub async fn set(bundle: &Path, out: &Path, tasks: Option<TaskMode>) -> Result<Self, Failure> {
        let bundle = found(bundle)?;
        let config = configuration(&bundle)?;
        if out.exists() {
            fs::remove_dir_all(out).map_err(|e| unwritable(out, e))?;
        }
        fs::create_dir_all(out).map_err(|e| unwritable(out, e))?;
        let out = out.canonicalize().map_err(|e| unwritable(out, e))?;
        let name = bundle.file_name().map_or_else(|| "bundle".to_owned(), |n| n.to_string_lossy().into_owned());
        let repository = format!("acme/{name}");
        let github = GitHub::start(github::Config { repository: repository.clone(), ..github::Config::default() });
        let github = github.map_err(wrong)?;
        let mut workspaces = BTreeMap::new();
        let metastore = Metastore::default();
        for environment in config.environments.values() {
            let mut settings = workspace_config(&github, &repository, &config, environment, tasks, &out)?;
            settings.volumes = volumes(&config, environment);
            settings.volume_writers = environment.client_id.clone().into_iter().collect();
            settings.metastore = Some(metastore.clone());
            workspaces.insert(environment.name.clone(), workspace::serve(settings).await.map_err(wrong)?);
        }
        let scene =
            Self { github, workspaces, config, repository, pulls: Vec::new(), checkout: out.join("checkout"), out };
        scene.check_out(&bundle).map_err(|e| unwritable(&scene.checkout, e))?;
        scene.github.push("main", "ana", "Before this story").map_err(wrong)?;
        Ok(scene)
    }

    pub fn environment_of(&self, stage_environment: &str) -> String {
        let found = self.config.environments.get(stage_environment);
        found.map_or_else(|| stage_environment.to_owned(), |e| e.github_environment.clone())
    }

    /// Whether the bundle's configuration has what a stage behind dev needs in its environment.
    pub fn has_books(&self, environment: &str) -> bool {
        let has = |name: &str| self.config.environments.get(name).is_some_and(|e| e.records.is_some());
        has("dev") && has(environment) && self.config.releases != Releases::File
    }

    /// Keys of the models that are trained on the way, and promoted in the end.
    pub fn models(&self) -> Vec<String> {
        let trained = self.config.models.iter().filter(|(_, model)| model.train.is_some());
        trained.map(|(key, _)| key.clone()).collect()
    }

    /// Whether nothing was ever delivered.
    pub fn is_new(&self) -> bool {
        self.pulls.len() < 2
    }

    /// Another version of the bundle takes the place of the one that is checked out.
    pub fn change(&mut self, bundle: &Path) -> Result<(), Failure> {
        let bundle = found(bundle)?;
        self.config = configuration(&bundle)?;
        fs::remove_dir_all(&self.checkout)
            .and_then(|()| self.check_out(&bundle))
            .map_err(|e| unwritable(&self.checkout, e))
    }

    /// What a stage leaves, apart from what it left of an earlier version.
    pub fn folder_of(&self, stage: &str) -> PathBuf {
        let story = if self.is_new() { self.out.clone() } else { self.out.join(self.pulls.len().to_string()) };
        story.join(stage)
    }

    pub fn open_pull_request(&mut self) -> Result<u64, Failure> {
        let branch = format!("candidate-{}", self.pulls.len() + 1);
        self.github.push(&branch, "ana", "Change the bundle").map_err(wrong)?;
        let number = self.github.open_pull_request(PullRequest::from_branch(&branch, "ana")).map_err(wrong)?;
        let head = self.github.tip(&branch).unwrap_or_default();
        self.point_head(&branch, &head).map_err(|e| unwritable(&self.checkout, e))?;
        self.pulls.push(number);
        Ok(number)
    }

    /// Author and text of what the last pull request was told.
    pub fn comments(&self) -> Vec<(String, String)> {
        self.pulls.last().map(|number| self.github.comments(*number)).unwrap_or_default()
    }

    pub fn merge(&self, number: u64) -> Result<(), Failure> {
        let commit = self.github.merge(number, "ben").map_err(wrong)?;
        self.point_head("main", &commit).map_err(|e| unwritable(&self.checkout, e))
    }

    /// The variables of the action's step, as the runner sets them.
    pub fn step_environment(
        &self,
        runner: &Runner,
        token: &str,
        stage: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut env = runner.vars.clone();
        env.insert("GITHUB_WORKSPACE".to_owned(), self.checkout.display().to_string());
        env.insert("INPUT_STAGE".to_owned(), stage.to_owned());
        env.insert("INPUT_GITHUB-TOKEN".to_owned(), token.to_owned());
        for name in ["PATH", "SSL_CERT_FILE", "MLOPS_DEPLOY_LOG"] {
            if let Ok(value) = std::env::var(name) {
                env.insert(name.to_owned(), value);
            }
        }
        Ok(env)
    }

    /// Leaves what a step wrote as files with plain names.
    pub fn keep(&self, runner: &Runner, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("summary.md"), runner.summary())?;
        let outputs = runner.outputs().unwrap_or_default();
        let lines: Vec<String> = outputs.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        fs::write(folder.join("outputs.txt"), lines.concat())?;
        for (output, name) in [("journal-file", "journal.jsonl"), ("plan-file", "plan.json")] {
            if let Some(file) = outputs.get(output).filter(|path| Path::new(path).is_file()) {
                fs::copy(file, folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Every deployment as GitHub shows it, oldest first.
    pub fn deployments(&self) -> Vec<String> {
        let dump = self.github.dump();
        dump["deployments"].as_array().into_iter().flatten().map(shown_deployment).collect()
    }

    /// What the workspaces hold, and the metastore that they share: each resource by kind and name.
    pub fn resources(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for (environment, workspace) in &self.workspaces {
            let dump = workspace.control().settled();
            for store in dump.as_object().into_iter().flatten().map(|(_, store)| store) {
                for (kind, table) in store["tables"].as_object().into_iter().flatten() {
                    let holder = if workspace::is_shared(kind) { "metastore" } else { environment };
                    for (id, entry) in table.as_object().into_iter().flatten() {
                        lines.insert(format!("{holder}: {kind} {}", shown_name(id, entry)));
                    }
                }
            }
        }
        lines
    }

    fn check_out(&self, bundle: &Path) -> io::Result<()> {
        copy(bundle, &self.checkout, &self.out)?;
        for name in [CONFIG_FILE, "databricks.yml"] {
            let path = self.checkout.join(name);
            let Ok(mut text) = fs::read_to_string(&path) else { continue };
            for environment in self.config.environments.values() {
                if let Some(workspace) = self.workspaces.get(&environment.name) {
                    text = text.replace(&environment.host.to_string(), workspace.url());
                }
            }
            fs::write(&path, text)?;
        }
        let git = self.checkout.join(".git");
        fs::create_dir_all(git.join("refs/heads"))?;
        fs::create_dir_all(git.join("objects"))?;
        let origin = format!("{}/{}.git", self.github.server_url(), self.repository);
        fs::write(
            git.join("config"),
            format!("[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = {origin}\n"),
        )
    }

    fn point_head(&self, branch: &str, commit: &str) -> io::Result<()> {
        let git = self.checkout.join(".git");
        fs::write(git.join("HEAD"), format!("ref: refs/heads/{branch}\n"))?;
        fs::write(git.join("refs/heads").join(branch), format!("{commit}\n"))
    }
}

fn found(bundle: &Path) -> Result<PathBuf, Failure> {
    let missing = || Failure::new(Reason::BundleNotFound, format!("find the folder {}", bundle.display()));
    bundle.canonicalize().map_err(|e| missing().because(e))
}

fn configuration(bundle: &Path) -> Result<Config, Failure> {
    let file = bundle.join(CONFIG_FILE);
    let text = fs::read_to_string(&file).map_err(|_| not_found(&file.display().to_string()))?;
    Config::read(&text, CONFIG_FILE)
}

/// What a person calls an entry; things of the catalog have their whole name for an id.
fn shown_name<'e>(id: &'e str, entry: &'e serde_json::Value) -> &'e str {
    let named =
        ["/full_name", "/settings/name", "/spec/name", "/name"].iter().find_map(|at| entry.pointer(at)?.as_str());
    named.unwrap_or(id)
}

fn shown_deployment(deployment: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let statuses: Vec<String> =
        deployment["statuses"].as_array().into_iter().flatten().map(|status| text(&status["state"])).collect();
    format!("{}: {}", text(&deployment["environment"]), statuses.join(" -> "))
}

fn copy(from: &Path, to: &Path, never: &Path) -> io::Result<()> {
    const LEFT_OUT: [&str; 6] = [".git", ".databricks", ".venv", "__pycache__", "dist", ".rehearsal"];
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) || source == never {
            continue;
        }
        if kind.is_dir() {
            copy(&source, &target, never)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn workspace_config(
    github: &GitHub,
    repository: &str,
    all: &Config,
    environment: &Environment,
    tasks: Option<TaskMode>,
    out: &Path,
) -> Result<workspace::Config, Failure> {
    let policy = |subject: String| Policy { issuer: github.issuer(), audiences: Vec::new(), subject };
    let main = || policy(format!("repo:{repository}:ref:refs/heads/main"));
    let gated = || policy(format!("repo:{repository}:environment:{}", environment.github_environment));
    let mut principals = Vec::new();
    if let Some(id) = &environment.client_id {
        let shown = environment.principal.as_ref().and_then(|p| p.display_name.clone());
        let shown = shown.unwrap_or_else(|| format!("deploy-{}", environment.name));
        let mut policies = vec![gated()];
        if environment.plan == PlanPrincipal::Same {
            policies.extend([main(), policy(format!("repo:{repository}:pull_request"))]);
        }
        let mut deployer = Principal::deployer(id, &shown);
        for other in all.environments.values().filter(|other| other.catalog != environment.catalog) {
            let catalog = other.catalog.as_deref().unwrap_or(&other.name);
            let path = format!("/api/2.0/fs/files/Volumes/{catalog}/");
            deployer = deployer.with(Rule { allow: false, writes_only: true, path });
        }
        principals.push((deployer, policies));
    }
    if let PlanPrincipal::ClientId(id) = &environment.plan {
        let policies = vec![policy(format!("repo:{repository}:pull_request")), main(), gated()];
        principals.push((Principal::reader(id, &format!("plan-{}", environment.name)), policies));
    }
    let federation = Federation {
        jwks_url: format!("{}/.well-known/jwks", github.issuer()),
        account_id: "5f0c1a52-6f2b-4a8e-9b39-7b1de0f3c001".to_owned(),
        principals,
        token_seconds: 300,
    };
    let local = tasks.map_or_else(python_is_there, |mode| mode == TaskMode::Local);
    let mut config = workspace::Config::federated(federation);
    config.seed.clone_from(&environment.name);
    config.catalogs = vec![environment.catalog.clone().unwrap_or_else(|| environment.name.clone())];
    config.catalog_users = all.environments.values().filter_map(|other| other.client_id.clone()).collect();
    if local {
        config.tasks = workspace::Tasks::local(out.join("python"), Vec::new());
    }
    Ok(config)
}

/// The volumes of the books, in the catalog of the environment that writes them.
fn volumes(config: &Config, environment: &Environment) -> Vec<String> {
    let releases = config.releases.written().filter(|_| environment.name == "dev");
    let paths = environment.records.as_deref().into_iter().chain(releases);
    let below = paths.filter_map(|path| path.strip_prefix("/Volumes/"));
    below.map(|path| path.split('/').take(3).collect::<Vec<_>>().join(".")).collect()
}

fn python_is_there() -> bool {
    let mut python = std::process::Command::new("python3");
    python.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}
