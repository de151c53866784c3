//! Takes back what a run began, and enters into the state what has to stay.
//!
//! A schema with tables in it, a model with a version: making them is not taken back, for what others put there would go
//! too. In a state that does not name them they would be made again, which fails.

use super::bundle::adopt::adopt;
use crate::ports::World;
use crate::saga::{Begun, Journal, Registry, Unwound, unwind};

/// All but what the verbs `held` did, which is held until the run's last word.
pub async fn take_back(
    begun: &[Begun],
    held: &[&str],
    state_path: Option<&str>,
    world: &World,
    (registry, journal): (&Registry<World>, &Journal),
) -> Unwound {
    let is_held = |begun: &&Begun| held.contains(&begun.spec.verb.as_str());
    let rest: Vec<Begun> = begun.iter().filter(|begun| !is_held(begun)).cloned().collect();
    let mut unwound = unwind(&rest, registry, world, journal).await;
    if let Some(state_path) = state_path
        && let Err(failure) = adopt(world, state_path, &unwound.kept).await
    {
        unwound.failed.push(("enter into the state what stays".to_owned(), failure.into()));
    }
    unwound
}
