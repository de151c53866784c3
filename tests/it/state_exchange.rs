//! A state that one program wrote is the other's: deployed with ours or with the official
//! command, the other one plans nothing. Where there is no `databricks` on PATH this is not
//! checked, and says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mlops_deploy::rehearsal::workspace::{self, Config, Running};
use serde_json::Value;
use tokio::process::Command;

const TOKEN: &str = "dapi-exchange";

/// One of each kind, with permissions and grants where it has them.
const BUNDLE: &str = "
bundle: {name: exchange}
resources:
  alerts:
    alert:
      display_name: a
      query_text: select 1
      warehouse_id: w
      schedule: {quartz_cron_schedule: '0 0 9 * * ?', timezone_id: UTC}
      evaluation: {comparison_operator: LESS_THAN, source: {name: c}}
      permissions: [{level: CAN_RUN, group_name: users}]
  apps: {app: {name: app, source_code_path: ./app, config: {command: [python, app.py], env: [{name: K, value: v}]}, permissions: [{level: CAN_USE, group_name: users}]}}
  catalogs: {catalog: {name: c, grants: [{principal: users, privileges: [USE_CATALOG]}]}}
  clusters: {cluster: {cluster_name: c, spark_version: x, node_type_id: n, num_workers: 1, permissions: [{level: CAN_RESTART, group_name: users}]}}
  dashboards: {dashboard: {display_name: d, warehouse_id: w, serialized_dashboard: '{\"pages\": []}', permissions: [{level: CAN_READ, group_name: users}]}}
  database_catalogs: {database: {name: dc, database_instance_name: '${resources.database_instances.instance.name}', database_name: d, create_database_if_not_exists: true}}
  database_instances: {instance: {name: i, capacity: CU_1, node_count: 2, permissions: [{level: CAN_USE, group_name: users}]}}
  experiments: {experiment: {name: /Shared/e, permissions: [{level: CAN_READ, group_name: users}]}}
  external_locations: {location: {name: l, url: 's3://l/l', credential_name: c, skip_validation: true, grants: [{principal: users, privileges: [READ_FILES]}]}}
  instance_pools: {pool: {instance_pool_name: p, node_type_id: n, max_capacity: 2, permissions: [{level: CAN_ATTACH_TO, group_name: users}]}}
  jobs: {job: {name: j, permissions: [{level: CAN_VIEW, group_name: users}]}}
  model_serving_endpoints: {endpoint: {name: e, tags: [{key: a, value: b}], config: {served_entities: [{name: x, entity_name: a.b.c, entity_version: '1', workload_size: Small, scale_to_zero_enabled: true}]}, permissions: [{level: CAN_QUERY, group_name: users}]}}
  models: {model: {name: m, permissions: [{level: CAN_READ, group_name: users}]}}
  pipelines: {pipeline: {name: p, permissions: [{level: CAN_RUN, group_name: users}]}}
  quality_monitors: {monitor: {table_name: main.s.t, assets_dir: /Shared/m, output_schema_name: main.s, snapshot: {}}}
  registered_models: {registered: {catalog_name: main, schema_name: '${resources.schemas.schema.name}', name: r, grants: [{principal: users, privileges: [EXECUTE]}]}}
  schemas: {schema: {catalog_name: main, name: s, grants: [{principal: users, privileges: [USE_SCHEMA]}]}}
  secret_scopes: {scope: {name: scope, permissions: [{level: READ, group_name: users}]}}
  sql_warehouses: {warehouse: {name: w, cluster_size: Small, permissions: [{level: CAN_USE, group_name: users}]}}
  synced_database_tables: {synced: {name: '${resources.database_catalogs.database.name}.s.t', database_instance_name: '${resources.database_instances.instance.name}', logical_database_name: d, spec: {source_table_full_name: main.s.t, scheduling_policy: SNAPSHOT, primary_key_columns: [id], new_pipeline_spec: {storage_catalog: main, storage_schema: s}}}}
  vector_search_endpoints: {search: {name: v, endpoint_type: STANDARD, target_qps: 2, permissions: [{level: CAN_USE, group_name: users}]}}
  vector_search_indexes: {index: {name: main.s.i, endpoint_name: '${resources.vector_search_endpoints.search.name}', primary_key: id, index_type: DIRECT_ACCESS, direct_access_index_spec: {schema_json: '{}'}, grants: [{principal: users, privileges: [SELECT]}]}}
  volumes: {volume: {catalog_name: main, schema_name: '${resources.schemas.schema.name}', name: v, grants: [{principal: users, privileges: [READ_VOLUME]}]}}
";

struct Bench {
    workspace: Running,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("databricks.yml"), BUNDLE).unwrap();
        fs::create_dir(folder.path().join("app")).unwrap();
        fs::write(folder.path().join("app/app.py"), "print(1)\n").unwrap();
        Self { workspace: workspace::serve(Config::per_token()).await.unwrap(), folder }
    }

    async fn run(&self, program: &Path, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.arg("bundle").args(args).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("DATABRICKS_HOST", self.workspace.url()).env("DATABRICKS_TOKEN", TOKEN);
        command.env("DATABRICKS_BUNDLE_ENGINE", "direct").env("DATABRICKS_CACHE_ENABLED", "false");
        command.env("DATABRICKS_CLI_DISABLE_TELEMETRY", "1").env("DATABRICKS_CLI_DISABLE_UPDATE_CHECK", "1");
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {args:?}: {said}", program.display());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The nodes that a plan of `program` would change.
    async fn changes(&self, program: &Path) -> Vec<String> {
        // As on another machine: what this one remembers does not count.
        let _ = fs::remove_dir_all(self.folder.path().join(".databricks"));
        let plan: Value = serde_json::from_str(&self.run(program, &["plan", "-o", "json"]).await).unwrap();
        let nodes = plan["plan"].as_object().unwrap().iter();
        assert!(nodes.len() > 0);
        nodes.filter(|(_, planned)| planned["action"] != "skip").map(|(node, _)| node.clone()).collect()
    }
}

fn ours() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_mlops-deploy"))
}

fn official() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("databricks")).find(|program| program.is_file())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_of_every_kind_plans_nothing_afterwards() {
    let bench = Bench::new().await;
    bench.run(&ours(), &["deploy"]).await;
    assert_eq!(bench.changes(&ours()).await, [""; 0]);
    bench.run(&ours(), &["destroy", "--auto-approve"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_program_takes_over_from_the_other() {
    let Some(official) = official() else {
        eprintln!("there is no `databricks` on PATH: the exchange of states with it was not checked");
        return;
    };
    for (first, second) in [(&official, &ours()), (&ours(), &official)] {
        let bench = Bench::new().await;
        bench.run(first, &["deploy"]).await;
        assert_eq!(bench.changes(second).await, [""; 0], "after {}", first.display());
        bench.run(second, &["destroy", "--auto-approve"]).await;
    }
}
