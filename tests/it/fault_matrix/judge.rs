//! Judges what a broken run has left.

use std::collections::BTreeSet;

use mlops_deploy::domain::Reason;
use serde_json::Value;

use super::leftovers::without_what_may_stay;
use super::sight::{Counted, odd_traffic, wrong_bytes};
use super::situation::{Reference, Scene};
use crate::stage_world::{Left, difference, doubled};

pub struct Judge<'a> {
    pub runner_gone: bool,
    pub scene: &'a Scene,
    pub reference: &'a Reference,
}

const TERMINAL: [&str; 4] = ["success", "failure", "error", "inactive"];

impl Judge<'_> {
    /// The end of a run that nobody killed: a documented code and reason, and words.
    pub fn end(&self, left: &Left) -> Result<(), String> {
        let (reason, outcome) = (left.output("failure-reason"), left.output("outcome"));
        if left.code == 0 {
            let good = reason.is_empty() && ["succeeded", "unchanged"].contains(&outcome);
            return check(good, || format!("ended well with outcome `{outcome}` and reason `{reason}`"));
        }
        let known = Reason::ALL.iter().find(|known| known.name() == reason);
        let Some(known) = known else { return Err(format!("`{reason}` is no reason (code {})", left.code)) };
        check(i32::from(known.class().exit_code()) == left.code, || format!("code {} for `{reason}`", left.code))?;
        check(*known != Reason::Internal, || "it calls that our bug".to_owned())?;
        check(!["incomplete", "succeeded", "unchanged", ""].contains(&outcome), || format!("outcome `{outcome}`"))?;
        check(left.stdout.contains("::error"), || "no error is said".to_owned())?;
        check(!left.summary.is_empty(), || "the summary is empty".to_owned())
    }

    pub fn settled(&self, left: &Left) -> Result<(), String> {
        check(left.code == 0, || format!("the post step ends with {}", left.code))?;
        check(!left.stdout.contains("panicked"), || "the post step panics".to_owned())
    }

    /// A run that ended well has done all of it; any other has left nothing twice.
    pub fn workspace(&self, went_well: bool) -> Result<(), String> {
        if went_well { self.after() } else { self.nothing_is_odd() }
    }

    /// As the reference run left it.
    pub fn after(&self) -> Result<(), String> {
        self.nothing_is_odd()?;
        let after = self.scene.snapshot();
        let wanted = &self.reference.after;
        check(after == *wanted, || format!("the workspace differs:\n{}", difference(wanted, &after)))?;
        check(!after.to_string().contains("deploy.lock"), || "a lock is left".to_owned())?;
        self.deployments_closed()
    }

    /// As it was: bundle, endpoint, aliases, tags and books.
    pub fn before(&self) -> Result<(), String> {
        let (now, was) = without_what_may_stay(self.scene)?;
        check(now == was, || format!("not everything is taken back:\n{}", difference(&was, &now)))?;
        self.deployments_closed()
    }

    /// What must never be, whatever has happened.
    fn nothing_is_odd(&self) -> Result<(), String> {
        let control = self.scene.workspace();
        let doubled = doubled(control);
        check(doubled.is_none(), || format!("there are two: {doubled:?}"))?;
        let dump = control.dump();
        let beyond = Counted::of(&dump, self.scene.situation.at).beyond(&self.scene.counted);
        check(beyond.is_none(), || format!("there are too many: {}", beyond.unwrap_or_default()))?;
        let wrong = wrong_bytes(&dump);
        check(wrong.is_none(), || format!("a version with wrong bytes can be loaded: {wrong:?}"))?;
        let odd = odd_traffic(control);
        check(odd.is_none(), || format!("traffic does not add up to 100: {odd:?}"))?;
        check(self.scene.comments() <= 1, || "two comments".to_owned())?;
        let dump = self.scene.world().github.dump();
        let runs: Vec<&Value> =
            deployments(&dump).map(|d| &d["payload"]["run_id"]).filter(|id| !id.is_null()).collect();
        let different: BTreeSet<String> = runs.iter().map(ToString::to_string).collect();
        check(runs.len() == different.len(), || format!("a run has two deployments:\n{dump:#}"))
    }

    /// A deployment of the job's own is closed by GitHub; one of ours by us, unless the machine
    /// that made it is gone: then its page shows who left it open.
    fn deployments_closed(&self) -> Result<(), String> {
        let dump = self.scene.world().github.dump();
        let open = |deployment: &&Value| {
            if self.runner_gone && !deployment["payload"]["run_id"].is_null() {
                return false;
            }
            let last = deployment["statuses"].as_array().and_then(|all| all.last());
            last.is_none_or(|status| !TERMINAL.contains(&status["state"].as_str().unwrap_or_default()))
        };
        match deployments(&dump).find(open) {
            None => Ok(()),
            Some(open) => Err(format!("a deployment is left open: {open:#}")),
        }
    }
}

fn deployments(dump: &Value) -> impl Iterator<Item = &Value> {
    dump["deployments"].as_array().into_iter().flatten()
}

pub fn check(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}
