//! Kinds of resources whose requests are more than one each: made, changed and taken away by
//! hand, against the stand-in over real HTTP.

use std::fs;
use std::process::{Output, Stdio};

use mlops_deploy::rehearsal::workspace::{self, Config, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const TOKEN: &str = "dapi-kinds";

struct Hand {
    workspace: Running,
    folder: TempDir,
}

impl Hand {
    async fn with(bundle: &str) -> Self {
        let hand = Self {
            workspace: workspace::serve(Config::per_token()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        hand.write("databricks.yml", bundle);
        hand
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    async fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
        command.arg("bundle").args(args).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("DATABRICKS_HOST", self.workspace.url()).env("DATABRICKS_TOKEN", TOKEN);
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
    }

    /// Runs a command that must end well; what it printed, and what it said.
    async fn done(&self, args: &[&str]) -> (String, String) {
        let output = self.run(args).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{args:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.workspace.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.request(method.clone(), url).bearer_auth(TOKEN);
        let request = if method == reqwest::Method::GET { request } else { request.json(&body) };
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn delete(&self, path: &str) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.workspace.url());
        http.delete(url).bearer_auth(TOKEN).send().await.unwrap().error_for_status().unwrap();
    }

    async fn get(&self, path: &str) -> Value {
        self.call(reqwest::Method::GET, path, Value::Null).await
    }

    /// Deploys, and finds that a plan afterwards has nothing to do.
    async fn settles(&self) -> String {
        let (_, said) = self.done(&["deploy", "--auto-approve"]).await;
        let (plan, _) = self.done(&["plan"]).await;
        assert!(plan.starts_with("Plan: 0 to add, 0 to change, 0 to delete"), "{plan}");
        said
    }
}

const ENDPOINT: &str = "
bundle: {name: kinds}
resources:
  model_serving_endpoints:
    ep:
      name: churn
      tags: [{key: team, value: ml}]
      config: {served_entities: [{name: one, entity_name: main.ml.churn, entity_version: '1', workload_size: Small, scale_to_zero_enabled: true}]}
      permissions: [{level: CAN_QUERY, group_name: apps}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_sent_the_parts_that_differ() {
    let hand = Hand::with(ENDPOINT).await;
    hand.settles().await;
    hand.write("databricks.yml", &ENDPOINT.replace("value: ml", "value: data").replace("'1'", "'2'"));
    assert!(hand.settles().await.contains("Updated model_serving_endpoints.ep\n"));
    let endpoint = hand.get("/api/2.0/serving-endpoints/churn").await;
    assert_eq!(endpoint["tags"], json!([{"key": "team", "value": "data"}]));
    assert_eq!(endpoint["config"]["served_entities"][0]["entity_version"], "2");
    // Permissions stay with the endpoint that was: the plan that comes next gives them anew.
    let bare = ENDPOINT.split("      permissions").next().unwrap();
    hand.write("databricks.yml", bare);
    hand.settles().await;
    hand.write("databricks.yml", &bare.replace("name: churn\n", "name: churn\n      description: other\n"));
    assert!(hand.settles().await.contains("Recreated model_serving_endpoints.ep\n"));
    hand.done(&["destroy", "--auto-approve"]).await;
    assert_eq!(hand.get("/api/2.0/serving-endpoints").await, json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_cluster_is_resized_and_a_stopped_one_edited() {
    let bundle = |workers: u8, more: &str| {
        format!(
            "bundle: {{name: kinds}}\nresources:\n  clusters:\n    c: {{cluster_name: c, spark_version: x, \
             node_type_id: n, num_workers: {workers}{more}}}\n"
        )
    };
    let hand = Hand::with(&bundle(1, "")).await;
    hand.settles().await;
    hand.write("databricks.yml", &bundle(3, ""));
    assert!(hand.settles().await.contains("Resized clusters.c\n"));
    hand.write("databricks.yml", &bundle(3, ", lifecycle: {started: false}"));
    hand.settles().await;
    hand.write("databricks.yml", &bundle(2, ", lifecycle: {started: false}"));
    assert!(hand.settles().await.contains("Updated clusters.c\n"));
    let cluster = &hand.get("/api/2.1/clusters/list").await["clusters"][0];
    assert_eq!((&cluster["state"], &cluster["num_workers"]), (&json!("TERMINATED"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_is_told_with_the_wish_or_never_is_no_change() {
    let hand = Hand::with(
        "bundle: {name: kinds}\nresources:\n  clusters:\n    c: {cluster_name: c, spark_version: x, node_type_id: n, \
         num_workers: 1, apply_policy_default_values: true}\n  model_serving_endpoints:\n    \
         e: {name: e, rate_limits: [{calls: 1, renewal_period: minute}], config: {served_entities: [{name: one, \
         entity_name: main.ml.churn, entity_version: '1', workload_size: Small, scale_to_zero_enabled: true}]}}\n",
    )
    .await;
    hand.settles().await;
    let (plan, _) = hand.done(&["plan", "-o", "json"]).await;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let cluster = &plan["plan"]["resources.clusters.c"];
    assert_eq!(cluster["remote_state"]["apply_policy_default_values"], true);
    assert_eq!(cluster["changes"]["apply_policy_default_values"], Value::Null);
    let endpoint = &plan["plan"]["resources.model_serving_endpoints.e"];
    assert_eq!(endpoint["changes"]["rate_limits"]["reason"], "missing_in_remote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_experiment_has_two_names_for_its_place() {
    let bundle = |name: &str| format!("bundle: {{name: kinds}}\nresources: {{experiments: {{x: {{name: {name}}}}}}}\n");
    let hand = Hand::with(&bundle("/Workspace/Shared/trials")).await;
    hand.settles().await;
    hand.write("databricks.yml", &bundle("/Shared/trials"));
    assert!(hand.settles().await.contains("Resources: 0 created, 0 changed"));
    hand.write("databricks.yml", &bundle("/Workspace/Shared/runs"));
    assert!(hand.settles().await.contains("Updated experiments.x"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_deploys_keeps_a_secret_scope_and_who_is_no_longer_named_loses_it() {
    let bundle = |permissions: &str| {
        format!(
            "bundle: {{name: kinds}}\nresources: {{secret_scopes: {{s: {{name: s, permissions: [{permissions}]}}}}}}\n"
        )
    };
    let hand = Hand::with(&bundle("{level: READ, group_name: readers}")).await;
    hand.settles().await;
    let acls = hand.get("/api/2.0/secrets/acls/list?scope=s").await["items"].as_array().unwrap().len();
    assert_eq!(acls, 2);
    hand.write("databricks.yml", &bundle(""));
    hand.settles().await;
    let left = hand.get("/api/2.0/secrets/acls/list?scope=s").await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(left["items"][0]["permission"], "MANAGE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dashboard_edited_in_the_workspace_is_not_overwritten_unasked() {
    let hand = Hand::with(
        "bundle: {name: kinds}\nresources: {dashboards: {d: {display_name: D, warehouse_id: w, file_path: d.lvdash.json}}}\n",
    )
    .await;
    hand.write("d.lvdash.json", "{\"pages\": []}");
    hand.settles().await;
    let all = hand.get("/api/2.0/lakeview/dashboards").await;
    let path = format!("/api/2.0/lakeview/dashboards/{}", all["dashboards"][0]["dashboard_id"].as_str().unwrap());
    hand.call(reqwest::Method::PATCH, &path, json!({"serialized_dashboard": "{\"pages\": [{}]}"})).await;
    let (_, warned) = hand.done(&["plan"]).await;
    assert!(warned.contains("Warning: dashboard \"d\" has been modified remotely\n"), "{warned}");
    let refused = hand.run(&["deploy"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(hand.get(&path).await["serialized_dashboard"], "{\"pages\":[{}]}\n");
    hand.done(&["deploy", "--force"]).await;
    assert_eq!(hand.get(&path).await["serialized_dashboard"], "{\"pages\":[]}\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variable_finds_its_value_in_the_workspace() {
    let hand = Hand::with(
        "bundle: {name: kinds}\nvariables: {w: {lookup: {warehouse: bi}}}\nresources: {jobs: {j: {name: 'uses ${var.w}'}}}\n",
    )
    .await;
    let missing = hand.run(&["validate"]).await;
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("failed to resolve warehouse: bi, err: EndpointInfo named 'bi' does not exist"), "{said}");
    let made = json!({"name": "bi", "cluster_size": "Small"});
    let id = hand.call(reqwest::Method::POST, "/api/2.0/sql/warehouses", made.clone()).await["id"].clone();
    hand.settles().await;
    let name = hand.get("/api/2.2/jobs/list").await["jobs"][0]["settings"]["name"].clone();
    assert_eq!(name, format!("uses {}", id.as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selected_job_brings_what_it_needs_and_leaves_the_rest() {
    let hand = Hand::with(
        "bundle: {name: kinds}\nresources:\n  jobs:\n    a: {name: a}\n    b: {name: 'after ${resources.jobs.a.id}'}\n    c: {name: c}\n",
    )
    .await;
    let (_, said) = hand.done(&["deploy", "--select", "b"]).await;
    assert!(said.ends_with("Resources: 2 created, 0 changed, 0 deleted, 0 unchanged, 1 not selected\n"), "{said}");
    let refused = hand.run(&["plan", "--select", "nothing"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no such resource: nothing"));
    assert_eq!(
        hand.done(&["plan"]).await.0,
        "create jobs.c\n\nPlan: 1 to add, 0 to change, 0 to delete, 2 unchanged\n"
    );
}

const SEARCH: &str = "
bundle: {name: kinds}
resources:
  vector_search_endpoints: {e: {name: search, endpoint_type: STANDARD, target_qps: 2, budget_policy_id: old}}
  vector_search_indexes:
    i:
      name: main.ml.texts
      endpoint_name: ${resources.vector_search_endpoints.e.name}
      primary_key: id
      index_type: DIRECT_ACCESS
      direct_access_index_spec: {schema_json: '{}', embedding_vector_columns: [{name: v, embedding_dimension: 8}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_index_is_made_anew_where_its_endpoint_is_another_one_of_the_same_name() {
    let hand = Hand::with(SEARCH).await;
    hand.settles().await;
    let at = "/api/2.0/vector-search/endpoints";
    hand.delete(&format!("{at}/search")).await;
    hand.call(reqwest::Method::POST, at, json!({"name": "search", "endpoint_type": "STANDARD", "target_qps": 2})).await;
    let refused = hand.run(&["deploy"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let (_, said) = hand.done(&["deploy", "--auto-approve"]).await;
    assert!(said.contains("Recreated vector_search_indexes.i\n"), "{said}");
    let endpoint = hand.get(&format!("{at}/search")).await;
    let index = hand.get("/api/2.0/vector-search/indexes/main.ml.texts").await;
    assert_eq!(index["endpoint_id"], endpoint["id"]);
    hand.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_endpoint_loses_what_is_no_longer_written() {
    let hand = Hand::with(SEARCH).await;
    hand.settles().await;
    hand.write("databricks.yml", &SEARCH.replace(", target_qps: 2, budget_policy_id: old", ""));
    assert!(hand.settles().await.contains("Updated vector_search_endpoints.e\n"));
    let endpoint = hand.get("/api/2.0/vector-search/endpoints/search").await;
    assert_eq!((&endpoint["scaling_info"], &endpoint["budget_policy_id"]), (&json!({}), &Value::Null));
    hand.done(&["destroy", "--auto-approve"]).await;
    assert_eq!(hand.get("/api/2.0/vector-search/endpoints").await, json!({"endpoints": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_all_privileges_has_the_others_too() {
    let bundle = |privileges: &str| {
        format!(
            "bundle: {{name: kinds}}\nresources: {{schemas: {{s: {{name: s, catalog_name: main, grants: [{{principal: \
             users, privileges: [{privileges}]}}]}}}}}}\n"
        )
    };
    let hand = Hand::with(&bundle("SELECT")).await;
    hand.settles().await;
    hand.write("databricks.yml", &bundle("ALL_PRIVILEGES"));
    hand.settles().await;
    let all = hand.get("/api/2.1/unity-catalog/permissions/schema/main.s").await;
    assert_eq!(all["privilege_assignments"][0]["privileges"], json!(["ALL_PRIVILEGES", "SELECT"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_is_renamed_with_everything_in_it_and_a_location_moves() {
    let bundle = |name: &str, url: &str| {
        format!(
            "bundle: {{name: kinds}}\nresources:\n  catalogs: {{c: {{name: {name}, comment: C}}}}\n  external_locations: {{l: \
             {{name: {name}, url: {url}, credential_name: c}}}}\n"
        )
    };
    let hand = Hand::with(&bundle("one", "s3://one/place")).await;
    hand.settles().await;
    let schema = json!({"name": "s", "catalog_name": "one"});
    hand.call(reqwest::Method::POST, "/api/2.1/unity-catalog/schemas", schema).await;
    hand.write("databricks.yml", &bundle("two", "s3://two/place"));
    hand.settles().await;
    assert_eq!(hand.get("/api/2.1/unity-catalog/schemas/two.s").await["catalog_name"], "two");
    assert_eq!(hand.get("/api/2.1/unity-catalog/external-locations/two").await["url"], "s3://two/place");
    hand.done(&["destroy", "--auto-approve"]).await;
    assert_eq!(hand.get("/api/2.1/unity-catalog/catalogs/two").await["error_code"], "CATALOG_DOES_NOT_EXIST");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_that_is_named_by_text_is_made_before_what_lies_in_it() {
    let hand = Hand::with(
        "bundle: {name: kinds}\nresources:\n  catalogs: {c: {name: ours}}\n  schemas: {s: {name: s, catalog_name: ours}, t: {name: t, \
         catalog_name: main}}\n  volumes: {v: {name: v, catalog_name: '${resources.schemas.s.catalog_name}', schema_name: s}}\n",
    )
    .await;
    hand.settles().await;
    let (plan, _) = hand.done(&["plan", "-o", "json"]).await;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let on = &plan["plan"]["resources.schemas.s"]["depends_on"][0]["label"];
    assert_eq!(
        (on, &plan["plan"]["resources.schemas.t"]["depends_on"]),
        (&json!("${resources.catalogs.c.name}"), &Value::Null)
    );
    let (resolved, _) = hand.done(&["validate", "-o", "json"]).await;
    let resolved: Value = serde_json::from_str(&resolved).unwrap();
    // A reference is followed one step.
    let path = &resolved["resources"]["volumes"]["v"]["volume_path"];
    assert_eq!(path, "/Volumes/${resources.catalogs.c.name}/s/v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_storage_is_the_same_with_a_slash_behind_it() {
    let volume = |place: &str| {
        format!(
            "bundle: {{name: hand}}\nresources: {{volumes: {{v: {{name: v, catalog_name: main, schema_name: s, \
             volume_type: EXTERNAL, storage_location: '{place}'}}}}, schemas: {{s: {{name: s, catalog_name: main}}}}}}\n"
        )
    };
    let hand = Hand::with(&volume("s3://b/v/")).await;
    let plan = async |text: &str| {
        hand.write("databricks.yml", text);
        hand.done(&["plan"]).await.0
    };
    hand.done(&["deploy"]).await;
    let nothing = "Plan: 0 to add, 0 to change, 0 to delete, 2 unchanged\n";
    assert_eq!(plan(&volume("s3://b/v/")).await, nothing);
    assert_eq!(plan(&volume("s3://b/v//")).await, nothing);
    assert_eq!(plan(&volume("s3://b/v")).await, nothing);
    assert!(plan(&volume("s3://b/w/")).await.contains("recreate volumes.v"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_a_secret_scope_may_read_it_under_its_new_name() {
    let scope = |name: &str, who: &str| {
        format!(
            "bundle: {{name: hand}}\nresources: {{secret_scopes: {{s: {{name: {name}, permissions: \
             [{{level: READ, group_name: {who}}}]}}}}}}\n"
        )
    };
    let hand = Hand::with(&scope("old", "analysts")).await;
    let readers = async |name: &str| {
        let acls = hand.get(&format!("/api/2.0/secrets/acls/list?scope={name}")).await;
        let items = acls["items"].as_array().unwrap().iter().filter(|acl| acl["permission"] == "READ");
        items.map(|acl| acl["principal"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    hand.done(&["deploy"]).await;
    for (name, who) in [("new", "analysts"), ("newer", "engineers")] {
        hand.write("databricks.yml", &scope(name, who));
        hand.done(&["deploy", "--auto-approve"]).await;
        assert_eq!(readers(name).await, [who]);
        assert!(hand.done(&["plan"]).await.0.starts_with("Plan: 0 to add, 0 to change, 0 to delete"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_database_is_asked_for_counts_by_what_was_asked_before() {
    let bundle = |nodes: u8| {
        format!(
            "bundle: {{name: kinds}}\nresources: {{database_instances: {{d: {{name: d, capacity: CU_1, node_count: {nodes}}}}}}}\n"
        )
    };
    let hand = Hand::with(&bundle(1)).await;
    hand.settles().await;
    let at = "/api/2.0/database/instances/d";
    let by_somebody = json!({"name": "d", "capacity": "CU_1", "node_count": 2});
    hand.call(reqwest::Method::PATCH, &format!("{at}?update_mask=*"), by_somebody).await;
    let (plan, _) = hand.done(&["plan"]).await;
    assert!(plan.starts_with("Plan: 0 to add, 0 to change"), "{plan}");
    hand.write("databricks.yml", &bundle(3));
    assert!(hand.settles().await.contains("Updated database_instances.d\n"));
    assert_eq!(hand.get(at).await["effective_node_count"], 3);
}

const APP: &str = "
bundle: {name: kinds}
resources:
  apps:
    a:
      name: a
      source_code_path: ./src
      config: {command: [python, app.py], env: [{name: MODE, value: one}, {name: KEY, value_from: key}]}
";

async fn app(hand: &Hand) -> (String, Value) {
    let (plan, _) = hand.done(&["plan", "-o", "json"]).await;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let app = &plan["plan"]["resources.apps.a"];
    (app["action"].as_str().unwrap().to_owned(), app["changes"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_an_app_is_run_is_kept_for_its_next_run_and_compared_with_what_runs() {
    let hand = Hand::with(APP).await;
    fs::create_dir(hand.folder.path().join("src")).unwrap();
    hand.write("src/app.py", "print(1)\n");
    hand.settles().await;
    assert_eq!(app(&hand).await.1["config"]["reason"], "no active deployment");
    let made = hand.get("/api/2.0/apps/a").await;
    assert_eq!((&made["config"], &made["active_deployment"]), (&Value::Null, &Value::Null));

    // Somebody runs it with another value: that is drift, and no deployment of the bundle ends it.
    let mut running = json!({"mode": "SNAPSHOT", "source_code_path": "/Workspace/elsewhere", "command": ["python", "app.py"],
        "env_vars": [{"name": "MODE", "value": "two"}, {"name": "KEY", "value_from": "key"}]});
    hand.call(reqwest::Method::POST, "/api/2.0/apps/a/deployments", running.clone()).await;
    let (action, changes) = app(&hand).await;
    assert_eq!(action, "update");
    assert_eq!(
        changes["config.env[0].value"],
        json!({"action": "update", "old": "one", "new": "one", "remote": "two"})
    );
    assert_eq!(changes["source_code_path"]["reason"], "spec:input_only");

    // What only the next run takes is not sent; what is gone is not either.
    running["env_vars"][0]["value"] = json!("one");
    hand.call(reqwest::Method::POST, "/api/2.0/apps/a/deployments", running).await;
    hand.settles().await;
    hand.write("databricks.yml", APP.split("      config").next().unwrap());
    let before = hand.get("/api/2.0/apps/a").await;
    let (_, said) = hand.done(&["deploy"]).await;
    assert!(said.contains("Updated apps.a\n"), "{said}");
    assert_eq!(hand.get("/api/2.0/apps/a").await, before);

    // One that is to stand still is stopped, and only where it runs.
    hand.call(reqwest::Method::POST, "/api/2.0/apps/a/start", json!({})).await;
    hand.write("databricks.yml", &APP.replace("./src", "./src\n      lifecycle: {started: false}"));
    let (_, changes) = app(&hand).await;
    assert_eq!(changes["lifecycle.started"], json!({"action": "update", "new": false, "remote": true}));
    hand.done(&["deploy"]).await;
    assert_eq!(hand.get("/api/2.0/apps/a").await["compute_status"]["state"], "STOPPED");
    hand.done(&["destroy", "--auto-approve"]).await;
}
