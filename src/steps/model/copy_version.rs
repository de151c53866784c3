//! Copies a model version to another model of the same metastore, byte for byte.
//!
//! The copy is made before it is seen: a version waits while its files arrive, every file is
//! read back and compared, and only then is it finalized. So there is never a READY version
//! with half of the files, and a version with the digest in its tag and the same files is the
//! finished copy of an earlier attempt and is used. What the source's bytes are is not taken
//! from one reading: they must match the digest in its own tag, or a second reading.
//!
//! `act` looks for itself after a lost reply, so it never answers `Lost`: whoever finds a
//! waiting version finds something to take back or to go on with, not a finished copy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::info;

use super::bytes::credentials::Operation;
use super::bytes::progress::{Hear, Moment};
use super::bytes::{Access, FileEntry, Manifest, Progress, Pump, Store};
use super::finalize::finalize;
use super::mlmodel;
use super::proven_copy::ProvenCopy;
use super::registry::{NewVersion, Registry, Version};
use crate::domain::{Failure, ModelName, ModelVersion, Reason, VersionStatus};
use crate::ports::{Request, World};
use crate::saga::{Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Stop, Undone};
use crate::steps::serve::endpoint::that_serves;

pub const VERB: &str = "copy-model-version";

/// Tags of a copy. Unity Catalog takes no dots, commas, dashes, equals signs, slashes or colons in their keys.
pub mod tags {
    pub const MANIFEST: &str = "manifest_sha256";
    pub const SOURCE_MODEL: &str = "source_model";
    pub const SOURCE_VERSION: &str = "source_version";
    pub const SOURCE_RUN: &str = "source_run_id";
    pub const GIT_SHA: &str = "git_sha";
    pub const PROMOTION: &str = "promotion_id";
    pub const WORKFLOW_RUN: &str = "workflow_run";
}

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Who promotes what, for whoever reads the copy's tags later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The same for every attempt at one promotion.
    pub promotion_id: String,
    pub git_sha: Option<String>,
    /// The page of the workflow's run.
    pub workflow_run: Option<String>,
}

/// Hears how far the copy has come; a terminal shows a bar, a log has a line every few seconds.
pub type Hearer = Arc<dyn Fn(&Moment) + Send + Sync>;

/// One copy: of `version` of `from`, as a new version of `to`.
///
/// `World` is that of the workspace which sees both: the target's. The model `to` exists. The outcome is a `Copied`.
#[derive(Clone)]
pub struct CopyVersion {
    pub from: ModelName,
    pub version: ModelVersion,
    pub to: ModelName,
    pub lineage: Lineage,
    hear: Option<(Hearer, Duration)>,
    stop: Option<Stop>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    pub model: ModelName,
    pub version: ModelVersion,
    /// Of the canonical manifest of all files; empty while the copy is not finished.
    pub manifest_sha256: String,
    /// Not known of a copy that was looked for.
    pub files: usize,
    pub bytes: u64,
    /// A finished copy of an earlier attempt was found and used.
    pub reused: bool,
}

impl Copied {
    pub fn of(outcome: &Outcome) -> Option<Self> {
        serde_json::from_value(outcome.0.clone()).ok()
    }

    fn outcome(&self) -> Outcome {
        Outcome(serde_json::to_value(self).expect("names and numbers"))
    }
}

impl CopyVersion {
    pub fn new(from: ModelName, version: ModelVersion, to: ModelName, lineage: Lineage) -> Self {
        Self { from, version, to, lineage, hear: None, stop: None }
    }

    /// Without it, lines go to the log.
    pub fn heard_by(mut self, hear: Hearer, every: Duration) -> Self {
        self.hear = Some((hear, every));
        self
    }

    /// Without it, it cannot be asked to stop half way.
    pub fn stopped_by(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The same change again, read from a journal.
    pub fn of(spec: &Spec) -> Option<Self> {
        #[derive(Deserialize)]
        struct Args {
            from: ModelName,
            version: ModelVersion,
            to: ModelName,
            lineage: Lineage,
        }
        let Args { from, version, to, lineage } = serde_json::from_value(spec.args.clone()).ok()?;
        Some(Self::new(from, version, to, lineage))
    }

    fn source(&self) -> String {
        format!("models:/{}/{}", self.from, self.version)
    }

    fn doing(&self) -> String {
        format!("copy {}/{} to {}", self.from, self.version, self.to)
    }

    fn refused(&self, why: String, hint: &str) -> Failure {
        Failure::new(Reason::ModelNotPortable, why).hint(hint)
    }

    /// The version to copy, which is ready.
    async fn original(&self, world: &World) -> Result<Version, Failure> {
        let found = Registry(world.workspace.as_ref()).version(&self.from, self.version).await?;
        let Some(found) = found else {
            return Err(Failure::new(
                Reason::NotFound,
                format!("there is no version {} of {}", self.version, self.from),
            )
            .hint(
                "the target's workspace must see the source's catalog, and the principal needs EXECUTE on the model",
            ));
        };
        match &found.status {
            VersionStatus::Ready => Ok(found),
            status => {
                Err(self
                    .refused(format!("it is {status} and not READY"), "copy a version that is registered to the end"))
            }
        }
    }

    async fn open(
        &self,
        world: &World,
        version: &Version,
        how: Operation,
        from: Option<&dyn Store>,
    ) -> Result<Arc<dyn Store>, Failure> {
        let access = Access {
            model: version.model.clone(),
            version: version.version,
            storage_location: version.storage_location.clone(),
            operation: how,
        };
        access.open(world, from).await
    }

    /// Its files, if they can be copied at all.
    async fn listed(&self, world: &World, original: &Version) -> Result<(Arc<dyn Store>, Vec<FileEntry>), Failure> {
        let source = self.open(world, original, Operation::Read, None).await?;
        let files = source.list().await?;
        let described = files.iter().find(|f| f.path == mlmodel::NAME);
        let Some(described) = described else {
            return Err(self.refused("it has no file MLmodel".to_owned(), "register a model that MLflow logged"));
        };
        if described.size > mlmodel::LONGEST {
            return Err(self.refused("its file MLmodel is too long to be one".to_owned(), "log the model again"));
        }
        let text = Pump::new(Arc::clone(&world.clock)).text(&source, described).await?;
        match mlmodel::obstacle(&text) {
            None => Ok((source, files)),
            Some((why, hint)) => Err(self.refused(why, hint)),
        }
    }

    /// Earlier copies of the same version: finished ones, and those that are still waiting, of which only ours.
    async fn earlier(&self, world: &World) -> Result<(Vec<(Version, Tags)>, Vec<(Version, Tags)>), Failure> {
        let registry = Registry(world.workspace.as_ref());
        let (mut finished, mut waiting) = (Vec::new(), Vec::new());
        for version in registry.versions(&self.to).await?.into_iter().rev().filter(|v| v.source == self.source()) {
            let is_ready = version.status == VersionStatus::Ready;
            if !is_ready && version.status != VersionStatus::Pending {
                continue;
            }
            let tags = registry.version_tags(&self.to, version.version).await?.unwrap_or_default();
            match (is_ready, tags.contains_key(tags::MANIFEST), tags.contains_key(tags::PROMOTION)) {
                (true, true, _) => finished.push((version, tags)),
                (false, _, true) => waiting.push((version, tags)),
                _ => {}
            }
        }
        Ok((finished, waiting))
    }

    fn progress(&self, world: &World, doing: &str, total: u64) -> Arc<Progress> {
        let (hear, every): (Hear, Duration) = match &self.hear {
            Some((hear, every)) => {
                let hear = Arc::clone(hear);
                (Box::new(move |moment| hear(moment)), *every)
            }
            None => (Box::new(|moment| info!("{moment}")), LINE_EVERY),
        };
        Arc::new(Progress::new(doing, total, world.clock.now(), every, hear))
    }

    /// A finished copy is one whose files are those of the source and have the digest of its tag.
    async fn reusable(
        &self,
        world: &World,
        files: &[FileEntry],
        finished: Vec<(Version, Tags)>,
    ) -> Result<Option<Copied>, Failure> {
        for (version, tags) in finished {
            let copy = self.open(world, &version, Operation::Read, None).await?;
            let there = copy.list().await?;
            if there != files {
                continue;
            }
            let total = there.iter().map(|f| f.size).sum();
            let progress = self.progress(world, &format!("reading {}/{}", self.to, version.version), total);
            let manifest = Pump::new(Arc::clone(&world.clock)).digest(&copy, &there, &progress).await?;
            progress.finished(world.clock.now());
            if tags.get(tags::MANIFEST) == Some(&manifest.digest()) {
                info!("{}/{} is the finished copy of {}/{}", self.to, version.version, self.from, self.version);
                return Ok(Some(self.copied(version.version, &manifest, true)));
            }
        }
        Ok(None)
    }

    fn copied(&self, version: ModelVersion, manifest: &Manifest, reused: bool) -> Copied {
        Copied {
            model: self.to.clone(),
            version,
            manifest_sha256: manifest.digest(),
            files: manifest.0.len(),
            bytes: manifest.bytes(),
            reused,
        }
    }

    /// The version that waits for its files: ours of an earlier attempt, or a new one.
    async fn waiting(
        &self,
        world: &World,
        original: &Version,
        waiting: Vec<(Version, Tags)>,
        finished: &[ModelVersion],
    ) -> Result<Version, Failure> {
        let registry = Registry(world.workspace.as_ref());
        let tags = self.tags(world, original).await?;
        if let Some((version, _)) = waiting.into_iter().next() {
            info!("going on with {}/{}, which an earlier attempt left behind", self.to, version.version);
            let set = registry.set_version_tags(&self.to, version.version, &tags, &[]).await;
            set.map_err(|e| e.into_failure(format!("tag version {} of {}", version.version, self.to)))?;
            return Ok(version);
        }
        let (run_id, model_id) = self.known_here(world, original).await?;
        let new = NewVersion { source: self.source(), run_id, comment: original.comment.clone(), tags, model_id };
        match registry.create_version(&self.to, &new).await {
            Ok(version) => Ok(version),
            Err(error) if error.may_have_been_applied() => {
                let ours = self.ours(world, finished).await?;
                match ours.as_slice() {
                    [(one, _)] => Ok(one.clone()),
                    _ => Err(error.into_failure(format!("make a version of {}", self.to))),
                }
            }
            Err(error) => Err(error.into_failure(format!("make a version of {}", self.to))),
        }
    }

    /// Those of the source, and where it comes from.
    async fn tags(&self, world: &World, original: &Version) -> Result<Tags, Failure> {
        let registry = Registry(world.workspace.as_ref());
        let mut all = registry.version_tags(&self.from, self.version).await?.unwrap_or_default();
        all.remove(tags::MANIFEST);
        let mut set = |key: &str, value: &str| {
            if !value.is_empty() {
                all.insert(key.to_owned(), value.to_owned());
            }
        };
        set(tags::SOURCE_MODEL, &self.from.to_string());
        set(tags::SOURCE_VERSION, &self.version.to_string());
        set(tags::SOURCE_RUN, &original.run_id);
        set(tags::PROMOTION, &self.lineage.promotion_id);
        set(tags::GIT_SHA, self.lineage.git_sha.as_deref().unwrap_or_default());
        set(tags::WORKFLOW_RUN, self.lineage.workflow_run.as_deref().unwrap_or_default());
        Ok(all)
    }

    /// Run and logged model of the source, as far as this workspace knows them: a version that names those of another
    /// is refused.
    async fn known_here(&self, world: &World, original: &Version) -> Result<(String, String), Failure> {
        let run = Request::get("/api/2.0/mlflow/runs/get").query("run_id", &original.run_id);
        let model = Request::get(format!("/api/2.0/mlflow/logged-models/{}", original.model_id));
        Ok((known(world, &original.run_id, run).await?, known(world, &original.model_id, model).await?))
    }

    /// Versions that this attempt made, whatever became of them. What was `finished` before it is of an earlier one, also of
    /// the same promotion: it may have served since.
    async fn ours(&self, world: &World, finished: &[ModelVersion]) -> Result<Vec<(Version, Tags)>, Failure> {
        let (now, waiting) = self.earlier(world).await?;
        let ours = |(version, tags): &(Version, Tags)| {
            tags.get(tags::PROMOTION) == Some(&self.lineage.promotion_id) && !finished.contains(&version.version)
        };
        Ok(now.into_iter().chain(waiting).filter(ours).collect())
    }

    async fn copy(&self, world: &World) -> Result<Copied, Failure> {
        let original = self.original(world).await?;
        let (source, files) = self.listed(world, &original).await?;
        let (finished, waiting) = self.earlier(world).await?;
        let before = numbers(&finished);
        if let Some(copied) = self.reusable(world, &files, finished).await? {
            return Ok(copied);
        }
        let registry = Registry(world.workspace.as_ref());
        let expected = registry.version_tags(&self.from, self.version).await?.unwrap_or_default();
        let expected = expected.get(tags::MANIFEST).map(String::as_str);
        let version = self.waiting(world, &original, waiting, &before).await?;
        let target = self.open(world, &version, Operation::ReadWrite, Some(source.as_ref())).await?;
        let progress = |doing: &str, total| self.progress(world, doing, total);
        let filling =
            ProvenCopy { doing: self.doing(), from: source, to: target, files: &files, expected, progress: &progress };
        let manifest = filling.make(&world.clock).await?;
        let digest = BTreeMap::from([(tags::MANIFEST.to_owned(), manifest.digest())]);
        let tagged = registry.set_version_tags(&self.to, version.version, &digest, &[]).await;
        tagged.map_err(|e| e.into_failure(format!("tag version {} of {}", version.version, self.to)))?;
        finalize(world, &self.to, version.version).await?;
        info!("{}/{} is {}/{}, byte for byte", self.to, version.version, self.from, self.version);
        Ok(self.copied(version.version, &manifest, false))
    }
}

type Tags = BTreeMap<String, String>;

fn numbers(of: &[(Version, Tags)]) -> Vec<ModelVersion> {
    of.iter().map(|(version, _)| version.version).collect()
}

/// What an attempt found finished when it began.
fn finished(receipt: &Receipt) -> Vec<ModelVersion> {
    serde_json::from_value(receipt.0["finished"].clone()).unwrap_or_default()
}

/// The id, if the workspace answers this with what it is of.
async fn known(world: &World, id: &str, request: Request) -> Result<String, Failure> {
    if id.is_empty() {
        return Ok(String::new());
    }
    match world.workspace.call(request).await {
        Ok(_) => Ok(id.to_owned()),
        Err(error) if error.status().is_some_and(|s| s < 500 && s != 429) => Ok(String::new()),
        Err(error) => Err(error.into_failure(format!("look for `{id}` in this workspace"))),
    }
}

#[async_trait]
impl Change<World> for CopyVersion {
    fn spec(&self) -> Spec {
        let args = json!({"from": self.from, "version": self.version, "to": self.to, "lineage": self.lineage});
        Spec { verb: VERB.to_owned(), subject: format!("{}/{} to {}", self.from, self.version, self.to), args }
    }

    fn title(&self) -> String {
        self.doing()
    }

    /// Reads as far as a copy can be refused without writing.
    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let original = self.original(world).await?;
        if Registry(world.workspace.as_ref()).model(&self.to).await?.is_none() {
            let failure = Failure::new(Reason::NotFound, format!("there is no model {}", self.to));
            return Err(failure.hint("deploy the bundle to this target first: it makes the model").into());
        }
        let (_, files) = self.listed(world, &original).await?;
        let (finished, waiting) = self.earlier(world).await?;
        let bytes: u64 = files.iter().map(|f| f.size).sum();
        Ok(Receipt(json!({
            "files": files.len(), "bytes": bytes, "finished": numbers(&finished), "waiting": numbers(&waiting),
        })))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let Some(mut stop) = self.stop.clone() else { return Ok(self.copy(world).await?.outcome()) };
        tokio::select! {
            copied = self.copy(world) => Ok(copied?.outcome()),
            () = stop.wait() => {
                let message = "this run was cancelled; nothing of the copy can be loaded".to_owned();
                Err(Failure::new(Reason::Cancelled, message).into())
            }
        }
    }

    async fn find(&self, world: &World, receipt: &Receipt) -> Result<Found, StepError> {
        let ours = self.ours(world, &finished(receipt)).await?;
        Ok(match ours.as_slice() {
            [] => Found::NotDone,
            [(version, tags)] => {
                let manifest_sha256 = tags.get(tags::MANIFEST).cloned().unwrap_or_default();
                let copied = self.copied(version.version, &Manifest::default(), false);
                Found::Done(Copied { manifest_sha256, ..copied }.outcome())
            }
            many => Found::Ambiguous(many.iter().map(|(v, _)| format!("{}/{}", self.to, v.version)).collect()),
        })
    }

    async fn undo(&self, world: &World, receipt: &Receipt, outcome: Option<&Outcome>) -> Result<Undone, StepError> {
        let made = |copied: &Copied| !copied.reused && !finished(receipt).contains(&copied.version);
        let Some(copied) = outcome.and_then(Copied::of).filter(made) else { return Ok(Undone::NothingToDo) };
        let registry = Registry(world.workspace.as_ref());
        let Some(version) = registry.version(&self.to, copied.version).await? else { return Ok(Undone::NothingToDo) };
        if let Some(alias) = version.aliases.first() {
            let what = format!("version {} of {}", copied.version, self.to);
            return Err(StepError::drift(&what, "without an alias", format!("`{alias}`")));
        }
        // What could not be restored, or what somebody has made of it since.
        if let Some(endpoint) = that_serves(world, &self.to, copied.version).await? {
            let what = format!("version {} of {}", copied.version, self.to);
            return Err(StepError::drift(&what, "served by nobody", format!("endpoint `{endpoint}`")));
        }
        match registry.delete_version(&self.to, copied.version).await {
            Ok(()) => Ok(Undone::TakenBack),
            Err(error) if error.is_not_found() => Ok(Undone::TakenBack),
            Err(error) if error.may_have_been_applied() => {
                Err(StepError::lost(error.into_failure(format!("delete version {} of {}", copied.version, self.to))))
            }
            Err(error) => {
                let message =
                    format!("take back version {} of {}: it stays behind, {}", copied.version, self.to, version.status);
                let failure = Failure::new(Reason::UnwindIncomplete, message).because(error);
                Err(failure.hint("its owner can delete it; it has no alias and serves nothing").into())
            }
        }
    }
}
