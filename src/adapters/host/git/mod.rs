//! Reads `.git` without git.
//!
//! The image has no git, and in a container git refuses a checkout that another user owns.
//! What a deployment needs of it is little: where the work tree is, branch, commit, origin.

mod ancestry;
mod objects;
mod uncommitted;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A repository around a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The folder that is checked out.
    pub worktree: PathBuf,
    /// Where `HEAD` lies: `.git`, or a folder below the main repository's for a further
    /// work tree.
    git: PathBuf,
    /// Where branches, packed refs and `config` lie.
    common: PathBuf,
}

/// What `HEAD` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// None when detached.
    pub branch: Option<String>,
    /// None on a branch without a commit, or in a format that we do not read.
    pub commit: Option<String>,
}

impl Repository {
    /// The innermost repository that holds `folder`.
    pub fn discover(folder: &Path) -> io::Result<Option<Self>> {
        let folder = folder.canonicalize()?;
        for worktree in folder.ancestors() {
            if let Some(git) = git_folder(&worktree.join(".git"))? {
                let common = match read_line(&git.join("commondir"))? {
                    Some(path) => git.join(path),
                    None => git.clone(),
                };
                return Ok(Some(Self { worktree: worktree.to_owned(), git, common }));
            }
        }
        Ok(None)
    }

    pub fn head(&self) -> io::Result<Head> {
        let Some(text) = read_line(&self.git.join("HEAD"))? else {
            return Ok(Head { branch: None, commit: None });
        };
        let Some(name) = text.strip_prefix("ref:").map(str::trim) else {
            return Ok(Head { branch: None, commit: commit(&text) });
        };
        // Where refs are kept in tables this file says so instead of naming a branch.
        if name == "refs/heads/.invalid" {
            return Ok(Head { branch: None, commit: None });
        }
        let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
        Ok(Head { branch, commit: self.resolve(name, 0)? })
    }

    fn resolve(&self, name: &str, depth: usize) -> io::Result<Option<String>> {
        // A ref that names a ref that names a ref: git follows five.
        if depth > 5 || name.split('/').any(|part| part == "..") {
            return Ok(None);
        }
        for folder in [&self.git, &self.common] {
            let Some(text) = read_line(&folder.join(name))? else { continue };
            return match text.strip_prefix("ref:") {
                Some(further) => self.resolve(further.trim(), depth + 1),
                None => Ok(commit(&text)),
            };
        }
        let Some(packed) = read(&self.common.join("packed-refs"))? else { return Ok(None) };
        let line = packed.lines().find_map(|line| line.split_once(' ').filter(|(_, packed)| packed.trim() == name));
        Ok(line.and_then(|(id, _)| commit(id)))
    }

    /// `remote.origin.url`, without user and password where it is an address: a checkout may
    /// have written its token there. The rest stays as it is written; parsed and printed
    /// again an address would lose its default port and the case of its host.
    pub fn origin_url(&self) -> Option<String> {
        let config = read(&self.common.join("config")).ok()??;
        Some(without_user(&remote_url(&config, "origin")?))
    }
}

fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// `.git` itself, or the folder that a file of this name points to.
fn git_folder(path: &Path) -> io::Result<Option<PathBuf>> {
    if path.is_dir() {
        return Ok(Some(path.to_owned()));
    }
    let Some(text) = read_line(path)? else { return Ok(None) };
    let Some(target) = text.strip_prefix("gitdir:").map(str::trim) else { return Ok(None) };
    let parent = path.parent().ok_or_else(|| io::Error::other("`.git` lies in a folder"))?;
    Ok(Some(parent.join(target)))
}

/// A full object id, of either kind.
fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let full = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    full.then(|| text.to_ascii_lowercase())
}

/// The last `url` under `[remote "NAME"]`.
fn remote_url(config: &str, remote: &str) -> Option<String> {
    let mut inside = false;
    let mut url = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            let header = line.trim_start_matches('[').split(']').next().unwrap_or_default();
            let (section, name) = header.split_once(char::is_whitespace).unwrap_or((header, ""));
            inside = section.eq_ignore_ascii_case("remote") && name.trim().trim_matches('"') == remote;
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("url")
        {
            let value = value.split([';', '#']).next().filter(|_| !value.contains('"')).unwrap_or(value);
            url = Some(value.trim().trim_matches('"').to_owned()).filter(|url| !url.is_empty());
        }
    }
    url
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

fn read_line(path: &Path) -> io::Result<Option<String>> {
    Ok(read(path)?.map(|text| text.lines().next().unwrap_or_default().trim().to_owned()))
}
