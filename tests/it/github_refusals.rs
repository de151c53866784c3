//! What our client of GitHub does when GitHub says no, not now, or look over there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use mlops_deploy::adapters::github::{GitHubApi, GitHubSettings};
use mlops_deploy::adapters::retry::Pace;
use mlops_deploy::domain::Secret;
use mlops_deploy::ports::Clock;
use mlops_deploy::ports::github::{GitHub, GitHubError};
use mlops_deploy::rehearsal::front::Serving;
use serde_json::{Value, json};

use crate::still_clock::StillClock;

struct Answer(u16, &'static [(&'static str, &'static str)], Value);

struct Scene {
    _serving: Serving,
    client: GitHubApi,
    clock: Arc<StillClock>,
    asked: Arc<AtomicUsize>,
}

impl Scene {
    /// Gives these answers in turn, whatever is asked; the last one again and again.
    fn answering(answers: Vec<Answer>) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answers) = (Arc::clone(&asked), Arc::new(answers));
        let answer = async move |_: HeaderMap| -> Response {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let Answer(status, headers, body) = &answers[number.min(answers.len() - 1)];
            let mut response = (StatusCode::from_u16(*status).unwrap(), Json(body.clone())).into_response();
            for (name, value) in *headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        };
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let serving = Serving::start(bind, |_| Router::new().fallback(answer), || json!({})).unwrap();
        let clock = Arc::new(StillClock::new());
        let settings = GitHubSettings {
            api_url: format!("http://{}/api/v3", serving.address()),
            graphql_url: Some(format!("http://{}/api/graphql", serving.address())),
            repository: "acme/churn".to_owned(),
            token: Secret::new("ghs_t0ken"),
            user_agent: "mlops-deploy-action/0.1.0".to_owned(),
            pace: Pace::default(),
        };
        let client = GitHubApi::new(settings, Arc::<StillClock>::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self { _serving: serving, client, clock, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn waited(&self) -> Vec<u64> {
        self.clock.slept().iter().map(Duration::as_secs).collect()
    }
}

fn made() -> Answer {
    Answer(201, &[], json!({"id": 7, "user": {"login": "github-actions[bot]"}, "body": "b", "html_url": "u"}))
}

#[tokio::test]
async fn the_next_page_is_never_asked_of_another_host() {
    let link = &[("link", "<https://api.evil.example/comments?page=2>; rel=\"next\"")];
    let scene = Scene::answering(vec![Answer(200, link, json!([]))]);
    let error = scene.client.comments(1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read the comments of pull request 1: GitHub refused it: the next page is said to lie at another host (200)"
    );
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_limit_is_waited_out_as_long_as_github_says_and_a_write_sent_once_more() {
    let secondary = json!({"message": "You have exceeded a secondary rate limit."});
    let scene = Scene::answering(vec![Answer(403, &[("retry-after", "9")], secondary.clone()), made()]);
    scene.client.create_comment(1, "b").await.unwrap();
    assert_eq!((scene.asked(), scene.waited()), (2, vec![9]));

    // No time is named: a minute, as GitHub asks for.
    let scene = Scene::answering(vec![Answer(403, &[], secondary), made()]);
    scene.client.create_comment(1, "b").await.unwrap();
    assert_eq!(scene.waited(), [60]);
}

#[tokio::test]
async fn an_hour_is_not_waited_for() {
    let none_left = &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795257600")];
    let scene = Scene::answering(vec![Answer(403, none_left, json!({"message": "API rate limit exceeded"}))]);
    let error = scene.client.create_comment(1, "b").await.unwrap_err();
    assert!(matches!(error, GitHubError::RateLimited { retry_after: Some(wait), .. } if wait > 600), "{error:?}");
    assert_eq!((scene.asked(), scene.waited()), (1, vec![]));
}

#[tokio::test]
async fn a_read_is_repeated_and_a_write_is_not() {
    let broken = || Answer(502, &[], json!({"message": "Server Error"}));
    let scene = Scene::answering(vec![broken(), broken(), Answer(200, &[], json!([]))]);
    assert!(scene.client.comments(1).await.unwrap().is_empty());
    assert_eq!(scene.client.calls(), 3);

    let scene = Scene::answering(vec![broken(), made()]);
    let error = scene.client.create_comment(1, "b").await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), scene.asked()),
        ("comment on pull request 1: GitHub refused it: Server Error (502)", 1)
    );
}

#[tokio::test]
async fn every_refusal_says_what_is_missing() {
    let wrong = json!({"message": "Validation Failed", "errors": [
        {"resource": "DeploymentStatus", "field": "description", "code": "too_long"}, {"message": "no ref"}, "plain"]});
    let mut told = Vec::new();
    for (status, body) in [
        (403, json!({"message": "Resource not accessible by integration"})),
        (401, json!({"message": "Bad credentials"})),
        (404, json!({"message": "Not Found"})),
        (422, wrong),
        (200, json!({"unexpected": true})),
    ] {
        let scene = Scene::answering(vec![Answer(status, &[], body)]);
        told.push(scene.client.create_comment(7, "b").await.unwrap_err().to_string());
    }
    assert!(!told.join("").contains("t0ken"));
    insta::assert_snapshot!(told.join("\n"), @r"
    comment on pull request 7: GitHub refused it (Resource not accessible by integration); the job needs `permissions: pull-requests: write`
    comment on pull request 7: GitHub refused it: Bad credentials (401)
    comment on pull request 7: GitHub does not know it
    comment on pull request 7: GitHub refused it: Validation Failed: description: too_long; no ref; plain (422)
    comment on pull request 7: GitHub does not answer: its answer cannot be read (line 1, column 19)
    ");
}

#[tokio::test]
async fn who_we_are_is_asked_and_otherwise_the_jobs_own_robot() {
    let viewer = json!({"data": {"viewer": {"login": "acme-deployer[bot]"}}});
    for (status, body, login) in [(200, viewer, "acme-deployer[bot]"), (401, json!({}), "github-actions[bot]")] {
        let mut scene = Scene::answering(vec![Answer(status, &[], body)]);
        scene.client.learn_login().await;
        assert_eq!(scene.client.login(), login);
    }
}

#[tokio::test]
async fn a_ghost_and_a_payload_as_text_are_read() {
    let deployments = json!([{"id": 1, "creator": null, "payload": "{\"release\":\"r\"}", "environment": "prod/eu"}]);
    let scene = Scene::answering(vec![Answer(200, &[], deployments)]);
    let found = scene.client.deployments("abc", "prod/eu").await.unwrap();
    assert_eq!((found[0].creator.as_str(), &found[0].payload), ("", &json!({"release": "r"})));
}
