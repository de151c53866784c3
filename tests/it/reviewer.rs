//! What a reviewer reads of a pull request that makes something new of every kind.

use mlops_deploy::rehearsal::github::Event;

use crate::stage_world::StageWorld;

/// Every kind, with what costs, what acts for somebody, and what must never be shown.
const BUNDLE: &str = r#"
bundle: {name: tiny}
resources:
  jobs:
    train:
      name: train
      description: planted words
      schedule: {quartz_cron_expression: '0 0 2 * * ?', timezone_id: Europe/Berlin, pause_status: PAUSED}
      run_as: {service_principal_name: 7d0c5b1e-0000-4000-8000-000000000007}
      git_source: {git_url: 'https://ada:planted@github.com/acme/churn', git_provider: gitHub, git_branch: main}
      job_clusters:
        - job_cluster_key: main
          new_cluster: &cluster
            spark_version: 15.4.x-scala2.12
            node_type_id: i3.xlarge
            autoscale: {min_workers: 1, max_workers: 8}
            policy_id: ABC123
            spark_env_vars: {TOKEN: planted}
      tasks:
        - {task_key: a, job_cluster_key: main, notebook_task: {notebook_path: src/train, base_parameters: {q: planted}}}
        - {task_key: b, new_cluster: *cluster, notebook_task: {notebook_path: src/train}}
        - {task_key: c, new_cluster: *cluster, notebook_task: {notebook_path: src/train}}
        - {task_key: d, notebook_task: {notebook_path: src/train}}
      permissions: [{level: CAN_MANAGE, group_name: ml}, {level: CAN_VIEW, group_name: users}]
    by_hand:
      name: by_hand
      tasks: [{task_key: a, existing_cluster_id: 1127-x, notebook_task: {notebook_path: /Shared/x, source: WORKSPACE}}]
  pipelines:
    features:
      name: features
      catalog: dev
      schema: default
      serverless: true
      configuration: {key: planted}
      libraries: [{notebook: {path: src/train.py}}]
  schemas:
    scores:
      name: scores
      catalog_name: dev
      comment: planted
      grants: [{principal: ml, privileges: [USE_SCHEMA, SELECT]}, {principal: account users, privileges: [ALL_PRIVILEGES]}]
  volumes:
    raw: {name: raw, catalog_name: dev, schema_name: default, volume_type: MANAGED}
  registered_models:
    model: {name: churn, catalog_name: dev, schema_name: default}
  experiments:
    runs: {name: /Users/DEPLOYER/churn}
  models:
    old: {name: old, description: planted}
  model_serving_endpoints:
    churn:
      name: churn
      config:
        served_entities:
          - name: one
            entity_name: dev.default.churn
            entity_version: '1'
            workload_size: Small
            environment_vars: {KEY: planted}
          - name: gpt
            external_model:
              name: gpt
              provider: openai
              task: llm/v1/chat
              openai_config: {openai_api_key: '{{secrets/planted/k}}'}
        traffic_config: {routes: [{served_model_name: one, traffic_percentage: 90}, {served_model_name: gpt, traffic_percentage: 10}]}
  clusters:
    shared: {cluster_name: shared, spark_version: 15.4.x-scala2.12, node_type_id: n, num_workers: 2, autotermination_minutes: 0}
  dashboards:
    board: {display_name: board, warehouse_id: w, serialized_dashboard: '{"pages": []}', embed_credentials: true}
  sql_warehouses:
    small: {name: small, cluster_size: Small, max_num_clusters: 3, auto_stop_mins: 10}
  secret_scopes:
    keys: {name: keys, permissions: [{level: READ, group_name: ml}]}
  apps:
    front: {name: front, description: planted, source_code_path: ./src, user_api_scopes: [sql]}
  alerts:
    late: {display_name: late, query_text: select 'planted', warehouse_id: w, schedule: {quartz_cron_schedule: '0 0 9 * * ?',
           timezone_id: UTC, pause_status: PAUSED}, evaluation: {comparison_operator: LESS_THAN, source: {name: c}}}
  quality_monitors:
    watch: {table_name: dev.default.scores, output_schema_name: dev.default, assets_dir: /Shared/w, snapshot: {}}
targets:
  TARGET-DEV
"#;

#[tokio::test]
async fn what_is_new_says_what_there_is_to_decide_and_nothing_that_may_be_secret() {
    let world = StageWorld::with(BUNDLE).await;
    let pull = world.pull_request();
    let left = world.validate(Event::pull_request(pull)).run().await;
    left.expect(0);
    let comment = &world.github.comments(pull)[0].1;
    for told in [comment, &left.summary, &left.journal, &left.stdout] {
        assert!(!told.contains("planted"), "{told}");
    }
    let begin = comment.find("\n**").unwrap();
    let end = comment.find("#### How to undo").unwrap();
    insta::assert_snapshot!(&comment[begin..end]);
}
