//! Looks, before a stage creates anything, that nothing of the same unique name is there.
//!
//! A catalog object that exists makes its creation fail anyway; but a run that is killed over it
//! would later find the object, take it for its own and delete it. Found before the first
//! write, it is refused by name, and whatever is found later is ours.

use futures::{StreamExt, TryStreamExt, stream};

use super::find_resource;
use crate::bundle::kinds::Find;
use crate::bundle::planning::plan::{Action, Plan, Planned, short};
use crate::domain::{Failure, Reason};
use crate::ports::Rest;

/// The adapter paces itself; this only bounds what waits there.
const AT_ONCE: usize = 32;

pub async fn demand(rest: &dyn Rest, plan: &Plan) -> Result<(), Failure> {
    let creates = plan.changing().filter(|(_, planned)| planned.action == Action::Create && has_a_name(planned));
    let looks: Vec<_> = creates.map(|(node, planned)| look(rest, node, planned)).collect();
    stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await
}

/// Jobs and pipelines may share a name; permissions are always there.
fn has_a_name(planned: &Planned) -> bool {
    matches!(planned.kind.api.find, Find::ById(_) | Find::ByName { .. })
}

async fn look(rest: &dyn Rest, node: &str, planned: &Planned) -> Result<(), Failure> {
    let clue = find_resource::clue(planned.kind, &planned.value);
    if !find_resource::is_complete(&clue) {
        return Ok(());
    }
    let found = find_resource::find(rest, planned.kind, &clue, None).await?;
    let Some(id) = found.first() else { return Ok(()) };
    let message =
        format!("create {}: {} `{id}` is there already, and not of this deployment", short(node), planned.kind.title);
    Err(Failure::new(Reason::Conflict, message).hint(format!(
        "give it another name, or adopt it with `databricks bundle deployment bind {} {id}`",
        node.rsplit('.').next().unwrap_or(node)
    )))
}
