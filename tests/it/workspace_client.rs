//! Our client of a workspace: what is sent again, what is not, and what is said about it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use mlops_deploy::adapters::databricks::{Bounds, PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::Masker;
use mlops_deploy::adapters::http;
use mlops_deploy::domain::{Reason, Secret};
use mlops_deploy::ports::{Body, Clock, Method};
use mlops_deploy::ports::{Identity, IdentityError, Part, Request, Rest, RestError};
use mlops_deploy::rehearsal::front::{Fault, Rule, Serving};
use serde_json::json;

use crate::bundle_by_hand::{Hand, TOKEN, said};
use crate::still_clock::StillClock;

/// A new token each time the old one is refused.
struct Tokens {
    host: String,
    refused: AtomicUsize,
}

#[async_trait]
impl Identity for Tokens {
    fn host(&self) -> &str {
        &self.host
    }

    async fn token(&self) -> Result<Secret, IdentityError> {
        Ok(Secret::new(format!("t0ken-{}", self.refused.load(Ordering::SeqCst))))
    }

    async fn refused(&self, _: &Secret) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }
}

struct Scene {
    serving: Serving,
    clock: Arc<StillClock>,
    made: Arc<AtomicUsize>,
}

impl Scene {
    fn new() -> Self {
        let made = Arc::new(AtomicUsize::new(0));
        let (count, most) = (Arc::clone(&made), Arc::new((AtomicUsize::new(0), AtomicUsize::new(0))));
        let make = async move || axum::Json(json!({"made": count.fetch_add(1, Ordering::SeqCst) + 1}));
        let crowd = async move || {
            let now = most.0.fetch_add(1, Ordering::SeqCst) + 1;
            most.1.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            most.0.fetch_sub(1, Ordering::SeqCst);
            axum::Json(json!({"most": most.1.load(Ordering::SeqCst)}))
        };
        let routes = Router::new()
            .route("/things", post(make.clone()).put(make.clone()).get(async || axum::Json(json!([1, 2]))))
            .route("/empty", get(async || StatusCode::OK))
            .route("/login", get(async || Redirect::temporary("https://login.example.com/?token=t0ken-0")))
            .route("/html", get(async || (StatusCode::BAD_GATEWAY, Html("<html><title>502 upstream</title></html>"))))
            .route("/crowd", get(crowd))
            .route(
                "/echo",
                post(async |headers: HeaderMap, body: String| (StatusCode::BAD_REQUEST, echo(&headers, &body))),
            )
            .route("/first-token", get(async |headers: HeaderMap| first_token_only(&headers)));
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let serving = Serving::start(bind, |_| routes, || json!({})).unwrap();
        Self { serving, clock: Arc::new(StillClock::new()), made }
    }

    fn host(&self) -> String {
        format!("http://{}", self.serving.address())
    }

    fn client(&self) -> Workspace {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Workspace {
        let mut settings = Settings::new(self.host());
        settings.jitter = || 1.0;
        change(&mut settings);
        let identity = Arc::new(Tokens { host: self.host(), refused: AtomicUsize::new(0) });
        client(settings, identity, &self.clock)
    }

    fn break_with(&self, method: &str, path: &str, fault: Fault) {
        self.serving.faults().add(Rule::on(method, path, fault));
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    fn waited(&self) -> Vec<u64> {
        self.clock.slept().iter().map(Duration::as_secs).collect()
    }
}

fn client(settings: Settings, identity: Arc<dyn Identity>, clock: &Arc<StillClock>) -> Workspace {
    let http = http::client(&http::user_agent(true)).unwrap();
    let clock: Arc<dyn Clock> = Arc::<StillClock>::clone(clock);
    Workspace::new(settings, http, identity, clock, Arc::new(Masker::new())).unwrap()
}

fn echo(headers: &HeaderMap, body: &str) -> axum::Json<serde_json::Value> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let said = format!("{} | {} | {body}", text("user-agent"), text("content-type").split(';').next().unwrap());
    axum::Json(json!({"error_code": "ECHO", "message": said, "details": [{"reason": "asked"}]}))
}

fn first_token_only(headers: &HeaderMap) -> axum::response::Response {
    match headers["authorization"].to_str().unwrap() {
        "Bearer t0ken-0" => (StatusCode::UNAUTHORIZED, axum::Json(json!({"message": "expired"}))).into_response(),
        _ => axum::Json(json!({"me": 1})).into_response(),
    }
}

#[tokio::test]
async fn a_read_is_repeated_until_it_is_answered() {
    let scene = Scene::new();
    scene.break_with("GET", "/things", Fault::Reset);
    scene.break_with("GET", "/things", Fault::status(503));
    scene.break_with("GET", "/things", Fault::LostReply);
    scene.break_with("GET", "/things", Fault::status(504));
    let client = scene.client();
    let reply = client.call(Request::get("/things")).await.unwrap();
    assert_eq!(reply.json().unwrap(), json!([1, 2]));
    assert_eq!(scene.waited(), [1, 2, 4, 8]);
    assert_eq!(client.requests_sent(), 5);
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_not_sent_again() {
    let scene = Scene::new();
    for (fault, made) in [(Fault::LostReply, 1), (Fault::Reset, 1)] {
        scene.break_with("POST", "/things", fault);
        let error = scene.client().call(Request::post("/things", json!({}))).await.unwrap_err();
        assert!(matches!(error, RestError::Lost(_)) && error.may_have_been_applied(), "{error:?}");
        assert_eq!(scene.made(), made);
    }
    assert_eq!(scene.waited(), [0; 0]);
}

#[tokio::test]
async fn a_server_error_to_a_write_leaves_open_whether_it_was_applied() {
    let scene = Scene::new();
    scene.break_with("POST", "/things", Fault::status_after(503));
    let error = scene.client().call(Request::post("/things", json!({}))).await.unwrap_err();
    assert!(error.may_have_been_applied() && error.status() == Some(503));
    assert_eq!(scene.made(), 1);
}

#[tokio::test]
async fn a_write_that_says_it_is_repeatable_is_repeated() {
    let scene = Scene::new();
    scene.break_with("POST", "/things", Fault::LostReply);
    scene.break_with("PUT", "/things", Fault::LostReply);
    let client = scene.client();
    client.call(Request::post("/things", json!({"key": "k"})).repeatable()).await.unwrap();
    client.call(Request::new(Method::Put, "/things")).await.unwrap();
    assert_eq!(scene.made(), 4);
}

#[tokio::test]
async fn being_told_to_wait_is_obeyed_to_the_second_by_reads_and_writes() {
    let scene = Scene::new();
    scene.break_with("POST", "/things", Fault::TooManyRequests { retry_after: 17 });
    scene.client().call(Request::post("/things", json!({}))).await.unwrap();
    assert_eq!((scene.made(), scene.waited()), (1, vec![17]));
}

#[tokio::test]
async fn a_workspace_that_stays_busy_is_given_up_on_with_its_own_words() {
    let scene = Scene::new();
    scene.serving.faults().add(Rule::on("GET", "/things", Fault::TooManyRequests { retry_after: 50 }).always());
    let error = scene.client().call(Request::get("/things")).await.unwrap_err();
    assert_eq!((error.status(), error.reason()), (Some(429), Reason::RateLimited));
    assert_eq!(scene.waited(), [50, 50]);
}

#[tokio::test]
async fn an_earlier_attempt_that_may_have_been_applied_is_never_called_unsent() {
    let scene = Scene::new();
    scene.break_with("PUT", "/things", Fault::LostReply);
    scene.serving.faults().add(Rule::on("PUT", "/things", Fault::TooManyRequests { retry_after: 100 }).always());
    let error = scene.client().call(Request::new(Method::Put, "/things")).await.unwrap_err();
    assert!(matches!(error, RestError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn nobody_at_home_is_not_sent_whatever_was_asked() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clock = Arc::new(StillClock::new());
    let host = format!("http://{closed}");
    let identity = Arc::new(Tokens { host: host.clone(), refused: AtomicUsize::new(0) });
    let client = client(Settings::new(host), identity, &clock);
    let error = client.call(Request::post("/things?", json!({})).query("secret", "c4n4ry")).await.unwrap_err();
    assert_eq!(error.to_string(), "the request was not sent: Connection refused (os error 111)");
    assert_eq!(clock.slept().len(), 4);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let scene = Scene::new();
    let client = scene.client();
    client.call(Request::get("/first-token")).await.unwrap();
    scene.serving.faults().add(Rule::on("GET", "/things", Fault::status(401)).always());
    let error = client.call(Request::get("/things")).await.unwrap_err();
    assert_eq!((error.reason(), client.requests_sent()), (Reason::Unauthorized, 4));
}

#[tokio::test]
async fn a_refused_personal_token_has_no_successor() {
    let scene = Scene::new();
    let masker = Arc::new(Masker::new());
    let identity = PersonalToken::new(&scene.host(), Secret::new("t0ken-0"), &masker).unwrap();
    let client = client(Settings::new(scene.host()), Arc::new(identity), &scene.clock);
    let error = client.call(Request::get("/first-token")).await.unwrap_err();
    let RestError::Identity { reason, message, hint } = error else { panic!("{error:?}") };
    assert_eq!(reason, Reason::Unauthorized);
    assert!(message.ends_with("the workspace does not accept the personal token") && hint.is_some());
}

#[tokio::test]
async fn time_runs_out_on_a_server_that_hangs() {
    let scene = Scene::new();
    scene.break_with("POST", "/things", Fault::Hang);
    let request = Request { timeout: Some(Duration::from_millis(100)), ..Request::post("/things", json!({})) };
    let error = scene.client().call(request).await.unwrap_err();
    assert_eq!(error, RestError::Lost("no answer within 0.1 s".to_owned()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_malformed_or_lost() {
    let scene = Scene::new();
    scene.break_with("POST", "/things", Fault::MalformedBody);
    let answer = scene.client().call(Request::post("/things", json!({}))).await;
    let error = answer.and_then(|reply| reply.json()).unwrap_err();
    assert!(error.may_have_been_applied(), "{error:?}");
}

#[tokio::test]
async fn errors_say_what_the_workspace_said_and_never_what_we_sent() {
    let scene = Scene::new();
    let mut said = BTreeMap::new();
    let client = scene.client();
    for path in ["/html", "/login", "/nowhere"] {
        let request = Request { repeatable: false, ..Request::get(path).query("q", "c4n4ry") };
        said.insert(path, client.call(request).await.unwrap_err());
    }
    let all = format!("{said:?}");
    assert!(!all.contains("c4n4ry") && !all.contains("t0ken"), "{all}");
    let told: Vec<String> = said.values().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    502 upstream (502)
    it sends us to `login.example.com` instead of answering; is `host` the workspace's own address? (307)
    not found (404)
    ");
}

#[tokio::test]
async fn bodies_arrive_in_their_form_and_details_come_back() {
    let scene = Scene::new();
    let client = scene.client();
    let mut request = Request::post("/echo", json!({"a": 1}));
    let error = client.call(request.clone()).await.unwrap_err();
    let agent = concat!("mlops-deploy-action/", env!("CARGO_PKG_VERSION"), " os/linux cicd/github");
    assert_eq!(error.to_string(), format!("{agent} | application/json | {{\"a\":1}} (400 ECHO)"));
    assert!(matches!(&error, RestError::Status { details, .. } if details[0]["reason"] == "asked"));
    request.body = Body::Multipart(vec![
        Part { name: "path".to_owned(), filename: None, bytes: "/a".into() },
        Part { name: "content".to_owned(), filename: Some("train.py".to_owned()), bytes: "print()".into() },
    ]);
    let error = client.call(request).await.unwrap_err().to_string();
    assert!(error.contains("multipart/form-data") && error.contains("filename=\"train.py\""), "{error}");
    assert_eq!(client.call(Request::get("/empty")).await.unwrap().json().unwrap(), json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_in_flight_than_the_workspace_bears() {
    let scene = Scene::new();
    let client = scene.client_with(|settings| settings.bounds = Bounds { start: 3, most: 3 });
    let calls = (0..12).map(|_| client.call(Request::get("/crowd")));
    let replies = futures::future::join_all(calls).await;
    let most = replies.into_iter().map(|reply| reply.unwrap().json().unwrap()["most"].as_u64().unwrap()).max();
    assert!(most.is_some_and(|most| (2..=3).contains(&most)), "{most:?}");
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline_or_to_another_host() {
    let scene = Scene::new();
    let deadline = scene.clock.now();
    let late = scene.client_with(|settings| settings.deadline = Some(deadline));
    let error = late.call(Request::get("/things")).await.unwrap_err();
    assert_eq!(error, RestError::NotSent("the run's deadline is over".to_owned()));
    let elsewhere = scene.client_with(|settings| settings.pace.patience = Duration::ZERO);
    let error = elsewhere.call(Request::get("@127.0.0.2/things")).await.unwrap_err();
    assert!(error.to_string().contains("leads to another host"), "{error}");
    assert_eq!((late.requests_sent(), scene.serving.log().all().len()), (0, 0));

    let identity = Arc::new(Tokens { host: "https://other.example".to_owned(), refused: AtomicUsize::new(0) });
    let clock: Arc<dyn Clock> = Arc::<StillClock>::clone(&scene.clock);
    let http = http::client("x").unwrap();
    let refused = Workspace::new(Settings::new(scene.host()), http, identity, clock, Arc::new(Masker::new()));
    assert_eq!(refused.err().unwrap().reason, Reason::HostNotAllowed);
}

#[test]
fn an_address_that_would_carry_a_token_in_the_clear_is_refused() {
    let checked = mlops_deploy::adapters::databricks::checked_host;
    assert_eq!(checked("https://dbc.example.com/?o=12#x").unwrap(), "https://dbc.example.com");
    assert_eq!(checked("http://localhost:8080/").unwrap(), "http://localhost:8080");
    for bad in ["http://dbc.example.com", "dbc.example.com", "https://me:pw@dbc.example.com", "ftp://127.0.0.1", ""] {
        assert_eq!(checked(bad).unwrap_err().reason, Reason::InvalidInput, "{bad}");
    }
}

#[tokio::test]
async fn a_proxy_is_used_and_one_that_refuses_leaves_the_request_unsent() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hand = Hand::with("bundle: {name: behind}\n").await;
    let mut command = hand.command(&["validate"]);
    command.env("DATABRICKS_HOST", "https://dbc.example.com");
    command.env("HTTPS_PROXY", format!("http://{}", proxy.local_addr().unwrap()));
    let answers = async {
        let (mut connection, _) = proxy.accept().await.unwrap();
        let mut asked = vec![0; 1024];
        let read = connection.read(&mut asked).await.unwrap();
        connection.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        drop(proxy);
        String::from_utf8_lossy(&asked[..read]).into_owned()
    };
    let (output, asked) = tokio::join!(command.output(), answers);
    let said = said(&output.unwrap());
    assert!(asked.starts_with("CONNECT dbc.example.com:443 HTTP/1.1\r\n") && !asked.contains(TOKEN), "{asked}");
    assert!(said.contains("the request was not sent") && !said.contains(TOKEN), "{said}");
}
