//! What a failure says, word for word, reason by reason: made by the code that makes it in a
//! run, printed as a run prints it. A reason without a case is named by the last test.

use std::collections::BTreeMap;

use mlops_deploy::adapters::host::archive;
use mlops_deploy::bundle::state::State;
use mlops_deploy::domain::ledger::{self, Chain, Record};
use mlops_deploy::domain::plan::{Knowledge, Loss};
use mlops_deploy::domain::rights::{Access, VolumeName};
use mlops_deploy::domain::{Digest, Failure, Origin, Purpose, Reason, ReleaseId, plan};
use mlops_deploy::engines::cross_checked;
use mlops_deploy::inputs::config;
use mlops_deploy::inputs::{Config, Inputs, Raw, Surroundings};
use mlops_deploy::policy::as_promised::Promise;
use mlops_deploy::policy::host_allowed::NamedHost;
use mlops_deploy::policy::job_passed::RunEnd;
use mlops_deploy::policy::may_keep_books::Book;
use mlops_deploy::policy::not_older::Age;
use mlops_deploy::policy::plan_principal::PlanPrincipal;
use mlops_deploy::policy::{
    Verdict, as_packed, as_promised, deployed_before, host_allowed, job_passed, may_keep_books, not_older,
    not_older_release, plan_principal, trained_from, trusted_event,
};
use mlops_deploy::ports::RestError;
use mlops_deploy::report::failure::text;
use mlops_deploy::saga::{JournalError, StepError};
use mlops_deploy::steps::ledger::Ledger;
use serde_json::{Value, json};

use crate::promotion_texts;

fn refused(verdict: Verdict) -> Failure {
    verdict.answer.unwrap_err()
}

fn answered(status: u16, code: &str, message: &str) -> Failure {
    let error =
        RestError::Status { status, error_code: code.to_owned(), message: message.to_owned(), details: Value::Null };
    error.into_failure("create job `train`")
}

fn inputs() -> Vec<Failure> {
    let at = Surroundings { root: "/github/workspace".into(), confined: true };
    let nobody = Knowledge {
        printable: &|_, _| false,
        facts: &|_, _| Vec::new(),
        lost: &|_| Loss::default(),
        title: &|kind| kind.to_owned(),
        deployed: &|_| false,
        deployer: "",
    };
    let dev = Config::read("environments: {dev: {host: dbc.example.com}}", "mlops-deploy.yml").unwrap();
    vec![
        Inputs::parse(Raw::default(), &at).unwrap_err(),
        Config::read("environments: {dev: {hots: x}}", "mlops-deploy.yml").unwrap_err(),
        config::not_found("mlops-deploy.yml"),
        dev.environment("prod").unwrap_err(),
        plan::read(&json!({}), &nobody).unwrap_err(),
    ]
}

fn gates() -> Vec<Failure> {
    let stranger = NamedHost {
        target: "dev".into(),
        host: "https://evil.example.com".into(),
        expected: None,
        origin: Some(Origin::new("databricks.yml", 12, 13)),
    };
    let book = |key, path, access| Book { key, volume: VolumeName::of_path(path).unwrap(), access };
    let books = [
        book("records", "/Volumes/dev/ops/deployments/churn", Access::Unseen),
        book("releases", "/Volumes/dev/ops/releases", Access::Lacking),
    ];
    let broken = Promise { what: "name of jobs.train".into(), expected: "train".into(), found: "nothing".into() };
    let run = RunEnd {
        job: "smoke_test".into(),
        life_cycle_state: "TERMINATED".into(),
        result_state: "FAILED".into(),
        message: "Task score failed.".into(),
        url: "https://dbc.example.com/jobs/1/runs/2".into(),
        failed_tasks: vec![("score".into(), "FAILED".into(), "ValueError: no rows".into())],
    };
    let ended = |result: &str| RunEnd { job: "train_churn".into(), result_state: result.into(), ..run.clone() };
    let planned = |action: &str| json!({"plan": {"resources.jobs.train": {"action": action}}});
    vec![
        cross_checked::agree(&planned("update"), &planned("skip")).unwrap_err(),
        refused(job_passed::verdict(Purpose::Training, &ended("FAILED"))),
        refused(job_passed::verdict(Purpose::Training, &ended("MAXIMUM_CONCURRENT_RUNS_REACHED"))),
        refused(job_passed::verdict(Purpose::Training, &ended("CANCELED"))),
        refused(job_passed::verdict(Purpose::Training, &ended("SUCCESS_WITH_FAILURES"))),
        refused(job_passed::verdict(Purpose::Training, &ended("UPSTREAM_FAILED"))),
        refused(job_passed::verdict(Purpose::Validation, &ended("FAILED"))),
        refused(trained_from::verdict("churn", None, "1111111111")),
        refused(trained_from::verdict("churn", Some("2222222222"), "1111111111")),
        refused(host_allowed::verdict(&[stranger], &["https://dbc.example.com".to_owned()])),
        refused(trusted_event::verdict("issue_comment", Some("anybody may start it"))),
        refused(plan_principal::verdict("dev", PlanPrincipal::Missing)),
        refused(may_keep_books::verdict("deploy-dev", &books)),
        refused(not_older::verdict(&Age::Older, "2222222222", "1111111111", false)),
        refused(not_older::verdict(&Age::Diverged, "2222222222", "1111111111", false)),
        refused(as_promised::verdict(&[broken])),
        refused(job_passed::verdict(Purpose::Smoke, &run)),
        StepError::drift("job `train`", "4", "9").failure,
    ]
}

/// Dev's ledger, in which the first release came before the second.
fn chain(releases: &[ReleaseId]) -> Chain {
    let mut head = None;
    let mut files = BTreeMap::new();
    for release in releases {
        let record = Record {
            version: ledger::VERSION,
            sequence: 0,
            previous: None,
            at: "2026-11-25T10:00:00Z".into(),
            environment: "dev".into(),
            bundle: "churn".into(),
            target: "dev".into(),
            stage: "deploy-dev".into(),
            release: *release,
            archive: None,
            commit: "c".into(),
            older: false,
            plan_digest: String::new(),
            changes: BTreeMap::new(),
            by: ledger::By::default(),
            seen: BTreeMap::new(),
            details: BTreeMap::new(),
            program: "0.1.0".into(),
        };
        let record = record.behind(head);
        head = Some(record.head());
        files.insert(record.sequence, record.to_bytes());
    }
    Chain::verify("dev", &files).unwrap()
}

fn releases() -> Vec<Failure> {
    let [old, new, unknown] = [&b"old"[..], b"new", b"unknown"].map(|text| ReleaseId(Digest::of(text)));
    let dev = chain(&[old, new]);
    let broken = Chain::verify("dev", &BTreeMap::from([(2, Vec::new())])).unwrap_err();
    let (packed, here) = (json!({"resources": {"jobs": {"a": {"name": "x"}}}}), json!({"resources": {"jobs": {}}}));
    vec![
        refused(deployed_before::verdict(unknown, "dev", Some(&dev))),
        refused(deployed_before::verdict(unknown, "dev", None)),
        refused(not_older_release::verdict(old, Some(new), &dev, false)),
        refused(as_packed::verdict("staging", &packed, &here)),
        archive::changed(new, "`src/a.py` has other bytes than its digest says".into()),
        Ledger::new("dev", "/Volumes/dev/ops/deployments", "churn").broken(&broken),
    ]
}

fn outside() -> Vec<Failure> {
    let newer = br#"{"state_version": 99, "state": {}}"#;
    let feature = br#"{"state_version": 2, "features": {"deployment_history": true}, "state": {}}"#;
    vec![
        answered(401, "", "the token is not valid"),
        answered(403, "PERMISSION_DENIED", "no CREATE SCHEMA on catalog dev"),
        answered(404, "RESOURCE_DOES_NOT_EXIST", "no such cluster policy"),
        answered(409, "RESOURCE_CONFLICT", "changed meanwhile"),
        answered(429, "REQUEST_LIMIT_EXCEEDED", "too many requests"),
        answered(500, "INTERNAL_ERROR", "something broke"),
        RestError::NotSent("no such host".into()).into_failure("read job `train`"),
        RestError::Lost("connection reset".into()).into_failure("create job `train`"),
        RestError::Malformed("it is not JSON".into()).into_failure("read job `train`"),
        State::parse(b"{").unwrap_err(),
        State::parse(newer).unwrap_err(),
        State::parse(feature).unwrap_err(),
        JournalError::Write(std::io::Error::other("no space left on device")).into(),
        JournalError::Copy(answered(403, "PERMISSION_DENIED", "no write access")).into(),
    ]
}

fn all() -> Vec<Failure> {
    [inputs(), gates(), releases(), outside(), promotion_texts::all()].into_iter().flatten().collect()
}

#[test]
fn every_failure_says_what_to_do_next() {
    let told: Vec<String> =
        all().iter().map(|failure| format!("[{}]\n{}", failure.reason.name(), text(failure))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_message_is_readable_after_failed_to() {
    for failure in all() {
        let first = failure.message.chars().next().unwrap();
        assert!(first.is_lowercase(), "{}", failure.message);
        assert!(!failure.message.ends_with('.'), "{}", failure.message);
    }
}

#[test]
fn a_cause_is_said_once_and_foreign_text_gives_no_commands() {
    let inner = std::io::Error::other("::error::boo\u{1b}[2J");
    let failure = Failure::new(Reason::DiskError, "write x").because(inner).hint("##[group]look");
    assert_eq!(text(&failure), "failed to write x: ::error::boo\u{fffd}[2J\n  hint: ## [group]look\n");
    let twice = Failure::new(Reason::DiskError, "write x: no space").because(std::io::Error::other("no space"));
    assert_eq!(text(&twice), "failed to write x: no space\n");
    let stopped = Failure::new(Reason::Cancelled, "stopped before 3 of the changes");
    assert_eq!(text(&stopped), "stopped before 3 of the changes\n");
}

/// Reasons whose message is held where its scene is.
const TOLD_IN: &[(&str, &str)] = &[
    ("unknown-model", "promotion__a_model_that_the_configuration_does_not_have_is_named"),
    ("alias-moved", "serving__an_alias_moves_and_moves_back_and_a_humans_repair_stays"),
    ("oidc-unavailable", "sign_in__a_job_without_the_permission_is_told_which_one"),
    ("token-refused", "sign_in__a_refused_exchange_shows_the_claims_beside_what_the_policy_must_match"),
    ("no-model-version", "training__the_words_of_what_goes_wrong"),
    ("two-model-versions", "training__the_words_of_what_goes_wrong"),
    ("version-not-ready", "training__the_words_of_what_goes_wrong"),
    ("no-such-model", "training__the_words_of_what_goes_wrong"),
    ("training-timed-out", "training__the_words_of_what_goes_wrong"),
    ("validation-timed-out", "training__the_words_of_what_goes_wrong"),
];

#[test]
fn every_reason_has_its_message_held() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let held = |name: &str| {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let named = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(name));
        named.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>()
    };
    let told = held("it__failure_texts__") + &held("it__failure_stories__");
    let in_a_scene = |name: &str| {
        TOLD_IN.iter().any(|(reason, story)| *reason == name && held(&format!("it__{story}")).contains("hint:"))
    };
    // Their words stand in the story itself.
    let in_words = [
        ("release-missing", include_str!("release_stories.rs")),
        ("ledger-unreadable", include_str!("release_stories.rs")),
        ("unsafe-archive", include_str!("archives.rs")),
        ("model-not-portable", include_str!("model_copy/refusals.rs")),
        ("copy-differs", include_str!("model_copy/refusals.rs")),
    ];
    let in_a_scene = |name: &str| in_a_scene(name) || in_words.iter().any(|(n, text)| *n == name && told_by(text, n));
    let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    let missing: Vec<&&str> =
        names.iter().filter(|name| !told.contains(&format!("[{name}]\n")) && !in_a_scene(name)).collect();
    assert!(missing.is_empty(), "no snapshot holds a message of {missing:?}");
    assert!(names.len() >= 40, "{} reasons", names.len());
}

fn told_by(story: &str, reason: &str) -> bool {
    let variant = Reason::ALL.iter().find(|known| known.name() == reason);
    story.contains(reason) || variant.is_some_and(|variant| story.contains(&format!("{variant:?}")))
}
