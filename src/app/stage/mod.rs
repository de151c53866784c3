//! Runs a stage: inputs and event, what can be checked without a token, the phases, the
//! last words.

mod account;
mod conclude;
mod connect;
mod engine;
mod history;
mod models;
mod prepare;
mod promotion;
mod release;
mod settle;
mod unpacked;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::adapters::host::LocalProcess;
use crate::adapters::host::sandbox::Sandbox;
use crate::app::Desk;
use crate::domain::fact::{self, About};
use crate::domain::{Failure, Reason, Stage};
use crate::engines::cross_checked::CrossChecked;
use crate::inputs::Config;
use crate::inputs::config::Environment;
use crate::inputs::event::Occasion;
use crate::inputs::parse::{Inputs, Surroundings};
use crate::inputs::raw::Raw;
use crate::policy::Verdict;
use crate::ports::engine::Engine;
use crate::ports::{Files, GitHub, Identity, Process, Store, World};
use crate::saga::journal::seconds;
use crate::saga::{Event, Journal, Kept, OnFailure, Options, Registry};
use crate::stages::assignment::{Assignment, Promotion};
use crate::stages::phase::{Context, Performed, perform};
use crate::stages::phases::deployment::{self, Parts};
use crate::stages::phases::look;
use crate::stages::promote_prod;
use crate::stages::{deploy_dev, deploy_staging, validate};
use crate::steps::bundle::mirror::Mirror;
use crate::steps::bundle::take_lock::{self, Beating, TakeLock};
use crate::steps::bundle::{UploadRoute, WorkspaceFiles};

use self::prepare::Work;

pub use history::{History, print as history};
pub use prepare::configuration;
pub use settle::settle;

/// How many changes are made at once.
const PARALLELISM: usize = 10;

/// A run from its first entry on: whatever happens now is told.
pub struct Run<'d> {
    pub desk: &'d Desk,
    pub inputs: Inputs,
    pub occasion: Occasion,
    pub journal: Arc<Journal>,
    pub mirror: Mirror,
    /// Where journal, summary and plan are left.
    pub folder: PathBuf,
    pub github: Option<Arc<dyn GitHub>>,
}

/// How far a run came, and how it ended.
pub struct Ended {
    pub performed: Performed,
    /// Present once there was a world to change.
    pub reached: Option<Reached>,
}

/// What a stage's phases need.
struct Ready {
    engine: Arc<dyn Engine>,
    world: World,
    assignment: Arc<Assignment>,
    /// Where the release is kept, if the stage has packed one.
    store: Option<Arc<dyn Store>>,
    /// For the stage that promotes a model.
    promotion: Option<Arc<Promotion>>,
}

pub struct Reached {
    pub context: Context,
    pub files: WorkspaceFiles,
}

impl Ended {
    fn early(failure: Option<Failure>) -> Self {
        let performed = Performed { failure, unwound: None, resumable: false, begun: Vec::new() };
        Self { performed, reached: None }
    }
}

/// Runs a stage that was asked for by name, or by the input `stage`.
pub async fn run(stage: Option<Stage>, raw: Raw) -> Result<ExitCode, Failure> {
    let desk = Desk::lay()?;
    let occasion = match occasion(&desk).await {
        Ok(occasion) => occasion,
        Err(failure) => return Ok(conclude::before_the_first_entry(&desk, &failure)),
    };
    let mut raw = raw.over(desk.raw.clone());
    if let Some(stage) = stage {
        raw.stage = Some(stage.name().to_owned());
    }
    let inputs = match Inputs::parse(raw, &surroundings(&desk)) {
        Ok(inputs) => inputs,
        Err(failure) => return Ok(conclude::before_the_first_entry(&desk, &failure)),
    };
    let run = match open(&desk, inputs, occasion).await {
        Ok(run) => run,
        Err(failure) => return Ok(conclude::before_the_first_entry(&desk, &failure)),
    };
    let ended = run.work().await.unwrap_or_else(|failure| Ended::early(Some(failure)));
    Ok(conclude::conclude(&run, ended).await)
}

/// The workspace of the job, which relative paths may not leave, or where the program was started.
pub fn surroundings(desk: &Desk) -> Surroundings {
    let root = desk.var("GITHUB_WORKSPACE").map_or_else(|| desk.folder.clone(), PathBuf::from);
    Surroundings { root, confined: desk.console.is_actions() }
}

async fn occasion(desk: &Desk) -> Result<Occasion, Failure> {
    let document = match desk.var("GITHUB_EVENT_PATH") {
        Some(path) => desk.files.read(path.as_ref()).await.ok().flatten(),
        None => None,
    };
    Occasion::read(&|name| desk.env.get(name).cloned(), document.as_deref())
}

/// Opens the journal and tells the runner where it is, for the post step.
async fn open(desk: &Desk, inputs: Inputs, occasion: Occasion) -> Result<Run<'_>, Failure> {
    let run = match &occasion.run {
        Some(run) => format!("{}-{}-{}", run.id, run.attempt, run.job),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let folder = connect::scratch(desk).join(format!("{}-{run}", inputs.stage.name()));
    let mirror = Mirror::default();
    let journal = account::open(desk, &folder, mirror.clone(), Vec::new());
    let path = folder.join(account::JOURNAL).display().to_string();
    let state = [("journal", path.as_str()), ("stage", inputs.stage.name())];
    desk.runner
        .state(&state)
        .map_err(|e| Failure::new(Reason::DiskError, "tell the runner where the journal is").because(e))?;
    let github = connect::github(desk, &inputs, &occasion)?;
    Ok(Run { desk, inputs, occasion, journal, mirror, folder, github })
}

impl Run<'_> {
    async fn work(&self) -> Result<Ended, Failure> {
        let config = prepare::configuration(self.desk, &self.inputs).await;
        let commit = prepare::commit(&self.inputs, &self.occasion);
        self.begin(config.as_ref().ok(), commit.as_ref().ok().and_then(Option::as_deref)).await?;
        let (config, commit) = (config?, commit?);
        let environment = prepare::environment(&config, &self.inputs)?;
        let ready = match self.inputs.stage.previous_environment() {
            None => self.what_is_checked_out(&config, environment, commit).await?,
            Some(_) => Some(self.what_was_released(&config, environment).await?),
        };
        match ready {
            Some(ready) => self.perform(&config, ready).await,
            None => Ok(Ended::early(None)),
        }
    }

    /// What is checked out: loaded, built, and for a deployment packed, all without a token.
    async fn what_is_checked_out(
        &self,
        config: &Config,
        environment: &Environment,
        commit: Option<String>,
    ) -> Result<Option<Ready>, Failure> {
        let target = prepare::target(&self.inputs, environment);
        let engines = self.phase("check", engine::load(self, config, &target)).await?;
        if let Some(why) = self.only_offline() {
            self.fact(fact::OFFLINE, &why).await?;
            return Ok(None);
        }
        if let Some(verdict) = prepare::plan_principal(environment, &self.occasion) {
            self.ask(verdict).await?;
        }
        // The project's own commands run before any token exists.
        let process = self.process();
        let deploys = self.inputs.stage.writes();
        let targets = if deploys { engines.targets_of(config) } else { vec![target] };
        let console = &self.desk.console;
        engines.embedded.build_all(&targets, process.as_ref(), &|line| console.line(line)).await?;
        let unpacked = match deploys {
            true => Some(self.phase("pack", release::pack(self, config, &engines)).await?),
            false => None,
        };
        let (world, identity) = self.world(environment, process)?;
        let official = |program: &str| Arc::new(engine::official_engine(self, program, Arc::clone(&identity)));
        let engine: Arc<dyn Engine> = match (&engines.official, &unpacked) {
            (Some(program), _) => official(program),
            (None, Some(unpacked)) => Arc::new(engine::of_release(self, unpacked)?),
            (None, None) => engines.embedded,
        };
        let engine = match &engines.beside {
            Some(program) => Arc::new(CrossChecked::new(engine, official(program))),
            None => engine,
        };
        let mut work = Work { commit, ..Work::default() };
        let mut store = None;
        if let Some(mut unpacked) = unpacked {
            store = release::store(config, &world)?;
            unpacked.release.kept = store.as_ref().map(|store| store.place()).unwrap_or_default();
            self.fact(fact::RELEASE, &unpacked.release).await?;
            let target = prepare::target(&self.inputs, environment);
            work.models = models::trained_in(config, environment, &target, &unpacked.manifest)?;
            work.bundle = unpacked.manifest.bundle;
            work.release = Some(unpacked.release);
        }
        let assignment = prepare::assignment(&self.inputs, config, environment, &self.occasion, work);
        Ok(Some(Ready { engine, world, assignment, store, promotion: None }))
    }

    /// A release that succeeded in the environment before: no build, and nothing of the
    /// checkout but the environments of its mlops-deploy.yml.
    async fn what_was_released(&self, config: &Config, environment: &Environment) -> Result<Ready, Failure> {
        let id = self.inputs.release.ok_or_else(|| {
            Failure::new(Reason::Internal, "find the release to deploy: the inputs were read without one")
        })?;
        let target = prepare::target(&self.inputs, environment);
        self.ask(look::trusted(&self.occasion)).await?;
        let (world, _) = self.world(environment, self.process())?;
        let fetching = async {
            let mut unpacked = release::fetch(self, config, &world, id).await?;
            self.fact(fact::RELEASE, &unpacked.release).await?;
            prepare::same_commit(&self.inputs, &unpacked.release)?;
            let evidence = release::evidence(self, config, environment, &world, &unpacked).await?;
            if evidence.uncommitted.is_some() {
                unpacked.release.uncommitted.clone_from(&evidence.uncommitted);
                self.fact(fact::RELEASE, &unpacked.release).await?;
            }
            Ok((unpacked, evidence))
        };
        let (unpacked, evidence) = self.phase("release", fetching).await?;
        let config = &release::judged_as_packed(self, config, &unpacked).await?;
        let engine = self.phase("check", engine::load_release(self, config, &unpacked, &target)).await?;
        let configured = unpacked.manifest.targets.get(&target).cloned().unwrap_or_default();
        let taken = match self.inputs.stage {
            Stage::DeployStaging => models::taken_by(config, environment, "dev", &configured, &evidence.tested)?,
            _ => Vec::new(),
        };
        let work = Work {
            models: models::trained_in(config, environment, &target, &unpacked.manifest)?,
            taken,
            commit: unpacked.manifest.commit().map(str::to_owned),
            bundle: unpacked.manifest.bundle,
            release: Some(unpacked.release),
            seen: evidence.seen,
            tested: evidence.tested,
        };
        let assignment = prepare::assignment(&self.inputs, config, environment, &self.occasion, work);
        let promotion = match self.inputs.stage {
            Stage::PromoteProd => {
                Some(promotion::promotion(config, self.inputs.model.as_deref(), &assignment, &configured)?)
            }
            _ => None,
        };
        Ok(Ready { engine, world, assignment, store: None, promotion })
    }

    async fn perform(&self, config: &Config, ready: Ready) -> Result<Ended, Failure> {
        let Ready { engine, world, assignment, store, promotion } = ready;
        let reached = self.reach(world, engine.as_ref());
        let parts = Parts {
            assignment: Arc::clone(&assignment),
            engine: Arc::clone(&engine),
            files: reached.files.clone(),
            beating: reached.beating,
            mirror: self.mirror.clone(),
        };
        let phases = match self.inputs.stage {
            Stage::Validate => validate::phases(&assignment, &engine),
            Stage::DeployDev => deploy_dev::phases(&parts, store),
            Stage::DeployStaging => deploy_staging::phases(&parts),
            Stage::PromoteProd => {
                let none = || Failure::new(Reason::Internal, "promote: no model was chosen");
                promote_prod::phases(&parts, &promotion.ok_or_else(none)?)?
            }
        };
        let performed = self.within_deadline(config, perform(&phases, &reached.context)).await;
        Ok(Ended { performed, reached: Some(Reached { context: reached.context, files: reached.files }) })
    }

    /// Work before the stage's own phases, told as one.
    async fn phase<T>(&self, name: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let start = Instant::now();
        self.journal.record(Event::PhaseStarted { phase: name.to_owned() }).await?;
        let done = work.await?;
        let (phase, seconds) = (name.to_owned(), seconds(start.elapsed()));
        self.journal.record(Event::PhaseFinished { phase, seconds }).await?;
        Ok(done)
    }

    /// The first entry: everything that identifies the run.
    async fn begin(&self, config: Option<&Config>, commit: Option<&str>) -> Result<(), Failure> {
        let Inputs { stage, target, root, bundle_path, dry_run, .. } = &self.inputs;
        let environment = config.and_then(|c| prepare::environment(c, &self.inputs).ok());
        let named = |pick: fn(&Environment) -> String| environment.map(pick).unwrap_or_default();
        let target = target.clone().unwrap_or_else(|| named(|e| e.target.clone()));
        let bundle = bundle_path.strip_prefix(root).unwrap_or(bundle_path).display().to_string();
        let head = self.occasion.head_sha().filter(|head| Some(*head) != commit);
        let run = self.occasion.run.as_ref();
        let about = About {
            stage: stage.name().to_owned(),
            bundle: if bundle.is_empty() { ".".to_owned() } else { bundle },
            target: if target.is_empty() { stage.environment().to_owned() } else { target },
            environment: named(|e| e.github_environment.clone()),
            host: named(|e| e.host.to_string()),
            commit: commit.unwrap_or_default().to_owned(),
            head: head.unwrap_or_default().to_owned(),
            repository: self.occasion.repository.clone().unwrap_or_default(),
            event: self.occasion.event().to_owned(),
            run_id: run.map(|r| r.id.to_string()).unwrap_or_default(),
            attempt: run.map_or(1, |r| r.attempt),
            job: run.map(|r| r.job.clone()).unwrap_or_default(),
            run_url: self.occasion.run_url().unwrap_or_default(),
            dry_run: *dry_run,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let run = serde_json::to_value(about).expect("texts and numbers are JSON");
        Ok(self.journal.record(Event::RunStarted { run }).await?)
    }

    pub async fn fact(&self, name: &str, value: &impl serde::Serialize) -> Result<(), Failure> {
        let value = serde_json::to_value(value).expect("facts are JSON");
        Ok(self.journal.record(Event::Fact { name: name.to_owned(), value }).await?)
    }

    /// Writes a verdict down, and refuses when it says no.
    pub async fn ask(&self, verdict: Verdict) -> Result<(), Failure> {
        let (rule, passed, message) = (verdict.rule.to_owned(), verdict.passed(), verdict.message());
        self.journal.record(Event::Verdict { rule, passed, message }).await?;
        verdict.answer.map(drop)
    }

    /// Why there will be no token, if there will be none. A stage that writes refuses instead.
    fn only_offline(&self) -> Option<String> {
        if self.inputs.offline {
            return Some("`offline` is set".to_owned());
        }
        let trust = self.occasion.trust;
        let why = trust.because().unwrap_or("its code is not trusted");
        (!self.inputs.stage.writes() && !trust.may_use_credentials()).then(|| why.to_owned())
    }

    fn process(&self) -> Arc<dyn Process> {
        let path = self.desk.var("PATH").unwrap_or_default();
        let process = LocalProcess::new(path, Arc::clone(&self.desk.masker)).stopped_by(self.desk.asked.subscribe());
        match std::env::current_exe() {
            Ok(launcher) => Arc::new(process.sandboxed(Sandbox::new(launcher, &self.inputs.root, &self.desk.env))),
            Err(_) => Arc::new(process),
        }
    }

    fn world(
        &self,
        environment: &Environment,
        process: Arc<dyn Process>,
    ) -> Result<(World, Arc<dyn Identity>), Failure> {
        let client_id = prepare::client_id(environment, self.inputs.stage.writes());
        let who = connect::Who { environment, client_id };
        connect::connect(self.desk, &self.inputs, &who, process, self.github.clone())
    }

    fn reach(&self, world: World, engine: &dyn Engine) -> InReach {
        let files = WorkspaceFiles::new(Arc::clone(&world.workspace), UploadRoute::Multipart);
        let beating = Beating::default();
        let registry = registry(engine, &world, &files, &beating);
        let options = Options { parallelism: PARALLELISM, on_failure: OnFailure::Stop, stop: self.desk.stop.clone() };
        let context = Context {
            world,
            journal: Arc::clone(&self.journal),
            registry,
            options,
            dry_run: self.inputs.dry_run,
            held: deployment::HELD,
        };
        InReach { context, files, beating }
    }

    /// At the deadline the run is asked to stop, as by a signal: what it made is taken back.
    async fn within_deadline(&self, config: &Config, work: impl Future<Output = Performed>) -> Performed {
        let limit = self.inputs.deadline.unwrap_or_else(|| config.deadline(self.inputs.stage)).0;
        let mut work = std::pin::pin!(work);
        let mut done = tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(limit) => {
                self.desk.asked.send_replace(true);
                work.await
            }
        };
        if let Some(failure) = &mut done.failure
            && failure.reason == Reason::Cancelled
        {
            let message = format!("end within the deadline of {} s: {failure}", limit.as_secs());
            *failure = Failure::new(Reason::DeadlineExceeded, message)
                .hint("raise `deadline`, or the stage's budget in mlops-deploy.yml; run again to go on");
        }
        done
    }
}

struct InReach {
    context: Context,
    files: WorkspaceFiles,
    beating: Beating,
}

/// Every verb that a journal of these stages can hold.
pub fn registry(engine: &dyn Engine, world: &World, files: &WorkspaceFiles, beating: &Beating) -> Registry<World> {
    use crate::steps::model::copy_version::{self, CopyVersion};
    use crate::steps::model::tag_version::{self, TagVersion};
    use crate::steps::model::{MoveAlias, move_alias, withdraw_gate};
    use crate::steps::serve::{SetEndpoint, set_endpoint};
    use crate::steps::{announce, keep_release, open_ledger, record, recover, run_job};
    let (files, beating) = (files.clone(), beating.clone());
    engine
        .registry(world)
        .with(take_lock::VERB, move |spec| TakeLock::rebuild(&files, &beating, spec))
        .with(run_job::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
        .with(copy_version::VERB, |spec| Some(Arc::new(CopyVersion::of(spec)?)))
        .with(set_endpoint::VERB, SetEndpoint::rebuild)
        .with(move_alias::VERB, MoveAlias::rebuild)
        .with(tag_version::VERB, TagVersion::rebuild)
        .with(withdraw_gate::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
        .with(keep_release::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
        .with(open_ledger::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
        .with(record::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
        .with(recover::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
        .with(announce::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
}
