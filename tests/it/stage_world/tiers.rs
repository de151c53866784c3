//! The same world with a second tier: staging in a workspace of its own, one metastore, and the
//! books of both in volumes.

use mlops_deploy::rehearsal::github::{Event, GitHub, JobSpec};
use mlops_deploy::rehearsal::workspace::{self, Control, Federation, Metastore, Policy, Principal, Rule, Running};

use super::{DEPLOYER, REPOSITORY, StageWorld, Step};

pub const STAGING_DEPLOYER: &str = "9a77c1e4-5d0e-4f7c-8a43-6c2f9b7d1e02";
pub const PROD_DEPLOYER: &str = "21be7f08-93aa-4b1d-b7d6-0e5c4a8f2d03";

/// Whose workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Dev,
    Staging,
    Prod,
}

impl At {
    pub fn name(self) -> &'static str {
        match self {
            At::Dev => "dev",
            At::Staging => "staging",
            At::Prod => "prod",
        }
    }

    pub fn deployer(self) -> &'static str {
        match self {
            At::Dev => DEPLOYER,
            At::Staging => STAGING_DEPLOYER,
            At::Prod => PROD_DEPLOYER,
        }
    }

    /// Where the bundle is deployed, as the workspace lists it.
    pub fn root(self) -> String {
        format!("/Users/{}/.bundle/tiny/{}", self.deployer(), self.name())
    }
}

/// A tier behind dev.
pub(super) struct Tier {
    name: &'static str,
    deployer: &'static str,
    reader: &'static str,
    /// Whom its catalog lets in: itself, and who looks for the champion there.
    users: &'static [&'static str],
    /// Catalogs of the tiers before, whose volumes it may only read.
    reads: &'static [&'static str],
}

pub(super) const STAGING: Tier = Tier {
    name: "staging",
    deployer: STAGING_DEPLOYER,
    reader: "55d0b7f3-1e28-4c95-a6d9-f03b8e7c2a05",
    users: &[STAGING_DEPLOYER],
    reads: &["dev"],
};

pub(super) const PROD: Tier = Tier {
    name: "prod",
    deployer: PROD_DEPLOYER,
    reader: "c41f6d20-8b5a-4e37-9c1f-7a2d5e6b3f06",
    users: &[DEPLOYER, STAGING_DEPLOYER, PROD_DEPLOYER],
    reads: &["dev", "staging"],
};

/// What is known of the tiers only now.
pub(super) fn known(text: &str, staging: &str, prod: &str) -> String {
    let text = text.replace("STAGING-HOST", staging).replace("STAGING-DEPLOYER", STAGING_DEPLOYER);
    let text = text.replace("STAGING-READER", STAGING.reader).replace("PROD-HOST", prod);
    text.replace("PROD-DEPLOYER", PROD_DEPLOYER)
}

pub(super) async fn workspace(github: &GitHub, metastore: &Metastore, tier: &Tier) -> Running {
    let policy = |subject: &str| Policy {
        issuer: github.issuer(),
        audiences: Vec::new(),
        subject: format!("repo:{REPOSITORY}:{subject}"),
    };
    let mut deployer = Principal::deployer(tier.deployer, &format!("deploy-{}", tier.name));
    deployer = deployer.member_of(&format!("{}-owners", tier.name));
    // Who else there is, only admins are told.
    let directory = "/api/2.0/preview/scim/v2/ServicePrincipals".to_owned();
    deployer = deployer.with(Rule { allow: false, writes_only: false, path: directory });
    for catalog in tier.reads {
        let path = format!("/api/2.0/fs/files/Volumes/{catalog}/");
        deployer = deployer.with(Rule { allow: false, writes_only: true, path });
    }
    let reader = Principal::reader(tier.reader, &format!("plan-{}", tier.name));
    let mut config = workspace::Config::federated(Federation {
        jwks_url: github.jwks_url(),
        account_id: "5f0c1a52-6f2b-4a8e-9b39-7b1de0f3c001".to_owned(),
        principals: vec![
            (deployer, vec![policy(&format!("environment:{}", tier.name))]),
            (reader, vec![policy("ref:refs/heads/main")]),
        ],
        token_seconds: 300,
    });
    config.metastore = Some(metastore.clone());
    config.seed = tier.name.to_owned();
    config.catalogs = vec![tier.name.to_owned()];
    config.catalog_users = tier.users.iter().map(|user| (*user).to_owned()).collect();
    config.volumes = vec![format!("{}.ops.deployments", tier.name)];
    config.volume_writers = vec![tier.deployer.to_owned()];
    workspace::serve(config).await.unwrap()
}

impl StageWorld {
    /// Dev and staging in two workspaces of one metastore, with their books in volumes.
    pub async fn with_tiers() -> Self {
        Self::begin(BUNDLE, CONFIG, true).await
    }

    /// The same with a model that staging trains, judges and records.
    pub async fn with_model() -> Self {
        let config = CONFIG.replace("smoke:\n  - job: train\n", TRAINS);
        let told = "      parameters: [{name: model_version, default: ''}]\n";
        let bundle = BUNDLE.replace("      description: Trains\n", &format!("      description: Trains\n{told}"));
        Self::begin(&format!("{bundle}{MODEL}"), &config, true).await
    }

    /// The same with another bundle and configuration, in which PROD-HOST and the like stand for what is known only now.
    pub async fn with_tiers_of(bundle: &str, configuration: &str) -> Self {
        Self::begin(bundle, configuration, true).await
    }

    /// The workspaces that there are.
    pub fn tiers(&self) -> impl Iterator<Item = At> {
        let behind = [(At::Staging, self.staging.is_some()), (At::Prod, self.prod.is_some())];
        std::iter::once(At::Dev).chain(behind.into_iter().filter(|(_, is_there)| *is_there).map(|(at, _)| at))
    }

    pub fn at(&self, at: At) -> &Control {
        match at {
            At::Dev => self.workspace(),
            At::Staging => self.staging(),
            At::Prod => self.prod(),
        }
    }

    /// The workspace of the third tier.
    pub fn prod(&self) -> &Control {
        self.prod.as_ref().unwrap().control()
    }

    /// The job behind staging's, in its environment.
    pub fn promote(&self, release: &str) -> Step {
        let permissions = "contents: read, id-token: write, pull-requests: write, deployments: write";
        let spec = JobSpec::on(Event::push("main")).named("promote").permit(permissions).unwrap();
        self.step(spec.environment("prod"), "promote-prod").with("INPUT_RELEASE", release)
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

const MODEL: &str = "    fit:
      name: fit
      parameters:
        - {name: git_sha, default: ''}
      tasks:
        - task_key: fit
          notebook_task:
            notebook_path: src/train.py
  registered_models:
    churn:
      name: churn
      catalog_name: ${var.catalog}
      schema_name: ${resources.schemas.scores.name}
";

const TRAINS: &str = "\
models:
  churn:
    train:
      job: fit
    validate:
      - job: train
    gate:
      auc: {at_least: 0.8, not_worse_than_champion_by: 0.01}
";
