//! Takes back what a run began, and enters into the state what has to stay.
//!
//! A schema with tables in it, a model with a version: making them is not taken back, for what others put there would go
//! too. In a state that does not name them they would be made again, which fails.

use super::bundle::adopt::adopt;
use super::bundle::take_lock;
use crate::ports::World;
use crate::saga::{Begun, Journal, Registry, Unwound, unwind};

/// All but what these verbs did, which is held until the run's last word.
pub async fn take_back(
    begun: &[Begun],
    held: &[&str],
    world: &World,
    (registry, journal): (&Registry<World>, &Journal),
) -> Unwound {
    let (locks, rest): (Vec<Begun>, Vec<Begun>) =
        begun.iter().cloned().partition(|begun| held.contains(&begun.spec.verb.as_str()));
    let mut unwound = unwind(&rest, registry, world, journal).await;
    // Whoever changes resources holds the lock beside the state.
    if let Some(state_path) = take_lock::state_path(&locks)
        && let Err(failure) = adopt(world, state_path, &unwound.kept).await
    {
        unwound.failed.push(("enter into the state what stays".to_owned(), failure.into()));
    }
    unwound
}
