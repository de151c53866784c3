//! What plan, deploy and destroy share: the state, the build, the plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::hand::{Quit, show, tell};
use super::hooks::Hook;
use super::ready::Ready;
use crate::adapters::host::{LocalProcess, Masker};
use crate::bundle::libraries;
use crate::bundle::planning::node::NodeKey;
use crate::bundle::planning::plan::{Action, Plan};
use crate::bundle::planning::planner::{self, Answers, NoPlan};
use crate::bundle::planning::select;
use crate::bundle::state::State;
use crate::domain::{Diagnostic, Failure};
use crate::steps::bundle::artifacts::{self, Broken, LocalLibrary};
use crate::steps::bundle::read;
use crate::steps::bundle::stamp_wheels;
use crate::steps::bundle::state_files::{self, LocalFolder};

pub use crate::bundle::compatibility::CLI_VERSION;

impl Ready {
    pub fn text(&self, keys: &[&str]) -> &str {
        self.config().text(keys).unwrap_or_default()
    }

    pub fn state_path(&self) -> &str {
        self.text(&["workspace", "state_path"])
    }

    pub fn folder(&self) -> LocalFolder {
        LocalFolder::new(&self.hand.root, &self.resolved.target)
    }

    pub async fn pull_state(&self) -> Result<State, Failure> {
        let pulled =
            state_files::pull_state(&self.files, self.hand.disk.as_ref(), self.state_path(), Some(&self.folder()))
                .await?;
        for warning in &pulled.warnings {
            tell(&format!("Warn: {warning}"));
        }
        Ok(pulled.state)
    }

    /// Builds the artifacts and gives the tasks the addresses of their libraries.
    pub async fn build(&mut self) -> Result<Vec<LocalLibrary>, Quit> {
        let path = self.hand.env.get("PATH").cloned().unwrap_or_default();
        let process = LocalProcess::new(path, Arc::new(Masker::new()));
        let shell = self.hand.shell(&process);
        self.hand.hook(self.config(), Hook::Prebuild).await?;
        for build in artifacts::builds(self.config(), &self.hand.root) {
            shell.build(&build, &tell).await.map_err(Broken::by_hand)?;
        }
        self.hand.hook(self.config(), Hook::Postbuild).await?;
        let Some(folder) = artifacts::artifact_folder(self.config()) else { return Ok(Vec::new()) };
        let root = self.hand.options.root.clone();
        let (hand, target) = (&self.hand, &self.resolved.target);
        let built = libraries::with_dynamic_version(&self.resolved.config, &hand.source, &root)?;
        let ours = format!(".databricks/bundle/{target}");
        let (stamped, said) = stamp_wheels::all(hand.disk.as_ref(), &hand.root, &ours, built).await?;
        show(&said);
        let (found, said) = libraries::expand(&mut self.resolved.config, &hand.source, &root, &folder, &stamped)?;
        show(&said);
        if said.iter().any(Diagnostic::is_error) {
            return Err(Quit::Failed);
        }
        let local = |l: libraries::Library| LocalLibrary {
            local: self.hand.root.join(&l.local),
            shown: l.local,
            remote: l.remote,
        };
        Ok(found.into_iter().map(local).collect())
    }

    /// Reads what is deployed and plans to reach the configuration.
    pub async fn plan(&self, state: &State, select: &[String]) -> Result<Plan, Quit> {
        let goes = |node: &str| !self.is_written(node);
        let plan = |answers: &Answers| planner::plan(self.config(), state, answers, CLI_VERSION);
        let mut plan = self.make_plan(state, goes, plan).await?;
        if !select.is_empty() {
            select::keep(&mut plan, &self.selected(select)?);
        }
        Ok(plan)
    }

    /// The nodes that the command line selects; a wrong word is told before anything is done.
    pub fn selected(&self, words: &[String]) -> Result<BTreeSet<String>, Quit> {
        select::nodes(self.config(), words).map_err(|wrong| {
            show(&[wrong]);
            Quit::Failed
        })
    }

    pub async fn plan_destroy(&self, state: &State) -> Result<Plan, Quit> {
        let plan = |answers: &Answers| planner::plan_destroy(self.config(), state, answers, CLI_VERSION);
        self.make_plan(state, |_| true, plan).await
    }

    /// What the workspace does not show need not be seen where it is deleted anyway.
    async fn make_plan(
        &self,
        state: &State,
        goes: impl Fn(&str) -> bool,
        plan: impl FnOnce(&Answers) -> Result<Plan, NoPlan>,
    ) -> Result<Plan, Quit> {
        let reads = planner::reads(state).map_err(no_plan)?;
        let (answers, hidden) = read::all_but(self.rest.as_ref(), state, &reads, goes).await?;
        let plan = plan(&answers).map_err(no_plan)?;
        for (node, failure) in hidden {
            if plan.nodes.get(&node).is_none_or(|planned| planned.action != Action::Delete) {
                return Err(failure.into());
            }
            tell(&format!("Warn: {}; it is deleted unseen", failure.message));
        }
        Ok(plan)
    }

    /// Whether a node stands in the configuration under its own name.
    fn is_written(&self, node: &str) -> bool {
        let Some(key) = NodeKey::parse(node) else { return false };
        let resource = self.config().find(&["resources", &key.kind, &key.key]);
        resource.is_some_and(|resource| key.child.is_none_or(|child| resource.get(&child).is_some()))
    }
}

pub fn no_plan(why: NoPlan) -> Quit {
    match why {
        NoPlan::Wrong(diagnostics) => {
            show(&diagnostics);
            Quit::Failed
        }
        NoPlan::Unsupported(constructs) => {
            for construct in constructs {
                tell(&construct.to_string());
            }
            Quit::Unsupported
        }
    }
}
