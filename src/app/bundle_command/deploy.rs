//! `bundle deploy`: build, lock, upload, plan, apply, push the state, unlock.
//!
//! In that order, because it is the official command's: files in place are replaced before
//! the plan is made, and a plan that is refused leaves them so. What fails does not stop
//! what does not depend on it, nothing is taken back, and the state says what was done.

use std::sync::Arc;

use super::args::Deploy;
use super::consent;
use super::hand::{Done, Hand, Quit, show, tell};
use super::hooks::Hook;
use super::meter::Meter;
use super::ready::Ready;
use super::session::CLI_VERSION;
use crate::adapters::host::{LocalProcess, Masker};
use crate::bundle::planning::plan::{Action, Plan, Planned, short};
use crate::bundle::state::State;
use crate::bundle::{kinds, metadata};
use crate::domain::{Diagnostic, Failure, Severity, Tally, Tree};
use crate::ports::{Clock, World};
use crate::saga::{Entry, Event, Execution, Journal, OnFailure, Options, Stop, execute};
use crate::steps::bundle::applier::Applier;
use crate::steps::bundle::artifacts::{self, LocalLibrary};
use crate::steps::bundle::book::Book;
use crate::steps::bundle::sync_snapshot::{DeploymentFile, Snapshot};
use crate::steps::bundle::upload::{self, Uploaded};
use crate::steps::bundle::{Lock, folder_permissions, lock, state_files};

/// How many resources are changed at once.
const PARALLELISM: usize = 10;

pub async fn run(hand: Hand, args: &Deploy) -> Done {
    if let Some(path) = &args.plan {
        tell(&format!("unsupported: --plan {path} (command line)"));
        return Err(Quit::Unsupported);
    }
    let mut ready = hand.ready().await?;
    ready.accept_for_deploying()?;
    ready.selected(&args.select)?;
    let state = ready.pull_state().await?;
    ready.check_volume().await?;
    let libraries = ready.build().await?;
    ready.check_edits(&state, if args.force { None } else { Some(Severity::Error) }).await?;
    ready.check_branch(args.force)?;
    ready.check_active_runs(&state, args.fail_on_active_runs).await?;
    let files = ready.pull_files().await?;
    ready.hand.hook(ready.config(), Hook::Predeploy).await?;
    let lock = ready.lock(args.force_lock).await?;
    let deployment = Deployment { ready: &ready, args, state, libraries, files };
    let done = deployment.run().await;
    let unlocked = ready.unlock(lock, false).await;
    done.and(unlocked)
}

/// What was uploaded before, as the workspace and this checkout say.
pub type KnownFiles = (Option<DeploymentFile>, Snapshot);

struct Deployment<'a> {
    ready: &'a Ready,
    args: &'a Deploy,
    state: State,
    libraries: Vec<LocalLibrary>,
    files: KnownFiles,
}

impl Deployment<'_> {
    async fn run(&self) -> Done {
        let ready = self.ready;
        if let Some(folder) = artifacts::artifact_folder(ready.config()) {
            artifacts::clean(&ready.files, &folder).await?;
            artifacts::upload(&ready.files, ready.hand.disk.as_ref(), &self.libraries, &|line| self.say(0, line))
                .await?;
        }
        let uploaded = self.upload().await?;
        folder_permissions::apply(&ready.files, ready.config()).await?;
        if kinds::needs_folder(ready.config()) {
            let folder = ready.text(&["workspace", "resource_path"]);
            ready.files.mkdirs(folder).await.map_err(|e| e.into_failure(format!("make {folder}")))?;
        }
        let planned = self.plan_and_apply().await;
        if self.args.quiet < 2 {
            tell(&format!("Files: {} uploaded, {} deleted", uploaded.uploaded, uploaded.deleted));
            if let Ok(Some(plan)) = &planned {
                tell(&plan.counts().result_line());
            }
        }
        planned.map(drop)
    }

    /// Says what is not said at this level of quiet.
    fn say(&self, quiet: u8, line: &str) {
        if self.args.quiet <= quiet {
            tell(line);
        }
    }

    fn meter(&self) -> Meter {
        Meter::on_stderr(self.args.quiet > 0)
    }

    async fn upload(&self) -> Result<Uploaded, Quit> {
        let ready = self.ready;
        let disk = ready.hand.disk.as_ref();
        let remote = ready.text(&["workspace", "file_path"]);
        self.say(1, &format!("Uploading bundle files to {remote}..."));
        upload::prepare_folder(&ready.files, remote).await?;
        ready.folder().prepare(disk).await?;
        let found = ready.resolved.files(&ready.hand.source);
        let found = found.inspect_err(|e| show(&[Diagnostic::error(format!("cannot list files: {}", e.message))]))?;
        let paths: Vec<String> = found.into_iter().map(|file| file.path).collect();
        let root = ready.hand.root.join(&ready.resolved.sync_root);
        let (deployed, before) = &self.files;
        let local = upload::local_files(disk, &root, &paths, before).await?;
        let work = before.work(&local);
        let tally = Tally::default();
        let work = upload::carry_out(&ready.files, disk, &root, remote, &local, &work, &tally);
        let uploaded = self.meter().watch("Uploading files", &tally, work).await?;
        let folder = ready.folder();
        let host = ready.rest.host();
        folder.save_snapshot(disk, &Snapshot::of_files(&local), host, remote).await?;
        let now = ready.hand.clock.now();
        let next = DeploymentFile::next(deployed.as_ref(), &local, CLI_VERSION, now);
        folder.save_deployment(disk, &next).await?;
        let path = format!("{}/deployment.json", ready.state_path());
        let bytes = serde_json::to_vec_pretty(&next).expect("plain fields are JSON");
        ready.files.put(&path, bytes.into()).await.map_err(|e| e.into_failure("push the list of uploaded files"))?;
        Ok(uploaded)
    }

    /// None where somebody was asked and said no.
    async fn plan_and_apply(&self) -> Result<Option<Plan>, Quit> {
        let ready = self.ready;
        let plan = ready.plan(&self.state, &self.args.select).await?;
        prevented(&plan)?;
        if !self.approve(&plan).await? {
            tell("Deployment cancelled!");
            return Ok(None);
        }
        let state = self.apply(&plan).await?;
        let path = format!("{}/metadata.json", ready.state_path());
        let bytes = metadata::render(ready.config(), &state);
        ready.files.put(&path, bytes.into()).await.map_err(|e| e.into_failure("push metadata.json"))?;
        ready.hand.hook(ready.config(), Hook::Postdeploy).await?;
        let mut done: Vec<String> =
            plan.changing().map(|(node, planned)| format!("{} {}", planned.action.past(), short(node))).collect();
        done.sort();
        done.iter().for_each(|line| self.say(0, line));
        Ok(Some(plan))
    }

    /// Nobody is asked off a terminal: there what destroys data has to be approved beforehand.
    async fn approve(&self, plan: &Plan) -> Result<bool, Quit> {
        let destructive = plan.destructive();
        for (warning, planned) in &destructive {
            tell(&format!("\n{warning}"));
            list(planned);
        }
        if destructive.is_empty() || self.args.auto_approve {
            return Ok(true);
        }
        if consent::somebody_is_there(&self.ready.hand.env) {
            tell("");
            return consent::proceed().await;
        }
        show(&[Diagnostic::error(
            "the deployment requires destructive actions, but the current console does not support prompting.\n\
             What the plan above deletes or recreates may lose data for good; look at it, then use --auto-approve",
        )]);
        Err(Quit::Failed)
    }

    async fn apply(&self, plan: &Plan) -> Result<State, Quit> {
        let ready = self.ready;
        let folder = ready.folder();
        let disk = ready.hand.disk.as_ref();
        if plan.is_empty() {
            if self.state.exists() {
                ready.push_state(&self.state).await?;
            }
            return Ok(self.state.clone());
        }
        let next = self.state.next(|| uuid::Uuid::new_v4().to_string(), CLI_VERSION);
        let applier = Applier::new(plan.clone(), Book::new(next, Some(folder.log())), false);
        let execution = ready.execute(&applier, &self.meter()).await?;
        let state = applier.book.made().await.unwrap_or_else(|| self.state.clone());
        if state.exists() {
            folder.save_state(disk, &state).await?;
            ready.push_state(&state).await?;
        }
        failures(&applier, execution)?;
        Ok(state)
    }
}

pub fn list(planned: &[&Planned]) {
    for planned in planned {
        tell(&format!("  {} {}", planned.action.word(), planned.node));
    }
}

pub fn prevented(plan: &Plan) -> Result<(), Quit> {
    let prevented = plan.prevented();
    if prevented.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = prevented
        .iter()
        .map(|planned| {
            let node = &planned.node;
            format!(
                "{node} has lifecycle.prevent_destroy set, \
                 but the plan calls for this resource to be recreated or destroyed"
            )
        })
        .collect();
    show(&[Diagnostic::error(lines.join("\n"))]);
    Err(Quit::Failed)
}

/// Each node that was not done, with its own error or the one it waited for.
pub fn failures(applier: &Applier, execution: Execution) -> Result<(), Quit> {
    let mut found = Vec::new();
    for (node, planned) in applier.plan.changing() {
        if applier.is_finished(node) {
            continue;
        }
        let verb = match planned.action {
            Action::UpdateId => "update",
            other => other.name(),
        };
        let title = crate::steps::bundle::change_resource::title(planned.action, node);
        let why = match execution.errors.iter().find(|(failed, _)| *failed == title) {
            Some((_, error)) => cause(&error.failure),
            None => {
                let order = applier.order();
                let waited = order.get(node.as_str()).into_iter().flatten().find(|other| !applier.is_finished(other));
                format!("dependency failed: {}", waited.unwrap_or(&""))
            }
        };
        found.push(Diagnostic::error(format!("cannot {verb} {node}: {why}")));
    }
    if found.is_empty() {
        return Ok(());
    }
    show(&found);
    Err(Quit::Failed)
}

/// What the workspace said, without what we were doing.
fn cause(failure: &Failure) -> String {
    let mut text = failure.message.clone();
    let mut next = std::error::Error::source(failure);
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    text
}

impl Ready {
    pub fn world(&self) -> World {
        let path = self.hand.env.get("PATH").cloned().unwrap_or_default();
        World {
            workspace: Arc::clone(&self.rest),
            transfer: Arc::clone(&self.transfer),
            files: Arc::clone(&self.hand.disk) as Arc<_>,
            process: Arc::new(LocalProcess::new(path, Arc::new(Masker::new()))),
            clock: Arc::clone(&self.hand.clock) as Arc<_>,
            github: None,
            history: None,
        }
    }

    /// By hand everything that can be done is done; there is no journal but the log of the state.
    pub async fn execute(&self, applier: &Arc<Applier>, meter: &Meter) -> Result<Execution, Failure> {
        let (_sender, stop) = Stop::new();
        let options = Options { parallelism: PARALLELISM, on_failure: OnFailure::KeepGoing, stop };
        let clock = Arc::clone(&self.hand.clock);
        let (graph, tally) = (applier.graph(), Arc::new(Tally::default()));
        tally.expect(graph.nodes().len());
        let counted = Arc::clone(&tally);
        let count = move |entry: &Entry| {
            if matches!(entry.event, Event::Done { .. } | Event::Failed { .. }) {
                counted.count();
            }
        };
        let journal = Journal::new(move || clock.now().to_string(), Vec::new()).listened_by(count);
        let world = self.world();
        let work = execute(&graph, &world, &journal, &options);
        Ok(meter.watch("Changing resources", &tally, work).await?)
    }

    pub async fn push_state(&self, state: &State) -> Result<(), Failure> {
        let path = format!("{}/resources.json", self.state_path());
        self.files.put(&path, state.render().into()).await.map_err(|e| e.into_failure("push the deployment state"))
    }

    pub async fn pull_files(&self) -> Result<KnownFiles, Failure> {
        let remote = self.text(&["workspace", "file_path"]);
        let folder = self.folder();
        let local = Some((&folder, remote));
        state_files::pull_files(&self.files, self.hand.disk.as_ref(), self.state_path(), local).await
    }

    /// In development mode there is no lock unless the bundle asks for it.
    pub async fn lock(&self, force: bool) -> Result<Option<Lock>, Quit> {
        let setting = |name: &str| self.config().find(&["bundle", "deployment", "lock", name]).and_then(Tree::as_bool);
        let in_development = self.config().text(&["bundle", "mode"]) == Some("development");
        if !setting("enabled").unwrap_or(!in_development) {
            return Ok(None);
        }
        let force = force || setting("force").unwrap_or(false);
        let now = self.hand.clock.now();
        match lock::acquire(&self.files, self.state_path(), &self.user.user_name, now, force).await {
            Ok(lock) => Ok(Some(lock)),
            Err(error) => {
                let failure = Failure::from(error);
                tell(&format!("Error: Failed to acquire deployment lock: {}", cause(&failure)));
                tell("");
                Err(failure.into())
            }
        }
    }

    pub async fn unlock(&self, lock: Option<Lock>, may_be_gone: bool) -> Done {
        match lock {
            Some(lock) => Ok(lock.release(&self.files, may_be_gone).await?),
            None => Ok(()),
        }
    }
}
