//! Waits in line for the deployment lock, takes it, and gives it back.
//!
//! A lock that a dead run left is taken from it, once nothing of that run can write any more: GitHub says that it is
//! over, and it has been silent for longer than a token lives. A person who knows that sooner deletes the file.
//! Whoever waits is told who holds the lock and since when. Taking it is a change like any
//! other: it is the first of a run, so unwinding gives it back last, and its id is in the
//! receipt, so that a killed run's lock is known to be its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::lock::{self, Holder, LockError};
use super::sidecar::{self, HEARTBEAT_SECONDS, Sidecar};
use super::workspace_files::WorkspaceFiles;
use crate::domain::Failure;
use crate::ports::World;
use crate::saga::{Begun, Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Stop, Undone};

pub const VERB: &str = "take-lock";

const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// GitHub counts what it is asked.
const ASK_AGAIN_SECONDS: i64 = 300;
/// An hour is how long a token of a workspace lives; none is made for a job that is over.
const TOKENS_LIVE_SECONDS: i64 = 3600;

/// Where the state lies that a run took the lock for: whoever changes resources has taken it.
pub fn state_path<'b>(begun: impl IntoIterator<Item = &'b Begun>) -> Option<&'b str> {
    begun.into_iter().map(|begun| &begun.spec).find(|spec| spec.verb == VERB).map(|spec| spec.subject.as_str())
}

/// What the lock is taken for.
#[derive(Clone)]
pub struct Claim {
    pub root_path: String,
    pub state_path: String,
    pub user: String,
    pub wait: Duration,
    /// Its `lock` and its times are filled in when the lock is taken.
    pub sidecar: Sidecar,
    pub stop: Stop,
}

pub struct TakeLock {
    pub files: WorkspaceFiles,
    root_path: String,
    state_path: String,
    /// None when rebuilt from a journal: it can be looked for and given back, not taken.
    claim: Option<Claim>,
    beating: Beating,
}

/// The heartbeat, which ends with the lock.
#[derive(Clone, Default)]
pub struct Beating(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Beating {
    fn begin(&self, task: JoinHandle<()>) {
        if let Some(before) = self.0.lock().expect("no panic while the task is held").replace(task) {
            before.abort();
        }
    }

    pub fn end(&self) {
        if let Some(task) = self.0.lock().expect("no panic while the task is held").take() {
            task.abort();
        }
    }
}

impl TakeLock {
    pub fn new(files: WorkspaceFiles, claim: Claim, beating: Beating) -> Self {
        let (root_path, state_path) = (claim.root_path.clone(), claim.state_path.clone());
        Self { files, root_path, state_path, claim: Some(claim), beating }
    }

    pub fn rebuild(files: &WorkspaceFiles, beating: &Beating, spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let (root_path, state_path) = (spec.args["root"].as_str()?.to_owned(), spec.subject.clone());
        Some(Arc::new(Self { files: files.clone(), root_path, state_path, claim: None, beating: beating.clone() }))
    }

    async fn acquire(&self, claim: &Claim, world: &World, id: &str) -> Result<(), StepError> {
        let started = world.clock.now();
        let mut told = String::new();
        let mut dead: Option<String> = None;
        let mut asked: Option<Timestamp> = None;
        loop {
            let since = world.clock.now().to_string();
            let holder = Holder { id: id.to_owned(), since, forced: dead.is_some(), user: claim.user.clone() };
            let held = match lock::acquire_as(&self.files, &self.state_path, holder).await {
                Ok(lock) => match dead.take() {
                    None => return Ok(()),
                    Some(who) => {
                        // Two may take it from the dead at once: whoever wrote last has it.
                        world.clock.sleep(LOOK_AGAIN).await;
                        match lock.check(&self.files).await {
                            Ok(()) => {
                                warn!("took the deployment lock that {who} left");
                                return Ok(());
                            }
                            Err(_) => continue,
                        }
                    }
                },
                Err(LockError::Gone(failure)) => return Err(failure.into()),
                // The file tells whether it was written; nobody could read it.
                Err(LockError::Failed(failure)) => return Err(StepError::lost(failure)),
                Err(LockError::Held(holder)) => holder,
            };
            let sidecar = self.said_by(&held).await;
            let who = match &sidecar {
                Some(sidecar) => sidecar.holder(world.clock.now()),
                None => format!("{} since {}", held.user, held.since),
            };
            let now = world.clock.now();
            let silent = sidecar.filter(|sidecar| may_be_dead(sidecar, claim, now));
            let is_due = asked.is_none_or(|before| now.duration_since(before).as_secs() >= ASK_AGAIN_SECONDS);
            if let Some(sidecar) = silent.filter(|_| is_due) {
                asked = Some(now);
                if is_over(&sidecar, world).await && self.id_in_file().await?.as_deref() == Some(&held.id) {
                    dead = Some(who);
                    continue;
                }
            }
            let waited = world.clock.now().duration_since(started).unsigned_abs();
            if waited >= claim.wait || claim.stop.requested() {
                return Err(StepError::refused(self.in_line(&held, &who, waited)));
            }
            if who != told {
                info!("waiting for the deployment lock, which is held by {who}");
                told = who;
            }
            world.clock.sleep(LOOK_AGAIN.min(claim.wait.saturating_sub(waited))).await;
        }
    }

    /// What the holder says of itself; the official command says nothing.
    async fn said_by(&self, held: &Holder) -> Option<Sidecar> {
        let said = sidecar::read(&self.files, &self.root_path).await.ok()?;
        said.filter(|sidecar| sidecar.lock == held.id)
    }

    /// A courtesy to whoever waits: a lock whose holder is not said is a lock all the same.
    async fn say_who(&self, claim: &Claim, world: &World, lock: &str) {
        let now = world.clock.now().to_string();
        let sidecar = Sidecar { lock: lock.to_owned(), since: now.clone(), heartbeat: now, ..claim.sidecar.clone() };
        if let Err(failure) = sidecar::write(&self.files, &self.root_path, &sidecar).await {
            warn!("who holds the deployment lock was not written beside it: {failure}");
        }
        self.beat(world, sidecar);
    }

    fn beat(&self, world: &World, mut sidecar: Sidecar) {
        let (files, root_path, clock) = (self.files.clone(), self.root_path.clone(), Arc::clone(&world.clock));
        self.beating.begin(tokio::spawn(async move {
            loop {
                clock.sleep(Duration::from_secs(HEARTBEAT_SECONDS)).await;
                sidecar.heartbeat = clock.now().to_string();
                if let Err(failure) = sidecar::write(&files, &root_path, &sidecar).await {
                    warn!("the heartbeat beside the deployment lock was not written: {failure}");
                }
            }
        }));
    }

    fn in_line(&self, held: &Holder, who: &str, waited: Duration) -> Failure {
        let mut failure = held.failure();
        failure.message = format!("take the deployment lock: it is held by {who}; waited {} s", waited.as_secs());
        failure.hint = Some(format!(
            "let the other deployment end, or cancel it; a lock that a dead run left is taken from it once the run is over \
             and silent for an hour, or sooner if you delete its file {}/deploy.lock in the workspace; the next run sees to \
             what that run left behind",
            self.state_path
        ));
        failure
    }

    async fn id_in_file(&self) -> Result<Option<String>, StepError> {
        let holder = lock::holder(&self.files, &self.state_path).await.map_err(Failure::from)?;
        Ok(holder.map(|h| h.id))
    }
}

/// Nothing of a run that is over, and whose tokens have died, writes any more. A run of another repository is not ours to
/// ask after.
fn may_be_dead(sidecar: &Sidecar, claim: &Claim, now: Timestamp) -> bool {
    let ours = &claim.sidecar.repository;
    !ours.is_empty() && sidecar.repository == *ours && sidecar.silent_for(now) > TOKENS_LIVE_SECONDS
}

/// Where GitHub does not say so, a person has to.
async fn is_over(sidecar: &Sidecar, world: &World) -> bool {
    let Some(github) = &world.github else { return false };
    match github.is_over(&sidecar.run_id, sidecar.attempt).await {
        Ok(is_over) => is_over,
        Err(error) => {
            info!("whether the run that holds the deployment lock is over is not known: {error}");
            false
        }
    }
}

fn id_of(receipt: &Receipt) -> &str {
    receipt.0["id"].as_str().unwrap_or_default()
}

#[async_trait]
impl Change<World> for TakeLock {
    fn spec(&self) -> Spec {
        let args = json!({"root": self.root_path});
        Spec { verb: VERB.to_owned(), subject: self.state_path.clone(), args }
    }

    fn title(&self) -> String {
        "take the deployment lock".to_owned()
    }

    fn told(&self) -> &'static [&'static str] {
        &["id"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({"id": uuid::Uuid::new_v4().to_string()})))
    }

    async fn act(&self, world: &World, _: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        let claim = self.claim.as_ref().ok_or_else(|| {
            let message = format!("{}: a change read from a journal cannot be made again", self.title());
            Failure::new(crate::domain::Reason::Internal, message)
        })?;
        self.acquire(claim, world, id_of(receipt)).await?;
        self.say_who(claim, world, id_of(receipt)).await;
        Ok(Outcome(receipt.0.clone()))
    }

    async fn find(&self, world: &World, receipt: &Receipt) -> Result<Found, StepError> {
        let ours = self.id_in_file().await?.as_deref() == Some(id_of(receipt));
        if !ours {
            return Ok(Found::NotDone);
        }
        if let Some(claim) = &self.claim {
            self.say_who(claim, world, id_of(receipt)).await;
        }
        Ok(Found::Done(Outcome(receipt.0.clone())))
    }

    /// Also the way in which a successful run gives the lock back.
    async fn undo(&self, _: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        self.beating.end();
        let held = self.id_in_file().await?;
        if held.is_some() && held.as_deref() != Some(id_of(receipt)) {
            return Ok(Undone::NothingToDo);
        }
        if let Err(failure) = sidecar::delete(&self.files, &self.root_path).await {
            warn!("who held the deployment lock still stands beside it: {failure}");
        }
        if held.is_none() {
            // The official command took it over and gave it back.
            return Ok(Undone::NothingToDo);
        }
        let path = lock::lock_path(&self.state_path);
        let deleted = self.files.delete(&path, false).await;
        deleted.map_err(|e| StepError::lost(e.into_failure(format!("give the deployment lock {path} back"))))?;
        Ok(Undone::TakenBack)
    }
}
