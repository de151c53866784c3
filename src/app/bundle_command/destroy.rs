//! `bundle destroy`: deletes what the state names, then the deployment's folder.

use super::args::Destroy;
use super::consent;
use super::deploy::{failures, list, prevented};
use super::hand::{Done, Hand, Quit, show, tell};
use super::meter::Meter;
use super::ready::Ready;
use super::session::CLI_VERSION;
use crate::bundle::planning::plan::Plan;
use crate::bundle::state::State;
use crate::domain::Diagnostic;
use crate::steps::bundle::applier::Applier;
use crate::steps::bundle::book::Book;

pub async fn run(hand: Hand, args: &Destroy) -> Done {
    if !args.auto_approve && !consent::somebody_is_there(&hand.env) {
        show(&[Diagnostic::error(
            "destroy deletes every resource that this bundle has deployed, and its files in the workspace.\n\
             Schemas, pipelines and volumes may lose their data for good. If that is meant, use --auto-approve",
        )]);
        return Err(Quit::Failed);
    }
    let ready = hand.ready().await?;
    ready.accept()?;
    let state = ready.pull_state().await?;
    let root = ready.text(&["workspace", "root_path"]);
    if ready.files.stat(root).await.map_err(|e| e.into_failure(format!("look for {root}")))?.is_none() {
        tell("No active deployment found to destroy!");
        return Ok(());
    }
    let lock = ready.lock(args.force_lock).await?;
    let done = destroy(&ready, &state, args).await;
    let unlocked = ready.unlock(lock, true).await;
    done.and(unlocked)
}

async fn destroy(ready: &Ready, state: &State, args: &Destroy) -> Done {
    let quiet = args.quiet;
    let plan = ready.plan_destroy(state).await?;
    prevented(&plan)?;
    if quiet < 2 || !args.auto_approve {
        announce(ready, &plan);
    }
    if !args.auto_approve && !consent::proceed().await? {
        tell("Destroy cancelled!");
        return Ok(());
    }
    let disk = ready.hand.disk.as_ref();
    let folder = ready.folder();
    if !plan.is_empty() {
        let next = state.next(|| uuid::Uuid::new_v4().to_string(), CLI_VERSION);
        let applier = Applier::new(plan.clone(), Book::new(next, Some(folder.log())), false);
        let execution = ready.execute(&applier, &Meter::on_stderr(quiet > 0)).await?;
        let state = applier.book.made().await.unwrap_or_else(|| state.clone());
        // Of what failed half way the workspace's copy knows nothing, there as here: what is gone is found gone.
        folder.save_state(disk, &state).await?;
        failures(&applier, execution)?;
    }
    let root = ready.text(&["workspace", "root_path"]);
    ready.files.delete(root, true).await.map_err(|e| e.into_failure(format!("delete {root}")))?;
    let files = ready.text(&["workspace", "file_path"]);
    folder.forget_snapshot(disk, ready.rest.host(), files).await?;
    if quiet < 2 {
        let deleted = plan.nodes.values().filter(|planned| planned.kind.api.delete.is_some()).count();
        tell(&format!("Destroy: {deleted} deleted"));
    }
    Ok(())
}

fn announce(ready: &Ready, plan: &Plan) {
    let going: Vec<_> = plan.nodes.values().filter(|p| !p.gone && p.kind.api.delete.is_some()).collect();
    if !going.is_empty() {
        tell("The following resources will be deleted:");
        list(&going);
        tell("");
    }
    for (_, planned) in plan.destructive() {
        let warning = planned.first().and_then(|p| p.kind.destroys).map_or("", |d| d.destroy);
        tell(warning);
        list(&planned);
        tell("");
    }
    let root = ready.text(&["workspace", "root_path"]);
    tell(&format!("All files and directories at the following location will be deleted: {root}\n"));
}
