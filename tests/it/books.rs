//! The volumes that a stage writes to in the end are looked at before anything is deployed.

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::Control;
use reqwest::Method;
use serde_json::{Value, json};

use crate::promotion::Scene;
use crate::stage_world::tiers::{PROD_DEPLOYER, STAGING_DEPLOYER};
use crate::stage_world::{DEPLOYER, Left, StageWorld, as_user};

const RECORDS: &str = "dev.ops.deployments";
const RELEASES: &str = "dev.ops.releases";

async fn catalog(at: &Control, who: &str, method: Method, path: &str, body: Value) {
    as_user(at, who, method, &format!("/api/2.1/unity-catalog/{path}"), body).await;
}

async fn loses_volume(at: &Control, who: &str, volume: &str) {
    catalog(at, who, Method::DELETE, &format!("volumes/{volume}"), json!({})).await;
}

async fn gives(at: &Control, who: &str, to: &str, volume: &str, change: &str) {
    let changes = json!({"changes": [{"principal": to, change: ["WRITE_VOLUME"]}]});
    catalog(at, who, Method::PATCH, &format!("permissions/volume/{volume}"), changes).await;
}

/// Nothing was deployed, trained or written down; what has to be run is said.
fn refused(left: &Left, at: &Control, statements: &[&str]) {
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "volume-unwritable", "{}", left.stdout);
    for statement in statements {
        assert!(left.stdout.contains(statement), "{statement}\n{}", left.stdout);
    }
    let requests = at.requests();
    let writes: Vec<String> = requests
        .iter()
        .filter(|r| r.is_write() && !r.path.starts_with("/oidc/"))
        .map(|r| format!("{} {}", r.method, r.path))
        .collect();
    assert_eq!(writes, Vec::<String>::new());
}

#[tokio::test]
async fn a_first_deployment_into_volumes_that_nobody_made_is_told_how_to_make_them() {
    let world = StageWorld::with_tiers().await;
    for volume in [RECORDS, RELEASES] {
        loses_volume(world.workspace(), DEPLOYER, volume).await;
    }
    world.workspace().forget_requests();
    let left = world.deploy().run().await;
    let made = "CREATE VOLUME IF NOT EXISTS `dev`.`ops`.`deployments`";
    refused(&left, world.workspace(), &[made, "CREATE VOLUME IF NOT EXISTS `dev`.`ops`.`releases`"]);
    let from = left.stdout.find("failed to write down").unwrap();
    let said: String =
        left.stdout[from..].lines().take_while(|line| !line.starts_with("::")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(said);
    let looks = world.workspace().requests();
    let looks = looks.iter().filter(|r| r.path.contains("/effective-permissions/volume/")).count();
    assert_eq!(looks, 2, "one for each volume");
}

#[tokio::test]
async fn a_dry_run_says_so_too() {
    let world = StageWorld::with_tiers().await;
    loses_volume(world.workspace(), DEPLOYER, RECORDS).await;
    world.workspace().forget_requests();
    let left = world.deploy().with("INPUT_DRY-RUN", "true").run().await;
    refused(&left, world.workspace(), &["CREATE VOLUME IF NOT EXISTS `dev`.`ops`.`deployments`"]);
}

#[tokio::test]
async fn without_the_right_to_write_a_volume_nothing_is_deployed() {
    for volume in [RECORDS, RELEASES] {
        let world = StageWorld::with_tiers().await;
        gives(world.workspace(), DEPLOYER, DEPLOYER, volume, "remove").await;
        world.workspace().forget_requests();
        let left = world.deploy().run().await;
        let name = volume.replace('.', "`.`");
        let grant = format!("GRANT WRITE VOLUME ON VOLUME `{name}` TO `{DEPLOYER}`");
        refused(&left, world.workspace(), &[&grant]);
        assert!(!left.stdout.contains("CREATE VOLUME"), "{}", left.stdout);
    }
}

#[tokio::test]
async fn whoever_may_write_by_a_group_or_as_the_owner_deploys() {
    let world = StageWorld::with_tiers().await;
    for volume in [RECORDS, RELEASES] {
        gives(world.workspace(), DEPLOYER, DEPLOYER, volume, "remove").await;
    }
    gives(world.workspace(), DEPLOYER, "account users", RECORDS, "add").await;
    catalog(world.workspace(), DEPLOYER, Method::PATCH, &format!("volumes/{RELEASES}"), json!({"owner": DEPLOYER}))
        .await;
    world.deployed().await;

    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    let records = "staging.ops.deployments";
    gives(world.staging(), STAGING_DEPLOYER, STAGING_DEPLOYER, records, "remove").await;
    gives(world.staging(), STAGING_DEPLOYER, "staging-owners", records, "add").await;
    world.deploy_staging(&release).run().await.expect(0);
}

#[tokio::test]
async fn staging_looks_before_it_deploys_and_trains() {
    let world = StageWorld::with_tiers().await;
    let release = world.deployed().await.output("release").to_owned();
    gives(world.staging(), STAGING_DEPLOYER, STAGING_DEPLOYER, "staging.ops.deployments", "remove").await;
    world.staging().forget_requests();
    let left = world.deploy_staging(&release).run().await;
    refused(&left, world.staging(), &["GRANT WRITE VOLUME ON VOLUME `staging`.`ops`.`deployments`"]);
}

#[tokio::test]
async fn a_promotion_looks_before_it_copies() {
    let scene = Scene::new().await;
    scene.tested("{\"weights\": 1}").await;
    loses_volume(scene.world.prod(), PROD_DEPLOYER, "prod.ops.deployments").await;
    scene.world.prod().forget_requests();
    let left = scene.promote().await;
    refused(&left, scene.world.prod(), &["CREATE VOLUME IF NOT EXISTS `prod`.`ops`.`deployments`"]);
}

/// Who may not look at grants may still use the volume.
#[tokio::test]
async fn what_is_not_told_is_no_refusal() {
    let world = StageWorld::with_tiers().await;
    let grants = "/api/2.1/unity-catalog/effective-permissions/volume/*";
    world.workspace().faults().add(Rule::on("GET", grants, Fault::status(403)).times(9));
    let left = world.deployed().await;
    assert!(left.summary.contains("is not told to"), "{}", left.summary);
}
