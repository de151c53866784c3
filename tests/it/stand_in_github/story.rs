//! A story told over HTTP, as another process would.

use super::*;

#[tokio::test]
async fn another_process_tells_a_story_and_gets_a_runner() {
    let github = GitHub::start(Config::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tell = async |verb: Value| {
        let url = format!("{}/_rehearsal/story", github.server_url());
        read(reqwest::Client::new().post(url).json(&verb).send().await.unwrap()).await
    };
    tell(json!({"do": "push", "branch": "main", "author": "ana", "message": "Begin"})).await;
    let sha = "ab".repeat(20);
    tell(json!({"do": "push", "branch": "f", "author": "ben", "message": "Change", "sha": sha})).await;
    let (_, opened) = tell(json!({"do": "open-pull-request", "branch": "f", "author": "ben", "title": "Change"})).await;
    assert_eq!(opened["number"], 1);
    let (status, job) = tell(json!({
        "do": "start-job", "event": {"name": "pull_request", "number": 1}, "actor": "ben",
        "permissions": "id-token: write, pull-requests: write", "environment": "dev", "folder": dir.path(),
    }))
    .await;
    assert_eq!(status, 200, "{job}");
    assert_eq!(job["vars"]["GITHUB_REPOSITORY"], "acme/churn");
    assert!(dir.path().join("workflow/event.json").exists());
    let api = Api {
        client: reqwest::Client::builder().user_agent("story").build().unwrap(),
        base: format!("{}/repos/acme/churn", github.api_url()),
        token: job["token"].as_str().unwrap().to_owned(),
    };
    assert_eq!(api.post("/issues/1/comments", json!({"body": "hello"})).await.0, 201);
    tell(json!({"do": "finish-job", "id": job["id"], "conclusion": "success"})).await;
    assert_eq!(api.get("/issues/1/comments").await.0, 401);
    let (status, refusal) = tell(json!({"do": "merge", "number": 9, "by": "ana"})).await;
    assert_eq!((status.as_u16(), &refusal["message"]), (409, &json!("no pull request 9")));
    assert_eq!(tell(json!({"do": "dance"})).await.0, 422);
    // Telling is not asking: it leaves no trace in the record.
    assert_eq!(github.log().all().len(), 2);
}
