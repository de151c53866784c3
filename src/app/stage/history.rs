//! `history`: what was deployed, read from the ledgers and verified.
//!
//! Each ledger is read through the workspace of its own environment, so that one environment
//! can be asked for by somebody who may see no other. What the other ledgers have seen of it
//! is compared as far as that workspace shows them.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::{configuration, connect, prepare, surroundings};
use crate::adapters::host::LocalProcess;
use crate::app::Desk;
use crate::app::disk::Disk;
use crate::bundle::{Options, load};
use crate::domain::ledger::Chain;
use crate::domain::{Failure, Reason, Stage};
use crate::inputs::Config;
use crate::inputs::config::{Environment, PlanPrincipal};
use crate::inputs::parse::Inputs;
use crate::inputs::raw::Raw;
use crate::report::history::{self, Kept};
use crate::steps::volume::VolumeFiles;

#[derive(Args)]
pub struct History {
    /// Only this environment
    #[arg(long, short = 'e', value_name = "NAME")]
    pub environment: Option<String>,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Path of the configuration file; default: mlops-deploy.yml in the bundle's folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Folder of the databricks.yml
    #[arg(long, value_name = "FOLDER")]
    pub bundle_path: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

pub async fn print(asked: History) -> Result<ExitCode, Failure> {
    let desk = Desk::lay()?;
    let raw = Raw { config: asked.config, bundle_path: asked.bundle_path, ..Raw::default() };
    let mut raw = raw.over(desk.raw.clone());
    raw.stage = Some(Stage::Validate.name().to_owned());
    let inputs = Inputs::parse(raw, &surroundings(&desk))?;
    let config = configuration(&desk, &inputs).await?;
    let bundle = bundle_name(&inputs)?;
    let wanted: Vec<&Environment> = match &asked.environment {
        Some(name) => vec![config.environment(name)?],
        None => config.environments.values().filter(|environment| environment.records.is_some()).collect(),
    };
    if let Some(without) = wanted.iter().find(|environment| environment.records.is_none()) {
        return Err(no_books(&config, &without.name));
    }
    if wanted.is_empty() {
        return Err(no_books(&config, "dev"));
    }
    let mut ledgers = Vec::new();
    for environment in wanted {
        ledgers.push(read(&desk, &inputs, &config, environment, &bundle).await?);
    }
    match asked.output {
        Output::Text => print!("{}", history::text(&ledgers)),
        Output::Json => println!("{:#}", history::document(&ledgers)),
    }
    Ok(ExitCode::SUCCESS)
}

fn no_books(config: &Config, name: &str) -> Failure {
    let message = format!("read the history: no `environments.{name}.records` in {}", config.file);
    Failure::new(Reason::LedgerUnreadable, message)
        .hint("set it to a folder of a volume; what was deployed from then on is recorded there")
}

fn bundle_name(inputs: &Inputs) -> Result<String, Failure> {
    let root = &inputs.bundle_path;
    let options = Options { root: root.display().to_string(), ..Options::default() };
    let loaded = load::load(&Disk::at(root), &options)?;
    let name = loaded.config.text(&["bundle", "name"]).map(str::to_owned);
    name.ok_or_else(|| {
        Failure::new(Reason::BundleNotFound, format!("find the name of the bundle in {}", root.display()))
            .hint("point `--bundle-path` to the folder of the databricks.yml")
    })
}

async fn read(
    desk: &Desk,
    inputs: &Inputs,
    config: &Config,
    environment: &Environment,
    bundle: &str,
) -> Result<Kept, Failure> {
    let client_id = match &environment.plan {
        PlanPrincipal::ClientId(id) => Some(id.clone()),
        _ => environment.client_id.clone(),
    };
    let process = Arc::new(LocalProcess::new(desk.var("PATH").unwrap_or_default(), Arc::clone(&desk.masker)));
    let who = connect::Who { environment, client_id };
    let (world, _) = connect::connect(desk, inputs, &who, process, None)?;
    let files = VolumeFiles::new(world.workspace);
    let own = prepare::ledger(environment, bundle).ok_or_else(|| no_books(config, &environment.name))?;
    let chain: Chain = own.read(&files).await?;
    let mut unasked = Vec::new();
    for other in config.environments.values().filter(|other| other.name != environment.name) {
        let Some(theirs) = prepare::ledger(other, bundle) else { continue };
        match theirs.read(&files).await {
            Ok(later) => chain.seen_by(&environment.name, &later).map_err(|broken| own.broken(&broken))?,
            Err(failure) if failure.reason == Reason::LedgerBroken => return Err(failure),
            Err(failure) => unasked.push(failure.to_string()),
        }
    }
    Ok(Kept { environment: environment.name.clone(), chain, unasked })
}
