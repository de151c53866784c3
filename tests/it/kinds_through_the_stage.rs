//! Every kind through the stage: made, changed, deleted, made anew; and each of that taken back
//! by a smoke run that fails, but for what was made anew.

use mlops_deploy::rehearsal::workspace::Outcome;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage_world::{DEPLOYER, StageWorld, as_somebody, difference, doubled, settled};

/// A kind with its children, and what a commit changes of it.
struct Row {
    kind: &'static str,
    resource: &'static str,
    /// Taken back whole; `NOTHING` where nothing of the kind can be changed.
    update: (&'static str, &'static str),
    /// Loses what the README names; no kind of change does that to a job.
    recreate: Option<(&'static str, &'static str)>,
}

const NOTHING: (&str, &str) = ("", "");

static ROWS: [Row; 23] = [
    Row {
        kind: "jobs",
        resource: "it: {name: it, description: One, permissions: [{level: CAN_VIEW, group_name: users}]}",
        update: ("description: One", "description: Two"),
        recreate: None,
    },
    Row {
        kind: "pipelines",
        resource: "it: {name: it, catalog: dev, schema: default, libraries: [{notebook: {path: src/train.py}}], \
                   permissions: [{level: CAN_VIEW, group_name: users}]}",
        update: ("name: it,", "name: that,"),
        recreate: Some(("catalog: dev, schema: default", "storage: 'dbfs:/elsewhere'")),
    },
    Row {
        kind: "schemas",
        resource: "it: {name: it, catalog_name: dev, comment: One, grants: [{principal: users, privileges: [USE_SCHEMA]}]}",
        update: ("comment: One", "comment: Two"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "volumes",
        resource: "it: {name: it, catalog_name: dev, schema_name: default, comment: One, grants: [{principal: users, \
                   privileges: [READ_VOLUME]}]}",
        update: ("comment: One", "comment: Two"),
        recreate: Some(("schema_name: default", "schema_name: more")),
    },
    Row {
        kind: "registered_models",
        resource: "it: {name: it, catalog_name: dev, schema_name: default, comment: One, grants: [{principal: users, \
                   privileges: [EXECUTE]}]}",
        update: ("comment: One", "comment: Two"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "experiments",
        resource: "it: {name: /Users/DEPLOYER/it, permissions: [{level: CAN_READ, group_name: users}]}",
        update: ("/it,", "/that,"),
        recreate: Some(("/it,", "/it, artifact_location: 'dbfs:/elsewhere',")),
    },
    Row {
        kind: "models",
        resource: "it: {name: it, description: One, permissions: [{level: CAN_READ, group_name: users}]}",
        update: ("description: One", "description: Two"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "model_serving_endpoints",
        resource: "it: {name: it, tags: [{key: team, value: one}], config: {served_entities: [{name: x, external_model: {name: \
                   gpt, provider: openai, task: llm/v1/chat, openai_config: {openai_api_key: '{{secrets/s/k}}'}}}]}, \
                   permissions: [{level: CAN_QUERY, group_name: users}]}",
        update: ("value: one", "value: two"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "clusters",
        resource: "it: {cluster_name: it, spark_version: 15.4.x-scala2.12, node_type_id: n, num_workers: 1, \
                   permissions: [{level: CAN_RESTART, group_name: users}]}",
        update: ("num_workers: 1", "num_workers: 2"),
        recreate: None,
    },
    Row {
        kind: "instance_pools",
        resource: "it: {instance_pool_name: it, node_type_id: n, max_capacity: 2, custom_tags: {team: one}, \
                   permissions: [{level: CAN_ATTACH_TO, group_name: users}]}",
        update: ("max_capacity: 2, custom_tags: {team: one}", "max_capacity: 3, min_idle_instances: 1"),
        recreate: Some(("max_capacity: 2", "max_capacity: 2, preloaded_spark_versions: [15.4.x-scala2.12]")),
    },
    Row {
        kind: "dashboards",
        resource: "it: {display_name: it, warehouse_id: w, serialized_dashboard: '{\"pages\": []}', \
                   permissions: [{level: CAN_READ, group_name: users}]}",
        update: ("display_name: it", "display_name: that"),
        recreate: Some(("warehouse_id: w", "warehouse_id: w, parent_path: /Workspace/Shared")),
    },
    Row {
        kind: "sql_warehouses",
        resource: "it: {name: it, cluster_size: Small, permissions: [{level: CAN_USE, group_name: users}]}",
        update: ("cluster_size: Small", "cluster_size: Medium"),
        recreate: None,
    },
    Row {
        kind: "secret_scopes",
        resource: "it: {name: it, permissions: [{level: READ, group_name: users}]}",
        update: ("level: READ", "level: WRITE"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "apps",
        resource: "it: {name: it, description: One, source_code_path: ./src, config: {command: [one], env: [{name: K, value_from: k}]}, \
                   permissions: [{level: CAN_USE, group_name: users}]}",
        update: ("description: One", "description: Two"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "alerts",
        resource: "it: {display_name: it, query_text: select 1, warehouse_id: w, schedule: {quartz_cron_schedule: '0 0 9 * * ?', \
                   timezone_id: UTC}, evaluation: {comparison_operator: LESS_THAN, source: {name: c}}, \
                   permissions: [{level: CAN_RUN, group_name: users}]}",
        update: ("display_name: it", "display_name: that"),
        recreate: None,
    },
    Row {
        kind: "quality_monitors",
        resource: "it: {table_name: dev.more.seen, assets_dir: /Workspace/Shared/one, output_schema_name: dev.more, snapshot: {}, \
                   slicing_exprs: [country]}",
        update: ("slicing_exprs: [country]", "slicing_exprs: [country, age]"),
        recreate: Some(("/Workspace/Shared/one", "/Workspace/Shared/two")),
    },
    Row {
        kind: "catalogs",
        resource: "it: {name: it, comment: One, grants: [{principal: users, privileges: [USE_CATALOG]}]}",
        update: ("name: it, comment: One", "name: that, comment: Two"),
        recreate: Some(("comment: One", "comment: One, storage_root: 's3://elsewhere'")),
    },
    Row {
        kind: "external_locations",
        resource: "it: {name: it, url: 's3://one/it', credential_name: c, grants: [{principal: users, privileges: [READ_FILES]}]}",
        update: ("name: it, url: 's3://one/it'", "name: that, url: 's3://two/it', read_only: true"),
        recreate: Some(("credential_name: c", "credential_name: d")),
    },
    Row {
        kind: "database_instances",
        resource: "it: {name: it, capacity: CU_1, node_count: 2, permissions: [{level: CAN_USE, group_name: users}]}",
        update: ("node_count: 2", "node_count: 3"),
        recreate: Some(("name: it,", "name: that,")),
    },
    Row {
        kind: "database_catalogs",
        resource: "it: {name: it, database_instance_name: seen, database_name: d, create_database_if_not_exists: true}",
        update: NOTHING,
        recreate: Some(("database_name: d", "database_name: e")),
    },
    Row {
        kind: "synced_database_tables",
        resource: "it: {name: dev.more.it, database_instance_name: seen, logical_database_name: d, spec: {source_table_full_name: \
                   dev.more.seen, scheduling_policy: SNAPSHOT, primary_key_columns: [id]}}",
        update: NOTHING,
        recreate: Some(("SNAPSHOT", "TRIGGERED")),
    },
    Row {
        kind: "vector_search_endpoints",
        resource: "it: {name: it, endpoint_type: STANDARD, target_qps: 1, budget_policy_id: p, \
                   permissions: [{level: CAN_USE, group_name: users}]}",
        update: ("target_qps: 1", "target_qps: 2"),
        recreate: Some(("STANDARD", "STORAGE_OPTIMIZED")),
    },
    Row {
        kind: "vector_search_indexes",
        resource: "it: {name: dev.more.it, endpoint_name: seen, primary_key: id, index_type: DIRECT_ACCESS, direct_access_index_spec: \
                   {schema_json: '{}', embedding_vector_columns: [{name: v, embedding_dimension: 8}]}, \
                   grants: [{principal: users, privileges: [SELECT]}]}",
        update: ("[SELECT]", "[MODIFY]"),
        recreate: Some(("embedding_dimension: 8", "embedding_dimension: 9")),
    },
];

impl Row {
    fn bundle(&self, with: bool) -> String {
        let resource = if with { self.resource } else { "" };
        let (section, more) = if self.kind == "jobs" {
            (String::new(), format!("    {resource}\n"))
        } else {
            (if with { format!("  {}:\n    {resource}\n", self.kind) } else { String::new() }, String::new())
        };
        BUNDLE.replace("#KIND\n", &section).replace("#JOB\n", &more)
    }

    async fn world(&self) -> StageWorld {
        let world = StageWorld::with(&self.bundle(false)).await;
        // For what moves.
        let more = json!({"name": "more", "catalog_name": "dev"});
        as_somebody(world.workspace(), Method::POST, "/api/2.1/unity-catalog/schemas", more).await;
        let seen = json!({
            "name": "seen", "catalog_name": "dev", "schema_name": "more", "table_type": "EXTERNAL",
            "data_source_format": "DELTA", "storage_location": "s3://somewhere/seen",
        });
        as_somebody(world.workspace(), Method::POST, "/api/2.1/unity-catalog/tables", seen).await;
        let seen = json!({"name": "seen", "endpoint_type": "STANDARD"});
        as_somebody(world.workspace(), Method::POST, "/api/2.0/vector-search/endpoints", seen).await;
        let seen = json!({"name": "seen", "capacity": "CU_1"});
        as_somebody(world.workspace(), Method::POST, "/api/2.0/database/instances", seen).await;
        // The folder that dashboards are made in stays when they are taken back: others may lie in it.
        let folder = json!({"path": format!("/Workspace/Users/{DEPLOYER}/.bundle/tiny/dev/resources")});
        as_somebody(world.workspace(), Method::POST, "/api/2.0/workspace/mkdirs", folder).await;
        world
    }

    fn write(&self, world: &StageWorld, bundle: &str) {
        world.write_bundle(bundle);
        world.push();
    }

    /// Deploys with a smoke run that fails, and demands that everything is as before.
    async fn is_taken_back(&self, world: &StageWorld, bundle: &str, what: &str) {
        let before = without_history(settled(world.workspace()));
        self.write(world, bundle);
        world.workspace().script("train", "*", Outcome::Failed { error: "no".to_owned() });
        let step = world.deploy();
        let left = step.run().await;
        assert_eq!(left.output("failure-reason"), "smoke-failed", "{} {what}\n{}", self.kind, left.stdout);
        step.settle().await.expect(0);
        let after = without_history(settled(world.workspace()));
        assert!(before == after, "{} {what}\n{}\n{}", self.kind, difference(&before, &after), left.stdout);
        world.workspace().script("train", "*", Outcome::Success { logs: String::new() });
    }

    /// Deploys, with the first try cut short by a smoke run that fails: the next run goes on.
    async fn goes_on(&self, world: &StageWorld, bundle: &str, what: &str) {
        self.write(world, bundle);
        world.workspace().script("train", "*", Outcome::Failed { error: "no".to_owned() });
        let step = world.deploy();
        let left = step.run().await;
        assert_eq!(left.output("outcome"), "resumable", "{} {what}\n{}", self.kind, left.stdout);
        step.settle().await.expect(0);
        world.workspace().script("train", "*", Outcome::Success { logs: String::new() });
        self.is_deployed(world, bundle, what).await;
    }

    /// Deploys, and demands that nothing is left to do then, and nothing is there twice.
    async fn is_deployed(&self, world: &StageWorld, bundle: &str, what: &str) {
        self.write(world, bundle);
        let step = world.deploy();
        let left = step.run().await;
        assert_eq!(left.code, 0, "{} {what}\n{}", self.kind, left.stdout);
        step.settle().await.expect(0);
        assert_eq!(doubled(world.workspace()), None, "{} {what}", self.kind);
        assert!(!settled(world.workspace()).to_string().contains("deploy.lock"), "{} {what}", self.kind);
        let again = world.deployed().await;
        assert_eq!(again.output("outcome"), "unchanged", "{} {what}\n{}", self.kind, again.stdout);
    }
}

/// Without what the workspace notes of every change, one that takes back another included.
fn without_history(mut world: Value) -> Value {
    match &mut world {
        Value::Object(map) => {
            for noted in ["last_update", "revision_create_time", "monitor_version"] {
                map.remove(noted);
            }
            map.values_mut().for_each(|value| *value = without_history(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_history(value.take())),
        _ => {}
    }
    world
}

/// Tells the story of every row, and names all kinds with which it ends badly.
async fn of_every_kind<F: Future<Output = ()> + Send + 'static>(story: impl Fn(&'static Row) -> F) {
    let mut wrong = Vec::new();
    for row in &ROWS {
        if let Err(panicked) = tokio::spawn(story(row)).await {
            wrong.push(format!("{}: {panicked}", row.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_changed_and_deleted_of_every_kind_is_taken_back_whole() {
    of_every_kind(|row| async {
        let world = row.world().await;
        world.deployed().await;
        let whole = row.bundle(true);
        row.is_taken_back(&world, &whole, "created").await;
        row.is_deployed(&world, &whole, "created").await;
        if row.update != NOTHING {
            let changed = whole.replace(row.update.0, row.update.1);
            row.is_taken_back(&world, &changed, "updated").await;
            row.is_deployed(&world, &changed, "updated").await;
        }
        row.is_taken_back(&world, &row.bundle(false), "deleted").await;
        row.is_deployed(&world, &row.bundle(false), "deleted").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_anew_of_any_kind_goes_on_with_the_next_run() {
    of_every_kind(|row| async {
        let Some((from, to)) = row.recreate else { return };
        let world = row.world().await;
        let whole = row.bundle(true);
        row.is_deployed(&world, &whole, "created").await;
        row.goes_on(&world, &whole.replace(from, to), "recreated").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_a_bundle_stops_is_started_again_when_that_is_taken_back() {
    let row = ROWS.iter().find(|row| row.kind == "apps").unwrap();
    let world = row.world().await;
    row.is_deployed(&world, &row.bundle(true), "created").await;
    as_somebody(world.workspace(), Method::POST, "/api/2.0/apps/it/start", json!({})).await;
    let stopping = row.bundle(true).replace("description: One", "description: One, lifecycle: {started: false}");
    let state = || settled(world.workspace()).to_string().contains("App compute is running.");
    assert!(state());
    row.is_taken_back(&world, &stopping, "stopped").await;
    assert!(state());
    row.is_deployed(&world, &stopping, "stopped").await;
    assert!(!state());
}

const BUNDLE: &str = "\
bundle:
  name: tiny
targets:
  dev:
    default: true
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
resources:
#KIND
  jobs:
#JOB
    train:
      name: train
      tasks:
        - task_key: train
          notebook_task:
            notebook_path: src/train.py
";
