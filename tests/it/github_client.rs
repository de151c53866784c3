//! Our client of GitHub against the stand-in, every request judged by GitHub's description.

use std::sync::Arc;

use mlops_deploy::adapters::github::{GitHubApi, GitHubSettings};
use mlops_deploy::adapters::host::SystemClock;
use mlops_deploy::adapters::retry::Pace;
use mlops_deploy::domain::Secret;
use mlops_deploy::ports::github::{
    Ancestry, DeploymentState, DeploymentStatus, GitHub as _, GitHubError, NewDeployment,
};
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::{Config, Event, Flavour, GitHub, JobSpec, PullRequest, RunningJob};
use serde_json::json;

use crate::github_description::assert_requests_follow_githubs_description;

const PERMISSIONS: &str = "contents: read, id-token: write, pull-requests: write, deployments: write, actions: read";

struct Scene {
    github: GitHub,
    job: RunningJob,
    number: u64,
}

impl Scene {
    fn new() -> Self {
        Self::of(Config::default(), PERMISSIONS)
    }

    fn of(config: Config, permissions: &str) -> Self {
        let github = GitHub::start(config).unwrap();
        github.push("main", "ana", "Begin").unwrap();
        github.push("feature/longer", "ben", "Train longer").unwrap();
        let number = github.open_pull_request(PullRequest::from_branch("feature/longer", "ben")).unwrap();
        let spec = JobSpec::on(Event::pull_request(number)).by("ben").permit(permissions).unwrap();
        let job = github.start_job(spec).unwrap();
        Scene { github, job, number }
    }

    fn client(&self) -> GitHubApi {
        let api_url = self.github.api_url();
        let settings = GitHubSettings {
            graphql_url: Some(format!("{}/graphql", api_url.trim_end_matches("/v3"))),
            api_url,
            repository: "acme/churn".to_owned(),
            token: Secret::new(self.job.token()),
            user_agent: "mlops-deploy".to_owned(),
            pace: Pace::with_interval(std::time::Duration::from_millis(1)),
        };
        GitHubApi::new(settings, Arc::new(SystemClock)).unwrap()
    }

    fn judge(&self) {
        assert_requests_follow_githubs_description(&self.github.log().all());
    }
}

#[tokio::test]
async fn comments_are_read_through_all_pages_wherever_the_api_lies() {
    for flavour in [Flavour::DotCom, Flavour::EnterpriseServer] {
        let scene = Scene::of(Config { flavour, ..Config::default() }, PERMISSIONS);
        for count in 0..230 {
            scene.github.comment_as("ben", scene.number, &format!("comment {count}"));
        }
        let comments = scene.client().comments(scene.number).await.unwrap();
        assert_eq!(comments.len(), 230, "{flavour:?}");
        assert_eq!(comments[229].body, "comment 229");
        scene.judge();
    }
}

#[tokio::test]
async fn a_comment_is_made_found_and_changed_in_place() {
    let scene = Scene::new();
    let mut client = scene.client();
    client.learn_login().await;
    assert_eq!(client.login(), "github-actions[bot]");
    let made = client.create_comment(scene.number, "one").await.unwrap();
    assert_eq!(made.author, client.login());
    client.update_comment(made.id, "two").await.unwrap();
    assert_eq!(scene.github.comments(scene.number), [("github-actions[bot]".to_owned(), "two".to_owned())]);
    scene.judge();
}

#[tokio::test]
async fn a_deployment_is_announced_and_followed() {
    let scene = Scene::new();
    let client = scene.client();
    let sha = scene.github.tip("feature/longer").unwrap();
    let new = NewDeployment {
        git_ref: sha.clone(),
        environment: "prod/eu".to_owned(),
        description: "d".repeat(300),
        production: false,
        payload: json!({"release": "abc"}),
    };
    let made = client.create_deployment(&new).await.unwrap();
    for state in [DeploymentState::Queued, DeploymentState::InProgress, DeploymentState::Success] {
        let status = DeploymentStatus {
            state,
            description: "é".repeat(300),
            log_url: Some("https://example.com/log".to_owned()),
            environment_url: Some("https://example.com".to_owned()),
        };
        client.create_status(made.id, &status).await.unwrap();
    }
    let found = client.deployments(&sha, "prod/eu").await.unwrap();
    assert_eq!((found.len(), found[0].id, &found[0].payload), (1, made.id, &json!({"release": "abc"})));
    let states: Vec<String> = client.statuses(made.id).await.unwrap().into_iter().map(|one| one.state).collect();
    assert_eq!(states, ["success", "in_progress", "queued"]);
    scene.judge();
}

#[tokio::test]
async fn commits_are_placed_in_history() {
    let scene = Scene::new();
    let client = scene.client();
    let (main, head) = (scene.github.tip("main").unwrap(), scene.github.tip("feature/longer").unwrap());
    assert_eq!(client.compare(&main, &head).await.unwrap(), Ancestry::Ahead);
    assert_eq!(client.compare(&head, &main).await.unwrap(), Ancestry::Behind);
    assert_eq!(client.compare("feature/longer", &head).await.unwrap(), Ancestry::Identical);
    assert_eq!(client.compare(&"0".repeat(40), &head).await.unwrap(), Ancestry::Unknown);
    scene.github.push("main", "ana", "Go on").unwrap();
    assert_eq!(client.compare("main", &head).await.unwrap(), Ancestry::Diverged);
    let pulls = client.pulls_of_commit(&head).await.unwrap();
    assert_eq!((pulls[0].number, pulls[0].merged), (scene.number, false));
    let merged = scene.github.merge(scene.number, "cleo").unwrap();
    let pulls = client.pulls_of_commit(&merged).await.unwrap();
    assert_eq!((pulls[0].number, pulls[0].merged), (scene.number, true));
    scene.judge();
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let scene = Scene::of(Config::default(), "contents: read");
    let refused = scene.client().create_comment(scene.number, "hello").await.unwrap_err();
    assert!(matches!(refused, GitHubError::Forbidden { .. }), "{refused}");
    assert_eq!(
        refused.to_string(),
        "comment on pull request 1: GitHub refused it (Resource not accessible by integration); \
         the job needs `permissions: pull-requests: write`"
    );
    scene.judge();
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_not_sent_twice() {
    for fault in [Fault::LostReply, Fault::status_after(502), Fault::Reset, Fault::status(500), Fault::MalformedBody] {
        let scene = Scene::new();
        scene.github.fail(Rule::on("POST", "/repos/*/comments", fault.clone()));
        assert!(scene.client().create_comment(scene.number, "once").await.is_err(), "{fault:?}");
        assert_eq!(scene.github.log().writes().len(), 1, "{fault:?}");
        let written = scene.github.comments(scene.number).len();
        assert_eq!(written, usize::from(fault.applies()), "{fault:?}");
        scene.judge();
    }
}

#[tokio::test]
async fn what_was_turned_away_is_sent_again() {
    let scene = Scene::new();
    scene.github.fail(Rule::on("POST", "/repos/*/comments", Fault::TooManyRequests { retry_after: 0 }));
    scene.client().create_comment(scene.number, "once").await.unwrap();
    assert_eq!(scene.github.comments(scene.number).len(), 1);
    for fault in [Fault::status(503), Fault::Reset] {
        scene.github.fail(Rule::on("GET", "/repos/*/comments", fault));
        assert_eq!(scene.client().comments(scene.number).await.unwrap().len(), 1);
    }
    assert!(scene.github.faults().pending().is_empty());
    scene.judge();
}
