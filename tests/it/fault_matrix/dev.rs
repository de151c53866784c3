//! Situations of `validate` and `deploy-dev`.

use futures::FutureExt;
use mlops_deploy::rehearsal::github::{Event, JobSpec};

use super::situation::{Part, Ready, Situation, Writes};
use crate::stage_world::{At, StageWorld, Step};

const PART: Part = Part { worlds: 6, writes: Writes::Each, reads: 7 };

/// Nothing is deployed yet. The job has a deployment of its own.
pub static FIRST: Situation = Situation {
    name: "a first deployment",
    at: At::Dev,
    prepare: || async { merged(StageWorld::with(BUNDLE).await) }.boxed(),
    step: |ready| ready.world.deploy(),
    part: PART,
};

/// A resource is new, one is changed with its permissions, a file is changed. The deployment on GitHub is ours to make.
pub static UPDATE: Situation = Situation {
    name: "an update",
    at: At::Dev,
    prepare: || async { merged(changed(true).await) }.boxed(),
    step: deploy_without_deployment,
    part: PART,
};

/// A resource is new, one is changed, one is deleted and one recreated.
pub static DESTROYING: Situation = Situation {
    name: "an update that destroys",
    at: At::Dev,
    prepare: || {
        let destroying = async {
            let world = changed(true).await;
            world.edit("databricks.yml", OLD, "");
            world.edit("databricks.yml", "name: scores", "name: better_scores");
            merged(world)
        };
        destroying.boxed()
    },
    step: |ready| ready.world.deploy(),
    part: PART,
};

/// A pull request's check.
pub static VALIDATE: Situation = Situation {
    name: "a validation",
    at: At::Dev,
    prepare: || {
        let checked = async {
            let world = changed(false).await;
            let pull = world.pull_request();
            Ready { world, pull, releases: Vec::new() }
        };
        checked.boxed()
    },
    step: |ready| ready.world.validate(Event::pull_request(ready.pull)),
    part: PART,
};

async fn changed(deployed_before: bool) -> StageWorld {
    let world = StageWorld::with(BUNDLE).await;
    if deployed_before {
        world.deployed().await;
    }
    world.edit("databricks.yml", "description: Trains", "description: Trains well");
    world.edit("databricks.yml", "level: CAN_VIEW", "level: CAN_RUN");
    world.edit("databricks.yml", "  #new: ", "  ");
    world.write("src/train.py", "# Databricks notebook source\nprint('trained well')\n");
    world
}

fn merged(world: StageWorld) -> Ready {
    let pull = world.merged();
    Ready { world, pull, releases: Vec::new() }
}

fn deploy_without_deployment(ready: &Ready) -> Step {
    let permissions = "contents: read, id-token: write, pull-requests: write, deployments: write";
    let spec = JobSpec::on(Event::push("main")).named("deploy").permit(permissions).unwrap();
    ready.world.step(spec.environment_without_deployment("development"), "deploy-dev")
}

const OLD: &str = "    old:\n      name: old\n      tags: {a: b}\n";

/// `#new:` hides what the commit under test adds.
/// The two configuration files hold ports, which differ from world to world: they stay at home.
const BUNDLE: &str = "\
bundle:
  name: tiny
sync:
  exclude: ['*.yml']
targets:
  TARGET-DEV
resources:
  schemas:
    scores:
      catalog_name: dev
      name: scores
      comment: Where scores lie
      grants:
        - principal: users
          privileges: [USE_SCHEMA]
  #new: experiments: {trials: {name: /Users/DEPLOYER/trials}}
  jobs:
    train:
      name: train
      description: Trains
      tasks:
        - task_key: train
          notebook_task:
            notebook_path: src/train.py
    old:
      name: old
      tags: {a: b}
";
