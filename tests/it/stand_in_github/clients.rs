//! The stand-in as octocrab sees it.

use super::*;

fn octocrab(github: &GitHub, token: &str) -> Octocrab {
    Octocrab::builder()
        .base_uri(github.api_url())
        .unwrap()
        .personal_token(token.to_owned())
        .build_with_reqwest(reqwest::Client::new())
        .unwrap()
}

#[tokio::test]
async fn octocrab_follows_the_pages_of_comments() {
    for flavour in [Flavour::DotCom, Flavour::EnterpriseServer] {
        let story = Story::with(Config { flavour, ..Config::default() });
        for count in 0..70 {
            story.github.comment_as("ben", story.number, &format!("comment {count}"));
        }
        let job = story.job();
        let client = octocrab(&story.github, job.token());
        let first = client.issues("acme", "churn").list_comments(story.number).per_page(30).send().await.unwrap();
        let all = client.all_pages(first).await.unwrap();
        assert_eq!(all.len(), 70);
        assert_eq!(all[69].body.as_deref(), Some("comment 69"));
        assert_eq!(story.github.log().lines().len(), 3);
        story.judge();
    }
}

#[tokio::test]
async fn octocrab_reads_and_writes_what_it_has_types_for() {
    let story = Story::new();
    let job = story.job();
    let client = octocrab(&story.github, job.token());
    let pull = client.pulls("acme", "churn").get(story.number).await.unwrap();
    assert_eq!(pull.user.unwrap().login, "ben");
    let repository = client.repos("acme", "churn").get().await.unwrap();
    assert_eq!(repository.full_name.as_deref(), Some("acme/churn"));
    let made = client.issues("acme", "churn").create_comment(story.number, "hello").await.unwrap();
    assert_eq!(made.user.login, "github-actions[bot]");
    let run = client.workflows("acme", "churn").get(job.run.into()).await.unwrap();
    assert_eq!(run.head_sha, story.github.tip("feature").unwrap());
    let refused = client.issues("acme", "churn").create_comment(99, "hello").await.unwrap_err();
    let octocrab::Error::GitHub { source, .. } = refused else { panic!("{refused}") };
    assert_eq!((source.status_code.as_u16(), source.message.as_str()), (404, "Not Found"));
    let checks = client.checks("acme", "churn");
    let made = checks.create_check_run("plan", story.github.tip("feature").unwrap()).send().await.unwrap();
    assert_eq!(made.name, "plan");
    story.judge();
}
