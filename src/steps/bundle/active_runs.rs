//! Whether something that is deployed is at work right now: a deployment may be told to wait.

use futures::future::try_join_all;
use serde_json::Value;

use super::ask;
use crate::bundle::kinds::{self, Active, Kind, Seen};
use crate::bundle::planning::requests;
use crate::bundle::state::State;
use crate::domain::{Diagnostic, Failure};
use crate::ports::Rest;

/// The first by name of what runs, worded as the official command does.
pub async fn first(rest: &dyn Rest, state: &State) -> Result<Option<Diagnostic>, Failure> {
    let mut asked = Vec::new();
    for (node, entry) in &state.resources {
        if let Some(kind) = kinds::of_node(node)
            && let Some(active) = &kind.active
        {
            asked.push((kind, active, entry.id.clone()));
        }
    }
    let looks = asked.into_iter().map(|(kind, active, id)| look(rest, kind, active, id));
    // The adapter paces itself.
    let found: Vec<Option<Diagnostic>> = try_join_all(looks).await?;
    Ok(found.into_iter().flatten().next())
}

async fn look(
    rest: &dyn Rest,
    kind: &'static Kind,
    active: &'static Active,
    id: String,
) -> Result<Option<Diagnostic>, Failure> {
    let request = requests::request(&active.route, &id, &Value::Null);
    let answer = ask::maybe(rest, &request).await;
    let answer = answer.map_err(|e| e.into_failure(format!("look whether {} {id} runs", kind.title)))?;
    let runs = answer.is_some_and(|answer| runs(active.seen, &answer));
    Ok(runs.then(|| Diagnostic::error(format!("{} {id} is running", kind.title))))
}

fn runs(seen: Seen, answer: &Value) -> bool {
    match seen {
        Seen::Items(list) => answer.get(list).and_then(Value::as_array).is_some_and(|list| !list.is_empty()),
        Seen::StateBeside(field, idle) => {
            let state = answer.get(field).and_then(Value::as_str).unwrap_or_default();
            !state.is_empty() && !idle.contains(&state)
        }
    }
}
