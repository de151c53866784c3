//! What we read in `.git` is what git says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mlops_deploy::adapters::host::Repository;

/// A repository, made by git itself.
pub(crate) struct Made(tempfile::TempDir);

impl Made {
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        fs::create_dir(made.path("main")).unwrap();
        made.git("main", "init -q -b main");
        made.commit("main", "first");
        made
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn git(&self, folder: &str, args: &str) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=ana", "-c", "user.email=ana@acme.example", "-c", "protocol.file.allow=always"])
            .args(args.split(' '))
            .current_dir(self.path(folder))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, folder: &str, message: &str) {
        self.git(folder, &format!("commit -q --allow-empty -m {message}"));
    }

    /// Ours and git's own answers, as branch and commit.
    fn agree(&self, folder: &str) -> (Option<String>, Option<String>) {
        let head = read(&self.path(folder)).head().unwrap();
        let branch = self.git(folder, "branch --show-current");
        let commit = self.git(folder, "rev-parse HEAD");
        assert_eq!(head.branch.as_deref().unwrap_or(""), branch, "{folder}");
        assert_eq!(head.commit.as_deref(), Some(commit.as_str()), "{folder}");
        (head.branch, head.commit)
    }
}

pub(crate) fn read(folder: &Path) -> Repository {
    Repository::discover(folder).unwrap().unwrap()
}

#[test]
fn branches_packed_refs_detached_heads_and_further_work_trees_are_read() {
    let made = Made::new();
    made.agree("main");
    made.git("main", "checkout -q -b feature/train-longer");
    made.commit("main", "second");
    let (branch, _) = made.agree("main");
    assert_eq!(branch.as_deref(), Some("feature/train-longer"));
    made.git("main", "pack-refs --all");
    made.agree("main");
    made.commit("main", "third");
    made.agree("main");
    made.git("main", "worktree add -q -b hotfix ../tree");
    made.commit("tree", "fourth");
    made.agree("tree");
    made.git("main", "pack-refs --all");
    made.agree("tree");
    made.git("main", "checkout -q --detach");
    let (branch, commit) = made.agree("main");
    assert!(branch.is_none() && commit.is_some());
}

#[test]
fn a_submodule_and_a_folder_deep_inside_find_their_own_repository() {
    let made = Made::new();
    fs::create_dir(made.path("outer")).unwrap();
    made.git("outer", "init -q -b trunk");
    made.commit("outer", "first");
    made.git("outer", "submodule --quiet add ../main ml");
    made.agree("outer/ml");
    fs::create_dir_all(made.path("outer/ml/deep/er")).unwrap();
    let deep = read(&made.path("outer/ml/deep/er"));
    assert_eq!(deep.worktree, made.path("outer/ml").canonicalize().unwrap());
    made.agree("outer");
}

#[test]
fn a_branch_without_a_commit_and_no_repository_are_no_errors() {
    let made = Made::new();
    fs::create_dir(made.path("empty")).unwrap();
    made.git("empty", "init -q -b main");
    let head = read(&made.path("empty")).head().unwrap();
    assert_eq!((head.branch.as_deref(), head.commit), (Some("main"), None));
    assert_eq!(Repository::discover(made.0.path()).unwrap(), None);
}

#[test]
fn the_origin_is_told_without_the_token_that_a_checkout_wrote_into_it() {
    let made = Made::new();
    made.git("main", "remote add upstream https://github.com/other/churn");
    assert_eq!(read(&made.path("main")).origin_url(), None);
    made.git("main", "remote add origin https://github.com/acme/churn");
    for (written, told) in [
        ("https://x-access-token:ghs_abc@github.com/acme/churn", "https://github.com/acme/churn"),
        ("https://GitHub.com:443/acme/churn/", "https://GitHub.com:443/acme/churn/"),
        ("git@github.com:acme/churn.git", "git@github.com:acme/churn.git"),
        ("ssh://git@github.com/acme/churn", "ssh://github.com/acme/churn"),
        ("../elsewhere", "../elsewhere"),
    ] {
        made.git("main", &format!("remote set-url origin {written}"));
        assert_eq!(read(&made.path("main")).origin_url().as_deref(), Some(told));
    }
}
