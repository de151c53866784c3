//! Tells GitHub how a deployment goes: the job's own deployment found, or one made.
//!
//! A job with `environment:` has a deployment before we start; making another would show
//! two. GitHub being down never fails a deployment that works: the caller warns.

use serde_json::{Value, json};

use crate::ports::GitHub;
use crate::ports::github::{DeploymentState, DeploymentStatus, GitHubError, NewDeployment};

/// What the deployment is about.
#[derive(Clone, Debug)]
pub struct Subject {
    pub sha: String,
    pub environment: String,
    pub target: String,
    pub run_id: String,
    pub production: bool,
    pub log_url: Option<String>,
}

/// A deployment whose statuses we write.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: u64,
    /// It belongs to the job: GitHub itself closes it when the job ends.
    pub of_the_job: bool,
}

/// The deployment that this run has already, if it has one.
pub async fn find(github: &dyn GitHub, subject: &Subject) -> Result<Option<Open>, GitHubError> {
    if let Some(id) = of_the_job(github, subject).await? {
        return Ok(Some(Open { id, of_the_job: true }));
    }
    let ours = ours(github, subject).await?;
    Ok(ours.map(|id| Open { id, of_the_job: false }))
}

pub async fn open(github: &dyn GitHub, subject: &Subject) -> Result<Open, GitHubError> {
    Ok(match of_the_job(github, subject).await? {
        Some(id) => Open { id, of_the_job: true },
        None => Open { id: create(github, subject).await?, of_the_job: false },
    })
}

/// The newest deployment of this commit whose log is a page of this run.
async fn of_the_job(github: &dyn GitHub, subject: &Subject) -> Result<Option<u64>, GitHubError> {
    let page = format!("/actions/runs/{}/", subject.run_id);
    for deployment in github.deployments(&subject.sha, &subject.environment).await?.into_iter().take(3) {
        let statuses = github.statuses(deployment.id).await?;
        if statuses.iter().any(|s| s.log_url.as_deref().is_some_and(|url| format!("{url}/").contains(&page))) {
            return Ok(Some(deployment.id));
        }
    }
    Ok(None)
}

async fn create(github: &dyn GitHub, subject: &Subject) -> Result<u64, GitHubError> {
    let new = NewDeployment {
        git_ref: subject.sha.clone(),
        environment: subject.environment.clone(),
        description: format!("bundle target {}", subject.target),
        production: subject.production,
        payload: payload(subject),
    };
    match github.create_deployment(&new).await {
        Ok(made) => Ok(made.id),
        // It is looked for before it is made again: a run has one deployment.
        Err(error) if error.may_have_been_applied() => match ours(github, subject).await? {
            Some(id) => Ok(id),
            None => Ok(github.create_deployment(&new).await?.id),
        },
        Err(error) => Err(error),
    }
}

async fn ours(github: &dyn GitHub, subject: &Subject) -> Result<Option<u64>, GitHubError> {
    let all = github.deployments(&subject.sha, &subject.environment).await?;
    let payload = payload(subject);
    Ok(all.into_iter().find(|deployment| deployment.payload == payload).map(|deployment| deployment.id))
}

fn payload(subject: &Subject) -> Value {
    json!({"target": subject.target, "run_id": subject.run_id})
}

pub async fn report(
    github: &dyn GitHub,
    open: &Open,
    subject: &Subject,
    state: DeploymentState,
    description: &str,
    environment_url: Option<String>,
) -> Result<(), GitHubError> {
    let status = DeploymentStatus {
        state,
        description: description.to_owned(),
        log_url: subject.log_url.clone(),
        environment_url,
    };
    github.create_status(open.id, &status).await
}
