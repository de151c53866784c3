//! What was edited in the workspace since the last deployment, where the workspace keeps a
//! mark of the version: overwriting it would lose somebody's work.

use serde_json::Value;

use super::read;
use crate::bundle::kinds::{self, When};
use crate::bundle::planning::requests;
use crate::bundle::state::State;
use crate::domain::{Diagnostic, Failure, Path, Severity, Tree};
use crate::ports::Rest;

/// One diagnostic for each resource of the configuration that has another mark now.
pub async fn since(
    rest: &dyn Rest,
    config: &Tree,
    state: &State,
    severity: Severity,
) -> Result<Vec<Diagnostic>, Failure> {
    let mut found = Vec::new();
    for kind in kinds::ALL {
        let Some(mark) = kind.rules.iter().find(|rule| rule.when == When::Mark) else { continue };
        for (key, tree) in config.find(&["resources", kind.name]).and_then(Tree::as_map).into_iter().flatten() {
            let node = format!("resources.{}.{key}", kind.name);
            let Some(entry) = state.resources.get(&node) else { continue };
            let read = requests::read(&node, kind, &entry.id);
            let Some(answer) = read::one(rest, &read).await? else { continue };
            let was = entry.state.get(mark.field).and_then(Value::as_str);
            if was.is_none() || was == answer.get(mark.field).and_then(Value::as_str) {
                continue;
            }
            let what = format!("{} \"{key}\" has been modified remotely", kind.title);
            let why = "Somebody edited it in the workspace since the last deployment, and a deployment would \
                       overwrite that.\nBring the edit into the bundle first, or use --force to lose it.";
            let said = Diagnostic { severity, ..Diagnostic::error(what) };
            found.push(said.path(Path::of(&["resources", kind.name, key])).at_tree(tree).detail(why));
        }
    }
    Ok(found)
}
