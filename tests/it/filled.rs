//! What a run made and somebody has filled since is not taken back with the run: it would be lost.

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{Control, Outcome, PutFile};
use reqwest::Method;
use serde_json::json;

use crate::stage_world::{BUNDLE, StageWorld, as_somebody, doubled, table};

const ROWS: &str = "/Volumes/dev/scores/files/rows.csv";

/// What a job writes: rows into a volume, a run into an experiment.
async fn fill(control: &Control) {
    control.put_file("", ROWS, PutFile::Text("1,2\n".to_owned())).unwrap();
    let experiment = table(control, "experiments").into_keys().next().unwrap();
    let run = json!({"experiment_id": experiment});
    as_somebody(control, Method::POST, "/api/2.0/mlflow/runs/create", run).await;
}

#[tokio::test]
async fn what_a_job_has_filled_stays_and_the_next_run_goes_on_from_it() {
    let world = StageWorld::with(&format!("{BUNDLE}{MORE}")).await;
    let control = world.workspace();
    control.script("train", "*", Outcome::Failed { error: "ValueError: no rows".to_owned() });
    control.hold_runs();
    control.fail(Rule::on("GET", "/api/2.2/jobs/runs/get", Fault::Delay { millis: 1 }));
    let step = world.deploy();
    let left = {
        let mut left = std::pin::pin!(step.left(step.spawn()));
        tokio::select! {
            left = &mut left => panic!("it ended before its job did: {left:?}"),
            () = control.faults().delaying() => {}
        }
        fill(control).await;
        control.let_runs_end();
        left.await
    };
    step.settle().await.expect(0);
    left.expect(3);
    assert_eq!((left.output("failure-reason"), left.output("outcome")), ("smoke-failed", "refused"));
    let headline = left.summary.lines().find(|line| line.contains("taken back in")).unwrap_or_default();
    for node in ["volumes.files", "schemas.scores", "experiments.trials"] {
        assert!(headline.contains(&format!("`{node}`")), "{headline}");
    }
    assert!(!headline.contains("volumes.empty") && !headline.contains("jobs.train"), "{headline}");
    assert!(control.settled().to_string().contains(ROWS));
    control.script("train", "*", Outcome::Success { logs: String::new() });
    world.deployed().await;
    assert_eq!(doubled(control), None);
    assert!(control.settled().to_string().contains(ROWS));
    assert_eq!(table(control, "mlflow_runs").len(), 1);
}

const MORE: &str = "  volumes:
    files: {catalog_name: dev, schema_name: '${resources.schemas.scores.name}', name: files, volume_type: MANAGED}
    empty: {catalog_name: dev, schema_name: '${resources.schemas.scores.name}', name: empty, volume_type: MANAGED}
  experiments:
    trials: {name: /Users/DEPLOYER/trials}
";
