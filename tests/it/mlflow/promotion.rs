//! MLflow's own client before and after a promotion: what it logged and registered is what it loads by prod's alias.

use std::path::Path;

use mlops_deploy::rehearsal::workspace::Control;
use serde_json::{Value, json};

use super::script;
use crate::promotion::{SOURCE, Scene, TARGET};
use crate::stage_world::tiers::{PROD_DEPLOYER, STAGING_DEPLOYER};

/// What the client has to say, as one line of JSON.
async fn client(at: &Control, who: &str, arguments: &[&str]) -> Value {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn/src");
    let mut command = script("mlflow_promotion.py", &sources).unwrap();
    command.env("DATABRICKS_HOST", at.url()).env("DATABRICKS_TOKEN", at.token_for(who).unwrap()).args(arguments);
    let output = command.output().await.unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

async fn loaded(scene: &Scene, alias: &str) -> Value {
    let uri = format!("models:/{TARGET}@{alias}");
    client(scene.world.prod(), PROD_DEPLOYER, &["load", &uri]).await["predictions"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn mlflows_client_loads_by_prods_alias_what_it_logged_in_staging() {
    if super::python().is_none() {
        return;
    }
    let scene = Scene::new().await;
    let mut numbers: Vec<Value> = Vec::new();
    for (rounds, version) in [("20", 1), ("30", 2)] {
        let logged = client(scene.world.staging(), STAGING_DEPLOYER, &["register", SOURCE, rounds]).await;
        assert_eq!(logged["version"], json!(version.to_string()));
        scene.record(version).await;
        scene.promote().await.expect(0);
        assert_eq!(loaded(&scene, "champion").await, logged["predictions"]);
        numbers.push(logged["predictions"].clone());
    }
    assert_ne!(numbers[0], numbers[1]);
    assert_eq!(loaded(&scene, "previous_champion").await, numbers[0]);
}
