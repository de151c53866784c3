//! A job signs in to a workspace: when a token is made, what is told when none is, and that
//! nobody sees one.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use mlops_deploy::adapters::databricks::{GithubOidc, OidcSettings};
use mlops_deploy::adapters::host::{Masker, Stream};
use mlops_deploy::adapters::retry::Pace;
use mlops_deploy::domain::{Failure, Reason, Secret};
use mlops_deploy::ports::{Clock, Identity, IdentityError};
use mlops_deploy::rehearsal::front::{Fault, Rule, Serving};
use serde_json::{Value, json};

use crate::still_clock::StillClock;

/// What the workspace and GitHub of a scene do.
#[derive(Clone)]
struct Script {
    claims: Value,
    life: Value,
    config: Value,
    /// Where the workspace says that tokens are exchanged, if not at itself.
    token_endpoint: Option<String>,
    refuses: bool,
}

impl Default for Script {
    fn default() -> Self {
        let claims = json!({
            "iss": "https://token.actions.githubusercontent.com",
            "sub": "repo:acme/churn:environment:prod",
            "environment": "prod",
            "ref": "refs/heads/main",
            "event_name": "push",
            "repository": "acme/churn",
            "repository_id": "812345678",
            "repository_owner_id": "4242",
            "job_workflow_ref": "acme/churn/.github/workflows/deploy.yml@refs/heads/main",
            "runner_environment": "github-hosted",
        });
        Self { claims, life: json!(300), config: json!({}), token_endpoint: None, refuses: false }
    }
}

struct Scene {
    serving: Serving,
    clock: Arc<StillClock>,
    log: Written,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Scene {
    fn of(script: Script) -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let serving = Serving::start(bind, |address| routes(address, script), || json!({})).unwrap();
        Self { serving, clock: Arc::new(StillClock::new()), log: Written::default() }
    }

    fn host(&self) -> String {
        format!("http://{}", self.serving.address())
    }

    fn settings(&self) -> OidcSettings {
        OidcSettings {
            host: self.host(),
            client_id: Some("9a77-deploy-prod".to_owned()),
            audience: None,
            request_url: Some(format!("{}/id-token?api-version=2", self.host())),
            request_token: Some(Secret::new("request-t0ken")),
            pace: Pace::default(),
        }
    }

    fn identity(&self, settings: OidcSettings) -> GithubOidc {
        let masker = Masker::announcing(Arc::new(Stream::actions(self.log.clone())));
        let clock: Arc<dyn Clock> = Arc::<StillClock>::clone(&self.clock);
        GithubOidc::new(settings, reqwest::Client::new(), clock, Arc::new(masker)).unwrap()
    }

    async fn refusal(&self, settings: OidcSettings) -> Failure {
        let IdentityError(failure) = self.identity(settings).token().await.unwrap_err();
        failure
    }

    fn asked(&self, path: &str) -> usize {
        self.serving.log().all().iter().filter(|exchange| exchange.path == path).count()
    }

    /// A failure as it is told, addresses made the same in every run.
    fn told(&self, failure: &Failure) -> String {
        let text = format!("{}\nhint: {}", failure.message, failure.hint.as_deref().unwrap_or("(none)"));
        text.replace(&self.host(), "https://dbc-prod.example")
    }
}

fn routes(address: SocketAddr, script: Script) -> Router {
    let host = format!("http://{address}");
    let endpoint = script.token_endpoint.clone().unwrap_or_else(|| format!("{host}/oidc/v1/token"));
    let config = match &script.config {
        Value::Null => (StatusCode::NOT_FOUND, Json(json!({}))),
        config => (StatusCode::OK, Json(config.clone())),
    };
    let minted = Arc::new(AtomicUsize::new(0));
    let exchange = async move |Form(form): Form<Vec<(String, String)>>| {
        let value = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_default();
        assert_eq!(value("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
        assert_eq!(value("scope"), "all-apis");
        if script.refuses {
            let said = json!({"error": "invalid_grant", "error_description": "no federation policy matches"});
            return (StatusCode::UNAUTHORIZED, Json(said));
        }
        let number = minted.fetch_add(1, Ordering::SeqCst) + 1;
        (StatusCode::OK, Json(json!({"access_token": format!("access-t0ken-{number}"), "expires_in": script.life})))
    };
    let claims = script.claims.clone();
    let id_token = async move |Query(query): Query<Vec<(String, String)>>| {
        let audience = query.iter().find(|(name, _)| name == "audience").unwrap().1.clone();
        let mut claims = claims.clone();
        claims["aud"] = json!(audience);
        Json(json!({"value": unsigned(&claims)})).into_response()
    };
    Router::new()
        .route("/.well-known/databricks-config", get(async move || config.clone()))
        .route(
            "/oidc/.well-known/oauth-authorization-server",
            get(async move || Json(json!({"token_endpoint": endpoint}))),
        )
        .route("/oidc/v1/token", post(exchange))
        .route("/id-token", get(id_token))
}

fn unsigned(claims: &Value) -> String {
    let encode = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", encode(&json!({"alg": "RS256", "typ": "JWT"})), encode(claims))
}

#[tokio::test]
async fn a_token_is_kept_until_a_minute_before_its_end_and_then_made_from_a_new_id_token() {
    let scene = Scene::of(Script::default());
    let identity = scene.identity(scene.settings());
    for (seconds, expected) in [(0, 1), (239, 1), (1, 2), (200, 2), (40, 3)] {
        scene.clock.pass(seconds);
        assert_eq!(identity.token().await.unwrap().expose(), format!("access-t0ken-{expected}"));
    }
    assert_eq!((scene.asked("/id-token"), scene.asked("/.well-known/databricks-config")), (3, 1));
}

#[tokio::test]
async fn a_hundred_requests_wait_for_one_exchange() {
    let scene = Scene::of(Script::default());
    let identity = scene.identity(scene.settings());
    let tokens = futures::future::join_all((0..100).map(|_| identity.token())).await;
    assert!(tokens.iter().all(|token| token.as_ref().unwrap().expose() == "access-t0ken-1"));
    assert_eq!(scene.asked("/oidc/v1/token"), 1);
}

#[tokio::test]
async fn a_token_that_the_workspace_refused_is_made_anew_once() {
    let scene = Scene::of(Script { life: Value::Null, ..Script::default() });
    let identity = scene.identity(scene.settings());
    let old = identity.token().await.unwrap();
    identity.refused(&old).await;
    let new = identity.token().await.unwrap();
    // A slower request comes back with the old one.
    identity.refused(&old).await;
    assert_eq!(identity.token().await.unwrap().expose(), new.expose());
    assert_eq!(scene.asked("/oidc/v1/token"), 2);
}

#[tokio::test]
async fn every_token_is_masked_before_it_is_used() {
    let scene = Scene::of(Script::default());
    scene.identity(scene.settings()).token().await.unwrap();
    let log = String::from_utf8(scene.log.0.lock().unwrap().clone()).unwrap();
    let masked: Vec<&str> = log.lines().map(|line| line.strip_prefix("::add-mask::").unwrap()).collect();
    assert_eq!((masked[0], masked[2], masked.len()), ("request-t0ken", "access-t0ken-1", 3));
    assert!(masked[1].ends_with(".c2lnbmF0dXJl"));
}

#[tokio::test]
async fn the_audience_is_ours_the_workspaces_or_its_endpoint() {
    let config = json!({"token_federation_default_oidc_audiences": ["https://acme.example/aud", "b"]});
    for (config, ours, expected) in [
        (config.clone(), Some("acme-prod"), "acme-prod"),
        (config, None, "https://acme.example/aud"),
        (json!({}), None, "https://dbc-prod.example/oidc/v1/token"),
        (Value::Null, None, "https://dbc-prod.example/oidc/v1/token"),
    ] {
        let scene = Scene::of(Script { config, refuses: true, ..Script::default() });
        let settings = OidcSettings { audience: ours.map(str::to_owned), ..scene.settings() };
        let told = scene.told(&scene.refusal(settings).await);
        assert!(told.contains(&format!("audience           {expected}\n")), "{told}");
    }
}

#[tokio::test]
async fn a_refused_exchange_shows_the_claims_beside_what_the_policy_must_match() {
    let scene = Scene::of(Script { refuses: true, ..Script::default() });
    let failure = scene.refusal(scene.settings()).await;
    assert_eq!(failure.reason, Reason::TokenRefused);
    let told = scene.told(&failure);
    assert!(!told.contains("t0ken") && !told.contains("c2lnbmF0dXJl") && !told.contains("eyJ"), "{told}");
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_job_without_an_environment_is_told_what_that_does_to_its_subject() {
    let mut script = Script { refuses: true, ..Script::default() };
    script.claims["sub"] = json!("repo:acme@4242/churn@812345678:ref:refs/heads/main");
    script.claims.as_object_mut().unwrap().remove("environment");
    let scene = Scene::of(script);
    let settings = OidcSettings { client_id: None, ..scene.settings() };
    insta::assert_snapshot!(scene.told(&scene.refusal(settings).await));
}

#[tokio::test]
async fn a_job_without_the_permission_is_told_which_one() {
    let scene = Scene::of(Script::default());
    let failure = scene.refusal(OidcSettings { request_url: None, ..scene.settings() }).await;
    assert_eq!(failure.reason, Reason::OidcUnavailable);
    insta::assert_snapshot!(scene.told(&failure));
}

#[tokio::test]
async fn a_workspace_that_points_elsewhere_never_sees_an_id_token() {
    for script in [
        Script { token_endpoint: Some("https://evil.example/token".to_owned()), ..Script::default() },
        Script { config: json!({"oidc_endpoint": "https://evil.example/oidc"}), ..Script::default() },
    ] {
        let scene = Scene::of(script);
        let failure = scene.refusal(scene.settings()).await;
        assert_eq!((failure.reason, scene.asked("/id-token")), (Reason::HostNotAllowed, 0));
    }
}

#[tokio::test]
async fn a_hiccup_is_waited_out_and_a_breakdown_is_no_refusal() {
    let scene = Scene::of(Script::default());
    for path in ["/.well-known/databricks-config", "/id-token", "/oidc/v1/token"] {
        scene.serving.faults().add(Rule::on("*", path, Fault::status(503)));
        scene.serving.faults().add(Rule::on("*", path, Fault::LostReply));
    }
    scene.identity(scene.settings()).token().await.unwrap();
    scene.serving.faults().add(Rule::on("*", "/oidc/v1/token", Fault::status(500)).always());
    let failure = scene.refusal(scene.settings()).await;
    assert_eq!(failure.reason, Reason::WorkspaceError);
    let slept: Duration = scene.clock.slept().iter().sum();
    assert!(slept < Duration::from_secs(60), "{slept:?}");
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_told_without_its_text() {
    let scene = Scene::of(Script { life: json!("access-t0ken-as-a-number"), ..Script::default() });
    let failure = scene.refusal(scene.settings()).await;
    assert_eq!(failure.reason, Reason::MalformedReply);
    let source = std::error::Error::source(&failure).unwrap().to_string();
    assert!(source.starts_with("the answer is not the JSON that is documented"), "{source}");
}
