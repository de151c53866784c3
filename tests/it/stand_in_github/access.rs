//! Credentials, permissions, limits, and what is not there.

use super::*;

#[tokio::test]
async fn credentials_are_demanded_and_permissions_obeyed() {
    let story = Story::new();
    let job = story.job_with("pull-requests: read, contents: read");
    let api = story.api(job.token());
    let path = format!("/issues/{}/comments", story.number);
    assert_eq!(api.get(&path).await.0, 200);
    let (status, refusal) = api.post(&path, json!({"body": "hello"})).await;
    assert_eq!((status.as_u16(), &refusal["message"]), (403, &json!("Resource not accessible by integration")));
    assert_eq!(api.post("/deployments", json!({"ref": "main"})).await.0, 403);
    assert_eq!(api.get("/environments/dev").await.0, 403);
    let log = story.github.log().all();
    assert_eq!(log[1].reply_headers["x-accepted-github-permissions"], "issues=write; pull_requests=write");

    let (status, refusal) = story.api("ghs_unknown").get(&path).await;
    assert_eq!((status.as_u16(), &refusal["message"]), (401, &json!("Bad credentials")));
    let bare = reqwest::Client::builder().user_agent("story").build().unwrap();
    assert_eq!(bare.get(format!("{}{path}", api.base)).send().await.unwrap().status(), 401);
    let nameless = reqwest::Client::new().get(format!("{}{path}", api.base)).bearer_auth(job.token());
    assert_eq!(nameless.send().await.unwrap().status(), 403);
    job.finish(Conclusion::Success);
    assert_eq!(api.get(&path).await.0, 401);
    story.judge_replies();
}

#[tokio::test]
async fn a_token_can_be_revoked_in_the_middle_of_a_job() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    story.github.fail(Rule::on("GET", "*/comments", Fault::TokenExpired).skip(1));
    let path = format!("/issues/{}/comments", story.number);
    let statuses = [api.get(&path).await.0, api.get(&path).await.0, api.get(&path).await.0];
    assert_eq!(statuses, [200, 401, 401]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_not_known_says_so() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    for missing in ["/pulls/77", "/pulls/seven", "/issues/77/comments", "/deployments/1", "/environments/mars"] {
        assert_eq!(api.get(missing).await.0, 404, "{missing}");
    }
    let other = format!("{}/repos/acme/other", story.github.api_url());
    let elsewhere = Api { base: other, ..story.api(job.token()) };
    assert_eq!(elsewhere.get("/pulls/1").await.0, 404);
    // A comment is changed with PATCH alone.
    let id = story.github.comment_as("ben", story.number, "first");
    assert_eq!(api.post(&format!("/issues/comments/{id}"), json!({"body": "second"})).await.0, 404);
    assert_eq!(api.get("/contents/README.md").await.0, 501);
    story.judge_replies();
}

#[tokio::test]
async fn the_limit_of_an_hour_ends_and_comes_back() {
    let story = Story::with(Config { rate_limit: 2, ..Config::default() });
    let job = story.job();
    let api = story.api(job.token());
    assert_eq!(api.get("").await.0, 200);
    assert_eq!(api.get("").await.0, 200);
    let refused = api.client.get(&api.base).bearer_auth(&api.token).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["x-ratelimit-remaining"]), (403, &"0".parse().unwrap()));
    story.github.advance(Duration::from_secs(3601));
    assert_eq!(api.get("").await.0, 200);
    story.judge();
}

#[tokio::test]
async fn a_secondary_limit_is_a_fault() {
    let story = Story::new();
    let job = story.job();
    let body = json!({"message": "You have exceeded a secondary rate limit."});
    let headers = [("retry-after".to_owned(), "60".to_owned())].into();
    story.github.fail(Rule::on(
        "POST",
        "/repos/*/comments",
        Fault::StatusBefore { status: 403, headers, body: Some(body) },
    ));
    let url = format!("/issues/{}/comments", story.number);
    let api = story.api(job.token());
    assert_eq!(api.post(&url, json!({"body": "one"})).await.0, 403);
    assert_eq!(api.post(&url, json!({"body": "one"})).await.0, 201);
    assert_eq!(story.github.comments(story.number).len(), 1);
}
