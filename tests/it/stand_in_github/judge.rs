//! The judge of requests, judged.

use super::*;

#[tokio::test]
async fn the_judge_catches_what_github_would_not_take_or_would_ignore() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let comments = format!("/issues/{}/comments", story.number);
    api.post(&comments, json!({"body": "x".repeat(70_000)})).await;
    api.post(&comments, json!({"body": "x", "bodi": 1})).await;
    api.post(&comments, json!({"body": 5})).await;
    api.post("/deployments", json!({"ref": "main", "required_contexts": "none"})).await;
    api.post("/deployments/5/statuses", json!({"state": "running", "description": "d".repeat(141)})).await;
    api.get("/deployments?env=dev&per_page=200").await;
    api.get("/issues/seven/comments").await;
    api.get("/contents/README.md").await;
    api.client.get(&api.base).send().await.unwrap();
    let Some(faults) = faults_of_requests(&story.github.log().all()) else { return };
    insta::assert_snapshot!(faults.join("\n"));
}

#[tokio::test]
async fn a_personal_token_is_a_persons() {
    let story = Story::new();
    let token = story.github.personal_token("ana", "pull-requests: write".parse::<Permissions>().unwrap());
    let (_, made) = story.api(&token).post(&format!("/issues/{}/comments", story.number), json!({"body": "me"})).await;
    assert_eq!((&made["user"]["login"], &made["performed_via_github_app"]), (&json!("ana"), &Value::Null));
    let me = Api { base: story.github.api_url(), ..story.api(&token) };
    assert_eq!(me.get("/user").await.1["login"], "ana");
    let bot = Api { base: story.github.api_url(), ..story.api(story.job().token()) };
    assert_eq!(bot.get("/user").await.0, 403);
    let (_, viewer) = bot.post("/graphql", json!({"query": "query { viewer { login } }"})).await;
    assert_eq!(viewer["data"]["viewer"]["login"], "github-actions[bot]");
    assert_eq!(bot.post("/graphql", json!({"query": "{ repository { id } }"})).await.0, 501);
}
