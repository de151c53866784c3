//! Both stand-ins and our own sign-in: a job's ID token is exchanged for a workspace token.

use std::sync::Arc;
use std::time::Duration;

use mlops_deploy::adapters::databricks::{GithubOidc, OidcSettings};
use mlops_deploy::adapters::host::{Masker, SystemClock};
use mlops_deploy::adapters::retry::Pace;
use mlops_deploy::domain::Secret;
use mlops_deploy::ports::Identity as _;
use mlops_deploy::rehearsal::github::{Config, Event, GitHub, JobSpec, RunningJob, Subjects};
use mlops_deploy::rehearsal::workspace::{self, Federation, Policy, Principal, Running};

const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// A workspace that trusts the job's subject as it is for an environment named `dev`.
async fn worlds(subjects: Subjects, trusted: &str) -> (GitHub, RunningJob, Running) {
    let config = Config { subjects, issuer: Some(ISSUER.to_owned()), ..Config::default() };
    let github = GitHub::start(config).unwrap();
    github.push("main", "ana", "Begin").unwrap();
    let spec = JobSpec::on(Event::push("main")).permit("id-token: write").unwrap().environment("dev");
    let job = github.start_job(spec).unwrap();
    let policy =
        Policy { issuer: ISSUER.to_owned(), audiences: vec!["acme-dev".to_owned()], subject: trusted.to_owned() };
    let federation = Federation {
        jwks_url: github.jwks_url(),
        account_id: "acc".to_owned(),
        principals: vec![(Principal::deployer("6f1c", "deploy-dev"), vec![policy])],
        token_seconds: 300,
    };
    let workspace = workspace::serve(workspace::Config::federated(federation)).await.unwrap();
    (github, job, workspace)
}

fn sign_in(job: &RunningJob, workspace: &Running) -> GithubOidc {
    let (url, token) = job.id_token_request().unwrap();
    let settings = OidcSettings {
        host: workspace.url().to_owned(),
        client_id: Some("6f1c".to_owned()),
        audience: Some("acme-dev".to_owned()),
        request_url: Some(url),
        request_token: Some(Secret::new(token)),
        pace: Pace::with_interval(Duration::from_millis(1)),
    };
    GithubOidc::new(settings, reqwest::Client::new(), Arc::new(SystemClock), Arc::new(Masker::new())).unwrap()
}

#[tokio::test]
async fn a_job_signs_in_to_a_workspace_that_trusts_its_subject() {
    for (subjects, subject) in [
        (Subjects::Legacy, "repo:acme/churn:environment:dev"),
        (Subjects::Immutable, "repo:acme@4242/churn@812345678:environment:dev"),
    ] {
        let (_github, job, workspace) = worlds(subjects, subject).await;
        let token = sign_in(&job, &workspace).token().await.unwrap();
        let me = reqwest::Client::new()
            .get(format!("{}/api/2.0/preview/scim/v2/Me", workspace.url()))
            .bearer_auth(token.expose())
            .send()
            .await
            .unwrap();
        assert_eq!(me.json::<serde_json::Value>().await.unwrap()["displayName"], "deploy-dev");
    }
}

#[tokio::test]
async fn a_renamed_subject_is_refused_and_the_refusal_shows_what_was_claimed() {
    let (_github, job, workspace) = worlds(Subjects::Immutable, "repo:acme/churn:environment:dev").await;
    let refused = sign_in(&job, &workspace).token().await.unwrap_err().to_string();
    assert!(refused.contains("repo:acme@4242/churn@812345678:environment:dev"), "{refused}");
}
