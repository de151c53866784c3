//! Finalizes a version whose files are there, and waits until it is ready.
//!
//! A second finalize is refused, so after a lost reply the version itself is asked. The service answers that a version is
//! ready at once, and users have seen it say so before it was.

use std::time::Duration;

use super::registry::Registry;
use crate::domain::{Failure, ModelName, ModelVersion, Reason, VersionStatus};
use crate::ports::World;

const POLL_FIRST: Duration = Duration::from_millis(250);
const POLL_AT_MOST: Duration = Duration::from_secs(5);
/// MLflow waits as long.
const READY_WITHIN: Duration = Duration::from_secs(300);
const TRIES: u32 = 3;

pub async fn finalize(world: &World, model: &ModelName, version: ModelVersion) -> Result<(), Failure> {
    let registry = Registry(world.workspace.as_ref());
    let mut tried = 1;
    loop {
        let Err(error) = registry.finalize(model, version).await else { break };
        match registry.version(model, version).await?.map(|v| v.status) {
            Some(VersionStatus::Ready) => return Ok(()),
            Some(VersionStatus::Pending) if error.may_have_been_applied() && tried < TRIES => tried += 1,
            _ => return Err(error.into_failure(doing(model, version))),
        }
    }
    until_ready(world, model, version).await
}

fn doing(model: &ModelName, version: ModelVersion) -> String {
    format!("finalize version {version} of {model}")
}

async fn until_ready(world: &World, model: &ModelName, version: ModelVersion) -> Result<(), Failure> {
    let registry = Registry(world.workspace.as_ref());
    let (begun, mut pause) = (world.clock.now(), POLL_FIRST);
    loop {
        let found = registry.version(model, version).await?;
        let status = found.map_or(VersionStatus::Other("gone".to_owned()), |v| v.status);
        let waited = world.clock.now().duration_since(begun).unsigned_abs();
        match status {
            VersionStatus::Ready => return Ok(()),
            VersionStatus::Pending if waited < READY_WITHIN => {}
            status => {
                let message = format!("{}: it is {status}", doing(model, version));
                return Err(Failure::new(Reason::WorkspaceError, message)
                    .hint("look at the version in Catalog Explorer; run again: a half copy is replaced"));
            }
        }
        world.clock.sleep(pause).await;
        pause = (pause * 2).min(POLL_AT_MOST);
    }
}
