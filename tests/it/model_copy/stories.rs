//! The good day, and days on which an earlier attempt has left something.

use std::collections::BTreeMap;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::PutFile;
use mlops_deploy::saga::{Change, Found, Outcomes, Receipt, Undone};
use mlops_deploy::steps::model::copy_version::{Copied, Lineage};
use serde_json::{Value, json};

use super::{SOURCE, Scene, TARGET, manifest};

fn tag(tags: &Value, key: &str) -> String {
    let found = tags.as_array().unwrap().iter().find(|t| t["key"] == key);
    found.unwrap_or_else(|| panic!("no tag {key} in {tags}"))["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_version_that_was_tested_is_the_version_that_is_promoted() {
    let scene = Scene::with_source().await;
    scene.tag(1, "validated", "yes").await;
    let copied = scene.copy().await.copied.unwrap();
    assert_eq!((copied.version.number(), copied.files, copied.reused), (1, 5, false));
    scene.assert_only_right_copies("a quiet day");
    assert_eq!(scene.ready(), [1]);
    let (_, _, tags) = scene.versions().remove(0);
    let dump = scene.control().dump();
    let sizes = &dump["copy"]["storage"];
    let files: BTreeMap<_, _> = scene.files(SOURCE).into_iter().collect();
    let sized = files.into_iter().map(|(path, sha)| {
        let size = sizes[format!("{SOURCE}/{path}")]["size"].as_u64().unwrap();
        (path, (sha, size))
    });
    assert_eq!(copied.manifest_sha256, manifest(&sized.collect()));
    for (key, value) in [
        ("manifest_sha256", copied.manifest_sha256.as_str()),
        ("source_model", "staging.models.churn"),
        ("source_version", "1"),
        ("git_sha", "0123abc"),
        ("promotion_id", "p-1"),
        ("workflow_run", "https://github.example/acme/churn/actions/runs/7"),
        ("validated", "yes"),
    ] {
        assert_eq!(tag(&tags, key), value);
    }
}

#[tokio::test]
async fn the_proof_comes_before_the_version_can_be_loaded() {
    let scene = Scene::with_source().await;
    scene.copy().await.copied.unwrap();
    let log = scene.control().requests();
    let at = |wanted: &dyn Fn(&str, &str) -> bool| log.iter().rposition(|r| wanted(&r.method, &r.path)).unwrap();
    let finalized = at(&|method, path| method == "PATCH" && path.ends_with("/finalize"));
    let tagged = at(&|method, path| method == "PATCH" && path.contains("/subentity-tags/"));
    let read = at(&|method, path| method == "GET" && path.starts_with("/standin-storage") && path.contains("/prod/"));
    let written = at(&|method, path| method == "PUT" && path.contains("/prod/"));
    assert!(written < read && read < tagged && tagged < finalized, "{written} {read} {tagged} {finalized}");
    assert!(!log.iter().any(|r| r.query.contains("Bearer")), "our token is in an address");
}

#[tokio::test]
async fn a_finished_copy_is_used_and_not_made_again() {
    let scene = Scene::with_source().await;
    let first = scene.copy().await.copied.unwrap();
    scene.control().forget_requests();
    let second = scene.copy().await.copied.unwrap();
    assert!(second.reused);
    assert_eq!(Copied { reused: false, ..second }, first);
    let writes: Vec<_> = scene.control().requests().into_iter().filter(|r| r.is_write()).collect();
    assert!(writes.iter().all(|r| r.path == "/api/2.0/fs/create-download-url"), "{writes:?}");
}

#[tokio::test]
async fn a_copy_with_other_bytes_than_its_tag_says_is_not_used() {
    let scene = Scene::with_source().await;
    scene.copy().await.copied.unwrap();
    scene.put(&format!("{TARGET}/1/requirements.txt"), PutFile::Flip(3));
    let again = scene.copy().await.copied.unwrap();
    assert_eq!((again.version.number(), again.reused), (2, false));
    assert_eq!(scene.files(&format!("{TARGET}/2")), scene.files(SOURCE));
}

#[tokio::test]
async fn a_copy_that_somebody_else_made_is_left_alone() {
    let scene = Scene::with_source().await;
    scene.version("prod", "models:/staging.models.churn/1").await;
    let copied = scene.copy().await.copied.unwrap();
    assert_eq!(copied.version.number(), 2);
    let statuses: Vec<_> = scene.versions().into_iter().map(|(n, s, _)| (n, s)).collect();
    assert_eq!(statuses, [(1, "PENDING_REGISTRATION".to_owned()), (2, "READY".to_owned())]);
}

#[tokio::test]
async fn what_an_earlier_attempt_left_half_done_is_gone_on_with() {
    let scene = Scene::with_source().await;
    scene.control().fail(Rule::on("PATCH", "*/finalize", Fault::status(403)));
    let failed = scene.copy_as(scene.change(), false).await;
    assert_eq!(failed.reason, "permission-denied", "{}", failed.said);
    // And it left a file that is not of the model.
    scene.put(&format!("{TARGET}/1/stray/file.txt"), PutFile::Text("x".into()));
    let mut change = scene.change();
    change.lineage = Lineage { promotion_id: "p-2".into(), ..change.lineage };
    let copied = scene.copy_as(change, true).await.copied.unwrap();
    assert_eq!((copied.version.number(), copied.reused), (1, false));
    scene.assert_only_right_copies("gone on with");
    assert_eq!(tag(&scene.versions()[0].2, "promotion_id"), "p-2");
}

#[tokio::test]
async fn a_promotion_that_is_taken_back_takes_its_version_along() {
    let scene = Scene::with_source().await;
    let copied = scene.copy().await.copied.unwrap();
    let outcome = mlops_deploy::saga::Outcome(json!(copied));
    let (change, receipt) = (scene.change(), Receipt(Value::Null));
    assert_eq!(change.undo(scene.world(), &receipt, Some(&outcome)).await.unwrap(), Undone::TakenBack);
    assert_eq!(scene.versions().len(), 0);
    assert_eq!(change.undo(scene.world(), &receipt, Some(&outcome)).await.unwrap(), Undone::NothingToDo);
}

#[tokio::test]
async fn a_version_that_somebody_has_given_an_alias_stays() {
    let scene = Scene::with_source().await;
    let copied = scene.copy().await.copied.unwrap();
    let at = format!("{}/api/2.1/unity-catalog/models/prod.models.churn/aliases/champion", scene.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let set = client.put(at).bearer_auth(super::TOKEN).json(&json!({"version_num": 1})).send().await.unwrap();
    assert!(set.status().is_success());
    let outcome = mlops_deploy::saga::Outcome(json!(copied));
    let error = scene.change().undo(scene.world(), &Receipt(Value::Null), Some(&outcome)).await.unwrap_err();
    assert!(error.to_string().contains("champion"), "{error}");
    assert_eq!(scene.ready(), [1]);
}

#[tokio::test]
async fn a_version_that_may_not_be_deleted_is_named() {
    let scene = Scene::with_source().await;
    scene.control().fail(Rule::on("DELETE", "*/versions/1", Fault::status(403)).always());
    scene.control().fail(Rule::on("PATCH", "*/finalize", Fault::status(403)).always());
    let unwound = scene.copy().await.unwound.unwrap();
    let (_, error) = &unwound.failed[0];
    insta::assert_snapshot!(mlops_deploy::report::failure::text(&error.failure));
}

#[tokio::test]
async fn what_a_killed_run_left_is_found_by_its_journal_and_taken_back() {
    let scene = Scene::with_source().await;
    scene.control().fail(Rule::on("PATCH", "*/finalize", Fault::status(403)));
    scene.copy_as(scene.change(), false).await;
    let spec = Change::<mlops_deploy::ports::World>::spec(&scene.change());
    let change = super::registry().rebuild(&spec).unwrap();
    let receipt = change.observe(scene.world(), &Outcomes::default()).await.unwrap();
    let Found::Done(outcome) = change.find(scene.world(), &receipt).await.unwrap() else { panic!("not found") };
    assert_eq!(change.undo(scene.world(), &receipt, Some(&outcome)).await.unwrap(), Undone::TakenBack);
    assert_eq!(scene.versions().len(), 0);
}
