//! The official command as an engine: a subprocess per question.
//!
//! It resolves, plans and applies by itself, so that its graph has one change, and that
//! change cannot be taken back in parts: the command leaves no receipts. Credentials go by
//! environment, never by argument, and the environment is made from nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::domain::{Diagnostic, Failure, Origin, Reason, Severity};
use crate::ports::engine::{ActAs, Engine, EnginePlan, ResolvedTarget};
use crate::ports::process::{Finished, Tell, Trust};
use crate::ports::{Command, Identity, Process, ProcessError, World};
use crate::saga::{Change, Found, Graph, Nature, Outcome, Outcomes, Receipt, Registry, Spec, StepError, Undone};
use crate::steps::bundle::{UploadRoute, WorkspaceFiles};

/// The verb of the one change.
pub const DEPLOY: &str = "deploy-with-official-command";

/// Which command, on which bundle, as whom.
#[derive(Clone)]
pub struct OfficialCli {
    inner: Arc<Inner>,
}

struct Inner {
    program: String,
    root: PathBuf,
    variables: Vec<(String, String)>,
    /// `PATH`, `HOME` and what the bundle reads (`BUNDLE_VAR_*`): nothing else.
    env: Vec<(String, String)>,
    identity: Arc<dyn Identity>,
    timeout: Duration,
}

/// What `OfficialCli` is made of.
pub struct Settings {
    pub program: String,
    pub root: PathBuf,
    pub variables: Vec<(String, String)>,
    pub env: Vec<(String, String)>,
    pub identity: Arc<dyn Identity>,
    pub timeout: Duration,
}

impl OfficialCli {
    pub fn new(settings: Settings) -> Self {
        let Settings { program, root, variables, env, identity, timeout } = settings;
        Self { inner: Arc::new(Inner { program, root, variables, env, identity, timeout }) }
    }
}

impl Inner {
    async fn run(&self, world: &World, target: &str, args: &[&str]) -> Result<Finished, Failure> {
        let doing = || format!("run `databricks bundle {}` for target `{target}`", args.first().unwrap_or(&""));
        let token = self.identity.token().await.map_err(|e| e.0)?;
        let mut all: Vec<String> = vec!["bundle".to_owned()];
        all.extend(args.iter().map(|a| (*a).to_owned()));
        all.extend(["-t".to_owned(), target.to_owned()]);
        for (name, value) in &self.variables {
            // Quoted as CSV, so that a comma in a value splits nothing.
            all.extend(["--var".to_owned(), format!("\"{name}={}\"", value.replace('"', "\"\""))]);
        }
        let mut env = self.env.clone();
        for (name, value) in [
            ("DATABRICKS_HOST", world.workspace.host()),
            ("DATABRICKS_AUTH_TYPE", "pat"),
            ("DATABRICKS_BUNDLE_ENGINE", "direct"),
            ("DATABRICKS_CACHE_ENABLED", "false"),
            ("DATABRICKS_CLI_DISABLE_TELEMETRY", "1"),
            ("DATABRICKS_CLI_DISABLE_UPDATE_CHECK", "1"),
            ("NO_COLOR", "1"),
        ] {
            env.push((name.to_owned(), value.to_owned()));
        }
        let command = Command {
            program: self.program.clone(),
            args: all,
            folder: self.root.clone(),
            env,
            secret_env: vec![("DATABRICKS_TOKEN".to_owned(), token)],
            trust: Trust::Tool,
            timeout: self.timeout,
        };
        world.process.run(command, &|line| tracing::debug!("databricks: {line}")).await.map_err(|error| {
            let reason = match error {
                ProcessError::NotFound { .. } => Reason::ToolMissing,
                ProcessError::TimedOut { .. } => Reason::DeadlineExceeded,
                _ => Reason::WorkspaceError,
            };
            Failure::new(reason, doing()).because(error)
        })
    }

    async fn document(&self, world: &World, target: &str, word: &str) -> Result<(Value, Finished), Failure> {
        let finished = self.run(world, target, &[word, "-o", "json"]).await?;
        let doing = format!("run `databricks bundle {word}` for target `{target}`");
        let document = serde_json::from_slice(&finished.stdout);
        match document {
            Ok(document) if finished.succeeded() || word == "validate" => Ok((document, finished)),
            Err(error) if finished.succeeded() => Err(Failure::new(Reason::MalformedReply, doing).because(error)),
            _ => Err(failed(doing, &finished)),
        }
    }
}

fn failed(doing: String, finished: &Finished) -> Failure {
    let said = diagnostics(&finished.stderr);
    let reason =
        if said.iter().any(|d| d.summary.contains("deploy lock")) { Reason::LockHeld } else { Reason::InvalidBundle };
    let first = said.iter().find(|d| d.is_error()).map(|d| d.summary.clone());
    let how = match (finished.code, finished.signal) {
        (_, Some(signal)) => format!("killed by signal {signal}"),
        (Some(code), _) => format!("exit code {code}"),
        _ => "no exit code".to_owned(),
    };
    let failure = Failure::new(reason, format!("{doing}: {}", first.unwrap_or(how)));
    failure.about(said)
}

/// Reads the blocks that the command writes on stderr: a head, places, a free text.
fn diagnostics(stderr: &[u8]) -> Vec<Diagnostic> {
    let text = String::from_utf8_lossy(stderr);
    let mut found: Vec<Diagnostic> = Vec::new();
    for line in text.lines() {
        let head = [
            ("Error: ", Severity::Error),
            ("Warning: ", Severity::Warning),
            ("Recommendation: ", Severity::Recommendation),
        ];
        let head = head.iter().find_map(|(word, severity)| Some((*severity, line.strip_prefix(word)?)));
        if let Some((severity, summary)) = head {
            found.push(Diagnostic::new(severity, summary));
        } else if let (Some(last), Some(path)) = (found.last_mut(), line.strip_prefix("  at ")) {
            last.paths.push(path.to_owned());
        } else if let (Some(last), Some(place)) = (found.last_mut(), line.strip_prefix("  in ")) {
            last.origins.extend(origin(place));
        }
    }
    found
}

fn origin(place: &str) -> Option<Origin> {
    let mut parts = place.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Origin::new(parts.next()?, line, column))
}

#[async_trait]
impl Engine for OfficialCli {
    fn name(&self) -> &'static str {
        "cli"
    }

    async fn resolve(&self, target: &str, world: Option<&World>) -> Result<ResolvedTarget, Failure> {
        let world = world.ok_or_else(|| {
            Failure::new(Reason::Unsupported, "resolve the bundle offline: the official command needs a workspace")
                .hint("use `engine: embedded`, or let the stage sign in")
        })?;
        let (config, finished) = self.inner.document(world, target, "validate").await?;
        let diagnostics = diagnostics(&finished.stderr);
        Ok(ResolvedTarget { target: target.to_owned(), config, tree: None, diagnostics, unsupported: Vec::new() })
    }

    /// The command builds when it plans and when it deploys.
    async fn build(&self, _: &str, _: &dyn Process, _: Tell<'_>) -> Result<(), Failure> {
        Ok(())
    }

    async fn plan(&self, target: &str, world: &World, act_as: Option<&ActAs>) -> Result<EnginePlan, Failure> {
        if let Some(principal) = act_as {
            let message = format!("plan in the name of `{}` with the official command", principal.application_id);
            return Err(Failure::new(Reason::Unsupported, message)
                .hint("it plans as whoever signs in; use `engine: embedded`, or write `plan: same`"));
        }
        let (config, _) = self.inner.document(world, target, "validate").await?;
        let (document, finished) = self.inner.document(world, target, "plan").await?;
        let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (root_path, state_path) = (text("/workspace/root_path"), text("/workspace/state_path"));
        let deployed_commit = deployed_commit(world, &state_path).await?;
        Ok(EnginePlan {
            deployed: deployed(&document),
            document,
            files: None,
            diagnostics: diagnostics(&finished.stderr),
            root_path,
            state_path,
            deployer: text("/workspace/current_user/userName"),
            deployed_commit,
            config,
        })
    }

    async fn changes(&self, target: &str, _: &World, _: &str) -> Result<Graph<World>, Failure> {
        let deploy = Deploy { cli: Some(Arc::clone(&self.inner)), target: target.to_owned() };
        Ok(Graph::new().then(Arc::new(deploy)))
    }

    fn sparing(&self) -> Option<Arc<dyn Engine>> {
        None
    }

    /// The official command deploys a bundle as it is written, clocks and all.
    fn holding_still(&self, _: &[String]) -> Option<Arc<dyn Engine>> {
        None
    }

    fn registry(&self, _: &World) -> Registry<World> {
        Registry::default().with(DEPLOY, |spec| Some(Arc::new(Deploy::from_spec(spec)?)))
    }
}

/// What is not made new is in the state already.
fn deployed(document: &Value) -> BTreeSet<String> {
    let known = |entry: &Value| entry["action"].as_str() != Some("create");
    let nodes = document["plan"].as_object().into_iter().flatten();
    nodes.filter(|(_, entry)| known(entry)).map(|(node, _)| node.clone()).collect()
}

async fn deployed_commit(world: &World, state_path: &str) -> Result<Option<String>, Failure> {
    let files = WorkspaceFiles::new(Arc::clone(&world.workspace), UploadRoute::Multipart);
    let path = format!("{state_path}/metadata.json");
    let bytes = files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
    let metadata: Option<Value> = bytes.and_then(|b| serde_json::from_slice(&b).ok());
    Ok(metadata.and_then(|m| m.pointer("/config/bundle/git/commit")?.as_str().map(str::to_owned)))
}

/// The whole deployment, as the official command makes it.
pub struct Deploy {
    /// None when rebuilt from a journal.
    cli: Option<Arc<Inner>>,
    target: String,
}

impl Deploy {
    pub fn from_spec(spec: &Spec) -> Option<Self> {
        Some(Self { cli: None, target: spec.args["target"].as_str()?.to_owned() })
    }
}

#[async_trait]
impl Change<World> for Deploy {
    fn spec(&self) -> Spec {
        Spec { verb: DEPLOY.to_owned(), subject: self.target.clone(), args: json!({"target": self.target}) }
    }

    fn title(&self) -> String {
        format!("deploy target `{}` with the official command", self.target)
    }

    fn nature(&self) -> Nature {
        Nature::Irreversible(
            "the official command leaves no receipts: what it changed is brought forward by the next run",
        )
    }

    fn told(&self) -> &'static [&'static str] {
        &["target"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({"target": self.target})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let cli = self.cli.as_ref().ok_or_else(|| {
            Failure::new(
                Reason::Internal,
                format!("{}: a change read from a journal cannot be made again", self.title()),
            )
        })?;
        // The lock is ours already, taken in line with everybody else: the command takes it over, and gives it back.
        let finished = cli.run(world, &self.target, &["deploy", "--auto-approve", "--force-lock"]).await?;
        if finished.succeeded() {
            Ok(Outcome(json!({"target": self.target})))
        } else {
            Err(failed(self.title(), &finished).into())
        }
    }

    /// Deploying again is harmless: the command compares before it changes.
    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_says_is_read_with_its_places() {
        let said =
            b"Building x...\nWarning: unknown field: tsks\n  at resources.jobs.j\n  in a/b.yml:3:5\n\nError: no\n";
        let found = diagnostics(said);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].origins, [Origin::new("a/b.yml", 3, 5)]);
        assert_eq!(found[0].paths, ["resources.jobs.j"]);
        assert!(found[1].is_error());
    }
}
