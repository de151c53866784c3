//! Writing a ledger: many at once, with answers that are lost, and nothing is ever overwritten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::{Masker, SystemClock};
use mlops_deploy::adapters::http;
use mlops_deploy::adapters::retry::Pace;
use mlops_deploy::domain::ledger::{By, Record, VERSION};
use mlops_deploy::domain::{Digest, Reason, ReleaseId, Secret};
use mlops_deploy::ports::World;
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{self, Running};
use mlops_deploy::saga::{Change, Found, Graph, Journal, OnFailure, Options, Receipt, Stop, execute};
use mlops_deploy::steps::ledger::Ledger;
use mlops_deploy::steps::record::{WriteRecord, head};
use mlops_deploy::steps::volume::VolumeFiles;
use serde_json::Value;

use crate::nowhere;

const ENVIRONMENT: &str = "dev";

async fn stand_in() -> Running {
    let mut config = workspace::Config::federated(workspace::Federation {
        jwks_url: String::new(),
        account_id: "acc".to_owned(),
        principals: vec![(workspace::Principal::deployer("6f1c", "deploys"), Vec::new())],
        token_seconds: 300,
    });
    config.catalogs = vec!["dev".to_owned()];
    config.volumes = vec!["dev.ops.records".to_owned()];
    config.volume_writers = vec!["6f1c".to_owned()];
    workspace::serve(config).await.unwrap()
}

fn world(of: &Running) -> World {
    let masker = Arc::new(Masker::new());
    let token = Secret::new(of.control().token_for("6f1c").unwrap());
    let identity = Arc::new(PersonalToken::new(of.url(), token, &masker).unwrap());
    let settings = Settings { pace: Pace::from_env(Some("1")), ..Settings::new(of.url()) };
    let client = http::client("tests").unwrap();
    let clock = Arc::new(SystemClock);
    let workspace = Workspace::new(settings, client, identity, clock, masker).unwrap();
    World { workspace: Arc::new(workspace), ..nowhere::world() }
}

fn ledger() -> Ledger {
    Ledger::new(ENVIRONMENT, "/Volumes/dev/ops/records", "churn")
}

fn write(run: usize) -> WriteRecord {
    let record = Record {
        version: VERSION,
        sequence: 0,
        previous: None,
        at: "2026-11-25T10:00:00Z".into(),
        environment: ENVIRONMENT.into(),
        bundle: "churn".into(),
        target: ENVIRONMENT.into(),
        stage: "deploy-dev".into(),
        release: ReleaseId(Digest::of(b"release")),
        archive: None,
        commit: "c".into(),
        older: false,
        plan_digest: String::new(),
        changes: BTreeMap::new(),
        by: By { run_id: run.to_string(), ..By::default() },
        seen: BTreeMap::new(),
        details: BTreeMap::new(),
        program: "0.1.0".into(),
    };
    WriteRecord { ledger: ledger(), record }
}

/// As a stage makes the change: what is lost is looked for before it is tried again.
async fn make(world: &World, write: WriteRecord) -> Value {
    let journal = Journal::new(|| "2026-11-25T10:00:00Z".to_owned(), Vec::new());
    let (_asked, stop) = Stop::new();
    let options = Options { parallelism: 1, on_failure: OnFailure::Stop, stop };
    let made = execute(&Graph::new().then(Arc::new(write)), world, &journal, &options).await.unwrap();
    assert!(made.errors.is_empty(), "{:?}", made.errors);
    made.begun[0].outcome.clone().unwrap().0
}

#[tokio::test]
async fn of_many_that_write_at_once_each_finds_its_place() {
    let stand_in = stand_in().await;
    let world = Arc::new(world(&stand_in));
    // Some first tries are stored and their answers lost; some fail before they are stored.
    let records = "/api/2.0/fs/files/Volumes/dev/ops/records/churn/*";
    stand_in.control().faults().add(Rule::on("PUT", records, Fault::LostReply).skip(2).times(3));
    stand_in.control().faults().add(Rule::on("PUT", records, Fault::Reset).times(2));
    let all = (0..8).map(|run| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { make(&world, write(run)).await })
    });
    let mut places = BTreeSet::new();
    for written in all {
        places.insert(head(&written.await.unwrap()).unwrap().sequence);
    }
    assert_eq!(places, (1..=8).collect());
    let chain = ledger().read(&VolumeFiles::new(Arc::clone(&world.workspace))).await.unwrap();
    let runs: BTreeSet<&str> = chain.records().iter().map(|record| record.by.run_id.as_str()).collect();
    assert_eq!((chain.records().len(), runs.len()), (8, 8));
}

#[tokio::test]
async fn a_record_that_is_there_is_found_and_not_written_twice() {
    let stand_in = stand_in().await;
    let world = world(&stand_in);
    let write = write(1);
    let nothing = write.find(&world, &Receipt(Value::Null)).await.unwrap();
    assert_eq!(nothing, Found::NotDone);
    let first = make(&world, self::write(1)).await;
    assert_eq!(make(&world, self::write(1)).await, first);
    let Found::Done(found) = write.find(&world, &Receipt(Value::Null)).await.unwrap() else { panic!("not found") };
    assert_eq!(found.0, first);
    let chain = ledger().read(&VolumeFiles::new(Arc::clone(&world.workspace))).await.unwrap();
    assert_eq!((chain.records().len(), chain.head()), (1, head(&first)));
}

#[tokio::test]
async fn a_file_that_is_no_record_is_named() {
    let stand_in = stand_in().await;
    let world = world(&stand_in);
    make(&world, write(1)).await;
    let files = VolumeFiles::new(Arc::clone(&world.workspace));
    files.create("/Volumes/dev/ops/records/churn/00000002.json.bak", "x".into()).await.unwrap();
    let failure = ledger().read(&files).await.unwrap_err();
    assert_eq!(failure.reason, Reason::LedgerBroken);
    assert!(failure.message.contains("`00000002.json.bak` is no record"), "{failure}");
}
