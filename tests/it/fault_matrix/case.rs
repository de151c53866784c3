//! One cell of the matrix: one request, one blow, and what comes of it.

use std::fmt;

use mlops_deploy::rehearsal::github::Conclusion;
use rustix::process::{Pid, Signal, kill_process};

use super::blow::{Aftermath, Blow};
use super::judge::Judge;
use super::place::Place;
use super::situation::{Reference, Scene};
use crate::stage_world::{Left, Step, delete_lock};

pub struct Case {
    pub place: Place,
    pub blow: Blow,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.place, self.blow)
    }
}

impl Case {
    pub async fn play(&self, scene: &Scene, reference: &Reference) -> Result<(), String> {
        scene.rewind();
        self.place.strike(scene, self.blow.fault());
        let step = scene.step();
        let runner_gone = self.blow.kills() == Some(Aftermath::RunnerGone);
        let judge = Judge { runner_gone, scene, reference };
        let left = match self.blow.kills() {
            None => step.run().await,
            Some(_) => self.kill(scene, &step).await?,
        };
        let pending = [scene.world().github.faults().pending(), scene.workspace().faults().pending()].concat();
        if !pending.is_empty() {
            return Err(format!("never struck\n{}", left.stdout));
        }
        self.aftermath(&judge, &step, &left).await
    }

    async fn aftermath(&self, judge: &Judge<'_>, step: &Step, left: &Left) -> Result<(), String> {
        let ended = if self.blow.kills().is_none() { judge.end(left) } else { Ok(()) };
        ended.map_err(|complaint| format!("{complaint}\n{}", left.stdout))?;
        let mut told = left.stdout.clone();
        if self.blow.kills() == Some(Aftermath::RunnerGone) {
            step.job.finish(Conclusion::Failure);
        } else {
            let settled = step.settle().await;
            told += &format!("--- post step\n{}{}", settled.stdout, settled.stderr);
            judge.settled(&settled).map_err(|complaint| format!("{complaint}\n{told}"))?;
        }
        let went_well = left.code == 0;
        let taken_back = !went_well && self.blow.kills().is_none() && left.output("outcome") != "resumable";
        if taken_back {
            judge.before().map_err(|complaint| format!("{complaint}\n{told}"))?;
        }
        judge.workspace(went_well).map_err(|complaint| format!("{complaint}\n{told}"))?;
        if went_well {
            return Ok(());
        }
        self.next_run(judge).await.map_err(|complaint| format!("{complaint}\n--- the run itself\n{told}"))
    }

    /// What is left must not keep the next run from getting there.
    async fn next_run(&self, judge: &Judge<'_>) -> Result<(), String> {
        let scene = judge.scene;
        let mut step = scene.step();
        let mut left = step.run().await;
        let dead = self.blow.kills() == Some(Aftermath::RunnerGone);
        if dead && left.code == 3 && left.output("failure-reason") == "lock-held" {
            step.settle().await;
            delete_lock(scene.world(), scene.situation.at).await;
            step = scene.step();
            left = step.run().await;
        } else if dead && left.output("outcome") == "unchanged" {
            // Killed with nothing left to do but to give the lock back.
            delete_lock(scene.world(), scene.situation.at).await;
        }
        let settled = step.settle().await;
        let told = format!("--- the next run\n{}{}{}", left.stdout, left.stderr, settled.stdout);
        if left.code != 0 {
            return Err(format!("the next run fails with {}\n{told}", left.code));
        }
        judge.after().map_err(|complaint| format!("after the next run: {complaint}\n{told}"))
    }

    async fn kill(&self, scene: &Scene, step: &Step) -> Result<Left, String> {
        let child = step.spawn();
        let id = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
        let mut left = std::pin::pin!(step.left(child));
        tokio::select! {
            left = &mut left => return Err(format!("ended before it could be killed\n{}", left.stdout)),
            () = self.place.delaying(scene) => {}
        }
        kill_process(id, Signal::KILL).unwrap();
        Ok(left.await)
    }
}
