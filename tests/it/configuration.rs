//! `mlops-deploy.yml`, as people write it.

use std::path::Path;

use mlops_deploy::domain::{Failure, Host, Stage};
use mlops_deploy::inputs::Config;
use mlops_deploy::inputs::config::{self, PlanPrincipal};
use mlops_deploy::report;

const FULL: &str = "\
environments:                       # the allow-list
  dev:
    host: https://DBC-dev.cloud.databricks.com/?o=12
    client_id: 6f1c
    plan: {client_id: 0b2e}
    principal: {application_id: 6f1c, display_name: deploy-dev}
    catalog: dev
    github_environment: development
  staging: &tier {host: https://dbc-stg.cloud.databricks.com, client_id: 9a77, plan: same, profile: STAGING}
  prod:
    <<: *tier
    host: https://dbc-prod.cloud.databricks.com
    client_id: 007
    profile: PROD
    target: production
smoke:
  - {job: smoke_test}
  - job: other
    timeout: 90s
    parameters: {day: 2026-01-01, flag: yes, n: 0777}
models:
  churn:
    train: {job: train, parameters: {rows: 007}}
    validate: [{job: check}, {job: explain, timeout: 5m}]
    gate:
      f1: {at_least: 0.8, not_worse_than_champion_by: 0.01, slices: [new customers, \"eu\"]}
      loss: {at_most: 1}
    serve: {endpoint: churn, bake: 90s, requests: [{inputs: [[1, 2.5]]}]}
  fraud: {name: main.fraud.model, alias: live, train: {job: fraud, in: dev, version_from: {alias: new}}, gate: {auc: {}}}
budgets: {validate: 10m}
";

fn read(text: &str) -> Result<Config, Failure> {
    Config::read(text, "mlops-deploy.yml")
}

fn refusal(text: &str) -> String {
    report::failure::text(&read(text).unwrap_err())
}

#[test]
fn the_effective_configuration_says_where_each_value_comes_from() {
    insta::assert_snapshot!(read(FULL).unwrap().to_yaml());
}

#[test]
fn the_effective_configuration_is_itself_a_configuration() {
    let first = read(FULL).unwrap();
    let again = read(&first.to_yaml()).unwrap();
    let values = |config: &Config| -> Vec<String> {
        config.to_yaml().lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(values(&first), values(&again));
    assert_eq!(first.environments, again.environments);
    assert_eq!(first.smoke, again.smoke);
    assert_eq!(first.budget(Stage::Validate), again.budget(Stage::Validate));
}

/// A stage whose deadline comes before the training's own would take back a training that goes well.
#[test]
fn what_a_stage_waits_for_comes_on_top_of_its_budget() {
    let minutes = |models: &str, stage| {
        let text = format!("environments: {{dev: {{host: a.example.com, client_id: x}}}}\nmodels: {models}\n");
        read(&text).unwrap().deadline(stage).0.as_secs() / 60
    };
    let two = "{a: {train: {job: t}, gate: {f1: {}}}, b: {train: {job: u, timeout: 30m}, gate: {f1: {}}}}";
    assert_eq!(minutes(two, Stage::DeployStaging), 45 + 240 + 30);
    assert_eq!(minutes(two, Stage::DeployDev), 45);
    assert_eq!(minutes("{a: {train: {job: t, in: dev}, gate: {f1: {}}}}", Stage::DeployStaging), 45);
    let served = "{a: {serve: {endpoint: e, traffic: [5, 50, 100], bake: 1h}}, b: {serve: {endpoint: f}}}";
    assert_eq!(minutes(served, Stage::PromoteProd), 45 + 40 + 3 * 60);
}

#[test]
fn values_are_texts_as_they_are_written() {
    let config = read(FULL).unwrap();
    assert_eq!(config.environments["prod"].client_id.as_deref(), Some("007"));
    let parameters: Vec<&str> = config.smoke[1].parameters.values().map(String::as_str).collect();
    assert_eq!(parameters, ["2026-01-01", "yes", "0777"]);
}

#[test]
fn places_that_keep_no_books_are_refused() {
    let environment =
        |name: &str, records: &str| format!("  {name}: {{host: h-{name}.example.com, records: {records}}}\n");
    let text = format!(
        "environments:\n{}{}{}{}releases: artifact\n",
        environment("dev", "/Volumes/dev/ops/deployments/"),
        environment("staging", "/Volumes/dev/ops/deployments"),
        environment("prod", "/Workspace/ops"),
        environment("other", "/Volumes/a/../b/c"),
    );
    insta::assert_snapshot!(refusal(&text));
    for good in ["/mnt/kept", "/Volumes/a/b/c/d"] {
        read(&format!("environments: {{dev: {{host: h.example.com}}}}\nreleases: {good}\n")).unwrap();
    }
}

#[test]
fn an_environment_is_found_by_name_target_profile_and_host() {
    let config = read(FULL).unwrap();
    assert_eq!(config.of_target("production").unwrap().name, "prod");
    assert_eq!(config.of_profile("STAGING").unwrap().name, "staging");
    assert!(config.allows(&Host::parse("dbc-dev.cloud.databricks.com").unwrap()));
    assert!(!config.allows(&Host::parse("https://evil.cloud.databricks.com").unwrap()));
    assert_eq!(config.environments["dev"].plan, PlanPrincipal::ClientId("0b2e".to_owned()));
    assert_eq!(config.environments["staging"].plan, PlanPrincipal::Same);
    insta::assert_snapshot!(report::failure::text(&config.environment("stagging").unwrap_err()));
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    insta::assert_snapshot!(refusal(
        "\
environments:
  dev:
    hots: https://dbc-dev.cloud.databricks.com
    plan: sane
    principal: deploy
    warehouse: abc
  my env:
    host: https://dbc.cloud.databricks.com/sql
    catalog: ''
  stg:
    host: [a, b]
    plan: {client-id: x}
  prod: nothing
models:
  churn: {train: {job: t}}
smoke: {job: smoke_test}
budgets:
  validate: 15
  deploy_dev: soon
"
    ));
}

#[test]
fn contradictions_are_told_at_once_with_their_lines() {
    insta::assert_snapshot!(refusal(
        "\
environments:
  dev: {host: a.example.com, client_id: x, plan: {client_id: x}, profile: P}
  other: {host: b.example.com, target: dev, profile: P}
smoke: [{job: s, timeout: 0s}]
budgets: {validate: 0s}
"
    ));
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    insta::assert_snapshot!(
        [
            refusal("environments:\n  dev: {host: a\n  x: ]\n"),
            refusal("environments: {dev: {host: a.b}}\nenvironments: {dev: {host: c.d}}\n"),
            refusal("- a\n- b\n"),
            refusal("just words\n"),
            refusal("a: &a [*b]\n"),
        ]
        .join("\n")
    );
}

#[test]
fn an_empty_configuration_says_what_the_least_is() {
    let empty = refusal("");
    assert_eq!(empty, refusal("# nothing yet\n"));
    assert_eq!(empty, refusal("environments:\nsmoke:\nbudgets:\n"));
    insta::assert_snapshot!(empty);
    insta::assert_snapshot!(report::failure::text(&config::not_found("bundles/churn/mlops-deploy.yml")));
}

#[test]
fn the_configuration_of_the_example_is_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn/mlops-deploy.yml");
    let config = read(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(config.environments.contains_key(Stage::DeployDev.environment()) && !config.smoke.is_empty());
}

#[test]
fn ten_lines_are_enough() {
    let config = read("environments:\n  dev: {host: dbc-dev.cloud.databricks.com}\n").unwrap();
    insta::assert_snapshot!(config.to_yaml());
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(config::SCHEMA_FILE);
    let now = format!("{:#}\n", config::schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let then = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(then == now, "the schema changed: run this test with UPDATE_SCHEMA=1 and commit {}", config::SCHEMA_FILE);
}

/// The reader checks a file by the schema; a keyword it does not know would check nothing.
#[test]
fn the_schema_says_only_what_the_reader_understands() {
    const KNOWN: [&str; 20] = [
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "type",
        "properties",
        "additionalProperties",
        "required",
        "items",
        "anyOf",
        "const",
        "enum",
        "minimum",
        "maximum",
        "default",
        "examples",
        "pattern",
        "minLength",
        "format",
    ];
    fn walk(schema: &serde_json::Value) {
        let Some(object) = schema.as_object() else { return };
        for (keyword, value) in object {
            assert!(KNOWN.contains(&keyword.as_str()), "{keyword}");
            match keyword.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(walk),
                "anyOf" => value.as_array().unwrap().iter().for_each(walk),
                "items" | "additionalProperties" => walk(value),
                _ => {}
            }
        }
    }
    walk(&config::schema());
}

#[test]
fn a_model_has_its_defaults_and_every_wrong_number_its_line() {
    let serve = "models: {churn: {gate: {roc_auc: {at_least: 0.8, slices: [new]}}, serve: {endpoint: churn}}}";
    let config = read(&format!("environments:\n  dev: {{host: dbc.example.com}}\n{serve}\n")).unwrap();
    insta::assert_snapshot!("a_models_defaults", config.to_yaml());
    let wrong = "\
environments: {dev: {host: dbc.example.com}}
models:
  churn:
    alias: latest
    train: {job: train, in: prod, version_from: {}}
    gate:
      roc_auc: {at_least: 0.9, at_most: 0.8}
      f1: {not_worse_than_champion_by: -1}
    serve:
      endpoint: my endpoint
      traffic: [50, 10]
      errors_at_most: 200
      requests: [{rows: [1]}]
  risk: {serve: {endpoint: shared, requests: [{messages: []}]}}
  rate: {serve: {endpoint: shared}}
  fraud:
    train: {job: train, timeout: 0s}
    validate: [{job: check, timeout: 0s}]
    gate:
    serve: {endpoint: fraud, build: 0s, latency: 0s}
";
    insta::assert_snapshot!("a_models_contradictions", refusal(wrong));
    let shapes = "\
environments: {dev: {host: dbc.example.com}}
models:
  churn:
    gate: {roc_auc: {at_least: high}}
    serve: {endpoint: churn, size: Huge, scale_to_zero: sometimes, traffic: [300], requests_at_least: -1}
";
    insta::assert_snapshot!("a_models_wrong_kinds", refusal(shapes));
}
