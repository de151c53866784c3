//! The inputs as texts, before anybody has looked at them.
//!
//! The runner hands an input over as `INPUT_` and its name in capitals, hyphens kept, and an
//! input that was left out or came from an unset variable as an empty text. Our own normaliser
//! stands before `envy`, which would panic on what is not UTF-8, take an empty text for a value
//! and print offending values in its errors. Tokens are no flags: a command line is visible to
//! every process of the machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use serde::Deserialize;

use super::mistake::Mistake;
use crate::domain::Secret;
use crate::domain::nearest::nearest;

/// An input as `action.yml`, the README and `--help` describe it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub name: &'static str,
    pub description: &'static str,
    /// As in `action.yml`; empty where leaving it out means something of its own.
    pub default: &'static str,
}

macro_rules! inputs {
    ($($(#[$attribute:meta])* $field:ident: $type:ty, $name:literal, default $default:literal, $description:literal;)*) => {
        /// Every input, in the order of `action.yml`.
        pub const INPUTS: &[Described] =
            &[$(Described { name: $name, description: $description, default: $default },)*];

        /// Absent and blank are one: not given. Filled from the environment and from flags.
        #[derive(Clone, Default, Deserialize, clap::Args)]
        #[serde(rename_all = "kebab-case", default)]
        pub struct Raw {
            $(#[doc = $description] $(#[$attribute])* pub $field: Option<$type>,)*

            /// What was wrong before any value could be looked at.
            #[serde(skip)]
            #[arg(skip)]
            pub mistakes: Vec<Mistake>,
        }

        impl Raw {
            /// These values where they are given, else the others.
            pub fn over(self, other: Self) -> Self {
                Self {
                    $($field: self.$field.or(other.$field),)*
                    mistakes: self.mistakes.into_iter().chain(other.mistakes).collect(),
                }
            }
        }
    };
}

inputs! {
    #[arg(skip)]
    stage: String, "stage", default "",
        "what to do: `validate` on a pull request, `deploy-dev` on merge, `deploy-staging` and `promote-prod` behind it";
    #[arg(long, value_name = "FILE")]
    config: String, "config", default "",
        "path of the configuration file; default: `mlops-deploy.yml` in `bundle-path`";
    #[arg(long, value_name = "FOLDER")]
    bundle_path: String, "bundle-path", default ".",
        "folder of the `databricks.yml`, inside the workspace of the job";
    #[arg(long, short = 't', value_name = "NAME")]
    target: String, "target", default "",
        "target of the bundle; default: the one of the stage's environment, such as `dev`";
    #[arg(skip)]
    github_token: Secret, "github-token", default "${{ github.token }}",
        "token for the comment, the deployment and the compare call; needs the permissions in the README";
    #[arg(long, value_name = "SHA")]
    commit: String, "commit", default "",
        "full SHA that must be checked out; anything else is refused; default: no demand";
    #[arg(long, value_name = "ID")]
    release: String, "release", default "",
        "id of the release to deploy, as `deploy-dev` has put it out in its output of that name; for the stages behind it";
    #[arg(long, value_name = "FILE")]
    release_file: String, "release-file", default "",
        "the release's archive, or a folder that holds it, where the configuration names no place for `releases` and the workflow takes it along";
    #[arg(long, value_name = "KEY")]
    model: String, "model", default "",
        "the model to promote, by its key under `models` in the configuration; default: the only one; for `promote-prod`";
    #[arg(long, value_name = "NAME")]
    engine: String, "engine", default "auto",
        "which engine reads the bundle: `auto`, `embedded`, or `cli` for the official command";
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    cross_check: String, "cross-check", default "false",
        "`true`: the official command plans beside our own engine, and the stage stops where they disagree; for `validate` and `deploy-dev`";
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    dry_run: String, "dry-run", default "false",
        "`true`: read and plan, change nothing";
    #[arg(long, value_name = "WHEN")]
    comment: String, "comment", default "always",
        "when to write the comment on the pull request: `always`, `changes` (only when something would change), or `never`";
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    offline: String, "offline", default "false",
        "`true`: only what needs neither a token nor the network; for `validate`";
    #[arg(long, value_name = "PERIOD")]
    lock_timeout: String, "lock-timeout", default "15m",
        "how long to wait in line for another deployment's lock; `0s` does not wait";
    #[arg(long, value_name = "PERIOD")]
    deadline: String, "deadline", default "",
        "how long the stage may take, all told; default: its budget in the configuration, else `15m` for `validate` and `45m` for the others, and on top of that what it may wait for: trainings, the endpoint's build, watching the traffic";
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    allow_older: String, "allow-older", default "false",
        "`true`: deploy although a newer commit or release is deployed, or promote although another champion serves than the version was compared with; the ledger says that it was set";
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    bootstrap: String, "bootstrap", default "false",
        "`true`: a model's first version may pass its gate although there is no champion to compare it with; for the stage that trains it";
    #[arg(skip)]
    databricks_token: Secret, "databricks-token", default "",
        "a personal access token, where the workspace cannot trust GitHub's ID tokens; a warning is printed";
}

/// Names that the runner accepts for every container action; they are not ours.
const OF_THE_RUNNER: [&str; 2] = ["args", "entrypoint"];

impl Raw {
    /// Takes `INPUT_*` from an environment. Both `INPUT_BUNDLE-PATH` (the runner's spelling) and
    /// `INPUT_BUNDLE_PATH` (what a shell can write) are understood.
    pub fn from_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (key, value) in variables {
            let Some(name) = input_name(&key) else { continue };
            if OF_THE_RUNNER.contains(&name.as_str()) {
                continue;
            }
            let Some(value) = value.to_str().map(str::trim) else {
                mistakes.push(Mistake::of(name, "is not UTF-8 text"));
                continue;
            };
            if value.is_empty() {
                continue;
            }
            if !INPUTS.iter().any(|input| input.name == name) {
                mistakes.push(unknown(name));
                continue;
            }
            match given.get(&name) {
                Some(other) if other != value => {
                    mistakes
                        .push(Mistake::of(name, "is given twice, with a hyphen and with `_`, and the values differ"));
                }
                _ => {
                    given.insert(name, value.to_owned());
                }
            }
        }
        // Every field is a text: nothing is left that could fail, and no message of envy's is shown.
        let mut raw: Self = envy::from_iter(given).unwrap_or_else(|_| {
            mistakes.push(Mistake::of("INPUT_*".to_owned(), "cannot be read"));
            Self::default()
        });
        raw.mistakes = mistakes;
        raw
    }

    /// What must be masked before anything else is printed.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.github_token, &self.databricks_token].into_iter().flatten()
    }
}

fn input_name(key: &OsStr) -> Option<String> {
    let name = key.to_str()?.strip_prefix("INPUT_")?;
    Some(name.to_lowercase().replace(['_', ' '], "-"))
}

fn unknown(name: String) -> Mistake {
    let message = match nearest(&name, INPUTS.iter().map(|input| input.name)) {
        Some(near) => format!("is not an input; did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = INPUTS.iter().map(|input| input.name).collect();
            format!("is not an input; there are {}", names.join(", "))
        }
    };
    Mistake::of(name, message)
}
