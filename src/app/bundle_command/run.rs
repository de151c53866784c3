//! `bundle run`: a job, a pipeline or a script of the bundle, by its key; or a command with the bundle's credential.

use std::path::Path;

use super::args::{Output, Run};
use super::hand::{Done, Hand};
use super::lists::all_fields;
use super::meter::Meter;
use super::ready::Ready;
use super::run_parameters;
use crate::adapters::host::{Added, become_program};
use crate::bundle::syntax::document;
use crate::domain::{Failure, Reason, Tally, Tree};
use crate::steps::bundle::run::{JobOptions, PipelineOptions, Runner};

/// What can be run, and under which key it is asked for.
const RUNNABLE: [&str; 2] = ["jobs", "pipelines"];
/// What the official command can run besides.
const OTHER: &str = "apps";

pub async fn run(hand: Hand, args: &Run) -> Done {
    let asked = args.key.as_deref().unwrap_or_default();
    if asked.is_empty() && args.rest.is_empty() {
        return Err(wrong("expected a KEY of the resource to run".to_owned()).into());
    }
    let ready = hand.ready().await?;
    ready.accept()?;
    if asked.is_empty() {
        return command(&ready, &args.rest);
    }
    if let Some(script) = ready.config().find(&["scripts", asked]) {
        return self::script(&ready, script, &[args.words.as_slice(), &args.rest].concat());
    }
    let (kind, key) = find(ready.config(), asked)?;
    let state = ready.pull_state().await?;
    let node = format!("resources.{kind}.{key}");
    let id = state.id(&node).ok_or_else(|| {
        Failure::new(Reason::NotFound, format!("run {asked}: it is not deployed")).hint("run `bundle deploy` first")
    })?;
    let meter = Meter::on_stderr(false);
    let tell = |line: &str| meter.say(line);
    let runner = Runner { rest: ready.rest.as_ref(), clock: ready.hand.clock.as_ref(), tell: &tell };
    let (what, tally) = (format!("Running {asked}"), Tally::default());
    let output = match kind {
        "jobs" => {
            let options = job(ready.config(), &key, args).map_err(wrong)?;
            meter.watch(&what, &tally, runner.job(&key, id, &options)).await?
        }
        _ => {
            let options = pipeline(args).map_err(wrong)?;
            meter.watch(&what, &tally, runner.pipeline(&key, id, &options)).await?
        }
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
        [] => Err(if has(OTHER, asked) {
            Failure::new(Reason::Unsupported, format!("unsupported: {OTHER}.{asked} (run)"))
        } else {
            Failure::new(Reason::InvalidInput, format!("resource with key {asked:?} not found"))
        }),
        many => Err(Failure::new(
            Reason::InvalidInput,
            format!(
                "multiple resources with key {asked:?}: {}",
                many.iter().map(|k| format!("{k}.{asked}")).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}

/// Runs where the caller stands, as the command would without us before it.
fn command(ready: &Ready, words: &[String]) -> Done {
    let here = std::env::current_dir().map_err(|e| Failure::new(Reason::Internal, "find the folder").because(e))?;
    take_our_place(ready, &words[0], &words[1..], &here, Vec::new())
}

/// Runs in the bundle's folder, by `bash`; the first failing command ends it.
fn script(ready: &Ready, script: &Tree, words: &[String]) -> Done {
    if !words.is_empty() {
        let message = format!("additional arguments are not supported for scripts. Got: [{}]", words.join(" "));
        return Err(wrong(message).hint("give them in environment variables, which a script inherits").into());
    }
    let own = script.get("env").and_then(Tree::as_map).into_iter().flatten();
    let own = own.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let content = script.text(&["content"]).unwrap_or_default().to_owned();
    take_our_place(ready, "bash", &["-ec".to_owned(), content], &ready.hand.root, own)
}

fn take_our_place(
    ready: &Ready,
    program: &str,
    args: &[String],
    folder: &Path,
    mut plain: Vec<(String, String)>,
) -> Done {
    let signed_in = [
        ("DATABRICKS_HOST", ready.rest.host()),
        ("DATABRICKS_AUTH_TYPE", "pat"),
        ("DATABRICKS_BUNDLE_TARGET", &ready.resolved.target),
    ];
    plain.extend(signed_in.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let added = Added { plain: &plain, secret: &[("DATABRICKS_TOKEN", &ready.token)] };
    match become_program(program, args, folder, &added)? {}
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
