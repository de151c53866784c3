//! The inputs, as the runner hands them over.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use mlops_deploy::domain::{Failure, Stage};
use mlops_deploy::inputs::{CommentPolicy, EngineChoice, Inputs, Raw, Surroundings};
use mlops_deploy::report;

fn job() -> Surroundings {
    Surroundings { root: PathBuf::from("/github/workspace"), confined: true }
}

fn raw(pairs: &[(&str, &str)]) -> Raw {
    Raw::from_environment(pairs.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))))
}

fn parse(pairs: &[(&str, &str)]) -> Result<Inputs, Failure> {
    Inputs::parse(raw(pairs), &job())
}

#[test]
fn every_mistake_is_told_at_once() {
    let failure = parse(&[
        ("INPUT_STAGE", "deploy-prod"),
        ("INPUT_BUNDLE-PATH", "../other"),
        ("INPUT_CONFIG", "/etc/passwd"),
        ("INPUT_TARGET", "dev prod"),
        ("INPUT_GITHUB-TOKEN", "ghs_one ghs_two"),
        ("INPUT_COMMIT", "abc123"),
        ("INPUT_ENGINE", "embeded"),
        ("INPUT_ALLOW-OLDER", "yes"),
        ("INPUT_COMMENT", "sometimes"),
        ("INPUT_LOCK-TIMEOUT", "soon"),
        ("INPUT_DEADLINE", "0s"),
        ("INPUT_DRYRUN", "true"),
        ("INPUT_WAREHOUSE", "w\u{1b}[31m"),
    ])
    .unwrap_err();
    insta::assert_snapshot!(report::failure::text(&failure));
}

#[test]
fn a_forgotten_stage_is_named_with_what_there_is() {
    insta::assert_snapshot!(report::failure::text(&parse(&[]).unwrap_err()));
}

#[test]
fn inputs_that_contradict_each_other_are_refused() {
    let failure =
        parse(&[("INPUT_STAGE", "deploy-dev"), ("INPUT_OFFLINE", "true"), ("INPUT_CROSS-CHECK", "True")]).unwrap_err();
    insta::assert_snapshot!(report::failure::text(&failure));
}

#[test]
fn blank_is_not_given_and_both_spellings_are_understood() {
    let inputs = parse(&[
        ("INPUT_STAGE", " deploy-dev "),
        ("INPUT_BUNDLE_PATH", "./bundles/../bundles/churn/"),
        ("INPUT_BUNDLE-PATH", ""),
        ("INPUT_TARGET", "  "),
        ("INPUT_ALLOW_OLDER", "TRUE"),
        ("INPUT_ENGINE", "cli"),
        ("INPUT_COMMENT", "changes"),
        ("INPUT_LOCK-TIMEOUT", "1h30m"),
        ("INPUT_ARGS", "ignored"),
        ("GITHUB_TOKEN", "not an input"),
    ])
    .unwrap();
    assert_eq!(inputs.stage, Stage::DeployDev);
    assert_eq!(inputs.bundle_path, PathBuf::from("/github/workspace/bundles/churn"));
    assert_eq!(inputs.config, PathBuf::from("/github/workspace/bundles/churn/mlops-deploy.yml"));
    assert_eq!(inputs.target, None);
    assert!(inputs.allow_older && !inputs.dry_run);
    assert_eq!((inputs.engine, inputs.comment), (EngineChoice::Cli, CommentPolicy::Changes));
    assert_eq!(inputs.lock_timeout.to_string(), "1h30m");
    assert!(inputs.github_token.is_none());
}

#[test]
fn an_input_given_twice_with_different_values_is_refused() {
    let failure =
        parse(&[("INPUT_STAGE", "validate"), ("INPUT_BUNDLE-PATH", "a"), ("INPUT_BUNDLE_PATH", "b")]).unwrap_err();
    insta::assert_snapshot!(report::failure::text(&failure));
}

#[test]
fn what_is_not_utf8_is_a_mistake_and_no_panic() {
    let bad = OsString::from_vec(vec![0xff, 0xfe]);
    let raw = Raw::from_environment([
        (OsString::from("INPUT_STAGE"), OsString::from("validate")),
        (OsString::from("INPUT_TARGET"), bad.clone()),
        (bad.clone(), OsString::from("x")),
        (OsString::from("HOME"), bad),
    ]);
    let failure = Inputs::parse(raw, &job()).unwrap_err();
    insta::assert_snapshot!(report::failure::text(&failure));
}

#[test]
fn a_flag_goes_before_the_environment() {
    let flags = Raw { target: Some("sandbox".to_owned()), ..Raw::default() };
    let both = flags.over(raw(&[("INPUT_TARGET", "dev"), ("INPUT_STAGE", "validate")]));
    let laptop = Surroundings { root: PathBuf::from("/home/me/churn"), confined: false };
    let inputs = Inputs::parse(Raw { bundle_path: Some("../other".to_owned()), ..both }, &laptop).unwrap();
    assert_eq!(inputs.target.as_deref(), Some("sandbox"));
    assert_eq!(inputs.bundle_path, PathBuf::from("/home/me/other"));
}

#[test]
fn a_token_is_never_repeated() {
    let token = "dapi0123456789\nabcdef";
    let given = raw(&[("INPUT_STAGE", "validate"), ("INPUT_DATABRICKS-TOKEN", token)]);
    assert_eq!(given.secrets().count(), 1);
    let failure = Inputs::parse(given, &job()).unwrap_err();
    let said = format!("{}{failure:?}", report::failure::text(&failure));
    assert!(!said.contains("dapi") && !said.contains("abcdef"), "{said}");
}
