//! Comments of a pull request.

use super::*;

#[tokio::test]
async fn a_comment_is_written_changed_and_deleted() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let list = format!("/issues/{}/comments", story.number);
    let (status, made) = api.post(&list, json!({"body": "<!-- mark --> one"})).await;
    assert_eq!(status, 201);
    assert_eq!(made["user"]["login"], "github-actions[bot]");
    assert_eq!(made["performed_via_github_app"]["slug"], "github-actions");
    let one = format!("/issues/comments/{}", made["id"]);
    let (status, changed) = api.patch(&one, json!({"body": "two"})).await;
    assert_eq!((status.as_u16(), &changed["body"]), (200, &json!("two")));
    assert_eq!(api.get(&list).await.1.as_array().unwrap().len(), 1);
    assert_eq!(api.send(Method::DELETE, &one, None).await.0, 204);
    assert_eq!(api.get(&one).await.0, 404);
    story.judge();
}

#[tokio::test]
async fn comments_that_are_refused() {
    let story = Story::new();
    let job = story.job();
    let api = story.api(job.token());
    let list = format!("/issues/{}/comments", story.number);
    let most = "é".repeat(65_536);
    assert_eq!(api.post(&list, json!({"body": most})).await.0, 201);
    let (status, refusal) = api.post(&list, json!({"body": format!("{most}x")})).await;
    assert_eq!(status, 422);
    assert_eq!(refusal["errors"][0]["message"], "Body is too long (maximum is 65536 characters)");
    for wrong in [json!({}), json!({"body": ""}), json!({"body": 5}), json!({"body": "x", "bodi": "y"}), json!([])] {
        let status = api.post(&list, wrong.clone()).await.0;
        assert!(matches!(status.as_u16(), 400 | 422), "{wrong}: {status}");
    }
    story.github.lock_conversation(story.number);
    assert_eq!(api.post(&list, json!({"body": "late"})).await.0, 403);
    assert_eq!(story.github.comments(story.number).len(), 1);
    story.judge_replies();
}
