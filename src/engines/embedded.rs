//! Our own engine behind the port that stages use.
//!
//! Stages differ from the command by hand in what they may take back: every file and every
//! resource is a change with a receipt, unchanged files are skipped on evidence, and the
//! state is pushed once, as the last change. What a bundle means is the same: the same
//! passes, the same planner, the same requests for resources.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::refusals::{accepted, no_plan, prevented, refuse_active_runs, refuse_missing};
use crate::bundle::load::{self, Loaded, TargetInfo};
use crate::bundle::planning::plan::{Action, Plan};
use crate::bundle::planning::{planner, still};
use crate::bundle::resolve::resolve_loaded;
use crate::bundle::state::State;
use crate::bundle::syntax::json;
use crate::bundle::{Facts, Git, Options, Resolved, Source, User, libraries, metadata};
use crate::domain::fact::Files as FileFacts;
use crate::domain::{Diagnostic, Failure, Reason, Tree};
use crate::ports::engine::{ActAs, Engine, EnginePlan, ResolvedTarget, Unsupported};
use crate::ports::process::{Process, Tell};
use crate::ports::{Rest, World};
use crate::saga::{Graph, Kept, Registry};
use crate::steps::bundle::applier::Applier;
use crate::steps::bundle::artifacts;
use crate::steps::bundle::book::Book;
use crate::steps::bundle::change_resource::{self, ChangeResource};
use crate::steps::bundle::look_up::{self, Unlisted};
use crate::steps::bundle::manifest::{self, Listing, Manifest, Wanted, Work};
use crate::steps::bundle::put_file::{self, Address, Before, DeleteFile, PutFile, digest};
use crate::steps::bundle::put_late::{self, PutLate};
use crate::steps::bundle::set_folder_permissions::{self, SetFolderPermissions};
use crate::steps::bundle::sync_snapshot::{DeploymentFile, LocalFile, Snapshot};
use crate::steps::bundle::whoami::{called, display_name, whoami};
use crate::steps::bundle::{UploadRoute, WorkspaceFiles, read, state_files, still_absent, upload};

pub use crate::bundle::compatibility::CLI_VERSION;

/// A bundle's folder, and what is known before any workspace is asked.
pub struct Embedded {
    pub(super) root: PathBuf,
    pub(super) source: Arc<dyn Source + Send + Sync>,
    pub(super) options: Options,
    pub(super) git: Option<Git>,
    /// What was planned last, by target.
    planned: Mutex<HashMap<String, Arc<Prepared>>>,
    /// Whether what the bundle no longer has is left standing.
    spares: bool,
    /// Present while clocks are held: the models that are on their way.
    still: Option<Vec<String>>,
}

/// A plan with everything that carrying it out needs.
struct Prepared {
    resolved: Resolved,
    plan: Plan,
    state: State,
    local: Vec<LocalFile>,
    /// The files of the bundle and its libraries, each with where it lies on this machine.
    wanted: Vec<(Wanted, PathBuf)>,
    work: Work,
    deployment: Option<DeploymentFile>,
}

impl Embedded {
    pub fn new(root: PathBuf, source: Arc<dyn Source + Send + Sync>, options: Options, git: Option<Git>) -> Self {
        Self { root, source, options, git, planned: Mutex::default(), spares: false, still: None }
    }

    fn again(&self) -> Self {
        Self::new(self.root.clone(), Arc::clone(&self.source), self.options.clone(), self.git.clone())
    }

    pub(super) fn options(&self, target: Option<&str>) -> Options {
        Options { target: target.map(str::to_owned), ..self.options.clone() }
    }

    /// Every target with the host or profile it names.
    pub fn targets(&self, preferred: &str) -> Result<(Vec<TargetInfo>, Vec<Diagnostic>), Failure> {
        let loaded = load::load(self.source.as_ref(), &self.options(Some(preferred)))?;
        Ok((loaded.targets, loaded.diagnostics))
    }

    fn load(&self, target: &str) -> Result<Loaded, Failure> {
        load::load(self.source.as_ref(), &self.options(Some(target)))
    }

    /// Resolved as far as that goes without a workspace.
    pub(super) fn offline(&self, target: &str) -> Result<Resolved, Failure> {
        self.resolved(target, &self.facts(None))
    }

    fn facts(&self, user: Option<User>) -> Facts {
        Facts { user, git: self.git.clone(), ..Facts::default() }
    }

    fn resolved(&self, target: &str, facts: &Facts) -> Result<Resolved, Failure> {
        let loaded = self.load(target)?;
        let mut resolved = resolve_loaded(loaded, self.source.as_ref(), &self.options(Some(target)), facts);
        resolved.diagnostics.append(&mut resolved.checks);
        resolved.diagnostics.append(&mut resolved.deploy_checks);
        Ok(resolved)
    }

    /// Resolved with what the workspace knows.
    async fn resolved_in(&self, target: &str, rest: &dyn Rest, user: User) -> Result<Resolved, Failure> {
        let facts = Facts { host: Some(rest.host().to_owned()), ..self.facts(Some(user)) };
        look_up::completely(rest, facts, Unlisted::Fails, None, |facts| self.resolved(target, facts)).await
    }

    async fn in_the_name_of(&self, target: &str, world: &World, principal: &ActAs) -> Result<User, Failure> {
        if let Some(shown) = &principal.display_name {
            return Ok(called(principal, shown));
        }
        let told = display_name(world, principal).await;
        let names = |shown| self.names(target, principal, shown);
        match told {
            Ok(shown) => Ok(called(principal, &shown)),
            Err(unknown) if names("one")? != names("another")? => Err(unknown),
            Err(_) => Ok(called(principal, &principal.application_id)),
        }
    }

    /// The configuration as the principal resolves it if it is called `shown`, without what it says of itself.
    fn names(&self, target: &str, principal: &ActAs, shown: &str) -> Result<Value, Failure> {
        let mut config = document(&self.resolved(target, &self.facts(Some(called(principal, shown))))?.config)?;
        config["workspace"]["current_user"] = Value::Null;
        Ok(config)
    }

    fn remember(&self, target: &str, prepared: Prepared) -> Arc<Prepared> {
        let prepared = Arc::new(prepared);
        let mut planned = self.planned.lock().expect("no panic while the plans are held");
        planned.insert(target.to_owned(), Arc::clone(&prepared));
        prepared
    }

    async fn prepare(&self, target: &str, world: &World, user: User) -> Result<Prepared, Failure> {
        let files = workspace_files(world);
        let rest = world.workspace.as_ref();
        let mut resolved = accepted(self.resolved_in(target, rest, user).await?)?;
        let mut found = Vec::new();
        if let Some(folder) = artifacts::artifact_folder(&resolved.config) {
            let root = self.options.root.as_str();
            let (some, said) = libraries::expand(
                &mut resolved.config,
                self.source.as_ref(),
                root,
                &folder,
                &libraries::Stamped::new(),
            )?;
            refuse_missing(&said)?;
            resolved.diagnostics.extend(said);
            found = some;
        }
        let state_path = text(&resolved.config, &["workspace", "state_path"]);
        let state = state_files::pull_state(&files, world.files.as_ref(), &state_path, None).await?.state;
        refuse_active_runs(rest, &resolved.config, &state).await?;
        let reads = planner::reads(&state).map_err(no_plan)?;
        let answers = read::all(rest, &state, &reads).await?;
        let mut plan = planner::plan(&resolved.config, &state, &answers, CLI_VERSION).map_err(no_plan)?;
        let held = self.still.as_ref().map(|models| still::held(&resolved.config, &plan, models)).unwrap_or_default();
        if !held.is_empty() {
            still::stop(&mut resolved.config, &held);
            plan = planner::plan(&resolved.config, &state, &answers, CLI_VERSION).map_err(no_plan)?;
        }
        if self.spares {
            plan.nodes.retain(|_, planned| planned.action != Action::Delete);
        }
        prevented(&plan)?;
        let local = self.local_files(&resolved, world).await?;
        let wanted = self.wanted(&resolved, &local, &found, world).await?;
        let deployment = deployment_file(&files, &state_path).await?;
        let work = file_work(&files, &resolved.config, &wanted, deployment.as_ref(), !found.is_empty()).await?;
        Ok(Prepared { resolved, plan, state, local, wanted, work, deployment })
    }

    async fn local_files(&self, resolved: &Resolved, world: &World) -> Result<Vec<LocalFile>, Failure> {
        let paths: Vec<String> = resolved.files(self.source.as_ref())?.into_iter().map(|file| file.path).collect();
        let root = self.root.join(&resolved.sync_root);
        upload::local_files(world.files.as_ref(), &root, &paths, &Snapshot::default()).await
    }

    async fn wanted(
        &self,
        resolved: &Resolved,
        local: &[LocalFile],
        libraries: &[libraries::Library],
        world: &World,
    ) -> Result<Vec<(Wanted, PathBuf)>, Failure> {
        let remote = text(&resolved.config, &["workspace", "file_path"]);
        let root = self.root.join(&resolved.sync_root);
        let of_bundle = local.iter().map(|file| {
            let address =
                Address { sent: format!("{remote}/{}", file.path), lies: format!("{remote}/{}", file.remote) };
            (address, root.join(&file.path))
        });
        let of_build = libraries.iter().map(|l| (Address::plain(l.remote.clone()), self.root.join(&l.local)));
        let mut wanted = Vec::new();
        for (address, path) in of_bundle.chain(of_build) {
            if address.lies.starts_with("/Volumes/") {
                let message = format!("upload {}: a stage brings libraries into workspace files only", path.display());
                return Err(Failure::new(Reason::Unsupported, message)
                    .hint("leave `workspace.artifact_path` out, or deploy with `mlops-deploy bundle deploy`"));
            }
            let sha256 = digest(&content(world, &path).await?);
            wanted.push((Wanted { address, sha256 }, path));
        }
        Ok(wanted)
    }

    fn last(&self, target: &str) -> Result<Arc<Prepared>, Failure> {
        let planned = self.planned.lock().expect("no panic while the plans are held");
        let missing = || Failure::new(Reason::Internal, format!("carry out the plan of `{target}`: none was made"));
        planned.get(target).cloned().ok_or_else(missing)
    }
}

#[async_trait]
impl Engine for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn resolve(&self, target: &str, world: Option<&World>) -> Result<ResolvedTarget, Failure> {
        let resolved = match world {
            Some(world) => self.resolved_in(target, world.workspace.as_ref(), whoami(world).await?).await?,
            None => self.offline(target)?,
        };
        let unsupported = resolved.unsupported.iter();
        Ok(ResolvedTarget {
            target: target.to_owned(),
            config: document(&resolved.config)?,
            unsupported: unsupported.map(|u| Unsupported { path: u.path.clone(), origin: u.origin.clone() }).collect(),
            tree: Some(resolved.config),
            diagnostics: resolved.diagnostics,
        })
    }

    async fn build(&self, target: &str, process: &dyn Process, line: Tell<'_>) -> Result<(), Failure> {
        self.build_all(&[target.to_owned()], process, line).await
    }

    async fn plan(&self, target: &str, world: &World, act_as: Option<&ActAs>) -> Result<EnginePlan, Failure> {
        let user = match act_as {
            Some(principal) => self.in_the_name_of(target, world, principal).await?,
            None => whoami(world).await?,
        };
        let deployer = user.user_name.clone();
        let prepared = self.prepare(target, world, user).await?;
        let prepared = self.remember(target, prepared);
        let config = &prepared.resolved.config;
        let state_path = text(config, &["workspace", "state_path"]);
        Ok(EnginePlan {
            document: prepared.plan.document(),
            config: document(config)?,
            files: Some(prepared.file_facts()),
            diagnostics: prepared.resolved.diagnostics.clone(),
            root_path: text(config, &["workspace", "root_path"]),
            deployed_commit: deployed_commit(&workspace_files(world), &state_path).await?,
            state_path,
            deployer,
            deployed: prepared.state.resources.keys().cloned().collect(),
        })
    }

    async fn changes(&self, target: &str, world: &World, undo_folder: &str) -> Result<Graph<World>, Failure> {
        let prepared = self.last(target)?;
        Carrying { prepared, files: workspace_files(world), undo_folder }.graph(world).await
    }

    fn sparing(&self) -> Option<Arc<dyn Engine>> {
        Some(Arc::new(Self { spares: true, ..self.again() }))
    }

    fn holding_still(&self, models: &[String]) -> Option<Arc<dyn Engine>> {
        Some(Arc::new(Self { spares: true, still: Some(models.to_vec()), ..self.again() }))
    }

    fn registry(&self, world: &World) -> Registry<World> {
        let files = workspace_files(world);
        let (puts, deletes, lates) = (files.clone(), files.clone(), files);
        Registry::default()
            .with(put_file::PUT, move |spec| PutFile::rebuild(&puts, spec))
            .with(put_file::DELETE, move |spec| DeleteFile::rebuild(&deletes, spec))
            .with(put_late::VERB, move |spec| PutLate::rebuild(&lates, spec))
            .with(set_folder_permissions::VERB, |spec| Some(Arc::new(Kept(spec.clone()))))
            .with(change_resource::VERB, |spec| Some(Arc::new(ChangeResource::rebuild(spec)?)))
    }
}

impl Prepared {
    fn file_facts(&self) -> FileFacts {
        let remote = text(&self.resolved.config, &["workspace", "file_path"]);
        let shown = |address: &Address| {
            let name = address.sent.strip_prefix(&remote).map(|rest| rest.trim_start_matches('/'));
            name.unwrap_or(&address.sent).to_owned()
        };
        let put = |wanted: Before| {
            let some = self.work.put.iter().filter(move |(_, before)| *before == wanted);
            some.map(|(i, _)| shown(&self.wanted[*i].0.address)).collect()
        };
        FileFacts {
            added: put(Before::Absent),
            changed: put(Before::Unknown),
            deleted: self.work.delete.iter().map(shown).collect(),
            unchanged: self.work.unchanged,
            digest: {
                let line = |(wanted, _): &(Wanted, PathBuf)| format!("{}  {}\n", wanted.sha256, shown(&wanted.address));
                let lines: BTreeSet<String> = self.wanted.iter().map(line).collect();
                digest(String::from_iter(lines).as_bytes()).to_string()
            },
        }
    }
}

/// The changes of one plan.
struct Carrying<'a> {
    prepared: Arc<Prepared>,
    files: WorkspaceFiles,
    undo_folder: &'a str,
}

impl Carrying<'_> {
    /// Files, the folder's rights, resources, state: each waits for the whole of the one before.
    async fn graph(&self, world: &World) -> Result<Graph<World>, Failure> {
        let mut graph = Graph::new();
        if self.prepared.plan.is_empty() && self.prepared.work.is_empty() {
            return Ok(graph);
        }
        still_absent::demand(world.workspace.as_ref(), &self.prepared.plan).await?;
        for (i, before) in &self.prepared.work.put {
            let (wanted, path) = &self.prepared.wanted[*i];
            let bytes = content(world, path).await?.into();
            let put = PutFile::new(self.files.clone(), wanted.address.clone(), bytes, *before, self.undo_folder);
            graph.add(Arc::new(put), &[]);
        }
        for address in &self.prepared.work.delete {
            let (files, undo_folder) = (self.files.clone(), self.undo_folder.to_owned());
            graph.add(Arc::new(DeleteFile { files, address: address.clone(), undo_folder }), &[]);
        }
        let config = self.prepared.resolved.config.clone();
        graph.barrier();
        graph.add(Arc::new(SetFolderPermissions { files: self.files.clone(), config }), &[]);
        graph.barrier();
        let state = self.prepared.state.next(|| uuid::Uuid::new_v4().to_string(), CLI_VERSION);
        let applier = Applier::new(self.prepared.plan.clone(), Book::new(state, None), true);
        let mut graph = applier.add_to(graph);
        graph.barrier();
        self.documents(&mut graph, &applier, world);
        Ok(graph)
    }

    /// What is written when everything else is done.
    fn documents(&self, graph: &mut Graph<World>, applier: &Arc<Applier>, world: &World) {
        let config = &self.prepared.resolved.config;
        let state_path = text(config, &["workspace", "state_path"]);
        let root_path = text(config, &["workspace", "root_path"]);
        if !self.prepared.plan.is_empty() {
            let book = Arc::clone(applier);
            let render = move || Ok(book.book.state().render().into_bytes());
            self.late(graph, format!("{state_path}/resources.json"), put_late::now(render));
        }
        let (config, book) = (config.clone(), Arc::clone(applier));
        let render = move || Ok(metadata::render(&config, &book.book.state()).into_bytes());
        self.late(graph, format!("{state_path}/metadata.json"), put_late::now(render));
        if self.prepared.work.is_empty() {
            return;
        }
        let next = DeploymentFile::next(
            self.prepared.deployment.as_ref(),
            &self.prepared.local,
            CLI_VERSION,
            world.clock.now(),
        );
        let render = move || Ok(serde_json::to_vec_pretty(&next).expect("plain fields are JSON"));
        self.late(graph, format!("{state_path}/deployment.json"), put_late::now(render));
        let (files, prepared) = (self.files.clone(), Arc::clone(&self.prepared));
        let render = put_late::later(move || {
            let (files, prepared) = (files.clone(), Arc::clone(&prepared));
            async move {
                let listing = listing(&files, &prepared.resolved.config, true).await?;
                let wanted: Vec<Wanted> = prepared.wanted.iter().map(|(w, _)| w.clone()).collect();
                Ok(Manifest::of(&wanted, &listing).render())
            }
        });
        self.late(graph, manifest::manifest_path(&root_path), render);
    }

    fn late(&self, graph: &mut Graph<World>, path: String, content: put_late::Content) {
        graph.add(Arc::new(PutLate::new(self.files.clone(), path, content, self.undo_folder)), &[]);
    }
}

fn workspace_files(world: &World) -> WorkspaceFiles {
    WorkspaceFiles::new(Arc::clone(&world.workspace), UploadRoute::Multipart)
}

fn text(config: &Tree, keys: &[&str]) -> String {
    config.text(keys).unwrap_or_default().to_owned()
}

async fn content(world: &World, path: &Path) -> Result<Vec<u8>, Failure> {
    let doing = || format!("read {}", path.display());
    let read = world.files.read(path).await.map_err(|e| Failure::new(Reason::DiskError, doing()).because(e))?;
    read.ok_or_else(|| Failure::new(Reason::ArtifactMissing, format!("{}: there is no such file", doing())))
}

pub(super) fn document(config: &Tree) -> Result<Value, Failure> {
    let wrong = |why: String| Failure::new(Reason::Internal, format!("write the resolved configuration: {why}"));
    let written = json::write(config, 0).map_err(wrong)?;
    serde_json::from_str(&written).map_err(|e| wrong(e.to_string()))
}

async fn deployment_file(files: &WorkspaceFiles, state_path: &str) -> Result<Option<DeploymentFile>, Failure> {
    let path = format!("{state_path}/deployment.json");
    let bytes = files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
    // Unreadable, it says nothing about which files are ours: none is deleted then.
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
}

async fn deployed_commit(files: &WorkspaceFiles, state_path: &str) -> Result<Option<String>, Failure> {
    let path = format!("{state_path}/metadata.json");
    let bytes = files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
    let metadata: Option<Value> = bytes.and_then(|b| serde_json::from_slice(&b).ok());
    Ok(metadata.and_then(|m| m.pointer("/config/bundle/git/commit")?.as_str().map(str::to_owned)))
}

async fn file_work(
    files: &WorkspaceFiles,
    config: &Tree,
    wanted: &[(Wanted, PathBuf)],
    deployment: Option<&DeploymentFile>,
    libraries: bool,
) -> Result<Work, Failure> {
    let known = manifest::read(files, &text(config, &["workspace", "root_path"])).await?;
    let listing = listing(files, config, libraries).await?;
    let remote = text(config, &["workspace", "file_path"]);
    let managed: Vec<Address> = deployment.map(|d| d.addresses(&remote)).unwrap_or_default();
    let wanted: Vec<Wanted> = wanted.iter().map(|(w, _)| w.clone()).collect();
    let mut work = known.work(&wanted, &listing, &managed);
    // A running job may still need its wheel: libraries are never deleted here.
    work.delete.retain(|address| address.lies.starts_with(&remote));
    Ok(work)
}

async fn listing(files: &WorkspaceFiles, config: &Tree, libraries: bool) -> Result<Listing, Failure> {
    let mut folders = BTreeSet::from([text(config, &["workspace", "file_path"])]);
    folders.extend(artifacts::artifact_folder(config).filter(|_| libraries));
    let mut listing: Listing = BTreeMap::new();
    for folder in folders {
        listing.extend(manifest::list(files, &folder).await?);
    }
    Ok(listing)
}
