//! What bundles and configurations of these worlds have in common: a line that names it stands for it.

/// One target, with everything that depends on who deploys.
const DEV: &str = "  dev:
    default: true
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    run_as:
      service_principal_name: DEPLOYER
    permissions:
      - service_principal_name: DEPLOYER
        level: CAN_MANAGE
      - group_name: users
        level: CAN_VIEW
";

/// Each with a catalog of its own, in a variable; clocks run in prod alone.
const ALL_TIERS: &str = "  dev:
    default: true
    variables: {catalog: dev}
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    presets: {trigger_pause_status: PAUSED}
  staging:
    variables: {catalog: staging}
    workspace:
      host: STAGING-HOST
      root_path: /Workspace/Users/STAGING-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    presets: {trigger_pause_status: PAUSED}
  prod:
    variables: {catalog: prod}
    workspace:
      host: PROD-HOST
      root_path: /Workspace/Users/PROD-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
";

/// Environments that keep books, each with a catalog.
const ENVIRONMENTS: &str = "environments:
  dev:
    host: HOST
    client_id: DEPLOYER
    catalog: dev
    records: /Volumes/dev/ops/deployments
    github_environment: development
  staging:
    host: STAGING-HOST
    client_id: STAGING-DEPLOYER
    catalog: staging
    records: /Volumes/staging/ops/deployments
  prod:
    host: PROD-HOST
    client_id: PROD-DEPLOYER
    catalog: prod
    records: /Volumes/prod/ops/deployments
releases: /Volumes/dev/ops/releases
";

/// A model in a schema of its own.
const SCORES_AND_CHURN: &str = "  schemas:
    scores:
      catalog_name: ${var.catalog}
      name: scores
  registered_models:
    churn:
      catalog_name: ${var.catalog}
      schema_name: ${resources.schemas.scores.name}
      name: churn
";

/// The job that trains it.
const FIT: &str = "    fit:
      name: fit
      parameters:
        - {name: git_sha, default: ''}
      tasks:
        - task_key: fit
          notebook_task: {notebook_path: src/train.py}
";

pub(super) fn written_out(text: &str) -> String {
    let named = [
        ("  TARGET-DEV\n", DEV),
        ("  TARGETS-OF-ALL-TIERS\n", ALL_TIERS),
        ("ENVIRONMENTS-OF-ALL-TIERS\n", ENVIRONMENTS),
        ("  SCORES-AND-CHURN\n", SCORES_AND_CHURN),
        ("    JOB-FIT\n", FIT),
    ];
    named.iter().fold(text.to_owned(), |text, (name, meant)| text.replace(name, meant))
}
