//! `bundle run`: a job or a pipeline of the bundle, by its key.

use super::args::{Output, Run};
use super::hand::{Done, Hand, tell};
use super::lists::all_fields;
use super::run_parameters;
use crate::bundle::document;
use crate::domain::{Failure, Reason, Tree};
use crate::steps::bundle::run::{JobOptions, PipelineOptions, Runner};

/// What can be run, and under which key it is asked for.
const RUNNABLE: [&str; 2] = ["jobs", "pipelines"];
/// What the official command can run besides.
const OTHERS: [&str; 2] = ["apps", "scripts"];

pub async fn run(hand: Hand, args: &Run) -> Done {
    let Some(asked) = args.key.as_deref().filter(|key| !key.is_empty()) else {
        if !args.rest.is_empty() {
            let message = "unsupported: run -- COMMAND (a command with the bundle's credential)";
            return Err(Failure::new(Reason::Unsupported, message).into());
        }
        return Err(wrong("expected a KEY of the resource to run".to_owned()).into());
    };
    let ready = hand.ready().await?;
    ready.accept()?;
    let (kind, key) = find(ready.config(), asked)?;
    let state = ready.pull_state().await?;
    let node = format!("resources.{kind}.{key}");
    let id = state.id(&node).ok_or_else(|| {
        Failure::new(Reason::NotFound, format!("run {asked}: it is not deployed")).hint("run `bundle deploy` first")
    })?;
    let runner = Runner { rest: ready.rest.as_ref(), clock: ready.hand.clock.as_ref(), tell: &tell };
    let output = match kind {
        "jobs" => runner.job(&key, id, &job(ready.config(), &key, args).map_err(wrong)?).await?,
        _ => runner.pipeline(&key, id, &pipeline(args).map_err(wrong)?).await?,
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

fn wrong(message: String) -> Failure {
    Failure::new(Reason::InvalidInput, message)
}

fn job(config: &Tree, key: &str, args: &Run) -> Result<JobOptions, String> {
    let job = config.find(&["resources", "jobs", key]).cloned().unwrap_or_default();
    let words = [args.words.as_slice(), &args.rest].concat();
    Ok(JobOptions {
        parameters: run_parameters::fields(&job, &args.parameters, &words)?,
        only: run_parameters::only(&job, &args.only)?,
        no_wait: args.no_wait,
        restart: args.restart,
    })
}

fn pipeline(args: &Run) -> Result<PipelineOptions, String> {
    let words = args.words.len() + args.rest.len();
    if words > 0 {
        return Err(format!("received {words} unexpected positional arguments"));
    }
    let options = PipelineOptions {
        refresh: all_fields("refresh", &args.refresh)?,
        full_refresh: all_fields("full-refresh", &args.full_refresh)?,
        full_refresh_all: args.full_refresh_all,
        validate_only: args.validate_only,
        no_wait: args.no_wait,
        restart: args.restart,
    };
    let whole: Vec<&str> = [
        (args.refresh_all, "--refresh-all"),
        (args.full_refresh_all, "--full-refresh-all"),
        (args.validate_only, "--validate-only"),
    ]
    .into_iter()
    .filter_map(|(given, flag)| given.then_some(flag))
    .collect();
    let some = !options.refresh.is_empty() || !options.full_refresh.is_empty();
    match whole.as_slice() {
        [flag] if some => Err(format!(
            "cannot use --refresh or --full-refresh together with {flag}, these flags are mutually exclusive"
        )),
        [] | [_] => Ok(options),
        many => Err(format!("{} pipeline run flags are mutually exclusive", many.join(", "))),
    }
}
