//! What of a folder a release holds: the files that are uploaded, the libraries that tasks
//! name, and whatever else the engine reads to come to the same configuration.
//!
//! Nobody lists the latter: the engine is run, and its source remembers what it was asked
//! for. So a release never lacks a file that an include, a reference or a .gitignore needs,
//! and never holds a virtual environment that happens to lie there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::Value;

use super::embedded::{self, Embedded};
use super::refusals::{refuse_errors, refuse_missing};
use crate::bundle::resolve::resolve_loaded;
use crate::bundle::source::{clean, join};
use crate::bundle::{Entry, EntryKind, Facts, Git, Source, libraries, load};
use crate::domain::release::Commit;
use crate::domain::{Digest, Failure, Reason};
use crate::steps::bundle::artifacts;

pub struct Contents {
    pub bundle: String,
    /// The bundle's folder among the files; `.` for their root.
    pub bundle_path: String,
    pub source: Option<Commit>,
    /// By target, without this machine's folder in it.
    pub targets: BTreeMap<String, Value>,
    /// Where each file of the release lies, by its name in the release.
    pub files: BTreeMap<String, PathBuf>,
    /// Names of those that a build made.
    pub built: BTreeSet<String>,
}

impl Embedded {
    /// `beside` is a file that goes along where it lies in the repository: what the stages behind are to do.
    pub fn contents(&self, targets: &[String], beside: Option<&str>) -> Result<Contents, Failure> {
        let (mut paths, mut made) = (BTreeSet::new(), BTreeSet::new());
        let mut documents = BTreeMap::new();
        let mut bundle = String::new();
        for target in targets {
            let source = Recording::of(self.source.as_ref());
            let options = self.options(Some(target));
            let facts = Facts { git: self.git.clone(), ..Facts::default() };
            let loaded = load::load(&source, &options)?;
            let mut resolved = resolve_loaded(loaded, &source, &options, &facts);
            refuse_errors(&resolved.diagnostics, Reason::InvalidBundle)?;
            documents.insert(target.clone(), self.portable(embedded::document(&resolved.config)?));
            bundle = resolved.config.text(&["bundle", "name"]).unwrap_or_default().to_owned();
            // The walk looks at everything, and takes only what the rules leave.
            source.only_reads();
            paths.extend(resolved.files(&source)?.into_iter().map(|file| file.local));
            if let Some(folder) = artifacts::artifact_folder(&resolved.config) {
                let root = options.root.as_str();
                let (found, said) =
                    libraries::expand(&mut resolved.config, &source, root, &folder, &libraries::Stamped::new())?;
                refuse_missing(&said)?;
                made.extend(found.into_iter().map(|library| library.local));
            }
            paths.extend(source.seen());
        }
        paths.extend(made.iter().cloned());
        let git = self.git.as_ref().map(|git| clean(&git.bundle_path));
        let is_outside = |path: &str| git.as_ref().is_some_and(|git| name_of(git, path).is_err());
        paths.extend(beside.filter(|path| !is_outside(path)).map(str::to_owned));
        let bundle_path = self.bundle_path(&paths);
        let mut files = BTreeMap::new();
        for path in paths {
            files.insert(name_of(&bundle_path, &path)?, self.root.join(&path));
        }
        let built = made.iter().map(|path| name_of(&bundle_path, path)).collect::<Result<_, _>>()?;
        let source = self.git.as_ref().map(|git| Commit {
            commit: git.commit.clone(),
            branch: git.branch.clone(),
            origin: git.origin_url.clone(),
        });
        Ok(Contents { bundle, bundle_path, source, targets: documents, files, built })
    }

    /// A resolved configuration as every machine would write it: the bundle's folder is `.`.
    /// What a job gave by `BUNDLE_VAR_…` may be a secret of that job, and a release is read by
    /// many: of such a text there is only the digest.
    pub fn portable(&self, mut document: Value) -> Value {
        let given = self.given();
        let root = self.options.root.trim_end_matches('/');
        each_text(&mut document, &|text| {
            if given.iter().any(|value| text == *value || value.len() >= A_SECRET && text.contains(value)) {
                return Digest::of(text.as_bytes()).to_string();
            }
            match text.strip_prefix(root) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!(".{rest}"),
                _ => text.to_owned(),
            }
        });
        document
    }

    /// What a job gave by `BUNDLE_VAR_…`.
    fn given(&self) -> Vec<&str> {
        let given = self.options.environment.iter().filter(|(name, _)| name.starts_with("BUNDLE_VAR_"));
        given.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()).collect()
    }

    /// The same for a text that people are shown: `…` stands where such a value stood.
    pub fn hushed(&self, text: &str) -> String {
        let secrets = self.given().into_iter().filter(|value| value.len() >= A_SECRET);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    /// As seen from the work tree. Without one: as far above the bundle as its files lie.
    fn bundle_path(&self, paths: &BTreeSet<String>) -> String {
        if let Some(git) = &self.git {
            return clean(&git.bundle_path);
        }
        let ups = |path: &String| path.split('/').take_while(|part| *part == "..").count();
        let levels = paths.iter().map(ups).max().unwrap_or(0);
        let folders: Vec<&str> = self.options.root.split('/').filter(|part| !part.is_empty()).collect();
        clean(&folders[folders.len().saturating_sub(levels)..].join("/"))
    }
}

/// The repository as a release tells of it.
pub fn git_of(source: Option<&Commit>, bundle_path: &str) -> Option<Git> {
    let source = source?;
    Some(Git {
        bundle_path: bundle_path.to_owned(),
        branch: source.branch.clone(),
        commit: source.commit.clone(),
        origin_url: source.origin.clone(),
    })
}

fn name_of(bundle_path: &str, path: &str) -> Result<String, Failure> {
    let name = join(bundle_path, path);
    if name.starts_with("../") || name.starts_with('/') {
        let message = format!("pack {path}: it lies outside of the repository");
        return Err(Failure::new(Reason::InvalidBundle, message)
            .hint("what is deployed must lie in the repository; put a copy there"));
    }
    Ok(name)
}

/// A shorter value is looked for whole only: it would be found everywhere.
const A_SECRET: usize = 6;

fn each_text(value: &mut Value, edit: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = edit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, edit)),
        Value::Object(map) => map.values_mut().for_each(|item| each_text(item, edit)),
        _ => {}
    }
}

/// Remembers the files that it is asked for.
struct Recording<'s> {
    inner: &'s (dyn Source + Send + Sync),
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    paths: BTreeSet<String>,
    only_reads: bool,
}

impl<'s> Recording<'s> {
    fn of(inner: &'s (dyn Source + Send + Sync)) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    fn only_reads(&self) {
        self.seen.lock().expect("no panic while the set is held").only_reads = true;
    }

    fn seen(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.seen.lock().expect("no panic while the set is held").paths)
    }

    fn note(&self, path: &str, looked: bool) {
        let mut seen = self.seen.lock().expect("no panic while the set is held");
        if !(looked && seen.only_reads) {
            seen.paths.insert(clean(path));
        }
    }
}

impl Source for Recording<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.inner.read(path)?;
        if found.is_some() {
            self.note(path, false);
        }
        Ok(found)
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure> {
        self.inner.list(path)
    }

    fn stat(&self, path: &str) -> Result<Option<EntryKind>, Failure> {
        let found = self.inner.stat(path)?;
        if found == Some(EntryKind::File) {
            self.note(path, true);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bundle::{InMemory, Options};

    fn contents(source: InMemory, bundle_path: &str) -> Contents {
        let options = Options { root: "/home/ana/repo/ml/churn".to_owned(), ..Options::default() };
        let git = Some(Git { bundle_path: bundle_path.to_owned(), ..Git::default() });
        let embedded = Embedded::new(options.root.clone().into(), Arc::new(source), options, git);
        embedded.contents(&["dev".to_owned()], None).unwrap()
    }

    fn bundle(extra: &str) -> InMemory {
        let text = format!("bundle: {{name: b}}\ninclude: [resources/*.yml]\n{extra}targets: {{dev: {{}}}}\n");
        InMemory::new().with("databricks.yml", text).with("src/a.py", "a").with("resources/j.yml", "{}")
    }

    fn names(contents: &Contents) -> Vec<&str> {
        contents.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn what_a_job_gave_is_in_no_release() {
        let text = "bundle: {name: b}\nvariables: {key: {default: x}}\nresources: {jobs: {j: {name: 'a ${var.key} b'}}}\n\
                    targets: {dev: {}}\n";
        let given = [("BUNDLE_VAR_key".to_owned(), "hunter2".to_owned())];
        let options = Options { root: "/b".to_owned(), environment: given.into(), ..Options::default() };
        let source = InMemory::new().with("databricks.yml", text).with("a.py", "a");
        let embedded = Embedded::new("/b".into(), Arc::new(source), options, None);
        let document = embedded.contents(&["dev".to_owned()], None).unwrap().targets["dev"].clone();
        assert!(!document.to_string().contains("hunter2"), "{document}");
        assert_eq!(document["resources"]["jobs"]["j"]["name"], Digest::of(b"a hunter2 b").to_string());
    }

    #[test]
    fn a_release_holds_what_is_uploaded_and_what_is_read() {
        let source = bundle("sync: {exclude: [resources/**]}\n")
            .with(".gitignore", ".venv/\n*.log\n")
            .with(".venv/.gitignore", "*")
            .with(".venv/lib/x.py", "x")
            .with("src/a.log", "log");
        let contents = contents(source, "ml/churn");
        assert_eq!(
            names(&contents),
            ["ml/churn/.gitignore", "ml/churn/databricks.yml", "ml/churn/resources/j.yml", "ml/churn/src/a.py"]
        );
        assert_eq!(contents.files["ml/churn/src/a.py"], PathBuf::from("/home/ana/repo/ml/churn/src/a.py"));
        assert!(!contents.targets["dev"].to_string().contains("/home/ana"));
    }
}
