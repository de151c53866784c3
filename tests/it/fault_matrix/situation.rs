//! What a stage finds and has to do: a row of the matrix, and a world in which that is so.

use std::sync::Arc;

use futures::future::BoxFuture;
use mlops_deploy::domain::ReleaseId;
use mlops_deploy::rehearsal::workspace::Control;
use serde_json::Value;

use super::place::Place;
use super::sight::{Counted, snapshot};
use crate::stage_world::{At, Left, Memory, StageWorld, Step};

pub struct Situation {
    pub name: &'static str,
    /// The workspace that the stage works on.
    pub at: At,
    pub prepare: fn() -> BoxFuture<'static, Ready>,
    pub step: fn(&Ready) -> Step,
    pub part: Part,
}

/// What `make test` plays of a situation.
#[derive(Clone, Copy)]
pub struct Part {
    /// How many worlds at once: they mostly wait.
    pub worlds: usize,
    pub writes: Writes,
    /// Of the reads, one in so many is broken in one way.
    pub reads: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Each is broken in two ways.
    Each,
    /// Of those with the same method and path the last is broken, in one way.
    OneOfASort,
}

/// A world with the commit under test on its way.
pub struct Ready {
    pub world: StageWorld,
    pub pull: u64,
    /// Of the releases so far, oldest first; what is behind dev deploys the last.
    pub releases: Vec<String>,
}

/// A situation that can be played again and again.
pub struct Scene {
    pub situation: &'static Situation,
    pub ready: Ready,
    memory: Memory,
    pub before: Value,
    pub counted: Counted,
    comments: usize,
}

/// The run without faults.
pub struct Reference {
    pub places: Vec<Place>,
    /// Verb and subject of every change, in order of their names.
    pub changes: Vec<String>,
    pub after: Value,
}

impl Scene {
    pub async fn of(situation: &'static Situation) -> Self {
        let ready = (situation.prepare)().await;
        let memory = ready.world.remember();
        ready.world.rewind(&memory);
        let comments = ready.world.github.comments(ready.pull).len();
        let (before, counted) =
            (snapshot(&ready, situation.at), Counted::of(&ready.world.at(situation.at).dump(), situation.at));
        Self { situation, ready, memory, before, counted, comments }
    }

    pub fn rewind(&self) {
        self.ready.world.rewind(&self.memory);
    }

    pub fn step(&self) -> Step {
        (self.situation.step)(&self.ready).with("INPUT_LOCK-TIMEOUT", "0s")
    }

    pub fn world(&self) -> &StageWorld {
        &self.ready.world
    }

    pub fn workspace(&self) -> &Control {
        self.world().at(self.situation.at)
    }

    pub fn snapshot(&self) -> Value {
        snapshot(&self.ready, self.situation.at)
    }

    /// How many comments the stage has made.
    pub fn comments(&self) -> usize {
        self.world().github.comments(self.ready.pull).len() - self.comments
    }
}

impl Reference {
    pub async fn of(scene: &Scene) -> Arc<Self> {
        let step = scene.step();
        let left = step.run().await;
        left.expect(0);
        step.settle().await.expect(0);
        let places = Place::seen_in(scene);
        Arc::new(Self { places, changes: changes(scene, &left), after: scene.snapshot() })
    }
}

fn changes(scene: &Scene, left: &Left) -> Vec<String> {
    let entries = left.journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let done = entries.filter(|entry| entry["event"] == "done");
    let mut changes: Vec<String> = done.map(|entry| entry["title"].as_str().unwrap().to_owned()).collect();
    for release in &scene.ready.releases {
        let short = ReleaseId::parse(release).unwrap().short();
        changes.iter_mut().for_each(|title| *title = title.replace(&short, "*"));
    }
    changes.sort();
    changes
}
