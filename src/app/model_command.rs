//! `mlops-deploy model …`: what the stages do with a registered model, by hand.
//!
//! The same changes as in a stage, without a journal: what fails is taken back at once, and the
//! next try goes on with what a killed one left.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Desk, credentials};
use crate::adapters::databricks::Connector;
use crate::adapters::host::LocalProcess;
use crate::adapters::http;
use crate::adapters::transfer::{self, HttpTransfer};
use crate::domain::{Failure, ModelName, ModelVersion, Reason};
use crate::ports::{Clock, World};
use crate::saga::{Graph, Journal, OnFailure, Options, Registry, execute, unwind};
use crate::steps::model::bytes::progress::{Moment, size};
use crate::steps::model::copy_version::{self, Copied, CopyVersion, Lineage};

#[derive(Subcommand)]
pub enum ModelCommand {
    /// Copy a version of a registered model to another model, byte for byte
    ///
    /// Both belong to one metastore, and the workspace sees both. Files are read back and compared before the copy can be
    /// loaded; a finished copy is found and used, a half one is gone on with.
    Copy(Copy),
}

#[derive(Args)]
pub struct Copy {
    /// What to copy, such as `staging.models.churn/3`
    #[arg(value_name = "CATALOG.SCHEMA.MODEL/VERSION")]
    source: String,
    /// The model that gets a new version, such as `prod.models.churn`
    #[arg(value_name = "CATALOG.SCHEMA.MODEL")]
    target: String,
    /// A profile of .databrickscfg; default: DATABRICKS_HOST with DATABRICKS_TOKEN, or DATABRICKS_CONFIG_PROFILE
    #[arg(short, long)]
    profile: Option<String>,
    /// The commit to name in the copy's tags
    #[arg(long, value_name = "SHA")]
    git_sha: Option<String>,
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub async fn run(command: ModelCommand) -> Result<ExitCode, Failure> {
    let ModelCommand::Copy(asked) = command;
    let (from, version, to) = asked.names()?;
    let desk = Desk::lay()?;
    let world = world(&desk, asked.profile.as_deref())?;
    let lineage = Lineage {
        promotion_id: format!("by-hand-{}", uuid::Uuid::new_v4().simple()),
        git_sha: asked.git_sha.clone(),
        workflow_run: None,
    };
    let (hear, every) = hearer(&desk);
    let change = CopyVersion::new(from, version, to, lineage).heard_by(hear, every).stopped_by(desk.stop.clone());
    let id = copy_id(&change);
    let clock = Arc::clone(&desk.clock);
    let journal = Journal::new(move || clock.now().to_string(), Vec::new());
    let graph = Graph::new().then(Arc::new(change));
    let options = Options { parallelism: 1, on_failure: OnFailure::Stop, stop: desk.stop.clone() };
    let execution = execute(&graph, &world, &journal, &options).await?;
    if execution.errors.is_empty()
        && let Some(copied) = execution.outcomes.get(&id).as_ref().and_then(Copied::of)
    {
        println!("{}", asked.told(&copied));
        return Ok(ExitCode::SUCCESS);
    }
    let registry = Registry::default().with(copy_version::VERB, |spec| Some(Arc::new(CopyVersion::of(spec)?)));
    let unwound = unwind(&execution.begun, &registry, &world, &journal).await;
    for (_, error) in &unwound.failed {
        desk.console.line(&crate::report::failure::text(&error.failure));
    }
    let failure = execution.into_failure();
    Err(failure.unwrap_or_else(|| Failure::new(Reason::Internal, "copy a model version: it has no outcome")))
}

fn copy_id(change: &CopyVersion) -> String {
    crate::saga::Change::<World>::spec(change).id()
}

impl Copy {
    fn names(&self) -> Result<(ModelName, ModelVersion, ModelName), Failure> {
        let bad = |what: &str, why: String| {
            Failure::new(Reason::InvalidInput, format!("use `{what}`: {why}"))
                .hint("write it as `mlops-deploy model copy staging.models.churn/3 prod.models.churn`")
        };
        let (name, version) = self.source.rsplit_once('/').unwrap_or((&self.source, ""));
        let from = ModelName::parse(name).map_err(|e| bad(name, format!("a model {e}")))?;
        let version = ModelVersion::parse(version).map_err(|e| bad(&self.source, format!("a version {e}")))?;
        let to = ModelName::parse(&self.target).map_err(|e| bad(&self.target, format!("a model {e}")))?;
        match from == to {
            true => Err(bad(&self.target, "it is the model that is copied from".to_owned())),
            false => Ok((from, version, to)),
        }
    }

    fn told(&self, copied: &Copied) -> String {
        if self.output == Output::Json {
            return serde_json::to_string_pretty(copied).expect("names and numbers");
        }
        let how = if copied.reused { "was already" } else { "is" };
        format!(
            "{}/{} {how} {}, byte for byte: {} files, {}, manifest sha256 {}",
            copied.model,
            copied.version,
            self.source,
            copied.files,
            size(copied.bytes),
            copied.manifest_sha256
        )
    }
}

/// A bar that is drawn anew on a terminal; in a log a line every few seconds.
fn hearer(desk: &Desk) -> (copy_version::Hearer, Duration) {
    let console = desk.console.clone();
    if desk.console.is_actions() || !std::io::stderr().is_terminal() {
        return (Arc::new(move |moment| console.line(&moment.to_string())), Duration::from_secs(5));
    }
    let draw = move |moment: &Moment| match moment.is_last {
        false => console.status(Some(&moment.bar(24))),
        true => {
            console.status(None);
            console.line(&moment.to_string());
        }
    };
    (Arc::new(draw), Duration::from_millis(200))
}

fn world(desk: &Desk, profile: Option<&str>) -> Result<World, Failure> {
    let (host, token) = credentials::find(&desk.env, profile, None)?;
    let clock: Arc<dyn Clock> = Arc::clone(&desk.clock) as Arc<_>;
    let connector = Connector::from_env(&desk.env, Arc::clone(&clock), Arc::clone(&desk.masker))?;
    let connection = connector.by_token(&host, token)?;
    let user_agent = http::user_agent(desk.console.is_actions());
    let path = desk.var("PATH").unwrap_or_default().to_owned();
    Ok(World {
        workspace: connection.workspace,
        transfer: Arc::new(HttpTransfer::new(user_agent, connection.identity, transfer::endpoints(&desk.env))),
        files: Arc::clone(&desk.files) as Arc<_>,
        process: Arc::new(LocalProcess::new(path, Arc::clone(&desk.masker))),
        clock,
        github: None,
        history: None,
    })
}
