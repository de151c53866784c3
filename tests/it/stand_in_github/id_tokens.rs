//! ID tokens: who gets one, what it claims, and that it verifies.

use super::*;

async fn id_token(job: &RunningJob, audience: &str) -> Value {
    let (url, token) = job.id_token_request().unwrap();
    let reply =
        reqwest::Client::new().get(format!("{url}&audience={audience}")).bearer_auth(token).send().await.unwrap();
    reply.json::<Value>().await.unwrap()["value"].clone()
}

/// Verifies as a relying party does: discovery, keys, signature, audience, issuer, time.
async fn verified_claims(github: &GitHub, token: &str, audience: &str) -> Value {
    let issuer = github.issuer();
    let found: Value =
        reqwest::get(format!("{issuer}/.well-known/openid-configuration")).await.unwrap().json().await.unwrap();
    assert_eq!(found["issuer"], issuer.as_str());
    let keys: JwkSet = reqwest::get(found["jwks_uri"].as_str().unwrap()).await.unwrap().json().await.unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[issuer]);
    rules.validate_nbf = true;
    jsonwebtoken::decode::<Value>(token, &key, &rules).unwrap().claims
}

#[tokio::test]
async fn an_id_token_verifies_against_the_published_keys() {
    let story = Story::new();
    let spec = JobSpec::on(Event::push("main")).permit("id-token: write").unwrap().environment("prod:eu");
    let job = story.github.start_job(spec).unwrap();
    let token = id_token(&job, "acme-prod").await;
    let claims = verified_claims(&story.github, token.as_str().unwrap(), "acme-prod").await;
    assert_eq!(claims["sub"], "repo:acme/churn:environment:prod%3Aeu");
    assert_eq!(claims["environment"], "prod:eu");
    assert_eq!(claims["repository_id"], "812345678");
    assert_eq!(claims["job_workflow_ref"], "acme/churn/.github/workflows/deploy.yml@refs/heads/main");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(claims["sha"], story.github.tip("main").unwrap().as_str());
}

#[tokio::test]
async fn subjects_by_event_in_both_formats() {
    let mut seen = Vec::new();
    for subjects in [Subjects::Legacy, Subjects::Immutable] {
        let story = Story::with(Config { subjects, ..Config::default() });
        story.github.tag("v1", "main").unwrap();
        let events = [Event::pull_request(story.number), Event::push("main"), Event::push_tag("v1")];
        for event in events.into_iter().chain([Event::pull_request_target(story.number)]) {
            let job = story.github.start_job(JobSpec::on(event).permit("id-token: write").unwrap()).unwrap();
            let token = id_token(&job, "a").await;
            let claims = verified_claims(&story.github, token.as_str().unwrap(), "a").await;
            seen.push(claims["sub"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(
        seen,
        [
            "repo:acme/churn:pull_request",
            "repo:acme/churn:ref:refs/heads/main",
            "repo:acme/churn:ref:refs/tags/v1",
            "repo:acme/churn:ref:refs/heads/main",
            "repo:acme@4242/churn@812345678:pull_request",
            "repo:acme@4242/churn@812345678:ref:refs/heads/main",
            "repo:acme@4242/churn@812345678:ref:refs/tags/v1",
            "repo:acme@4242/churn@812345678:ref:refs/heads/main",
        ]
    );
}

#[tokio::test]
async fn a_customised_subject_is_told_to_who_asks() {
    let claims = Some(vec!["repository_owner".to_owned(), "context".to_owned(), "job_workflow_ref".to_owned()]);
    let story = Story::with(Config { subject_claims: claims, ..Config::default() });
    let job = story.job();
    let token = id_token(&job, "a").await;
    let claims = verified_claims(&story.github, token.as_str().unwrap(), "a").await;
    assert_eq!(
        claims["sub"],
        "repository_owner:acme:pull_request:job_workflow_ref:acme/churn/.github/workflows/deploy.yml@refs/pull/1/merge"
    );
    let (_, told) = story.api(job.token()).get("/actions/oidc/customization/sub").await;
    assert_eq!(told["include_claim_keys"], json!(["repository_owner", "context", "job_workflow_ref"]));
    assert_eq!(told["sub_claim_prefix"], "repo:acme/churn");
    story.judge();
}

#[tokio::test]
async fn who_gets_no_id_token() {
    let story = Story::new();
    assert!(story.job_with("contents: read").id_token_request().is_none());
    let fork = PullRequest::from_fork("eve/churn", "patch", "eve");
    let number = story.github.open_pull_request(fork).unwrap();
    let of_fork = JobSpec::on(Event::pull_request(number)).by("eve").permit(EVERYTHING).unwrap();
    let job = story.github.start_job(of_fork).unwrap();
    assert!(job.id_token_request().is_none());
    let refused = story.api(job.token()).post(&format!("/issues/{number}/comments"), json!({"body": "hi"})).await;
    assert_eq!((refused.0.as_u16(), &refused.1["message"]), (403, &json!("Resource not accessible by integration")));
    // The base's own workflow has everything, whoever wrote the head.
    let target = JobSpec::on(Event::pull_request_target(number)).by("eve").permit(EVERYTHING).unwrap();
    assert!(story.github.start_job(target).unwrap().id_token_request().is_some());
}

#[tokio::test]
async fn an_id_token_is_only_issued_to_a_running_job_that_keeps_the_given_query() {
    let story = Story::new();
    let job = story.job();
    let (url, token) = job.id_token_request().unwrap();
    let ask = async |url: &str, token: &str| {
        reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&url, &token).await, 200);
    assert_eq!(ask(&url, job.token()).await, 401);
    assert_eq!(ask(url.split('?').next().unwrap(), &token).await, 400);
    job.finish(Conclusion::Success);
    assert_eq!(ask(&url, &token).await, 401);
}

#[tokio::test]
async fn an_id_token_expires_when_time_passes() {
    let story = Story::new();
    let job = story.job();
    let old = id_token(&job, "a").await;
    let age = |token: &Value| {
        let claims = token.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["exp"].as_i64().unwrap()
    };
    story.github.advance(Duration::from_secs(600));
    assert!(age(&id_token(&job, "a").await) >= age(&old) + 600);
}
