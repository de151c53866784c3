//! Which local files belong to a deployment.
//!
//! The files under `sync.paths`, without what .gitignore keeps out, plus what `sync.include`
//! brings back, minus what `sync.exclude` takes away. Patterns are those of .gitignore. The
//! root they are relative to is the bundle's folder, or as far above it as a path leads.

use crate::bundle::facts::Options;
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::source::{EntryKind, Source, clean, join, parent};
use crate::bundle::syntax::ignore_rules::{LONGEST, Rules};
use crate::domain::{Diagnostic, Failure, Node, Origin, Tree};

/// The pass: paths and patterns were relative to the file that names them.
pub fn relative_to_bundle(bundle: &mut Bundle<'_>) {
    for key in ["paths", "include", "exclude"] {
        let list = bundle.config.find_mut(&["sync", key]).and_then(Tree::as_list_mut);
        for item in list.into_iter().flatten() {
            let folder = item.origin().map_or(".", |origin| parent(&origin.file)).to_owned();
            if let Some(text) = item.as_str() {
                let below = format!("{folder}/{text}");
                item.node = Node::String(clean(&below));
            }
        }
    }
    if bundle.config.find(&["sync", "paths"]).is_none_or(Tree::is_null) {
        bundle.config.set(&["sync", "paths"], vec![Tree::from(".")]);
    }
}

/// The pass: a path that leads out of the bundle moves the root up, and everything is then
/// seen from there.
pub fn infer_root(bundle: &mut Bundle<'_>) {
    let ups = |tree: &Tree| tree.as_str().map_or(0, |s| s.split('/').take_while(|p| *p == "..").count());
    let paths = bundle.config.find(&["sync", "paths"]).and_then(Tree::as_list).unwrap_or_default();
    let levels = paths.iter().map(ups).max().unwrap_or(0);
    if levels == 0 {
        return;
    }
    let root: Vec<&str> = bundle.options.root.split('/').filter(|p| !p.is_empty()).collect();
    let names = root[root.len().saturating_sub(levels)..].join("/");
    bundle.sync_root = vec![".."; levels].join("/");
    for key in ["paths", "include", "exclude"] {
        let list = bundle.config.find_mut(&["sync", key]).and_then(Tree::as_list_mut);
        for item in list.into_iter().flatten() {
            if let Some(text) = item.as_str() {
                item.node = Node::String(join(&names, text));
            }
        }
    }
    if let Some(git) = &bundle.facts.git {
        let depth = git.depth();
        if depth < levels {
            let at = |up: usize| format!("/{}", root[..root.len().saturating_sub(up)].join("/"));
            let what = format!("path \"{}\" is not within repository root \"{}\"", at(levels), at(depth));
            bundle.report(Diagnostic::error(what));
        }
    } else {
        bundle.config.set(&["bundle", "git", "bundle_root_path"], names);
    }
}

/// A file to upload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncFile {
    /// Relative to the sync root; below `workspace.file_path` it lies under the same name.
    pub path: String,
    /// Relative to the bundle.
    pub local: String,
}

/// Whether a pattern of `include` reaches into `.git` and `.databricks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// What lies there is nobody's source, and a checkout's `.git` may hold a token.
    #[default]
    Sources,
    /// By hand, as the official command does.
    Everything,
}

/// The files of a resolved bundle, sorted. `bundle_path` is its folder as seen from the work tree.
pub fn files(
    config: &Tree,
    sync_root: &str,
    bundle_path: Option<&str>,
    reach: Reach,
    source: &dyn Source,
) -> Result<Vec<SyncFile>, Failure> {
    let listed = Walk::paths(config, sync_root, bundle_path, source)?;
    let include = patterns(&texts(config, "include"))?;
    let exclude = patterns(&texts(config, "exclude"))?;
    let mut paths: Vec<String> = listed.into_iter().filter(|file| !file.ignored).map(|file| file.path).collect();
    if !include.is_empty() {
        // A pattern brings back what .gitignore or the paths keep out.
        let all = Walk::everything(sync_root, reach, source)?;
        paths.extend(all.into_iter().map(|file| file.path).filter(|path| include.matches(path)));
    }
    let mut files: Vec<SyncFile> = paths
        .into_iter()
        .filter(|path| !exclude.matches(path))
        .map(|path| SyncFile { local: join(sync_root, &path), path })
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

pub fn reach(options: &Options) -> Reach {
    if options.by_hand { Reach::Everything } else { Reach::Sources }
}

/// The pass at the end: patterns that find nothing, and a deployment without files.
pub fn check(bundle: &mut Bundle<'_>) {
    let bundle_path = bundle.facts.git.as_ref().map(|git| git.bundle_path.as_str());
    let files = files(&bundle.config, &bundle.sync_root, bundle_path, reach(bundle.options), bundle.source);
    let found = files.and_then(|files| Ok((files.is_empty(), patterns_without_files(bundle)?)));
    let (empty, found) = match found {
        Ok(found) => found,
        Err(failure) => {
            bundle.report(Diagnostic::error(format!("cannot list files: {}", failure.message)));
            bundle.report(Diagnostic::error(failure.message));
            return;
        }
    };
    bundle.diagnostics.extend(found);
    if empty && bundle.config.find(&["sync", "paths"]).and_then(Tree::as_list).is_some_and(|l| !l.is_empty()) {
        let diagnostic = no_files(bundle.config.find(&["sync", "exclude"]));
        bundle.report(diagnostic);
    }
}

fn patterns_without_files(bundle: &Bundle<'_>) -> Result<Vec<Diagnostic>, Failure> {
    let mut found = Vec::new();
    let mut all: Option<Vec<Found>> = None;
    for key in ["exclude", "include"] {
        let list = bundle.config.find(&["sync", key]).and_then(Tree::as_list).unwrap_or_default();
        for (i, item) in list.iter().enumerate() {
            let Some(text) = item.as_str() else { continue };
            let files = match &all {
                Some(files) => files,
                None => all.insert(Walk::everything(".", reach(bundle.options), bundle.source)?),
            };
            let pattern = patterns(&[text.to_owned()])?;
            if !files.iter().any(|file| pattern.matches(&file.path)) {
                let what = Diagnostic::warning(format!("Pattern {text} does not match any files"));
                found.push(what.path(format!("sync.{key}[{i}]")).at_tree(item));
            }
        }
    }
    Ok(found)
}

fn no_files(exclude: Option<&Tree>) -> Diagnostic {
    match exclude.filter(|e| e.as_list().is_some_and(|l| !l.is_empty())) {
        Some(exclude) => {
            let what = "There are no files to sync, please check your .gitignore and sync.exclude configuration";
            let origins: Vec<Origin> = exclude.origins.clone();
            Diagnostic::warning(what).path("sync.exclude").at(origins)
        }
        None => Diagnostic::warning("There are no files to sync, please check your .gitignore"),
    }
}

fn texts(config: &Tree, key: &str) -> Vec<String> {
    let list = config.find(&["sync", key]).and_then(Tree::as_list).unwrap_or_default();
    list.iter().filter_map(Tree::as_str).map(str::to_owned).collect()
}

/// Patterns of .gitignore, used to choose instead of to ignore.
fn patterns(lines: &[String]) -> Result<Rules, Failure> {
    Rules::of(lines.iter().map(String::as_str))
}

struct Found {
    /// Relative to the sync root.
    path: String,
    ignored: bool,
}

/// A walk over everything under the sync paths, ignored files marked.
struct Walk<'s> {
    source: &'s dyn Source,
    sync_root: &'s str,
    /// The sync root as seen from the work tree; `.` without one.
    place: String,
    /// The .gitignore files on the way down, each with the folder of the work tree it lies in.
    rules: Vec<(String, Rules)>,
    files: Vec<Found>,
    /// Rules or not. Else nothing below an ignored folder is looked at: no rule in it can
    /// bring a file back.
    everything: bool,
    reach: Reach,
}

/// A name that is no text cannot stand in a workspace; the source shows it with a mark in it.
fn refuse_unreadable_name(path: &str) -> Result<(), Failure> {
    if !path.contains(char::REPLACEMENT_CHARACTER) {
        return Ok(());
    }
    let what = format!("upload {path}: its name is not UTF-8 text");
    Err(Failure::new(crate::domain::Reason::InvalidBundle, what)
        .hint("rename it, or leave it out by `sync.exclude` or .gitignore"))
}

impl<'s> Walk<'s> {
    fn new(sync_root: &'s str, source: &'s dyn Source) -> Self {
        Self {
            source,
            sync_root,
            place: ".".to_owned(),
            rules: Vec::new(),
            files: Vec::new(),
            everything: false,
            reach: Reach::Sources,
        }
    }

    /// Every file under a folder, whatever .gitignore says.
    fn everything(root: &'s str, reach: Reach, source: &'s dyn Source) -> Result<Vec<Found>, Failure> {
        let mut walk = Self { everything: true, reach, ..Self::new(root, source) };
        walk.folder(".", true)?;
        Ok(walk.files)
    }

    /// The files under the sync paths.
    fn paths(
        config: &Tree,
        sync_root: &'s str,
        bundle_path: Option<&str>,
        source: &'s dyn Source,
    ) -> Result<Vec<Found>, Failure> {
        let mut walk = Self::new(sync_root, source);
        let levels = sync_root.split('/').filter(|p| *p == "..").count();
        let way: Vec<&str> = bundle_path.unwrap_or(".").split('/').filter(|p| !matches!(*p, "" | ".")).collect();
        let above = &way[..way.len().saturating_sub(levels)];
        walk.place = clean(&above.join("/"));
        // .gitignore files above the sync root count as far up as the work tree goes.
        for (i, _) in above.iter().enumerate() {
            let folder = vec![".."; way.len() - i].join("/");
            walk.rules_of(&folder, clean(&above[..i].join("/")))?;
        }
        for path in texts(config, "paths") {
            if path.split('/').next() == Some("..") {
                // A variable brought it, and the root was settled before.
                let what = format!("stat {path}: invalid argument");
                return Err(Failure::new(crate::domain::Reason::InvalidBundle, what));
            }
            let local = join(sync_root, &path);
            match source.stat(&local)? {
                Some(EntryKind::Folder) => walk.below_root(&path)?,
                Some(_) => walk.files.push(Found { path, ignored: false }),
                None => {
                    let what = format!("stat {path}: no such file or directory");
                    return Err(Failure::new(crate::domain::Reason::InvalidBundle, what));
                }
            }
        }
        Ok(walk.files)
    }

    /// Goes down to a sync path, reading the rules on the way, then through all of it.
    fn below_root(&mut self, path: &str) -> Result<(), Failure> {
        let before = self.rules.len();
        let mut folder = ".".to_owned();
        let mut ignored = false;
        for part in path.split('/').filter(|p| *p != ".") {
            self.rules_at(&folder)?;
            folder = join(&folder, part);
            ignored |= self.is_ignored_folder(&folder);
        }
        if !ignored {
            self.folder(&folder, false)?;
        }
        self.rules.truncate(before);
        Ok(())
    }

    fn folder(&mut self, folder: &str, ignored: bool) -> Result<(), Failure> {
        let before = self.rules.len();
        self.rules_at(folder)?;
        for entry in self.source.list(&join(self.sync_root, folder))?.unwrap_or_default() {
            let path = join(folder, &entry.name);
            let kind = match entry.kind {
                // A link to a file is a file; a link to a folder is not followed.
                EntryKind::Other => match self.source.stat(&join(self.sync_root, &path))? {
                    Some(EntryKind::File) => EntryKind::File,
                    _ => continue,
                },
                kind => kind,
            };
            match kind {
                EntryKind::Folder
                    if self.reach == Reach::Sources && [".git", ".databricks"].contains(&entry.name.as_str()) => {}
                EntryKind::Folder => {
                    let ignored = ignored || self.is_ignored_folder(&path);
                    if self.everything || !ignored {
                        refuse_unreadable_name(&path)?;
                        self.folder(&path, ignored)?;
                    }
                }
                _ => {
                    let ignored = ignored || self.is_ignored(&path);
                    if !ignored {
                        refuse_unreadable_name(&path)?;
                    }
                    self.files.push(Found { path, ignored });
                }
            }
        }
        self.rules.truncate(before);
        Ok(())
    }

    /// Reads the .gitignore of a folder below the sync root.
    fn rules_at(&mut self, folder: &str) -> Result<(), Failure> {
        self.rules_of(&join(self.sync_root, folder), join(&self.place, folder))
    }

    /// The same, of a folder as seen from the bundle and from the work tree.
    fn rules_of(&mut self, folder: &str, place: String) -> Result<(), Failure> {
        if self.everything {
            return Ok(());
        }
        let Some(bytes) = self.source.read(&join(folder, ".gitignore"))? else { return Ok(()) };
        if bytes.len() > LONGEST {
            let what = format!("read {}: it is longer than {} KiB", join(folder, ".gitignore"), LONGEST >> 10);
            return Err(Failure::new(crate::domain::Reason::InvalidBundle, what)
                .hint("name folders in it instead of single files"));
        }
        let rules = Rules::of(String::from_utf8_lossy(&bytes).split('\n'))?;
        if !rules.is_empty() {
            self.rules.push((place, rules));
        }
        Ok(())
    }

    /// With a slash behind it or without.
    fn is_ignored_folder(&self, path: &str) -> bool {
        self.is_ignored(path) || self.is_ignored(&format!("{path}/"))
    }

    /// What any .gitignore on the way keeps out stays out: none further in brings it back.
    fn is_ignored(&self, path: &str) -> bool {
        let full = if self.place == "." { path.to_owned() } else { format!("{}/{path}", self.place) };
        self.rules.iter().any(|(place, rules)| below(place, &full).is_some_and(|path| rules.matches(path)))
    }
}

/// A path as seen from a folder that it lies in.
fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder == "." { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}
