//! What a command of the repository may see: a user of its own, a copy of the checkout, and
//! an environment made of the names below.
//!
//! The list names what a build needs. The runner's and Databricks' variables are not on it,
//! and those a caller adds are refused by pattern as well, so that no caller can leak one by
//! passing its own environment on.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::checkout::{Closed, User};
use super::runner_files::FILE_VARIABLES;
use crate::domain::{Failure, Reason};

/// A user that owns nothing and is not `nobody`, whom others may use too.
const UNPRIVILEGED: User = User { uid: 64_532, gid: 64_532 };

const ENGINES: &[&str] =
    &["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock"];

const ALLOWED: &[&str] = &[
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "CI",
    "SOURCE_DATE_EPOCH",
    "PYTHONDONTWRITEBYTECODE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "PIP_CERT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_LINK_MODE",
    "UV_NATIVE_TLS",
    "UV_NO_INDEX",
    "UV_OFFLINE",
    "UV_PYTHON",
    "UV_PYTHON_DOWNLOADS",
    "UV_PYTHON_INSTALL_DIR",
    "UV_PYTHON_PREFERENCE",
    "UV_SYSTEM_CERTS",
];

/// Whatever their value: they are, or lead to, credentials or the runner.
const REFUSED_PREFIXES: &[&str] = &["ACTIONS_", "INPUT_", "STATE_", "DATABRICKS_", "ARM_", "AWS_", "GOOGLE_", "AZURE_"];
const REFUSED_PARTS: &[&str] = &["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"];

#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Our own binary.
    pub launcher: PathBuf,
    /// What a command is run in a copy of.
    pub checkout: PathBuf,
    /// None where we may not change to another user.
    pub user: Option<User>,
    /// Closed to that user while commands run.
    pub closed: Vec<PathBuf>,
    /// Whoever may write to one of these owns the machine. They are the machine's, so they
    /// are not closed but looked at.
    pub engines: Vec<PathBuf>,
    env: Vec<(String, String)>,
}

impl Sandbox {
    pub fn new(launcher: PathBuf, checkout: &Path, env: &BTreeMap<String, String>) -> Self {
        let root = rustix::process::geteuid().is_root();
        let on_the_runner = env.get("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        Self {
            launcher,
            checkout: checkout.to_owned(),
            user: root.then_some(UNPRIVILEGED),
            // On a laptop these folders are a person's, who may be working in them.
            closed: if root && on_the_runner { folders_of_the_job(checkout, env) } else { Vec::new() },
            engines: if root && on_the_runner { ENGINES.iter().map(PathBuf::from).collect() } else { Vec::new() },
            env: allowed(env),
        }
    }

    /// A container engine that lets everybody in.
    pub(super) fn open_engine(&self) -> Option<&Path> {
        let open = |path: &&PathBuf| {
            std::fs::metadata(path).is_ok_and(|meta| !meta.is_dir() && meta.permissions().mode() & 0o002 != 0)
        };
        self.engines.iter().find(open).map(PathBuf::as_path)
    }

    /// The environment, with what the caller adds.
    pub(super) fn env(&self, home: &Path, temp: &Path, added: &[(String, String)]) -> BTreeMap<String, String> {
        let mut env: BTreeMap<_, _> = self.env.iter().cloned().collect();
        env.extend(added.iter().filter(|(name, _)| !refused(name)).cloned());
        env.insert("HOME".to_owned(), home.display().to_string());
        env.insert("TMPDIR".to_owned(), temp.display().to_string());
        env
    }

    pub(super) fn close(&self) -> Result<Closed, Failure> {
        Closed::around(self.closed.iter().cloned()).map_err(|error| {
            Failure::new(Reason::DiskError, "close the job's folders to commands of the repository").because(error)
        })
    }
}

fn allowed(env: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let may = |name: &str| ALLOWED.contains(&name) || name.starts_with("LC_");
    let pairs = env.iter().filter(|(name, value)| may(name) && !holds_password(value));
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An address with a user in it: of a proxy, of a package index.
fn holds_password(value: &str) -> bool {
    value.split_whitespace().any(|part| {
        let Some((_, rest)) = part.split_once("://") else { return false };
        rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
    })
}

fn refused(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    FILE_VARIABLES.contains(&upper.as_str())
        || REFUSED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || REFUSED_PARTS.iter().any(|part| upper.contains(part))
}

/// The checkout, and whatever the runner mounts beside it.
fn folders_of_the_job(checkout: &Path, env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let value = |name: &str| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut folders = vec![checkout.to_owned()];
    folders.extend(["GITHUB_WORKSPACE", "HOME", "RUNNER_TEMP"].into_iter().filter_map(value));
    let files = FILE_VARIABLES.iter().copied().chain(["GITHUB_EVENT_PATH"]).filter_map(value);
    folders.extend(files.filter_map(|file| file.parent().map(Path::to_owned)));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_build_needs_passes() {
        let pairs = [
            ("PATH", "/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x"),
            ("GITHUB_TOKEN", "x"),
            ("INPUT_GITHUB-TOKEN", "x"),
            ("GITHUB_OUTPUT", "/github/file_commands/x"),
            ("DATABRICKS_TOKEN", "x"),
            ("UV_INDEX_URL", "https://me:pw@pypi.example/simple"),
            ("PIP_INDEX_URL", "https://pypi.example/simple?a=b@c"),
            ("HOME", "/github/home"),
        ];
        let env = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let sandbox = Sandbox::new("/bin/x".into(), Path::new("/nowhere"), &env);
        let added = [("SOURCE_DATE_EPOCH", "1"), ("DATABRICKS_HOST", "x"), ("MY_SECRET", "x"), ("GITHUB_ENV", "x")];
        let added: Vec<_> = added.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let seen = sandbox.env(Path::new("/h"), Path::new("/t"), &added);
        let names: Vec<&str> = seen.keys().map(String::as_str).collect();
        assert_eq!(names, ["HOME", "LC_ALL", "PATH", "PIP_INDEX_URL", "SOURCE_DATE_EPOCH", "TMPDIR"]);
        assert_eq!(seen["HOME"], "/h");
    }
}
