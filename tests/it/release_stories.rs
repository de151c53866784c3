//! A release from dev to staging, as a runner and an auditor would see it.

use std::collections::BTreeMap;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::Control;
use serde_json::{Value, json};

use crate::stage_world::{DEPLOYER, Left, STAGING_DEPLOYER, StageWorld};

const RECORDS: &str = "/Volumes/dev/ops/deployments/tiny";
const STAGING_RECORDS: &str = "/Volumes/staging/ops/deployments/tiny";
const RELEASES: &str = "/Volumes/dev/ops/releases";

fn refused(left: &Left, code: i32, reason: &str) {
    left.expect(code);
    assert_eq!(left.output("failure-reason"), reason, "{}", left.stdout);
}

async fn files_api(control: &Control, method: reqwest::Method, path: &str, body: Option<Vec<u8>>) -> Vec<u8> {
    let url = format!("{}/api/2.0/fs/files{path}?overwrite=true", control.url());
    let request = reqwest::Client::new().request(method, url).bearer_auth(control.token_for(DEPLOYER).unwrap());
    let reply = request.body(body.unwrap_or_default()).send().await.unwrap();
    assert!(reply.status().is_success(), "{path}: {}", reply.status());
    reply.bytes().await.unwrap().to_vec()
}

async fn read(control: &Control, path: &str) -> Vec<u8> {
    files_api(control, reqwest::Method::GET, path, None).await
}

async fn write(control: &Control, path: &str, bytes: Vec<u8>) {
    files_api(control, reqwest::Method::PUT, path, Some(bytes)).await;
}

async fn delete(control: &Control, path: &str) {
    files_api(control, reqwest::Method::DELETE, path, None).await;
}

async fn record(control: &Control, folder: &str, sequence: u64) -> Value {
    serde_json::from_slice(&read(control, &format!("{folder}/{sequence:08}.json")).await).unwrap()
}

fn archive(release: &str) -> String {
    format!("{RELEASES}/{}.tar.gz", release.trim_start_matches("sha256:"))
}

/// What was asked of the workspace that changes it.
fn writes(control: &Control) -> Vec<String> {
    let requests = control.requests();
    let writes = requests.iter().filter(|r| r.is_write() && !r.path.starts_with("/oidc/"));
    writes.map(|r| format!("{} {}", r.method, r.path)).collect()
}

/// Deploys to staging and settles.
async fn to_staging(world: &StageWorld, release: &str) -> Left {
    let step = world.deploy_staging(release);
    let left = step.run().await;
    step.settle().await.expect(0);
    left
}

#[tokio::test]
async fn what_succeeded_in_dev_is_deployed_to_staging() {
    let world = StageWorld::with_tiers().await;
    let dev = world.deployed().await;
    let release = dev.output("release");
    assert!(release.starts_with("sha256:") && release.len() == 71, "{release}");
    assert!(std::path::Path::new(dev.output("release-file")).is_file());
    let commit = world.github.tip("main").unwrap();
    // Nothing of the checkout is used but the configuration.
    std::fs::remove_dir_all(world.path("src")).unwrap();
    world.write("databricks.yml", "bundle: {name: something-else}\n");
    let staging = to_staging(&world, release).await;
    staging.expect(0);
    assert_eq!(staging.output("outcome"), "succeeded");
    assert_eq!(staging.output("release"), release);
    let first = record(world.workspace(), RECORDS, 1).await;
    let next = record(world.workspace(), STAGING_RECORDS, 1).await;
    assert_eq!((&first["release"], &next["release"]), (&json!(release), &json!(release)));
    assert_eq!(next["commit"], json!(commit));
    assert_eq!(next["by"]["principal"], json!(STAGING_DEPLOYER));
    assert_eq!(next["archive"], first["archive"]);
    // The head of dev's ledger is anchored in staging's record, and shown in dev's summary.
    let seen = next["seen"]["dev"]["digest"].as_str().unwrap().to_owned();
    assert!(dev.summary.contains(&seen), "{}", dev.summary);
    assert!(staging.summary.contains("record 1 of the ledger"), "{}", staging.summary);
    let dump = world.staging().settled().to_string();
    assert!(dump.contains("staging.scores") && dump.contains("train") && dump.contains(&commit), "{dump}");
    assert!(!dump.contains("deploy.lock"), "{dump}");
}

#[tokio::test]
async fn a_release_deployed_again_changes_nothing() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    to_staging(&world, &release).await.expect(0);
    let before = world.staging().dump();
    world.staging().forget_requests();
    let again = to_staging(&world, &release).await;
    again.expect(0);
    assert_eq!(again.output("outcome"), "unchanged");
    assert_eq!(writes(world.staging()), Vec::<String>::new());
    assert_eq!(before, world.staging().dump());
}

#[tokio::test]
async fn from_the_archive_the_same_is_planned_as_from_the_sources() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let sources = world.validate_staging().run().await;
    sources.expect(0);
    let dry = world.deploy_staging(&release).with("INPUT_DRY-RUN", "true").run().await;
    dry.expect(0);
    assert_eq!(dry.output("changes-created"), sources.output("changes-created"));
    assert_eq!(dry.output("plan-digest"), sources.output("plan-digest"));
    to_staging(&world, &release).await.expect(0);
    let after = world.validate_staging().run().await;
    assert_eq!((after.output("changes-created"), after.output("changes-updated")), ("0", "0"), "{}", after.summary);
}

#[tokio::test]
async fn the_same_commit_packed_twice_is_the_same_release() {
    let world = StageWorld::with_tiers().await;
    let one = world.deployed().await.output("release").to_owned();
    let again = world.deployed().await;
    assert_eq!(again.output("outcome"), "unchanged");
    assert_eq!(again.output("release"), one);
    world.write("src/train.py", "# Databricks notebook source\nprint('better')\n");
    world.push();
    assert_ne!(world.deployed().await.output("release"), one);
}

#[tokio::test]
async fn a_build_that_makes_another_wheel_of_the_same_commit_is_told() {
    let world = StageWorld::with_tiers().await;
    let artifact = "artifacts: {w: {build: 'mkdir -p dist && cat stamp > dist/w-1-py3-none-any.whl', files: [{source: dist/*.whl}]}}\n";
    world.edit("databricks.yml", "variables:\n", &format!("{artifact}variables:\n"));
    world.write(".gitignore", "dist/\nstamp\n");
    world.write("stamp", "monday");
    world.push();
    let one = world.deployed().await;
    assert!(!one.summary.contains("was packed before"), "{}", one.summary);
    world.write("stamp", "tuesday");
    let other = world.deployed().await;
    assert_ne!(one.output("release"), other.output("release"));
    let told = format!("was packed before as release {} (record 1)", &one.output("release")[..19]);
    assert!(other.summary.contains(&told), "{}", other.summary);
}

#[tokio::test]
async fn a_commit_that_changes_nothing_here_may_go_on_all_the_same() {
    let world = StageWorld::with_tiers().await;
    let one = world.deployed().await.output("release").to_owned();
    to_staging(&world, &one).await.expect(0);
    world.push();
    world.workspace().forget_requests();
    let next = world.deployed().await;
    assert_eq!(next.output("outcome"), "unchanged");
    assert_ne!(next.output("release"), one);
    let written = writes(world.workspace());
    let books = |w: &String| w.starts_with("PUT /api/2.0/fs/") && w.contains("/Volumes/dev/ops/");
    assert!(written.iter().all(books), "{written:?}");
    assert_eq!(record(world.workspace(), RECORDS, 2).await["release"], json!(next.output("release")));
    to_staging(&world, next.output("release")).await.expect(0);
}

#[tokio::test]
async fn what_dev_does_not_vouch_for_is_refused() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let last = if release.ends_with('0') { '1' } else { '0' };
    let unknown = format!("{}{last}", &release[..release.len() - 1]);
    refused(&to_staging(&world, &unknown).await, 3, "release-missing");
    delete(world.workspace(), &format!("{RECORDS}/00000001.json")).await;
    let left = to_staging(&world, &release).await;
    refused(&left, 3, "not-deployed-before");
    world.edit("mlops-deploy.yml", "    records: /Volumes/dev/ops/deployments\n", "");
    let left = to_staging(&world, &release).await;
    refused(&left, 3, "not-deployed-before");
    assert!(left.stdout.contains("environments.dev.records"), "{}", left.stdout);
    assert!(!world.staging().settled().to_string().contains("staging.scores"));
    assert_eq!(writes(world.staging()), Vec::<String>::new());
}

#[tokio::test]
async fn no_release_at_all_is_a_mistake_in_the_inputs() {
    let world = StageWorld::with_tiers().await;
    let left = world.deploy_staging("").run().await;
    refused(&left, 2, "invalid-input");
    let left = world.deploy_staging("latest").run().await;
    refused(&left, 2, "invalid-input");
}

#[tokio::test]
async fn an_archive_with_one_changed_byte_is_refused() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let path = archive(&release);
    let whole = read(world.workspace(), &path).await;
    for at in [4, whole.len() / 3, whole.len() - 2] {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        write(world.workspace(), &path, changed.clone()).await;
        refused(&to_staging(&world, &release).await, 3, "release-changed");
    }
    // The digest beside it changed with it: the ledger still has the true one.
    let mut changed = whole.clone();
    changed[4] ^= 0x10;
    write(world.workspace(), &path, changed.clone()).await;
    let digest = mlops_deploy::domain::Digest::of(&changed).hex();
    let beside = format!("{digest}  {}\n", path.rsplit('/').next().unwrap());
    write(world.workspace(), &format!("{path}.sha256"), beside.into_bytes()).await;
    let left = to_staging(&world, &release).await;
    refused(&left, 3, "release-changed");
    assert!(left.stdout.contains("and the ledger has"), "{}", left.stdout);
    write(world.workspace(), &format!("{path}.sha256"), b"nothing".to_vec()).await;
    refused(&to_staging(&world, &release).await, 3, "release-changed");
    delete(world.workspace(), &path).await;
    delete(world.workspace(), &format!("{path}.sha256")).await;
    refused(&to_staging(&world, &release).await, 3, "release-missing");
    assert!(!world.staging().settled().to_string().contains("staging.scores"));
}

#[tokio::test]
async fn a_ledger_that_somebody_touched_is_no_evidence() {
    let world = StageWorld::with_tiers().await;
    world.deployed().await;
    world.write("src/train.py", "# Databricks notebook source\nprint('better')\n");
    world.push();
    let release = world.deployed().await.output("release").to_owned();
    let path = |n: u64| format!("{RECORDS}/{n:08}.json");
    let (one, two) = (read(world.workspace(), &path(1)).await, read(world.workspace(), &path(2)).await);
    let mut seen = BTreeMap::new();
    let text = String::from_utf8(one.clone()).unwrap().replace("\"older\":false", "\"older\":true");
    write(world.workspace(), &path(1), text.into_bytes()).await;
    seen.insert("changed", to_staging(&world, &release).await);
    delete(world.workspace(), &path(1)).await;
    seen.insert("removed", to_staging(&world, &release).await);
    write(world.workspace(), &path(1), two.clone()).await;
    seen.insert("moved", to_staging(&world, &release).await);
    write(world.workspace(), &path(1), one.clone()).await;
    write(world.workspace(), &path(3), two.clone()).await;
    seen.insert("inserted", to_staging(&world, &release).await);
    for (what, left) in &seen {
        refused(left, 3, "ledger-broken");
        assert!(left.stdout.contains("record"), "{what}: {}", left.stdout);
    }
    delete(world.workspace(), &path(3)).await;
    to_staging(&world, &release).await.expect(0);
    // Cut off at its end: staging has seen what is gone.
    delete(world.workspace(), &path(2)).await;
    let left = to_staging(&world, &release).await;
    refused(&left, 3, "ledger-broken");
    assert!(left.stdout.contains("record 2 is missing: record 1 of `staging` has seen it"), "{}", left.stdout);
}

/// The command on somebody's laptop, who may read both workspaces.
async fn history(world: &StageWorld, args: &[&str]) -> (i32, String, String) {
    let token = |control: &Control, who| control.token_for(who).unwrap();
    let tokens = [token(world.workspace(), DEPLOYER), token(world.staging(), STAGING_DEPLOYER)];
    let profiles = format!(
        "[dev]\nhost = {}\ntoken = {}\n[staging]\nhost = {}\ntoken = {}\n",
        world.workspace().url(),
        tokens[0],
        world.staging().url(),
        tokens[1]
    );
    world.write("../databrickscfg", &profiles);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
    command.arg("history").args(args).current_dir(world.path(".")).env_clear();
    command.env("DATABRICKS_CONFIG_FILE", world.path("../databrickscfg")).env("PATH", "/usr/bin:/bin");
    let output = command.output().await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(tokens.iter().all(|token| !out.contains(token) && !err.contains(token)));
    (output.status.code().unwrap(), out, err)
}

#[tokio::test]
async fn an_order_that_nobody_knows_is_told_where_somebody_decides_and_recorded() {
    let world = StageWorld::with_tiers().await;
    world.deployed().await;
    world.write("src/train.py", "# Databricks notebook source\nprint('other')\n");
    world.push();
    world.github.faults().add(Rule::on("GET", "/repos/*/compare/*", Fault::status(404)).times(9));
    let left = world.deployed().await;
    let told = left.summary.lines().find(|line| line.starts_with("- **order**: not known whether")).unwrap_or_default();
    assert!(told.contains("GitHub does not know one of them"), "{}", left.summary);
    let details = &record(world.workspace(), RECORDS, 2).await["details"];
    assert!(details["order-unknown"].as_str().is_some_and(|why| why.starts_with("not known whether")), "{details}");
    assert_eq!(record(world.workspace(), RECORDS, 1).await["details"].get("order-unknown"), None);
    let (_, out, err) = history(&world, &["-e", "dev"]).await;
    assert_eq!(out.matches("not known to be newer").count(), 1, "{out}{err}");
}

fn git(world: &StageWorld, args: &str) -> String {
    let mut git = std::process::Command::new("git");
    git.args(["-c", "user.name=ana", "-c", "user.email=ana@acme.example"]).args(args.split(' '));
    let output = git.current_dir(world.path(".")).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(output.status.success(), "git {args}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The checkout as git itself makes it.
fn checked_out_by_git(world: &StageWorld) {
    let origin = std::fs::read_to_string(world.path(".git/config")).unwrap();
    let origin = origin.split("url = ").nth(1).unwrap().trim().to_owned();
    std::fs::remove_dir_all(world.path(".git")).unwrap();
    git(world, "init -q -b main");
    git(world, &format!("remote add origin {origin}"));
    git(world, "add -A");
    git(world, "commit -q -m first");
}

#[tokio::test]
async fn where_github_cannot_say_the_checkout_does() {
    let world = StageWorld::with_tiers().await;
    checked_out_by_git(&world);
    world.deployed().await;
    world.write("src/train.py", "# Databricks notebook source\nprint('other')\n");
    git(&world, "commit -q -a -m second");
    let left = world.deployed().await;
    assert!(!left.summary.contains("**order**") && left.summary.contains("is newer than"), "{}", left.summary);
    git(&world, "checkout -q HEAD~1");
    refused(&world.deploy().run().await, 3, "older-than-deployed");
}

#[tokio::test]
async fn what_was_packed_without_a_commit_is_told_to_everybody_behind() {
    let world = StageWorld::with_tiers().await;
    checked_out_by_git(&world);
    let clean = world.deployed().await;
    assert!(!clean.summary.contains("**source**"), "{}", clean.summary);
    assert_eq!(record(world.workspace(), RECORDS, 1).await["details"].get("uncommitted"), None);
    world.write("src/train.py", "# Databricks notebook source\nprint('by hand')\n");
    world.write("src/more.py", "print('never committed')\n");
    let left = world.deployed().await;
    let told = "- **source**: 2 files packed that ";
    let names = "does not have so: `src/more.py`, `src/train.py`";
    assert!(left.summary.contains(told) && left.summary.contains(names), "{}", left.summary);
    let details = &record(world.workspace(), RECORDS, 2).await["details"];
    assert_eq!(details["uncommitted"], json!({"files": 2, "names": ["src/more.py", "src/train.py"]}));
    // The id is made of what is in it: committed, the same tree has another commit, and nothing else.
    let staging = to_staging(&world, left.output("release")).await;
    staging.expect(0);
    assert!(staging.summary.contains(told), "{}", staging.summary);
    let (_, out, err) = history(&world, &[]).await;
    assert_eq!(out.matches("with 2 files not committed").count(), 2, "{out}{err}");
}

#[tokio::test]
async fn the_history_is_read_and_verified() {
    let world = StageWorld::with_tiers().await;
    let (code, out, err) = history(&world, &[]).await;
    assert_eq!((code, out.as_str()), (0, "dev: no record yet\n\nstaging: no record yet\n"), "{err}");
    world.deployed().await;
    world.write("src/train.py", "# Databricks notebook source\nprint('better')\n");
    world.push();
    let release = world.deployed().await.output("release").to_owned();
    to_staging(&world, &release).await.expect(0);
    let (code, out, err) = history(&world, &[]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("dev: 2 records, and the chain holds; the head is sha256:"), "{out}");
    assert!(out.contains("\n  1 ") && out.contains("\n  2 ") && out.contains("staging: 1 record"), "{out}");
    assert!(out.contains(&release[..19]) && out.contains("/actions/runs/"), "{out}");
    // Code alone, and that is something.
    assert!(out.contains(": 1 file; ") && !out.contains("nothing changed"), "{out}");
    let (code, out, _) = history(&world, &["-e", "staging", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["environments"][0]["records"][0]["release"].as_str()), (0, Some(release.as_str())));
    // Its end cut off: dev's own chain holds, and staging has seen what is gone.
    delete(world.workspace(), &format!("{RECORDS}/00000002.json")).await;
    let (code, _, err) = history(&world, &["-e", "dev"]).await;
    assert_eq!(code, 3);
    assert!(err.contains("record 2 is missing: record 1 of `staging` has seen it"), "{err}");
    let (code, _, err) = history(&world, &["-e", "prod"]).await;
    assert_eq!(code, 2, "{err}");
}

#[tokio::test]
async fn an_older_release_goes_in_only_on_purpose() {
    let world = StageWorld::with_tiers().await;
    let old = world.deployed().await.output("release").to_owned();
    world.write("src/train.py", "# Databricks notebook source\nprint('better')\n");
    world.push();
    let new = world.deployed().await.output("release").to_owned();
    to_staging(&world, &new).await.expect(0);
    refused(&to_staging(&world, &old).await, 3, "release-older");
    let step = world.deploy_staging(&old).with("INPUT_ALLOW-OLDER", "true");
    step.run().await.expect(0);
    step.settle().await.expect(0);
    let back = record(world.workspace(), STAGING_RECORDS, 2).await;
    assert_eq!((&back["release"], &back["older"]), (&json!(old), &json!(true)));
    assert_eq!(record(world.workspace(), STAGING_RECORDS, 1).await["older"], json!(false));
}

#[tokio::test]
async fn another_variable_makes_another_configuration_and_is_refused() {
    let world = StageWorld::with_tiers().await;
    world.edit("databricks.yml", "name: train\n      desc", "name: train-${var.kind}\n      desc");
    world.edit("databricks.yml", "variables:\n", "variables:\n  kind: {default: plain}\n");
    world.push();
    let release = world.deployed().await.output("release").to_owned();
    let left = world.deploy_staging(&release).with("BUNDLE_VAR_kind", "other").run().await;
    refused(&left, 3, "release-differs");
    assert!(left.stdout.contains("resources.jobs.train.name differs"), "{}", left.stdout);
    to_staging(&world, &release).await.expect(0);
}

#[tokio::test]
async fn a_lost_answer_records_once() {
    let world = StageWorld::with_tiers().await;
    let path = format!("/api/2.0/fs/files{RECORDS}/*");
    world.workspace().faults().add(Rule::on("PUT", &path, Fault::LostReply));
    world.deployed().await;
    let listed = world.workspace().dump().to_string();
    assert!(listed.contains("00000001.json") && !listed.contains("00000002.json"));
}

#[tokio::test]
async fn a_ledger_that_nobody_lets_us_read_names_the_grant() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let path = format!("/api/2.0/fs/directories{RECORDS}");
    world.staging().faults().add(Rule::on("GET", &path, Fault::status(403)).always());
    let left = to_staging(&world, &release).await;
    refused(&left, 4, "ledger-unreadable");
    assert!(left.stdout.contains("READ VOLUME"), "{}", left.stdout);
}

#[tokio::test]
async fn without_books_dev_deploys_and_says_what_is_missing() {
    let world = StageWorld::new().await;
    let left = world.deployed().await;
    assert!(left.summary.contains("environments.dev.records"), "{}", left.summary);
    assert!(std::path::Path::new(left.output("release-file")).is_file());
}

#[tokio::test]
async fn the_workflow_may_take_the_archive_along() {
    let world = StageWorld::with_tiers().await;
    world.edit("mlops-deploy.yml", "releases: /Volumes/dev/ops/releases\n", "");
    let dev = world.deployed().await;
    let (release, file) = (dev.output("release").to_owned(), dev.output("release-file").to_owned());
    refused(&to_staging(&world, &release).await, 3, "release-missing");
    let step = world.deploy_staging(&release).with("INPUT_RELEASE-FILE", &file);
    step.run().await.expect(0);
    step.settle().await.expect(0);
    // An artifact that was brought keeps the folder that it was found in.
    let brought = world.path("../brought/deploy-dev-1");
    std::fs::create_dir_all(&brought).unwrap();
    for name in [file.clone(), format!("{file}.sha256")] {
        std::fs::copy(&name, brought.join(name.rsplit('/').next().unwrap())).unwrap();
    }
    let folder = brought.parent().unwrap().display().to_string();
    let step = world.deploy_staging(&release).with("INPUT_RELEASE-FILE", &folder);
    assert_eq!(step.run().await.expect(0).output("outcome"), "unchanged");
    std::fs::write(&file, b"not it").unwrap();
    let left = world.deploy_staging(&release).with("INPUT_RELEASE-FILE", &file).run().await;
    refused(&left, 3, "release-changed");
}

#[tokio::test]
async fn a_folder_may_keep_releases() {
    let world = StageWorld::with_tiers().await;
    let folder = world.path("../kept").display().to_string();
    world.edit("mlops-deploy.yml", RELEASES, &folder);
    let release = world.deployed().await.output("release").to_owned();
    to_staging(&world, &release).await.expect(0);
    let name = format!("{}.tar.gz", release.trim_start_matches("sha256:"));
    assert!(world.path("../kept").join(&name).is_file());
    assert!(world.path("../kept").join(format!("{name}.sha256")).is_file());
}

#[tokio::test]
async fn a_link_out_of_the_checkout_is_neither_packed_nor_deployed() {
    let world = StageWorld::with_tiers().await;
    std::os::unix::fs::symlink("/etc/hostname", world.path("src/host.py")).unwrap();
    world.push();
    let left = world.deploy().run().await;
    refused(&left, 2, "invalid-bundle");
    assert!(left.stdout.contains("it leads out of the checkout"), "{}", left.stdout);
    assert_eq!(writes(world.workspace()), Vec::<String>::new());
}

#[tokio::test]
async fn killed_while_it_records_it_is_finished_by_the_next_run() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let path = format!("/api/2.0/fs/files{STAGING_RECORDS}/*");
    world.staging().faults().add(Rule::on("PUT", &path, Fault::DelayAfter { millis: 2_000 }));
    let step = world.deploy_staging(&release);
    let mut child = step.spawn();
    world.staging().faults().delaying().await;
    child.kill().await.unwrap();
    step.settle().await.expect(0);
    // The record says that it was deployed, so it stays deployed.
    assert_eq!(record(world.workspace(), STAGING_RECORDS, 1).await["release"], json!(release));
    assert!(world.staging().settled().to_string().contains("staging.scores"));
    let again = to_staging(&world, &release).await;
    again.expect(0);
    assert_eq!(again.output("outcome"), "succeeded");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_takes_the_deployment_back() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let path = format!("/api/2.0/fs/directories{STAGING_RECORDS}");
    world.staging().faults().add(Rule::on("PUT", &path, Fault::status(403)).always());
    let left = to_staging(&world, &release).await;
    refused(&left, 4, "permission-denied");
    assert!(left.stdout.contains("WRITE VOLUME"), "{}", left.stdout);
    assert!(!world.staging().settled().to_string().contains("staging.scores"));
}

/// Nothing comes to an environment past the stage before it.
#[tokio::test]
async fn a_stage_deploys_to_its_own_environment_alone() {
    let world = StageWorld::with_tiers().await;
    let left = world.deploy().with("INPUT_TARGET", "staging").run().await;
    left.expect(2);
    assert_eq!(left.output("failure-reason"), "invalid-input");
    assert!(
        left.stdout.contains("deploy target `staging` by `deploy-dev`: it is the target of `staging`"),
        "{}",
        left.stdout
    );
    assert!(world.staging().requests().iter().all(|request| !request.is_write()));
}
