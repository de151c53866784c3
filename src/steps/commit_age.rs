//! How the commit to deploy relates to the one that is deployed.

use crate::ports::World;
use crate::ports::github::Ancestry;

/// What the compare API says, or else the checkout; and why nobody could say, if nobody could.
#[derive(Debug)]
pub enum Answer {
    NothingDeployed,
    Same,
    Compared(Ancestry),
    NotKnown(String),
}

pub async fn ask(world: &World, deployed: Option<&str>, commit: Option<&str>) -> Answer {
    let Some(deployed) = deployed.filter(|deployed| !deployed.is_empty()) else { return Answer::NothingDeployed };
    let Some(commit) = commit else { return Answer::NotKnown("what is deployed now has no commit".to_owned()) };
    if deployed == commit {
        return Answer::Same;
    }
    let why = match &world.github {
        None => "GitHub was not asked: there is no token".to_owned(),
        Some(github) => match github.compare(deployed, commit).await {
            Ok(Ancestry::Unknown) => "GitHub does not know one of them".to_owned(),
            Ok(ancestry) => return Answer::Compared(ancestry),
            Err(error) => error.to_string(),
        },
    };
    // A laptop has the whole history; a job that checks out one commit does not.
    match &world.history {
        None => Answer::NotKnown(why),
        Some(history) => match history.compare(deployed, commit).await {
            Ancestry::Unknown => Answer::NotKnown(format!("{why}; and the checkout does not have the commits between")),
            ancestry => Answer::Compared(ancestry),
        },
    }
}
