//! How the commit to deploy relates to the one that is deployed.

use crate::ports::github::Ancestry;
use crate::ports::{GitHub, World};

/// What the compare API says, and why it could not, if it could not.
#[derive(Debug)]
pub enum Answer {
    NothingDeployed,
    Same,
    Compared(Ancestry),
    NobodyToAsk,
    Failed(String),
}

pub async fn ask(world: &World, deployed: Option<&str>, commit: Option<&str>) -> Answer {
    match (deployed.filter(|d| !d.is_empty()), commit) {
        (None, _) => Answer::NothingDeployed,
        (Some(deployed), Some(commit)) if deployed == commit => Answer::Same,
        (Some(deployed), Some(commit)) => match &world.github {
            Some(github) => compare(github.as_ref(), deployed, commit).await,
            None => Answer::NobodyToAsk,
        },
        (Some(_), None) => Answer::NobodyToAsk,
    }
}

async fn compare(github: &dyn GitHub, deployed: &str, commit: &str) -> Answer {
    match github.compare(deployed, commit).await {
        Ok(ancestry) => Answer::Compared(ancestry),
        Err(error) => Answer::Failed(error.to_string()),
    }
}
