//! Stories of an endpoint that is given a new model version: tried without traffic, then step by step, and given back
//! what it had when anything is wrong. The stand-in's clock and ours stand still until somebody waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::Masker;
use mlops_deploy::domain::{Alias, ModelName, ModelVersion, Reason, Secret};
use mlops_deploy::policy::canary_is_well::Demands;
use mlops_deploy::policy::candidate_answers::Limits;
use mlops_deploy::ports::{Clock, Method, Request, World};
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{self, Answer, Build, Control, Federation, Principal, Running};
use mlops_deploy::report::failure::text;
use mlops_deploy::saga::{Event, Graph, Journal, Line, OnFailure, Options, Registry as Verbs, Sink, Stop};
use mlops_deploy::stages::phase::{Context, Performed, perform};
use mlops_deploy::stages::phases::endpoint::{self, Serve};
use mlops_deploy::steps::model::registry::NewVersion;
use mlops_deploy::steps::model::{MoveAlias, Registry, move_alias};
use mlops_deploy::steps::serve::{SetEndpoint, set_endpoint};
use serde_json::{Map, Value, json};

use crate::nowhere;
use crate::still_clock::StillClock;

const WHO: &str = "21be7f08-93aa-4b1d-b7d6-0e5c4a8f2d03";
const ENDPOINT: &str = "/api/2.0/serving-endpoints/churn";

struct Scene {
    workspace: Running,
    world: World,
    pages: Pages,
    _stop: tokio::sync::watch::Sender<bool>,
    stop: Stop,
}

/// What the journal tells, and what it keeps apart.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<(String, String)>>);

#[async_trait]
impl Sink for Pages {
    async fn append(&self, line: &Line) -> Result<(), std::io::Error> {
        let mut pages = self.0.lock().unwrap();
        pages.0.push_str(&line.told);
        pages.1.push_str(line.kept.as_deref().unwrap_or_default());
        Ok(())
    }
}

fn model() -> ModelName {
    ModelName::parse("prod.models.churn").unwrap()
}

fn version(number: u64) -> ModelVersion {
    ModelVersion::new(number).unwrap()
}

impl Scene {
    /// A model with two READY versions; the first one serves, if anything does.
    async fn new(serves: bool) -> Self {
        let federation = Federation {
            jwks_url: String::new(),
            account_id: "acc".to_owned(),
            principals: vec![(Principal::deployer(WHO, "deploy-prod"), Vec::new())],
            token_seconds: 3600,
        };
        let mut config = workspace::Config::federated(federation);
        config.catalogs = vec!["prod".to_owned()];
        config.catalog_users = vec![WHO.to_owned()];
        let workspace = workspace::serve(config).await.unwrap();
        let token = workspace.control().token_for(WHO).unwrap();
        let (masker, clock) = (Arc::new(Masker::new()), Arc::new(StillClock::new()));
        let identity = Arc::new(PersonalToken::new(workspace.url(), Secret::new(token), &masker).unwrap());
        let settings = Settings::new(workspace.url());
        let client = Workspace::new(settings, reqwest::Client::new(), identity, clock.clone(), masker).unwrap();
        let world = World { workspace: Arc::new(client), clock, ..nowhere::world() };
        let (sender, stop) = Stop::new();
        let scene = Self { workspace, world, pages: Pages::default(), _stop: sender, stop };
        scene.has_model(&model()).await;
        if serves {
            scene.serves(json!({"name": "churn-v1", "entity_version": "1"})).await;
        }
        scene.control().forget_requests();
        scene
    }

    /// With two versions.
    async fn has_model(&self, model: &ModelName) {
        let schema = json!({"name": model.schema, "catalog_name": model.catalog});
        self.post("/api/2.1/unity-catalog/schemas", schema).await;
        let named = json!({"name": model.name, "catalog_name": model.catalog, "schema_name": model.schema});
        self.post("/api/2.1/unity-catalog/models", named).await;
        for number in 1..=2 {
            let registry = Registry(self.world.workspace.as_ref());
            let new = NewVersion { source: format!("models:/staging.models.churn/{number}"), ..NewVersion::default() };
            let made = registry.create_version(model, &new).await.unwrap();
            registry.finalize(model, made.version).await.unwrap();
        }
    }

    /// An endpoint of one entity, as far as its build goes.
    async fn serves(&self, with: Value) {
        let mut entity =
            json!({"entity_name": "prod.models.churn", "workload_size": "Small", "scale_to_zero_enabled": true});
        entity.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let config = json!({"served_entities": [entity]});
        self.post("/api/2.0/serving-endpoints", json!({"name": "churn", "config": config})).await;
        while self.endpoint().await["state"]["config_update"] == "IN_PROGRESS" {}
        self.control().forget_requests();
    }

    /// Entities of every configuration that was sent.
    fn sent_entities(&self) -> Vec<Value> {
        let requests = self.control().requests();
        let puts = requests.iter().filter(|r| r.method == "PUT" && r.path.ends_with("/config"));
        puts.map(|r| r.body["served_entities"].clone()).collect()
    }

    fn control(&self) -> &Control {
        self.workspace.control()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.world.workspace.call(Request::post(path, body)).await.unwrap().json().unwrap()
    }

    async fn endpoint(&self) -> Value {
        self.world.workspace.call(Request::get(ENDPOINT)).await.unwrap().json().unwrap()
    }

    /// Entities and their share of the traffic.
    async fn shares(&self) -> Vec<(String, u64)> {
        let endpoint = self.endpoint().await;
        let routes = endpoint["config"]["traffic_config"]["routes"].as_array().unwrap();
        let share = |r: &Value| {
            (r["served_model_name"].as_str().unwrap().to_owned(), r["traffic_percentage"].as_u64().unwrap())
        };
        routes.iter().map(share).collect()
    }

    fn context(&self) -> Context {
        let registry =
            Verbs::default().with(set_endpoint::VERB, SetEndpoint::rebuild).with(move_alias::VERB, MoveAlias::rebuild);
        Context {
            world: self.world.clone(),
            journal: Arc::new(Journal::new(|| "2026-11-25T00:00:00Z".into(), vec![Box::new(self.pages.clone())])),
            registry,
            options: Options { parallelism: 2, on_failure: OnFailure::Stop, stop: self.stop.clone() },
            dry_run: false,
            held: &[],
        }
    }

    async fn promote(&self, edit: impl FnOnce(&mut Serve)) -> (Performed, Context) {
        let mut serve = Serve {
            endpoint: "churn".to_owned(),
            settings: Map::new(),
            traffic: vec![10, 100],
            bake: Duration::from_secs(120),
            demands: Demands { requests: 0, failed_percent: 1.0, go_on_unproven: true },
            limits: Limits::default(),
            requests: vec![json!({"dataframe_split": {"columns": ["tenure"], "data": [[1.0], [2.0]]}})],
            build: Duration::from_secs(600),
        };
        edit(&mut serve);
        let context = self.context();
        let phases = endpoint::phases(&serve, &(Arc::new(|_: &[_]| Some((model(), version(2)))) as endpoint::Promoted));
        let performed = perform(&phases, &context).await;
        (performed, context)
    }

    /// Traffic of every configuration that was sent.
    fn sent_shares(&self) -> Vec<Vec<u64>> {
        let requests = self.control().requests();
        let puts = requests.iter().filter(|r| r.method == "PUT" && r.path.ends_with("/config"));
        let share = |route: &Value| route["traffic_percentage"].as_u64().unwrap();
        puts.map(|r| r.body["traffic_config"]["routes"].as_array().unwrap().iter().map(share).collect()).collect()
    }
}

fn reason(performed: &Performed) -> Reason {
    performed.failure.as_ref().expect("it fails").reason
}

#[tokio::test]
async fn a_candidate_is_tried_at_nothing_and_then_gets_more_and_more() {
    let scene = Scene::new(true).await;
    let (performed, context) = scene.promote(|_| {}).await;
    assert!(performed.failure.is_none(), "{:?}", performed.failure);
    assert_eq!(scene.sent_shares(), [[100, 0], [90, 10], [0, 100]]);
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 0), ("churn-v2".to_owned(), 100)]);
    let asked: Vec<String> = scene.control().requests().iter().map(|r| r.path.clone()).collect();
    assert!(asked.iter().any(|p| p == "/serving-endpoints/churn/served-models/churn-v2/invocations"), "{asked:?}");
    let told = told(&context);
    assert!(told.iter().any(|m| m.starts_with("`churn-v2` answered 1 request")), "{told:?}");
}

#[tokio::test]
async fn the_first_version_makes_the_endpoint_and_its_undo_takes_the_endpoint_away() {
    let scene = Scene::new(false).await;
    let (performed, _) = scene.promote(|_| {}).await;
    assert!(performed.failure.is_none(), "{:?}", performed.failure);
    assert_eq!(scene.shares().await, [("churn-v2".to_owned(), 100)]);

    let scene = Scene::new(false).await;
    scene.control().answers("prod.models.churn", 2, Answer::Statuses { statuses: vec![500] });
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::CandidateFailed);
    let gone = scene.world.workspace.call(Request::get(ENDPOINT)).await.unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
}

#[tokio::test]
async fn a_candidate_that_answers_badly_gets_no_traffic_and_goes_away() {
    let scene = Scene::new(true).await;
    let before = scene.endpoint().await["config"]["served_entities"].clone();
    let predictions = json!([[0.1], [0.2]]);
    scene.control().answers("prod.models.churn", 2, Answer::Predictions { predictions });
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::CandidateFailed);
    assert_eq!(scene.sent_shares(), [vec![100, 0], vec![100]]);
    let after = scene.endpoint().await["config"]["served_entities"].clone();
    assert_eq!(before[0]["entity_version"], after[0]["entity_version"]);
    assert_eq!(after.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_build_that_fails_leaves_what_served_and_tells_why() {
    let scene = Scene::new(true).await;
    let log = "Collecting numpy==99\nERROR: No matching distribution found for numpy==99".to_owned();
    scene.control().builds("churn", vec![Build::Fails { log }]);
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::EndpointFailed);
    insta::assert_snapshot!(text(&performed.failure.unwrap()));
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 100)]);
    assert!(performed.unwound.unwrap().complete());
}

/// A build that fails takes a new endpoint's only configuration along.
#[tokio::test]
async fn a_first_build_that_fails_leaves_no_endpoint_and_one_that_is_left_is_no_obstacle() {
    let scene = Scene::new(false).await;
    let fails = || Build::Fails { log: "ERROR: no such package".to_owned() };
    scene.control().builds("churn", vec![fails(), Build::Ready { looks: 1 }]);
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::EndpointFailed);
    assert!(performed.unwound.unwrap().complete());
    assert!(scene.world.workspace.call(Request::get(ENDPOINT)).await.unwrap_err().is_not_found());

    let scene = Scene::new(false).await;
    scene.control().builds("churn", vec![fails(), Build::Ready { looks: 1 }]);
    scene.serves(json!({"name": "churn-v1", "entity_version": "1"})).await;
    assert!(scene.endpoint().await.get("config").is_none());
    let (performed, _) = scene.promote(|_| {}).await;
    assert!(performed.failure.is_none(), "{:?}", performed.failure);
    assert_eq!(scene.sent_shares(), [[100]]);
    assert_eq!(scene.shares().await, [("churn-v2".to_owned(), 100)]);
}

#[tokio::test]
async fn a_new_version_has_what_the_served_one_needs_and_no_journal_tells_it() {
    let scene = Scene::new(false).await;
    let needs = json!({"TABLE": "prod.models.features", "API_KEY": "plain-words"});
    let role = "arn:aws:iam::1:instance-profile/serving";
    let with =
        json!({"name": "churn-v1", "entity_version": "1", "environment_vars": needs, "instance_profile_arn": role});
    scene.serves(with).await;
    scene.only_trials_pass(500);
    let mut scene = scene;
    scene.rush(Asked::Endpoint);
    let (performed, _) = scene.promote(watched).await;
    assert_eq!(reason(&performed), Reason::CanaryFailed);
    assert!(performed.unwound.unwrap().complete());
    let sent = scene.sent_entities();
    for candidate in [&sent[0][1], &sent[1][1]] {
        assert_eq!(candidate["name"], "churn-v2");
        assert_eq!((&candidate["environment_vars"], &candidate["instance_profile_arn"]), (&needs, &json!(role)));
    }
    assert_eq!(scene.endpoint().await["config"]["served_entities"][0]["environment_vars"], needs);
    let pages = scene.pages.0.lock().unwrap();
    assert!(!pages.0.contains("plain-words"), "{}", pages.0);
    assert!(pages.0.contains("`churn-v1` 50 %, `churn-v2` 50 %"), "{}", pages.0);
    assert!(pages.1.contains("plain-words"));
}

#[tokio::test]
async fn a_candidate_that_cannot_be_tried_gets_no_traffic_unless_that_is_meant() {
    let nothing = |serve: &mut Serve| serve.requests.clear();
    let scene = Scene::new(true).await;
    let (performed, _) = scene.promote(nothing).await;
    assert_eq!(reason(&performed), Reason::CandidateUntried);
    assert_eq!(scene.sent_shares(), [vec![100, 0], vec![100]]);

    let scene = Scene::new(true).await;
    scene.control().fail(Rule::on("GET", "*/Models/prod/models/churn/2/*", Fault::status(403)).always());
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::PermissionDenied);
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 100)]);

    let scene = Scene::new(true).await;
    let (performed, context) = scene
        .promote(|serve| {
            nothing(serve);
            serve.limits.go_on_untried = true;
        })
        .await;
    assert!(performed.failure.is_none(), "{:?}", performed.failure);
    assert!(told(&context).iter().any(|m| m.starts_with("`churn-v2` was not tried")), "{:?}", told(&context));
}

#[tokio::test]
async fn a_model_for_chats_is_held_against_what_its_champion_says() {
    let choices =
        |text: &str| json!({"id": text, "created": 1, "choices": [{"message": {"content": text}, "stop": null}]});
    let asked = json!({"messages": [{"role": "user", "content": "?"}]});
    for (said, expected) in [(choices("yes"), None), (json!({"choices": []}), Some(Reason::CandidateFailed))] {
        let scene = Scene::new(true).await;
        scene.control().answers("prod.models.churn", 1, Answer::Body { body: choices("no") });
        scene.control().answers("prod.models.churn", 2, Answer::Body { body: said });
        let (performed, _) = scene.promote(|serve| serve.requests = vec![asked.clone()]).await;
        assert_eq!(performed.failure.as_ref().map(|failure| failure.reason), expected, "{:?}", performed.failure);
    }
}

#[tokio::test]
async fn a_model_of_the_same_name_elsewhere_keeps_its_place() {
    let scene = Scene::new(false).await;
    scene.has_model(&ModelName::parse("prod.older.churn").unwrap()).await;
    scene.serves(json!({"name": "churn-v2", "entity_name": "prod.older.churn", "entity_version": "2"})).await;
    let (performed, _) = scene.promote(|_| {}).await;
    assert!(performed.failure.is_none(), "{:?}", performed.failure);
    assert_eq!(scene.sent_shares(), [[100, 0], [90, 10], [0, 100]]);
    assert_eq!(scene.shares().await, [("churn-v2".to_owned(), 0), ("churn-v2-2".to_owned(), 100)]);
}

#[tokio::test]
async fn a_canary_that_fails_gives_everything_back_in_one_update() {
    let mut scene = Scene::new(true).await;
    scene.only_trials_pass(500);
    scene.rush(Asked::Endpoint);
    let (performed, _) = scene.promote(watched).await;
    assert_eq!(reason(&performed), Reason::CanaryFailed);
    assert_eq!(scene.sent_shares(), [vec![100, 0], vec![50, 50], vec![100]]);
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 100)]);
}

/// Metrics tell of the last minute alone: steady traffic looks the same at any time, and a minute is gone with the next.
#[tokio::test]
async fn steady_traffic_is_counted_minute_by_minute() {
    let mut scene = Scene::new(true).await;
    scene.rush(Asked::Endpoint);
    let (performed, context) = scene.promote(watched).await;
    assert!(performed.failure.is_none(), "{:?}", performed.failure);
    let seen = |told: &String| told.starts_with("`churn-v2` at 50 %") && told.contains("requests in 120 s, 0 failed");
    assert!(told(&context).iter().any(seen), "{:?}", told(&context));
}

#[tokio::test]
async fn a_bake_that_ends_before_a_minute_does_has_seen_nothing() {
    let mut scene = Scene::new(true).await;
    scene.rush(Asked::Endpoint);
    let (performed, _) = scene
        .promote(|serve| {
            watched(serve);
            serve.bake = Duration::from_secs(30);
        })
        .await;
    assert_eq!(reason(&performed), Reason::CanaryInconclusive);
}

#[tokio::test]
async fn a_candidate_that_nobody_asks_is_not_judged_by_its_champions_traffic() {
    let mut scene = Scene::new(true).await;
    scene.rush(Asked::Champion);
    let (performed, _) = scene.promote(watched).await;
    assert_eq!(reason(&performed), Reason::CanaryInconclusive);
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 100)]);
}

#[tokio::test]
async fn a_canary_that_refuses_every_caller_is_not_well() {
    let mut scene = Scene::new(true).await;
    scene.only_trials_pass(400);
    scene.rush(Asked::Endpoint);
    let (performed, _) = scene.promote(watched).await;
    assert_eq!(reason(&performed), Reason::CanaryFailed);
    let failure = text(&performed.failure.unwrap());
    assert!(failure.contains("answered 4xx (what served before: 0 of"), "{failure}");
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 100)]);
}

#[tokio::test]
async fn a_canary_that_answers_late_is_not_well() {
    let mut scene = Scene::new(true).await;
    scene.control().answers("prod.models.churn", 2, Answer::Late { milliseconds: 700 });
    scene.rush(Asked::Endpoint);
    let (performed, _) = scene
        .promote(|serve| {
            watched(serve);
            serve.limits.latency = Some(Duration::from_millis(400));
        })
        .await;
    assert_eq!(reason(&performed), Reason::CanaryFailed);
}

#[tokio::test]
async fn test_requests_are_sent_again_at_each_step() {
    let scene = Scene::new(true).await;
    scene.control().answers("prod.models.churn", 2, Answer::Statuses { statuses: vec![200, 200, 500] });
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::CandidateFailed);
    let failure = text(&performed.failure.unwrap());
    assert!(failure.contains("try `churn-v2` at 100 %: request 1 failed (500 INTERNAL_ERROR)"), "{failure}");
    assert_eq!(scene.sent_shares(), [vec![100, 0], vec![90, 10], vec![0, 100], vec![100]]);
}

fn watched(serve: &mut Serve) {
    serve.traffic = vec![50, 100];
    // More than one minute brings to a half.
    serve.demands = Demands { requests: 45, failed_percent: 1.0, go_on_unproven: false };
}

/// What the verdicts of a run say.
fn told(context: &Context) -> Vec<String> {
    let entries = context.journal.entries();
    let verdicts = entries.iter().filter_map(|e| match &e.event {
        Event::Verdict { message, .. } => Some(message.clone()),
        _ => None,
    });
    verdicts.collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Endpoint,
    Champion,
}

/// While somebody waits, others ask once a second, and the stand-in's time passes too.
struct RushHour {
    clock: StillClock,
    world: World,
    control: Control,
    asked: Asked,
}

impl Scene {
    /// From the beginning of a minute of the workspace on.
    fn rush(&mut self, asked: Asked) {
        let of_this_minute = jiff::Timestamp::now().as_second().unsigned_abs() % 60;
        self.control().advance(Duration::from_secs(60 - of_this_minute));
        let (world, control) = (self.world.clone(), self.control().clone());
        self.world.clock = Arc::new(RushHour { clock: StillClock::new(), world, control, asked });
    }

    /// Before there is traffic and at its first step; whoever asks then is answered with a status.
    fn only_trials_pass(&self, status: u16) {
        let statuses = [200, 200].into_iter().chain([status; 500]).collect();
        self.control().answers("prod.models.churn", 2, Answer::Statuses { statuses });
    }
}

#[async_trait]
impl Clock for RushHour {
    fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        let path = match self.asked {
            Asked::Endpoint => "/serving-endpoints/churn/invocations",
            Asked::Champion => "/serving-endpoints/churn/served-models/churn-v1/invocations",
        };
        for _ in 0..duration.as_secs() {
            let _ = self.world.workspace.call(Request::post(path, json!({"inputs": [1.0]}))).await;
        }
        self.control.advance(duration);
        self.clock.sleep(duration).await;
    }
}

#[tokio::test]
async fn too_few_requests_prove_nothing() {
    let scene = Scene::new(true).await;
    let demands = Demands { requests: 10, failed_percent: 1.0, go_on_unproven: false };
    let (performed, _) = scene.promote(|serve| serve.demands = demands).await;
    assert_eq!(reason(&performed), Reason::CanaryInconclusive);
    assert_eq!(scene.shares().await, [("churn-v1".to_owned(), 100)]);
}

#[tokio::test]
async fn an_update_whose_reply_is_lost_is_looked_for_and_not_sent_again() {
    for fault in [Fault::LostReply, Fault::StatusAfter { status: 500, body: None }] {
        let scene = Scene::new(true).await;
        scene.control().fail(Rule::on("PUT", format!("{ENDPOINT}/config"), fault));
        let (performed, _) = scene.promote(|_| {}).await;
        assert!(performed.failure.is_none(), "{:?}", performed.failure);
        assert_eq!(scene.sent_shares(), [[100, 0], [90, 10], [0, 100]]);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_being_updated_is_left_alone() {
    let scene = Scene::new(true).await;
    scene.control().builds("churn", vec![Build::Hangs]);
    let config =
        json!({"served_entities": [{"name": "other", "entity_name": "prod.models.churn", "entity_version": "1"}]});
    let put = Request::new(Method::Put, format!("{ENDPOINT}/config")).json(config);
    scene.world.workspace.call(put).await.unwrap();
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::EndpointBusy);
}

#[tokio::test]
async fn somebody_elses_update_is_not_undone() {
    let scene = Scene::new(true).await;
    let context = scene.context();
    let original = scene.endpoint().await;
    let (performed, _) = scene.promote(|serve| serve.traffic = vec![100]).await;
    assert!(performed.failure.is_none());
    let config =
        json!({"served_entities": [{"name": "hotfix", "entity_name": "prod.models.churn", "entity_version": "1"}]});
    let put = Request::new(Method::Put, format!("{ENDPOINT}/config")).json(config);
    scene.world.workspace.call(put).await.unwrap();
    while scene.endpoint().await["state"]["config_update"] == "IN_PROGRESS" {}
    let unwound = mlops_deploy::saga::unwind(&performed.begun, &context.registry, &scene.world, &context.journal).await;
    assert!(!unwound.complete());
    assert_ne!(original["config"], scene.endpoint().await["config"]);
    assert_eq!(scene.shares().await, [("hotfix".to_owned(), 100)]);
}

#[tokio::test]
async fn an_alias_moves_and_moves_back_and_a_humans_repair_stays() {
    let scene = Scene::new(false).await;
    let champion = Alias::parse("champion").unwrap();
    let registry = Registry(scene.world.workspace.as_ref());
    registry.set_alias(&model(), &champion, version(1)).await.unwrap();
    let stands_for = async || registry.by_alias(&model(), &champion).await.unwrap().unwrap().version.number();
    let context = scene.context();
    let moved = MoveAlias { model: model(), alias: champion.clone(), to: version(2), expected: Some(Some(version(1))) };
    let graph = Graph::new().then(Arc::new(moved));
    let execute = || mlops_deploy::saga::execute(&graph, &scene.world, &context.journal, &context.options);
    scene.control().fail(Rule::on("PUT", "*/aliases/champion", Fault::LostReply));
    let done = execute().await.unwrap();
    assert_eq!(stands_for().await, 2);
    let undo = || mlops_deploy::saga::unwind(&done.begun, &context.registry, &scene.world, &context.journal);
    assert!(undo().await.complete());
    assert_eq!(stands_for().await, 1);
    assert!(undo().await.complete(), "taking it back twice is harmless");

    let done = execute().await.unwrap();
    assert_eq!(done.begun.len(), 1);
    registry.delete_alias(&model(), &champion).await.unwrap();
    assert!(!undo().await.complete());
    assert!(registry.by_alias(&model(), &champion).await.unwrap().is_none());

    let refused = execute().await.unwrap();
    assert_eq!(refused.errors[0].1.failure.reason, Reason::AliasMoved);
    insta::assert_snapshot!(text(&refused.errors[0].1.failure));
}

/// Whoever waits finds the endpoint gone.
struct Vandal {
    clock: StillClock,
    world: World,
}

#[async_trait]
impl Clock for Vandal {
    fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        let _ = self.world.workspace.call(Request::new(Method::Delete, ENDPOINT)).await;
        self.clock.sleep(duration).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_is_deleted_meanwhile_is_not_made_again() {
    let mut scene = Scene::new(true).await;
    scene.control().builds("churn", vec![Build::Ready { looks: 3 }]);
    scene.world.clock = Arc::new(Vandal { clock: StillClock::new(), world: scene.world.clone() });
    let (performed, _) = scene.promote(|_| {}).await;
    assert_eq!(reason(&performed), Reason::EndpointChanged);
    insta::assert_snapshot!(text(&performed.failure.unwrap()));
    assert!(scene.world.workspace.call(Request::get(ENDPOINT)).await.unwrap_err().is_not_found());
}
