//! `bundle run`: a job or a pipeline of the bundle, by its key.

use super::args::{Output, Run};
use super::hand::{Done, Hand, tell};
use crate::bundle::document;
use crate::domain::{Failure, Reason, Tree};
use crate::steps::bundle::run::{JobOptions, PipelineOptions, Runner};

/// What can be run, and under which key it is asked for.
const RUNNABLE: [&str; 2] = ["jobs", "pipelines"];
/// What the official command can run besides.
const OTHERS: [&str; 2] = ["apps", "scripts"];

pub async fn run(hand: Hand, args: &Run) -> Done {
    let wrong = |message: String| Failure::new(Reason::InvalidInput, message);
    let Some(asked) = args.key.as_deref().filter(|key| !key.is_empty()) else {
        return Err(wrong("expected a KEY of the resource to run".to_owned()).into());
    };
    let ready = hand.ready().await?;
    ready.accept()?;
    let (kind, key) = find(ready.config(), asked)?;
    if !args.rest.is_empty() {
        let message = "arguments after `--` are not read; give them as --params name=value";
        return Err(Failure::new(Reason::Unsupported, format!("unsupported: run -- ({message})")).into());
    }
    let state = ready.pull_state().await?;
    let node = format!("resources.{kind}.{key}");
    let id = state.id(&node).ok_or_else(|| {
        Failure::new(Reason::NotFound, format!("run {asked}: it is not deployed")).hint("run `bundle deploy` first")
    })?;
    let runner = Runner {
        rest: ready.rest.as_ref(),
        clock: ready.hand.clock.as_ref(),
        workspace_id: &ready.workspace_id,
        tell: &tell,
    };
    let output = match kind {
        "jobs" => runner.job(&key, id, &job(args)?).await?,
        _ => runner.pipeline(&key, id, &pipeline(args)).await?,
    };
    if let Some(output) = output {
        match ready.hand.global.output {
            Output::Json => println!("{}", document::pretty(&output.document, 2)),
            Output::Text => print!("{}", output.text),
        }
    }
    Ok(())
}

fn find(config: &Tree, asked: &str) -> Result<(&'static str, String), Failure> {
    let has = |kind: &str, key: &str| config.find(&["resources", kind, key]).is_some();
    let full = asked.split_once('.').filter(|(kind, _)| RUNNABLE.contains(kind));
    let found: Vec<&'static str> = match full {
        Some((kind, key)) => RUNNABLE.into_iter().filter(|k| *k == kind && has(k, key)).collect(),
        None => RUNNABLE.into_iter().filter(|kind| has(kind, asked)).collect(),
    };
    let key = full.map_or(asked, |(_, key)| key).to_owned();
    match found.as_slice() {
        [kind] => Ok((kind, key)),
        [] => {
            let section = OTHERS.into_iter().find(|kind| has(kind, asked) || config.find(&[kind, asked]).is_some());
            Err(match section {
                Some(section) => Failure::new(Reason::Unsupported, format!("unsupported: {section}.{asked} (run)")),
                None => Failure::new(Reason::InvalidInput, format!("resource with key {asked:?} not found")),
            })
        }
        many => Err(Failure::new(
            Reason::InvalidInput,
            format!(
                "multiple resources with key {asked:?}: {}",
                many.iter().map(|k| format!("{k}.{asked}")).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}

fn job(args: &Run) -> Result<JobOptions, Failure> {
    let mut parameters = Vec::new();
    for given in &args.params {
        let (name, value) = given.split_once('=').ok_or_else(|| {
            Failure::new(Reason::InvalidInput, format!("--params {given}: it is not written as name=value"))
        })?;
        parameters.push((name.to_owned(), value.to_owned()));
    }
    Ok(JobOptions { parameters, only: args.only.clone(), no_wait: args.no_wait, restart: args.restart })
}

fn pipeline(args: &Run) -> PipelineOptions {
    PipelineOptions {
        refresh: args.refresh.clone(),
        full_refresh: args.full_refresh.clone(),
        full_refresh_all: args.full_refresh_all,
        validate_only: args.validate_only,
        no_wait: args.no_wait,
        restart: args.restart,
    }
}
