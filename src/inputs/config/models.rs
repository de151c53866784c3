//! What is said about each registered model: how it is served, and under which alias.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::shape::{Smoke, blank_is_default};
use crate::domain::endpoint::{SCORED, SPOKEN};
use crate::domain::{Alias, ModelName};
use crate::inputs::period::Period;

/// A registered model of the bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "a model")]
pub struct Model {
    /// Its full name, where all environments share one model and not every target's bundle makes it; default: what the
    /// target calls it.
    pub name: Option<String>,
    /// The job that trains it.
    pub train: Option<Train>,
    /// Jobs that validate a trained version; each must end in SUCCESS.
    #[serde(deserialize_with = "blank_is_default")]
    pub validate: Vec<Smoke>,
    /// What each metric of a trained version must show, by its name; at least one, where `train` is there.
    #[serde(deserialize_with = "blank_is_default")]
    pub gate: IndexMap<String, Rule>,
    /// The alias that a promotion moves to the new version, last of all; default: `champion`.
    pub alias: Option<String>,
    /// The serving endpoint that a promotion gives the new version.
    pub serve: Option<Serve>,
}

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "how a model is trained")]
pub struct Train {
    /// The key of the job under `resources.jobs`. It is given the parameter `git_sha` where it declares one.
    pub job: String,
    /// The environment that trains, `staging` or `dev`; default: `staging`.
    #[serde(default)]
    pub r#in: Option<String>,
    /// How long it may run; default: `4h`.
    #[serde(default)]
    pub timeout: Option<Period>,
    /// Values for the job's parameters, by name.
    #[serde(default, deserialize_with = "blank_is_default")]
    pub parameters: IndexMap<String, String>,
    /// Where the version that it made is named; default: the version whose MLflow run is one of the job's.
    #[serde(default)]
    pub version_from: Option<VersionFrom>,
}

/// Where a training job says which version it made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "where the version is named")]
pub struct VersionFrom {
    /// An alias that the job sets on it, such as `challenger`.
    #[serde(default)]
    pub alias: Option<String>,
    /// A task whose notebook ends with `dbutils.notebook.exit` of a JSON object with `model_version`.
    #[serde(default)]
    pub task: Option<String>,
}

/// What a metric must show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "a metric's rule")]
pub struct Rule {
    /// The value is at least this.
    pub at_least: Option<f64>,
    /// The value is at most this.
    pub at_most: Option<f64>,
    /// Whether more is better; default: `true`, and `false` where only `at_most` is given.
    pub higher_is_better: Option<bool>,
    /// How much worse than the champion's it may be, in the metric's own units.
    pub not_worse_than_champion_by: Option<f64>,
    /// The same as a share of the champion's value: `0.02` is 2 %.
    pub not_worse_than_champion_by_relative: Option<f64>,
    /// How much better than the champion's it must be, in the metric's own units.
    pub better_than_champion_by: Option<f64>,
    /// The same as a share of the champion's value.
    pub better_than_champion_by_relative: Option<f64>,
    /// Whether the champion's value must be of the same data; default: `same`.
    pub dataset: Option<Dataset>,
    /// Parts of the data for which the rule holds too: the metrics `<metric>/<slice>`.
    #[serde(deserialize_with = "blank_is_default")]
    pub slices: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dataset {
    Same,
    Any,
}

/// How a model is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "how a model is served")]
pub struct Serve {
    /// The endpoint's name. It is made where it does not exist.
    pub endpoint: String,
    /// Size of the compute; default: as the served version of the model has it, `Small` for the first.
    #[serde(default)]
    pub size: Option<Size>,
    /// Kind of the compute, such as `CPU` or `GPU_SMALL`; default: as the served version of the model has it, for the first
    /// what the workspace takes.
    #[serde(default)]
    pub compute: Option<String>,
    /// Whether it goes to sleep when nobody asks; default: as the served version of the model has it, `true` for the first.
    #[serde(default)]
    pub scale_to_zero: Option<bool>,
    /// Percent of the traffic, step by step, ending with 100; default: `[10, 100]`.
    #[serde(default)]
    pub traffic: Option<Vec<u8>>,
    /// How long each step is watched, at least a minute for anything to be seen; default: `2m`.
    #[serde(default)]
    pub bake: Option<Period>,
    /// Fewer requests than this in a step prove nothing; default: `20`.
    #[serde(default)]
    pub requests_at_least: Option<u32>,
    /// What happens after a step with too few requests: `stop` takes the promotion back, `go-on` goes on; default: `stop`.
    #[serde(default)]
    pub on_few_requests: Option<OnFew>,
    /// The share of a step's requests that may fail, or take longer than `latency`, in percent, and how much more than
    /// what served before may be answered 4xx; default: `1`.
    #[serde(default)]
    pub errors_at_most: Option<f64>,
    /// How far the candidate's answers to test requests may be from the champion's; default: any number is right.
    #[serde(default)]
    pub tolerance: Option<f64>,
    /// How long an answer may take, to a test request and to those that a traffic step sees; default: any time.
    #[serde(default)]
    pub latency: Option<Period>,
    /// Bodies of test requests, beside the model's own input example: sent before there is traffic, and at each step.
    #[serde(default, deserialize_with = "blank_is_default")]
    pub requests: Vec<IndexMap<String, Value>>,
    /// What happens where there is nothing to try a candidate with, neither an input example nor `requests`: `stop` refuses
    /// it, `go-on` gives it traffic untried; default: `stop`.
    #[serde(default)]
    pub on_no_requests: Option<OnFew>,
    /// Whether a list of predictions has one for each row that was asked about, as long as no champion shows what it has;
    /// `false` for a forecast or a sum; default: `true`.
    #[serde(default)]
    pub row_by_row: Option<bool>,
    /// How long the workspace may build; default: `40m`.
    #[serde(default)]
    pub build: Option<Period>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Size {
    Small,
    Medium,
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFew {
    Stop,
    GoOn,
}

const CHAMPION: &str = "champion";
const TRAIN: Period = Period::minutes(240);
const BAKE: Period = Period::minutes(2);
const BUILD: Period = Period::minutes(40);
const TRAFFIC: [u8; 2] = [10, 100];
const REQUESTS: u32 = 20;
const ERRORS: f64 = 1.0;

impl Train {
    pub fn environment(&self) -> &str {
        self.r#in.as_deref().unwrap_or("staging")
    }

    pub fn timeout(&self) -> Period {
        self.timeout.unwrap_or(TRAIN)
    }

    fn effective(&self) -> Self {
        Self { r#in: Some(self.environment().to_owned()), timeout: Some(self.timeout()), ..self.clone() }
    }
}

impl Rule {
    pub fn higher_is_better(&self) -> bool {
        self.higher_is_better.unwrap_or(self.at_least.is_some() || self.at_most.is_none())
    }

    fn effective(&self) -> Self {
        let dataset = Some(self.dataset.unwrap_or(Dataset::Same));
        Self { higher_is_better: Some(self.higher_is_better()), dataset, ..self.clone() }
    }
}

impl Model {
    pub fn alias(&self) -> &str {
        self.alias.as_deref().unwrap_or(CHAMPION)
    }

    /// Whether its versions are validated in this environment: where it is trained, and what is trained before staging in
    /// staging once more.
    pub fn is_tested_in(&self, environment: Option<&str>) -> bool {
        let Some(train) = &self.train else { return false };
        environment.is_some_and(|here| here == train.environment() || here == "staging")
    }

    /// The jobs that validate a trained version.
    pub fn validations(&self) -> Vec<super::Smoke> {
        self.validate.iter().cloned().map(super::Smoke::from).collect()
    }

    /// With every default written out.
    pub(super) fn effective(&self) -> Self {
        Self {
            name: self.name.clone(),
            train: self.train.as_ref().map(Train::effective),
            validate: self.validations().into_iter().map(Smoke::from).collect(),
            gate: self.gate.iter().map(|(metric, rule)| (metric.clone(), rule.effective())).collect(),
            alias: Some(self.alias().to_owned()),
            serve: self.serve.as_ref().map(Serve::effective),
        }
    }
}

impl Serve {
    /// What is said of the compute, as the API spells it.
    pub fn settings(&self) -> Map<String, Value> {
        let mut settings = Map::new();
        if let Some(size) = self.size {
            settings.insert("workload_size".into(), json!(size));
        }
        if let Some(compute) = &self.compute {
            settings.insert("workload_type".into(), json!(compute));
        }
        if let Some(sleeps) = self.scale_to_zero {
            settings.insert("scale_to_zero_enabled".into(), json!(sleeps));
        }
        settings
    }

    /// What a promotion may wait for the platform, and for callers.
    pub fn waiting(&self) -> Duration {
        let bakes = self.bake().0.saturating_mul(self.traffic().len().try_into().unwrap_or(u32::MAX));
        self.build().0.saturating_add(bakes)
    }

    pub fn traffic(&self) -> Vec<u64> {
        self.traffic.as_deref().unwrap_or(&TRAFFIC).iter().map(|step| u64::from(*step)).collect()
    }

    pub fn bake(&self) -> Period {
        self.bake.unwrap_or(BAKE)
    }

    pub fn build(&self) -> Period {
        self.build.unwrap_or(BUILD)
    }

    pub fn requests_at_least(&self) -> u32 {
        self.requests_at_least.unwrap_or(REQUESTS)
    }

    pub fn errors_at_most(&self) -> f64 {
        self.errors_at_most.unwrap_or(ERRORS)
    }

    pub fn goes_on_unproven(&self) -> bool {
        self.on_few_requests == Some(OnFew::GoOn)
    }

    pub fn goes_on_untried(&self) -> bool {
        self.on_no_requests == Some(OnFew::GoOn)
    }

    pub fn row_by_row(&self) -> bool {
        self.row_by_row.unwrap_or(true)
    }

    pub fn latency(&self) -> Option<Duration> {
        self.latency.map(|period| period.0)
    }

    fn effective(&self) -> Self {
        Self {
            traffic: Some(self.traffic.clone().unwrap_or_else(|| TRAFFIC.to_vec())),
            bake: Some(self.bake()),
            requests_at_least: Some(self.requests_at_least()),
            on_few_requests: Some(self.on_few_requests.unwrap_or(OnFew::Stop)),
            errors_at_most: Some(self.errors_at_most()),
            on_no_requests: Some(self.on_no_requests.unwrap_or(OnFew::Stop)),
            row_by_row: Some(self.row_by_row()),
            build: Some(self.build()),
            ..self.clone()
        }
    }
}

/// What no schema shows to be wrong.
pub(super) fn contradictions(models: &IndexMap<String, Model>, refuse: &mut impl FnMut(&str, String)) {
    let mut served: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, model) in models {
        let at = format!("models.{key}");
        if let Some(Err(why)) = model.name.as_deref().map(ModelName::parse) {
            refuse(&format!("{at}.name"), format!("`{at}.name`: a model {why}, e.g. `ml.models.churn`"));
        }
        if let Err(why) = Alias::parse(model.alias()) {
            refuse(&format!("{at}.alias"), format!("`{at}.alias`: an alias {why}, e.g. `champion`"));
        }
        for (metric, rule) in &model.gate {
            rule_contradicts(&format!("{at}.gate.{metric}"), rule, refuse);
        }
        if let Some(train) = &model.train {
            train_contradicts(&format!("{at}.train"), train, refuse);
            if model.gate.is_empty() {
                let why = format!(
                    "`{at}` is trained and has no `gate`: nothing would keep a bad version from being promoted; write at \
                     least one rule, e.g. `gate: {{roc_auc: {{at_least: 0.8}}}}`"
                );
                refuse(&format!("{at}.train"), why);
            }
        }
        for (i, validate) in model.validate.iter().enumerate() {
            has_time(&format!("{at}.validate[{i}].timeout"), validate.timeout, "30m", refuse);
        }
        let Some(serve) = &model.serve else { continue };
        let at = format!("{at}.serve");
        has_time(&format!("{at}.build"), serve.build, "40m", refuse);
        has_time(&format!("{at}.latency"), serve.latency, "2s", refuse);
        let name = &serve.endpoint;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 63 || !name.chars().all(fits) {
            refuse(
                &format!("{at}.endpoint"),
                format!(
                    "`{at}.endpoint`: `{name}` is no name of an endpoint; letters, digits, `-` and `_`, at most 63"
                ),
            );
        }
        if let Some(other) = served.insert(name, key) {
            let why =
                format!("`{at}.endpoint`: `{name}` is the endpoint of `{other}` already; give each model its own");
            refuse(&format!("{at}.endpoint"), why);
        }
        let steps = serve.traffic();
        let rising = steps.windows(2).all(|pair| pair[0] < pair[1]);
        if steps.last() != Some(&100) || steps.first() == Some(&0) || !rising {
            let why = format!("`{at}.traffic`: steps rise from more than 0 to 100 percent, e.g. `[10, 50, 100]`");
            refuse(&format!("{at}.traffic"), why);
        }
        for (field, number) in [("errors_at_most", serve.errors_at_most), ("tolerance", serve.tolerance)] {
            if number.is_some_and(|n| !n.is_finite() || n < 0.0 || (field == "errors_at_most" && n > 100.0)) {
                refuse(
                    &format!("{at}.{field}"),
                    format!("`{at}.{field}`: {} is out of range", number.unwrap_or_default()),
                );
            }
        }
        for (i, request) in serve.requests.iter().enumerate() {
            let forms: Vec<&str> = SCORED.into_iter().chain(SPOKEN).collect();
            if forms.iter().filter(|form| request.contains_key(**form)).count() != 1 {
                let forms: Vec<String> = forms.iter().map(|form| format!("`{form}`")).collect();
                let why = format!("`{at}.requests[{i}]` has exactly one of {}", forms.join(", "));
                refuse(&format!("{at}.requests[{i}]"), why);
            }
        }
    }
}

fn rule_contradicts(at: &str, rule: &Rule, refuse: &mut impl FnMut(&str, String)) {
    let numbers = [
        ("at_least", rule.at_least, false),
        ("at_most", rule.at_most, false),
        ("not_worse_than_champion_by", rule.not_worse_than_champion_by, true),
        ("not_worse_than_champion_by_relative", rule.not_worse_than_champion_by_relative, true),
        ("better_than_champion_by", rule.better_than_champion_by, true),
        ("better_than_champion_by_relative", rule.better_than_champion_by_relative, true),
    ];
    for (key, number, not_negative) in numbers {
        if number.is_some_and(|n| !n.is_finite() || (not_negative && n < 0.0)) {
            let why = format!("`{at}.{key}`: {} is out of range, e.g. `0.01`", number.unwrap_or_default());
            refuse(&format!("{at}.{key}"), why);
        }
    }
    if let (Some(least), Some(most)) = (rule.at_least, rule.at_most)
        && least > most
    {
        refuse(at, format!("`{at}`: nothing is at least {least} and at most {most}"));
    }
}

/// What must end in time has some.
fn has_time(at: &str, period: Option<Period>, such_as: &str, refuse: &mut impl FnMut(&str, String)) {
    if period.is_some_and(Period::is_zero) {
        refuse(at, format!("`{at}`: `0s` is no time, e.g. `{such_as}`"));
    }
}

fn train_contradicts(at: &str, train: &Train, refuse: &mut impl FnMut(&str, String)) {
    has_time(&format!("{at}.timeout"), train.timeout, "4h", refuse);
    if !["staging", "dev"].contains(&train.environment()) {
        let why = format!("`{at}.in`: a model is trained in `staging` or `dev`, never where it is promoted to");
        refuse(&format!("{at}.in"), why);
    }
    if let Some(Err(why)) = train.version_from.as_ref().and_then(|from| from.alias.as_deref()).map(Alias::parse) {
        let why = format!("`{at}.version_from.alias`: an alias {why}, e.g. `challenger`");
        refuse(&format!("{at}.version_from.alias"), why);
    }
    if let Some(VersionFrom { alias, task }) = &train.version_from
        && alias.is_some() == task.is_some()
    {
        refuse(&format!("{at}.version_from"), format!("`{at}.version_from` has one of `alias` and `task`"));
    }
}
