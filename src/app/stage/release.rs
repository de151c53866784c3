//! A release on its way: packed from the checkout, or fetched for a stage behind.
//!
//! Packing comes before any token exists, right behind the project's own commands; what is
//! deployed from then on is the packed tree, whatever else happens to the checkout. A fetched
//! archive is believed for its id alone, which came another way, and the id for the ledger of
//! the environment before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Run;
use super::engine::{self, Engines};
use super::prepare::ledger;
use super::unpacked::Unpacked;
use crate::adapters::host::Repository;
use crate::adapters::host::archive::{self, FILES};
use crate::adapters::host::folder_store::FolderStore;
use crate::bundle::source::{clean, join};
use crate::domain::fact::{self, Release, Uncommitted};
use crate::domain::ledger::{Archive, Chain, Head};
use crate::domain::release::{Manifest, Reader, Unfit};
use crate::domain::{Failure, Reason, ReleaseId};
use crate::engines::contents::Contents;
use crate::engines::embedded::Embedded;
use crate::inputs::Config;
use crate::inputs::config::{Environment, Releases};
use crate::policy::{deployed_before, not_older_release};
use crate::ports::store::{beside, read_beside};
use crate::ports::{Files, Store, World};
use crate::report::headline;
use crate::saga::Event;
use crate::steps::volume::VolumeFiles;
use crate::steps::volume_store::VolumeStore;

/// Packs what is checked out, and unpacks it again: from here on that is the bundle.
pub async fn pack(run: &Run<'_>, config: &Config, engines: &Engines) -> Result<Unpacked, Failure> {
    let engine = if engines.official.is_some() { "cli" } else { "embedded" };
    let targets = engines.targets_of(config);
    let embedded = Arc::clone(&engines.embedded);
    let (folder, rules) = (run.folder.clone(), rules_from_bundle(run));
    let around = run.inputs.bundle_path.clone();
    let packed =
        tokio::task::spawn_blocking(move || pack_into(&folder, &around, &embedded, &targets, &rules, engine)).await;
    let Packed { manifest, archive, file, uncommitted } = packed.map_err(|e| panicked(&e))??;
    let id = manifest.id();
    let mut unpacked = unpack(run, id, archive, file).await?;
    if let Some(some) = &uncommitted {
        tracing::warn!("the release holds {} that the commit does not have so", headline::plural(some.files, "file"));
    }
    unpacked.release.uncommitted = uncommitted;
    engine::resolves_as_packed(run, &unpacked, &engines.asked).await?;
    Ok(unpacked)
}

struct Packed {
    manifest: Manifest,
    archive: Archive,
    file: PathBuf,
    uncommitted: Option<Uncommitted>,
}

fn pack_into(
    folder: &Path,
    around: &Path,
    embedded: &Embedded,
    targets: &[String],
    rules: &str,
    engine: &str,
) -> Result<Packed, Failure> {
    let contents = embedded.contents(targets, Some(rules))?;
    let uncommitted = uncommitted(around, &contents);
    let reader = Reader { name: engine.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let entries = archive::measure(&contents.files)?;
    let (bundle, bundle_path) = (contents.bundle, contents.bundle_path);
    let manifest = Manifest::new(bundle, bundle_path, contents.source, reader, contents.targets, entries);
    let manifest = manifest.map_err(unfit)?;
    let file = folder.join(manifest.id().file_name());
    let archive = archive::pack(&manifest, &contents.files, &file)?;
    let path = beside_path(&file);
    let written = std::fs::write(&path, beside(manifest.id(), &archive));
    written.map_err(|e| Failure::new(Reason::DiskError, format!("write {}", path.display())).because(e))?;
    Ok(Packed { manifest, archive, file, uncommitted })
}

/// Names of uncommitted files that are told; more are counted.
const NAMES: usize = 10;

/// What a build makes is no part of a commit. A repository that cannot be read says nothing.
fn uncommitted(around: &Path, contents: &Contents) -> Option<Uncommitted> {
    let repository = Repository::discover(around).ok()??;
    let mut sources = contents.files.clone();
    sources.retain(|name, _| !contents.built.contains(name));
    let mut names = repository.uncommitted(&sources).ok()??;
    let files = names.len();
    names.truncate(NAMES);
    (files > 0).then_some(Uncommitted { files, names })
}

fn unfit(unfit: Unfit) -> Failure {
    Failure::new(Reason::InvalidBundle, format!("pack the release: {unfit}"))
        .hint("rename the file, or exclude it from sync")
}

/// Where mlops-deploy.yml lies, as seen from the bundle.
fn rules_from_bundle(run: &Run<'_>) -> String {
    let (folder, file) = (&run.inputs.bundle_path, &run.inputs.config);
    let common = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let ups = folder.components().skip(common).map(|_| "..".to_owned());
    let downs = file.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    ups.chain(downs).collect::<Vec<_>>().join("/")
}

/// The configuration with the release's own models, jobs and gates: what a version must show was settled when it was packed,
/// whatever is checked out by now. Where to deploy to is read from the checkout.
pub async fn judged_as_packed(run: &Run<'_>, config: &Config, unpacked: &Unpacked) -> Result<Config, Failure> {
    let name = clean(&join(&unpacked.manifest.bundle_path, &rules_from_bundle(run)));
    let id = unpacked.release.id.short();
    if !unpacked.manifest.files.iter().any(|file| file.path == name) {
        let message = format!("read the gates of release {id}: it has no {name}");
        return Err(Failure::new(Reason::ReleaseMissing, message).hint(
            "give `bundle-path` and `config` the values that `deploy-dev` had, or run `deploy-dev` again: it packs that file",
        ));
    }
    let path = unpacked.root.join(&name);
    let bytes = run.desk.files.read(&path).await;
    let bytes = bytes.map_err(|e| Failure::new(Reason::DiskError, format!("read {}", path.display())).because(e))?;
    let packed = Config::read(&String::from_utf8_lossy(&bytes.unwrap_or_default()), &name)?;
    if !packed.judges_like(config) {
        let message = format!("models, jobs and gates are those of release {id}: {name} says something else by now");
        run.journal.record(Event::Notice { message }).await?;
    }
    Ok(packed.in_environments_of(config))
}

/// Fetches the release that was asked for and verifies every byte of it.
pub async fn fetch(run: &Run<'_>, config: &Config, world: &World, id: ReleaseId) -> Result<Unpacked, Failure> {
    let (file, recorded) = match (&run.inputs.release_file, store(config, world)?) {
        (Some(given), _) => {
            let file = archive_at(given, id);
            let recorded = beside_file(run, id, &file).await?;
            (file, recorded)
        }
        (None, Some(store)) => {
            let recorded = store.digest(id).await?.ok_or_else(|| missing(id, &store.place()))?;
            let file = run.folder.join(id.file_name());
            let folder = tokio::fs::create_dir_all(&run.folder).await;
            folder.map_err(|e| Failure::new(Reason::DiskError, format!("make {}", run.folder.display())).because(e))?;
            store.fetch(id, &file).await?;
            (file, Some(recorded))
        }
        (None, None) => {
            let message = format!("fetch release {}: nobody says where its archive is", id.short());
            return Err(Failure::new(Reason::ReleaseMissing, message).hint(
                "set `releases` in mlops-deploy.yml, or give the file that `deploy-dev` left as `release-file`",
            ));
        }
    };
    if !file.is_file() {
        return Err(missing(id, &file.display().to_string()));
    }
    let measured = file.clone();
    let found = tokio::task::spawn_blocking(move || archive::digest(&measured)).await.map_err(|e| panicked(&e))??;
    if let Some(recorded) = recorded.filter(|recorded| *recorded != found.sha256) {
        let why = format!("its archive is {}, and the digest beside it is {recorded}", found.sha256);
        return Err(archive::changed(id, why));
    }
    unpack(run, id, found, file).await
}

/// The file itself, or where it lies in a folder that an earlier step has brought: there, or
/// one folder down, where an artifact keeps the folder that it was found in.
fn archive_at(given: &Path, id: ReleaseId) -> PathBuf {
    if !given.is_dir() {
        return given.to_owned();
    }
    let here = given.join(id.file_name());
    let below = std::fs::read_dir(given).into_iter().flatten().flatten().map(|entry| entry.path().join(id.file_name()));
    if here.is_file() { here } else { below.into_iter().find(|file| file.is_file()).unwrap_or(here) }
}

fn missing(id: ReleaseId, place: &str) -> Failure {
    Failure::new(Reason::ReleaseMissing, format!("fetch release {}: {place} has no archive of it", id.short()))
        .hint("take the id from the output `release` of the `deploy-dev` that succeeded, or run that job again")
}

fn beside_path(archive: &Path) -> PathBuf {
    PathBuf::from(format!("{}.sha256", archive.display()))
}

/// Deletes what was unpacked: a run leaves the archive, and no second copy of the sources.
pub async fn forget_unpacked(run: &Run<'_>) {
    let folder = unpacked_folder(run);
    if let Err(error) = tokio::fs::remove_dir_all(&folder).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{} was not deleted: {error}", folder.display());
    }
}

fn unpacked_folder(run: &Run<'_>) -> PathBuf {
    run.folder.join("release")
}

/// The digest beside a file that the workflow took along, if it took that along too.
async fn beside_file(run: &Run<'_>, id: ReleaseId, file: &Path) -> Result<Option<crate::domain::Digest>, Failure> {
    let path = beside_path(file);
    let found = run.desk.files.read(&path).await;
    let found = found.map_err(|e| Failure::new(Reason::DiskError, format!("read {}", path.display())).because(e))?;
    found.map(|text| read_beside(id, &text)).transpose()
}

async fn unpack(run: &Run<'_>, id: ReleaseId, archive: Archive, file: PathBuf) -> Result<Unpacked, Failure> {
    let into = unpacked_folder(run);
    let (from, to) = (file.clone(), into.clone());
    let manifest = tokio::task::spawn_blocking(move || archive::unpack(&from, id, &to)).await;
    let manifest = manifest.map_err(|e| panicked(&e))??;
    let root = into.join(FILES);
    let release = Release {
        id,
        archive,
        commit: manifest.commit().unwrap_or_default().to_owned(),
        files: manifest.files.len(),
        size: manifest.size(),
        file: file.display().to_string(),
        kept: String::new(),
        uncommitted: None,
    };
    let bundle = if manifest.bundle_path == "." { root.clone() } else { root.join(&manifest.bundle_path) };
    Ok(Unpacked { manifest, release, bundle, root })
}

fn panicked(error: &tokio::task::JoinError) -> Failure {
    Failure::new(Reason::Internal, format!("pack or unpack the release: {error}"))
}

/// Where archives are kept; none where the workflow takes them along.
pub fn store(config: &Config, world: &World) -> Result<Option<Arc<dyn Store>>, Failure> {
    Ok(match &config.releases {
        Releases::File => None,
        Releases::Folder(path) => Some(Arc::new(FolderStore { folder: path.into() })),
        Releases::Volume(folder) => {
            let files = VolumeFiles::new(Arc::clone(&world.workspace));
            Some(Arc::new(VolumeStore { files, folder: folder.clone() }))
        }
    })
}

/// What the ledger of the environment before says of a release.
#[derive(Default)]
pub struct Evidence {
    pub seen: BTreeMap<String, Head>,
    pub tested: Vec<fact::Tested>,
    pub uncommitted: Option<Uncommitted>,
}

/// Whether the release succeeded in the environment before, and is not older than what is
/// deployed here. Both ledgers are read through the workspace of this stage: the catalogs of
/// the environments share a metastore, and no token for another host is needed.
pub async fn evidence(
    run: &Run<'_>,
    config: &Config,
    environment: &Environment,
    world: &World,
    unpacked: &Unpacked,
) -> Result<Evidence, Failure> {
    let Some(before) = run.inputs.stage.previous_environment() else { return Ok(Evidence::default()) };
    let before = config.environment(before)?;
    let files = VolumeFiles::new(Arc::clone(&world.workspace));
    let bundle = &unpacked.manifest.bundle;
    let Some(theirs) = ledger(before, bundle) else {
        run.ask(deployed_before::verdict(unpacked.release.id, &before.name, None)).await?;
        return Ok(Evidence::default());
    };
    let chain = theirs.read(&files).await?;
    let own = match ledger(environment, bundle) {
        Some(ours) => ours.read(&files).await?,
        None => Chain::default(),
    };
    chain.seen_by(&before.name, &own).map_err(|broken| theirs.broken(&broken))?;
    let release = &unpacked.release;
    run.ask(deployed_before::verdict(release.id, &before.name, Some(&chain))).await?;
    same_archive(&chain, release)?;
    let deployed = own.last().map(|record| record.release);
    if not_older_release::is_older(release.id, deployed, &chain) && run.inputs.allow_older {
        run.fact(fact::OLDER, &true).await?;
    }
    run.ask(not_older_release::verdict(release.id, deployed, &chain, run.inputs.allow_older)).await?;
    let details = chain.of_release(release.id).map(|record| &record.details);
    let uncommitted = details.and_then(fact::uncommitted);
    Ok(Evidence {
        seen: chain.head().map(|head| (before.name.clone(), head)).into_iter().collect(),
        tested: details.map(fact::tested).unwrap_or_default(),
        uncommitted,
    })
}

/// The archive is the one that the environment before deployed, byte for byte.
fn same_archive(chain: &Chain, release: &Release) -> Result<(), Failure> {
    let recorded = chain.of_release(release.id).and_then(|record| record.archive);
    match recorded {
        Some(recorded) if recorded != release.archive => {
            let why = format!("its archive is {}, and the ledger has {}", release.archive.sha256, recorded.sha256);
            Err(archive::changed(release.id, why))
        }
        _ => Ok(()),
    }
}
