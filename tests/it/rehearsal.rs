//! The example from pull request to production, as `make demo` shows it: wheels are built, Python trains, every stage is
//! a process of its own. Then a better version of it, and a worse one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn")
}

/// The example's wheel is built by `uv`; the tests' own environment has it.
fn tools() -> Option<String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin");
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    let has = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let all = has("uv") && has("python3");
    if !all {
        eprintln!("skipped: no `uv` or no `python3` here; `make test` installs the one and needs the other");
    }
    all.then_some(path)
}

struct Rehearsal {
    folder: TempDir,
    path: String,
}

impl Rehearsal {
    fn new() -> Option<Self> {
        Some(Self { path: tools()?, folder: tempfile::tempdir().unwrap() })
    }

    /// The example with some of its words replaced.
    fn version(&self, name: &str, edits: &[(&str, &str, &str)]) -> PathBuf {
        let to = self.folder.path().join(name);
        let copied = Command::new("cp").arg("-R").arg(example()).arg(&to).status().unwrap();
        assert!(copied.success());
        for (file, from, into) in edits {
            let text = fs::read_to_string(to.join(file)).unwrap();
            assert!(text.contains(from), "{file} has no `{from}`");
            fs::write(to.join(file), text.replace(from, into)).unwrap();
        }
        to
    }

    fn of(&self, bundle: &Path, then: &[&Path]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
        command.arg("rehearse").arg(bundle).arg("--out").arg(self.out()).env("PATH", &self.path);
        then.iter().for_each(|bundle| {
            command.arg("--then").arg(bundle);
        });
        command.output().unwrap()
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn outputs(&self, stage: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.out().join(stage).join("outputs.txt")).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn output(&self, stage: &str, name: &str) -> String {
        self.outputs(stage).remove(name).unwrap_or_default()
    }

    fn summary(&self, stage: &str) -> String {
        fs::read_to_string(self.out().join(stage).join("summary.md")).unwrap_or_default()
    }
}

/// Nobody asks an endpoint of a rehearsal, and nobody wants to wait for them.
const HASTE: (&str, &str, &str) =
    ("mlops-deploy.yml", "      tolerance: 0.5\n", "      bake: 1s\n      on_few_requests: go-on\n");

#[test]
fn the_example_gets_to_production_and_only_what_is_not_worse_follows_it() {
    let Some(rehearsal) = Rehearsal::new() else { return };
    let rounds = |count| ("src/churn/model.py", "rounds: int = 120", count);
    let longer = rehearsal.version("longer", &[HASTE, rounds("rounds: int = 140")]);
    let careless = ("src/churn/validate.py", "default=0.72", "default=0.5");
    let strict = ("mlops-deploy.yml", "not_worse_than_champion_by: 0.01", "not_worse_than_champion_by: 0.005");
    let lenient = ("mlops-deploy.yml", "f1: {at_least: 0.72}", "f1: {at_least: 0.5}");
    let shorter = rehearsal.version("shorter", &[HASTE, rounds("rounds: int = 60"), careless, strict, lenient]);
    let told = rehearsal.of(&example(), &[&longer, &shorter]);
    let text = String::from_utf8_lossy(&told.stdout);

    let release = rehearsal.output("deploy-dev", "release");
    assert!(release.starts_with("sha256:"), "{text}");
    for stage in ["deploy-staging", "promote-prod"] {
        assert_eq!(rehearsal.output(stage, "outcome"), "succeeded", "{text}");
        assert_eq!(rehearsal.output(stage, "release"), release, "one release everywhere");
    }
    assert_eq!(rehearsal.output("promote-prod", "model-version"), "prod.churn.churn/1", "{text}");

    assert_ne!(rehearsal.output("2/deploy-dev", "release"), release, "another model, another release");
    assert_eq!(rehearsal.output("2/promote-prod", "model-version"), "prod.churn.churn/2", "{text}");
    let steps = rehearsal.summary("2/promote-prod");
    for share in ["`churn-v2` 10 %", "`churn-v2` 100 %"] {
        assert!(steps.contains(share), "{share} in {steps}");
    }

    assert_eq!(told.status.code(), Some(3), "{text}");
    assert_eq!(rehearsal.output("3/deploy-staging", "failure-reason"), "worse-than-champion", "{text}");
    assert!(rehearsal.summary("3/deploy-staging").contains("roc_auc"), "{text}");
    assert!(rehearsal.outputs("3/promote-prod").is_empty(), "nothing worse is promoted");
}
