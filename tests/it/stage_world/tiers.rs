//! The same world with a second tier: staging in a workspace of its own, one metastore, and the
//! books of both in volumes.

use mlops_deploy::rehearsal::github::{Event, GitHub, JobSpec};
use mlops_deploy::rehearsal::workspace::{self, Control, Federation, Metastore, Policy, Principal, Rule, Running};

use super::{REPOSITORY, StageWorld, Step};

const STAGING_READER: &str = "55d0b7f3-1e28-4c95-a6d9-f03b8e7c2a05";
pub const STAGING_DEPLOYER: &str = "9a77c1e4-5d0e-4f7c-8a43-6c2f9b7d1e02";

/// What is known of staging only now.
pub(super) fn known(text: &str, staging: &str) -> String {
    let text = text.replace("STAGING-HOST", staging).replace("STAGING-DEPLOYER", STAGING_DEPLOYER);
    text.replace("STAGING-READER", STAGING_READER)
}

impl StageWorld {
    /// Dev and staging in two workspaces of one metastore, with their books in volumes.
    pub async fn with_tiers() -> Self {
        Self::begin(BUNDLE, CONFIG, true).await
    }

    pub(super) async fn staging_workspace(github: &GitHub, metastore: Metastore) -> Running {
        let policy = |subject: &str| Policy {
            issuer: github.issuer(),
            audiences: Vec::new(),
            subject: format!("repo:{REPOSITORY}:{subject}"),
        };
        let of_dev = Rule { allow: false, writes_only: true, path: "/api/2.0/fs/files/Volumes/dev/".to_owned() };
        let deployer = Principal::deployer(STAGING_DEPLOYER, "deploy-staging").with(of_dev);
        let reader = Principal::reader(STAGING_READER, "plan-staging");
        let mut config = workspace::Config::federated(Federation {
            jwks_url: github.jwks_url(),
            account_id: "5f0c1a52-6f2b-4a8e-9b39-7b1de0f3c001".to_owned(),
            principals: vec![
                (deployer, vec![policy("environment:staging")]),
                (reader, vec![policy("ref:refs/heads/main")]),
            ],
            token_seconds: 300,
        });
        config.metastore = Some(metastore);
        config.seed = "staging".to_owned();
        config.catalogs = vec!["staging".to_owned()];
        config.volumes = vec!["staging.ops.deployments".to_owned()];
        workspace::serve(config).await.unwrap()
    }

    /// The workspace of the second tier.
    pub fn staging(&self) -> &Control {
        self.staging.as_ref().unwrap().control()
    }

    /// The job behind dev's, in its environment.
    pub fn deploy_staging(&self, release: &str) -> Step {
        let permissions = "contents: read, id-token: write, pull-requests: write, deployments: write";
        let spec = JobSpec::on(Event::push("main")).named("staging").permit(permissions).unwrap();
        self.step(spec.environment("staging"), "deploy-staging").with("INPUT_RELEASE", release)
    }

    /// What is checked out, planned for staging by the principal that only reads there.
    pub fn validate_staging(&self) -> Step {
        let spec = JobSpec::on(Event::push("main")).named("plan-staging");
        self.step(spec.permit("contents: read, id-token: write").unwrap(), "validate").with("INPUT_TARGET", "staging")
    }
}

const CONFIG: &str = "\
environments:
  dev:
    host: HOST
    client_id: DEPLOYER
    principal:
      application_id: DEPLOYER
      display_name: deploy-dev
    plan:
      client_id: READER
    catalog: dev
    records: /Volumes/dev/ops/deployments
    github_environment: development
  staging:
    host: STAGING-HOST
    client_id: STAGING-DEPLOYER
    principal:
      application_id: STAGING-DEPLOYER
      display_name: deploy-staging
    plan:
      client_id: STAGING-READER
    catalog: staging
    records: /Volumes/staging/ops/deployments
releases: /Volumes/dev/ops/releases
smoke:
  - job: train
";

const BUNDLE: &str = "\
bundle:
  name: tiny
variables:
  catalog: {description: Where everything lies}
targets:
  dev:
    default: true
    variables: {catalog: dev}
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    run_as: {service_principal_name: DEPLOYER}
    permissions:
      - {service_principal_name: DEPLOYER, level: CAN_MANAGE}
  staging:
    mode: production
    variables: {catalog: staging}
    workspace:
      host: STAGING-HOST
      root_path: /Workspace/Users/STAGING-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    run_as: {service_principal_name: STAGING-DEPLOYER}
    permissions:
      - {service_principal_name: STAGING-DEPLOYER, level: CAN_MANAGE}
resources:
  schemas:
    scores:
      catalog_name: ${var.catalog}
      name: scores
  jobs:
    train:
      name: train
      description: Trains
      tasks:
        - task_key: train
          notebook_task:
            notebook_path: src/train.py
";
