//! Who gets a token of the stand-in workspace, and what it is good for.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{self, Config, Federation, Policy, Principal, Running};
use reqwest::StatusCode;
use serde_json::{Value, json};

const DEPLOYER: &str = "6f1c0d2e-0000-4000-8000-00000000d001";
const PLANNER: &str = "0b2e0d2e-0000-4000-8000-00000000d002";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:acme/churn:environment:dev";
const IMMUTABLE: &str = "repo:acme@12/churn@34:environment:dev";
const ACCOUNT: &str = "a1b2c3d4-0000-4000-8000-000000000000";

/// A workspace, and somebody who signs ID tokens.
struct Trust {
    workspace: Running,
    key: EncodingKey,
    http: reqwest::Client,
}

impl Trust {
    async fn between() -> Self {
        Self::with_key(&KEY).await
    }

    async fn with_key(pem: &[u8]) -> Self {
        let key = EncodingKey::from_rsa_pem(pem).unwrap();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("one".into());
        let keys = json!({"keys": [jwk]});
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/keys", listener.local_addr().unwrap());
        let app = axum::Router::new().route("/keys", axum::routing::get(move || async move { axum::Json(keys) }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let policy = |subject: &str| Policy { issuer: ISSUER.into(), audiences: vec![], subject: subject.into() };
        let principals = vec![
            (Principal::deployer(DEPLOYER, "deploy-dev"), vec![policy(SUBJECT), policy(IMMUTABLE)]),
            (Principal::reader(PLANNER, "plan-dev"), vec![policy("repo:acme/churn:pull_request")]),
        ];
        let federation = Federation { jwks_url, account_id: ACCOUNT.into(), principals, token_seconds: 300 };
        let workspace = workspace::serve(Config::federated(federation)).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { workspace, key, http }
    }

    fn id_token(&self, subject: &str, audience: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims =
            json!({"iss": ISSUER, "sub": subject, "aud": audience, "exp": now + 300, "iat": now, "nbf": now - 600});
        let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    async fn exchange(&self, client: &str, id_token: &str) -> (StatusCode, Value) {
        let discovery = format!("{}/oidc/.well-known/oauth-authorization-server", self.workspace.url());
        let found: Value = self.http.get(discovery).send().await.unwrap().json().await.unwrap();
        let form = HashMap::from([
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", id_token),
            ("scope", "all-apis"),
            ("client_id", client),
        ]);
        let reply = self.http.post(found["token_endpoint"].as_str().unwrap()).form(&form).send().await.unwrap();
        (reply.status(), reply.json().await.unwrap())
    }

    async fn token(&self, client: &str, subject: &str) -> String {
        let (status, answer) = self.exchange(client, &self.id_token(subject, ACCOUNT)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["expires_in"], 300);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn me(&self, token: &str) -> StatusCode {
        let me = format!("{}/api/2.0/preview/scim/v2/Me", self.workspace.url());
        self.http.get(me).bearer_auth(token).send().await.unwrap().status()
    }

    async fn create_job(&self, token: &str) -> (StatusCode, Value) {
        let create = format!("{}/api/2.2/jobs/create", self.workspace.url());
        let reply = self.http.post(create).bearer_auth(token).json(&json!({"name": "train"})).send().await.unwrap();
        (reply.status(), reply.json().await.unwrap())
    }
}

/// Made once: a key of this size takes a second without optimization.
static KEY: LazyLock<Vec<u8>> = LazyLock::new(new_key);

fn new_key() -> Vec<u8> {
    use base64::Engine;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&pair).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")).into_bytes()
}

#[tokio::test]
async fn both_forms_of_a_subject_are_trusted_where_a_policy_names_them() {
    let trust = Trust::between().await;
    for subject in [SUBJECT, IMMUTABLE] {
        let token = trust.token(DEPLOYER, subject).await;
        assert_eq!(trust.create_job(&token).await.0, 200);
    }
}

#[tokio::test]
async fn every_claim_of_a_policy_must_match_exactly() {
    let trust = Trust::between().await;
    let other_subject = trust.id_token("repo:acme/churn:ref:refs/heads/main", ACCOUNT);
    let other_audience = trust.id_token(SUBJECT, "https://github.com/acme");
    for id_token in [other_subject, other_audience] {
        let (status, answer) = trust.exchange(DEPLOYER, &id_token).await;
        assert_eq!((status.as_u16(), answer["error"].as_str()), (400, Some("invalid_request")));
    }
    let (status, answer) = trust.exchange("unknown", &trust.id_token(SUBJECT, ACCOUNT)).await;
    assert_eq!((status.as_u16(), answer["error"].as_str()), (401, Some("invalid_client")));
}

#[tokio::test]
async fn a_token_signed_by_somebody_else_is_refused() {
    let (trust, stranger) = (Trust::between().await, Trust::with_key(&new_key()).await);
    let (status, answer) = trust.exchange(DEPLOYER, &stranger.id_token(SUBJECT, ACCOUNT)).await;
    assert_eq!((status.as_u16(), answer["error"].as_str()), (400, Some("invalid_request")));
}

#[tokio::test]
async fn a_token_lives_five_minutes_and_a_fault_ends_it_sooner() {
    let trust = Trust::between().await;
    let token = trust.token(DEPLOYER, SUBJECT).await;
    assert_eq!(trust.me(&token).await, 200);
    trust.workspace.control().advance(Duration::from_secs(301));
    assert_eq!(trust.me(&token).await, 401);

    let trust = Trust::between().await;
    let token = trust.token(DEPLOYER, SUBJECT).await;
    trust.workspace.control().fail(Rule::on("GET", "*/Me", Fault::TokenExpired).skip(1));
    assert_eq!(trust.me(&token).await, 200);
    assert_eq!(trust.me(&token).await, 401);
    assert_eq!(trust.me(&token).await, 401);
}

#[tokio::test]
async fn the_plan_principal_reads_and_cannot_write() {
    let trust = Trust::between().await;
    let token = trust.token(PLANNER, "repo:acme/churn:pull_request").await;
    assert_eq!(trust.me(&token).await, 200);
    let (status, refusal) = trust.create_job(&token).await;
    assert_eq!((status.as_u16(), refusal["error_code"].as_str()), (403, Some("PERMISSION_DENIED")));
    let principals = format!("{}/api/2.0/preview/scim/v2/ServicePrincipals", trust.workspace.url());
    let by_name = trust.http.get(principals).query(&[("filter", r#"displayName eq "deploy-dev""#)]).bearer_auth(&token);
    let found: Value = by_name.send().await.unwrap().json().await.unwrap();
    assert_eq!(found["Resources"][0]["applicationId"], DEPLOYER);
}

#[tokio::test]
async fn no_other_word_is_a_token() {
    let trust = Trust::between().await;
    assert_eq!(trust.me("dapi0123").await, 403);
    let me = format!("{}/api/2.0/preview/scim/v2/Me", trust.workspace.url());
    assert_eq!(trust.http.get(me).send().await.unwrap().status(), 401);
}
