//! What a stage finds and has to do: the rows of the matrix.

use mlops_deploy::rehearsal::github::{Event, JobSpec};
use serde_json::Value;

use super::place::Place;
use crate::stage_world::{Left, StageWorld, Step, settled};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// Nothing is deployed yet. The job has a deployment of its own.
    First,
    /// A resource is new, one is changed with its permissions, a file is changed. The
    /// deployment on GitHub is ours to make.
    Update,
    /// A resource is new, one is changed, one is deleted and one recreated.
    Destroying,
    /// A pull request's check.
    Validate,
}

/// The commit under test, ready to run.
pub struct Scene {
    pub world: StageWorld,
    situation: Situation,
    pull: u64,
    pub before: Value,
}

/// The run without faults.
pub struct Reference {
    pub situation: Situation,
    pub places: Vec<Place>,
    /// Verb and subject of every change, in order of their names.
    pub changes: Vec<String>,
    pub after: Value,
}

impl Situation {
    pub fn name(self) -> &'static str {
        match self {
            Situation::First => "a first deployment",
            Situation::Update => "an update",
            Situation::Destroying => "an update that destroys",
            Situation::Validate => "a validation",
        }
    }

    pub async fn prepare(self) -> Scene {
        let world = StageWorld::with(BUNDLE).await;
        if matches!(self, Situation::Update | Situation::Destroying) {
            world.deployed().await;
        }
        if self != Situation::First {
            world.edit("databricks.yml", "description: Trains", "description: Trains well");
            world.edit("databricks.yml", "level: CAN_VIEW", "level: CAN_RUN");
            world.edit("databricks.yml", "  #new: ", "  ");
            world.write("src/train.py", "# Databricks notebook source\nprint('trained well')\n");
        }
        if self == Situation::Destroying {
            world.edit("databricks.yml", OLD, "");
            world.edit("databricks.yml", "name: scores", "name: better_scores");
        }
        let pull = world.pull_request();
        if self != Situation::Validate {
            world.github.merge(pull, "ana").unwrap();
            world.point_head("main");
        }
        world.workspace().forget_requests();
        world.github.log().clear();
        let before = snapshot(&world);
        Scene { world, situation: self, pull, before }
    }
}

impl Scene {
    pub fn step(&self) -> Step {
        let step = match self.situation {
            Situation::Validate => self.world.validate(Event::pull_request(self.pull)),
            Situation::Update => {
                let permissions = "contents: read, id-token: write, pull-requests: write, deployments: write";
                let spec = JobSpec::on(Event::push("main")).named("deploy").permit(permissions).unwrap();
                self.world.step(spec.environment_without_deployment("development"), "deploy-dev")
            }
            Situation::First | Situation::Destroying => self.world.deploy(),
        };
        step.with("INPUT_LOCK-TIMEOUT", "0s")
    }

    /// How many comments of ours the pull request has.
    pub fn comments(&self) -> usize {
        self.world.github.comments(self.pull).len()
    }
}

impl Reference {
    pub async fn of(situation: Situation) -> Self {
        let scene = situation.prepare().await;
        let step = scene.step();
        let left = step.run().await;
        left.expect(0);
        step.settle().await.expect(0);
        let places = Place::seen_in(&scene.world);
        Self { situation, places, changes: changes(&left), after: snapshot(&scene.world) }
    }
}

/// What is deployed, without the address of the world it is deployed in.
pub fn snapshot(world: &StageWorld) -> Value {
    let text = settled(world.workspace()).to_string();
    serde_json::from_str(&text.replace(&world.github.server_url(), "https://github.com")).unwrap()
}

fn changes(left: &Left) -> Vec<String> {
    let entries = left.journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let done = entries.filter(|entry| entry["event"] == "done");
    let mut changes: Vec<String> = done.map(|entry| entry["title"].as_str().unwrap().to_owned()).collect();
    changes.sort();
    changes
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
  dev:
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
