//! What a serving endpoint serves and how its traffic is shared out, as far as we may say so.
//!
//! An endpoint shows more than it takes: who made an entity, when, in which state it is. Only what can be sent is kept, so
//! that a configuration that was read can be compared with one that was meant, and be sent back as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ModelName, ModelVersion};

/// What a request's body has one of: the answer has `predictions`.
pub const SCORED: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];
/// Or of these: the answer is what the task of the model says, such as `choices`.
pub const SPOKEN: [&str; 3] = ["messages", "prompt", "input"];

/// Of an entity, what the workspace tells and does not take.
const SHOWN_ONLY: [&str; 5] = ["creator", "creation_timestamp", "state", "foundation_model", "model_display_name"];

const SIZE: &str = "workload_size";
/// The API takes either.
const IN_PLACE_OF_A_SIZE: [&str; 2] = ["min_provisioned_concurrency", "max_provisioned_concurrency"];

/// A served entity as it can be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entity(Map<String, Value>);

impl Entity {
    /// Sizes and the like are given as the API spells them; what is not given is as in `before`, an entity of the same
    /// model: its environment variables and its role are what the next version needs too.
    fn of_model(
        name: &str,
        model: &ModelName,
        version: ModelVersion,
        before: Option<&Entity>,
        given: &Map<String, Value>,
    ) -> Self {
        let first = || Map::from_iter([(SIZE.into(), json!("Small")), ("scale_to_zero_enabled".into(), json!(true))]);
        let mut entity = before.map_or_else(first, |before| before.0.clone());
        if given.contains_key(SIZE) {
            entity.retain(|field, _| !IN_PLACE_OF_A_SIZE.contains(&field.as_str()));
        }
        entity.extend(given.clone());
        entity.insert("name".into(), json!(name));
        entity.insert("entity_name".into(), json!(model));
        entity.insert("entity_version".into(), json!(version.to_string()));
        Self(entity)
    }

    fn read(shown: &Value) -> Self {
        let mut entity = shown.as_object().cloned().unwrap_or_default();
        entity.retain(|field, value| !SHOWN_ONLY.contains(&field.as_str()) && !value.is_null());
        Self(entity)
    }

    pub fn name(&self) -> &str {
        self.0.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The model and version that it serves; none for a model that lies elsewhere.
    pub fn model(&self) -> Option<(ModelName, ModelVersion)> {
        let text = |field: &str| self.0.get(field).and_then(Value::as_str);
        let version = ModelVersion::parse(text("entity_version")?).ok()?;
        Some((ModelName::parse(text("entity_name")?).ok()?, version))
    }

    /// A provider's key is never shown: what is sent back would lack it.
    pub fn hides_a_key(&self) -> bool {
        self.0.contains_key("external_model")
    }

    /// Whether everything that was meant is there. The workspace adds defaults of its own.
    fn covers(&self, meant: &Entity) -> bool {
        meant.0.iter().all(|(field, value)| self.0.get(field) == Some(value))
    }
}

/// Letters, digits, `_` and `-` are what a name may have.
fn entity_name(model: &ModelName, version: ModelVersion) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    format!("{}-v{version}", model.name.chars().map(fits).collect::<String>())
}

/// Entities and traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    pub entities: Vec<Entity>,
    /// Percent, by the name of the entity; those that are not named get nothing.
    pub traffic: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capture: Option<Value>,
}

impl Serving {
    /// Of the `config` or `pending_config` of an endpoint.
    pub fn read(config: &Value) -> Self {
        let entities = config["served_entities"].as_array().or(config["served_models"].as_array());
        let routes = config["traffic_config"]["routes"].as_array().into_iter().flatten();
        let share = |route: &Value| {
            let to = route["served_model_name"].as_str().or(route["served_entity_name"].as_str())?;
            Some((to.to_owned(), route["traffic_percentage"].as_u64()?))
        };
        Self {
            entities: entities.into_iter().flatten().map(Entity::read).collect(),
            traffic: routes.filter_map(share).filter(|(_, percent)| *percent > 0).collect(),
            capture: config.get("auto_capture_config").filter(|c| c.is_object()).cloned(),
        }
    }

    /// One entity that gets everything: an endpoint's first configuration.
    pub fn alone(entity: Entity) -> Self {
        Self { traffic: BTreeMap::from([(entity.name().to_owned(), 100)]), entities: vec![entity], capture: None }
    }

    /// As the API takes it.
    pub fn body(&self) -> Value {
        let routes: Vec<Value> = self
            .entities
            .iter()
            .map(|entity| {
                let percent = self.traffic.get(entity.name()).copied().unwrap_or(0);
                json!({"served_model_name": entity.name(), "traffic_percentage": percent})
            })
            .collect();
        let mut body = json!({"served_entities": self.entities, "traffic_config": {"routes": routes}});
        if let Some(capture) = &self.capture {
            body["auto_capture_config"] = capture.clone();
        }
        body
    }

    pub fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.name() == name)
    }

    /// The entity that gets most; the first of equals.
    pub fn champion(&self) -> Option<&Entity> {
        self.most_of(self.entities.iter().filter(|entity| self.traffic.contains_key(entity.name())))
    }

    /// The entity of this version, whatever it is called.
    pub fn entity_of(&self, model: &ModelName, version: ModelVersion) -> Option<&Entity> {
        let wanted = Some((model.clone(), version));
        self.most_of(self.entities.iter().filter(|entity| entity.model() == wanted))
    }

    fn most_of<'a>(&self, entities: impl Iterator<Item = &'a Entity>) -> Option<&'a Entity> {
        let share = |entity: &Entity| self.traffic.get(entity.name()).copied().unwrap_or(0);
        entities.reduce(|most, entity| if share(entity) > share(most) { entity } else { most })
    }

    /// What a version of a model is served as: under the name that it has here already, else under one that nobody has.
    pub fn candidate(&self, model: &ModelName, version: ModelVersion, given: &Map<String, Value>) -> Entity {
        let of_model = |entity: &&Entity| entity.model().is_some_and(|(name, _)| name == *model);
        let before = self.most_of(self.entities.iter().filter(of_model));
        let plain = entity_name(model, version);
        let names = (2..).map(|n| format!("{plain}-{n}"));
        let name = match self.entity_of(model, version) {
            Some(served) => served.name().to_owned(),
            None => std::iter::once(plain.clone())
                .chain(names)
                .find(|name| self.entity(name).is_none())
                .expect("there are more numbers than entities"),
        };
        Entity::of_model(&name, model, version, before, given)
    }

    /// With one entity more, which gets nothing yet; one that is served already keeps what it gets.
    #[must_use]
    pub fn with(mut self, candidate: Entity) -> Self {
        match self.entities.iter_mut().find(|entity| entity.name() == candidate.name()) {
            Some(known) => *known = candidate,
            None => self.entities.push(candidate),
        }
        self
    }

    /// Whether everybody who asks is answered by this entity.
    pub fn gives_all_to(&self, entity: &Entity) -> bool {
        self.traffic.get(entity.name()) == Some(&100)
            && self.entity(entity.name()).is_some_and(|found| found.covers(entity))
    }

    /// The candidate gets `percent`; what is left goes to the others as it did `before`.
    #[must_use]
    pub fn giving(mut self, candidate: &str, percent: u64, before: &BTreeMap<String, u64>) -> Self {
        let percent = percent.min(100);
        let others: Vec<(&String, u64)> =
            before.iter().filter(|(name, _)| *name != candidate).map(|(name, share)| (name, *share)).collect();
        let total: u64 = others.iter().map(|(_, share)| share).sum();
        let rest = 100 - percent;
        self.traffic = others.iter().map(|(name, share)| ((*name).clone(), rest * share / total.max(1))).collect();
        let given: u64 = self.traffic.values().sum();
        // What rounding left over goes to the largest, so that the shares make a whole.
        let largest = others.iter().max_by_key(|(_, share)| *share).map(|(name, _)| (*name).clone());
        match largest {
            Some(largest) => *self.traffic.entry(largest).or_default() += rest - given,
            None => return Self { traffic: BTreeMap::from([(candidate.to_owned(), 100)]), ..self },
        }
        self.traffic.insert(candidate.to_owned(), percent);
        self.traffic.retain(|_, share| *share > 0);
        self
    }

    /// Without the entities that get nothing.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        self.entities.retain(|entity| self.traffic.contains_key(entity.name()));
        self
    }

    /// Whether this is what was meant: the same entities, with at least the fields that were given, and the same traffic.
    pub fn is(&self, meant: &Serving) -> bool {
        let same = |entity: &Entity| self.entity(entity.name()).is_some_and(|found| found.covers(entity));
        self.entities.len() == meant.entities.len()
            && meant.entities.iter().all(same)
            && self.traffic == meant.traffic
            && meant.capture.as_ref().is_none_or(|capture| self.capture.as_ref() == Some(capture))
    }

    /// Such as: `churn-3` 90 %, `churn-4` 10 %.
    pub fn words(&self) -> String {
        let share = |entity: &Entity| {
            format!("`{}` {} %", entity.name(), self.traffic.get(entity.name()).copied().unwrap_or(0))
        };
        if self.entities.is_empty() {
            return "nothing".to_owned();
        }
        self.entities.iter().map(share).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(entities: &[(&str, u64)]) -> Value {
        let entity = |name: &str| {
            json!({"name": name, "entity_name": "prod.models.churn", "entity_version": "3", "workload_size": "Small",
                   "creator": "ana", "creation_timestamp": 1, "state": {"deployment": "DEPLOYMENT_READY"}})
        };
        let routes = entities.iter().map(|(n, p)| json!({"served_model_name": n, "traffic_percentage": p}));
        json!({"served_entities": entities.iter().map(|(n, _)| entity(n)).collect::<Vec<_>>(),
               "traffic_config": {"routes": routes.collect::<Vec<_>>()}, "config_version": 7})
    }

    fn model(name: &str) -> ModelName {
        ModelName::parse(name).unwrap()
    }

    #[test]
    fn a_new_version_has_what_the_served_one_of_its_model_has_but_for_what_is_given() {
        let mut now = shown(&[("churn-v3", 100)]);
        now["served_entities"][0]["environment_vars"] = json!({"TABLE": "t"});
        now["served_entities"][0].as_object_mut().unwrap().remove("workload_size");
        now["served_entities"][0]["min_provisioned_concurrency"] = json!(4);
        let served = Serving::read(&now);
        let version = ModelVersion::new(4).unwrap();
        let sent = |given: Value| served.candidate(&model("prod.models.churn"), version, given.as_object().unwrap()).0;
        let next = sent(json!({}));
        assert_eq!((&next["name"], &next["entity_version"]), (&json!("churn-v4"), &json!("4")));
        assert_eq!(next["environment_vars"], json!({"TABLE": "t"}));
        assert_eq!(next["min_provisioned_concurrency"], 4);
        let sized = sent(json!({"workload_size": "Large"}));
        assert_eq!(sized["workload_size"], "Large");
        assert_eq!(
            (sized.get("min_provisioned_concurrency"), &sized["environment_vars"]["TABLE"]),
            (None, &json!("t"))
        );
        let other = served.candidate(&model("prod.models.risk"), version, &Map::new()).0;
        assert_eq!((&other["workload_size"], other.get("environment_vars")), (&json!("Small"), None));
    }

    #[test]
    fn a_name_that_another_model_has_is_left_to_it() {
        let served = Serving::read(&shown(&[("churn-v4", 90), ("main", 10)]));
        let name = |of: &str, version| {
            let version = ModelVersion::new(version).unwrap();
            served.candidate(&model(of), version, &Map::new()).name().to_owned()
        };
        assert_eq!(name("prod.other.churn", 4), "churn-v4-2");
        assert_eq!(name("prod.other.churn", 5), "churn-v5");
        assert_eq!(name("prod.models.churn", 3), "churn-v4");
    }

    #[test]
    fn what_is_sent_back_has_nothing_that_is_only_shown() {
        let body = Serving::read(&shown(&[("a", 100)])).body();
        assert_eq!(
            body["served_entities"][0],
            json!({"name": "a", "entity_name": "prod.models.churn", "entity_version": "3", "workload_size": "Small"})
        );
        assert_eq!(body["traffic_config"]["routes"], json!([{"served_model_name": "a", "traffic_percentage": 100}]));
    }

    /// An earlier run was killed behind its last update.
    #[test]
    fn a_candidate_that_is_served_already_keeps_what_it_gets() {
        let served = Serving::read(&shown(&[("a", 0), ("b", 100)]));
        let again = served.entity("b").unwrap().clone();
        assert!(served.gives_all_to(&again));
        assert!(!Serving::read(&shown(&[("a", 90), ("b", 10)])).gives_all_to(&again));
        assert_eq!(served.clone().trimmed().with(again).traffic, served.traffic);
    }

    #[test]
    fn shares_always_make_a_whole() {
        for before in [vec![("a", 100)], vec![("a", 50), ("b", 50)], vec![("a", 33), ("b", 33), ("d", 34)]] {
            let was = Serving::read(&shown(&before));
            let version = ModelVersion::new(4).unwrap();
            let with = was.clone().with(was.candidate(&model("prod.models.c"), version, &Map::new()));
            assert_eq!(with.traffic, was.traffic);
            for percent in 0..=100 {
                let step = with.clone().giving("c-v4", percent, &was.traffic);
                assert_eq!(step.traffic.values().sum::<u64>(), 100, "{percent} of {before:?}");
                assert_eq!(step.traffic.get("c-v4").copied().unwrap_or(0), percent);
            }
            assert_eq!(with.giving("c-v4", 100, &was.traffic).trimmed().entities.len(), 1);
        }
    }

    #[test]
    fn defaults_of_the_workspace_are_no_difference_and_another_version_is() {
        let meant = Serving::read(&shown(&[("a", 100)]));
        let mut now = shown(&[("a", 100)]);
        now["served_entities"][0]["workload_type"] = json!("CPU");
        assert!(Serving::read(&now).is(&meant));
        now["served_entities"][0]["entity_version"] = json!("4");
        assert!(!Serving::read(&now).is(&meant));
        assert!(!Serving::read(&shown(&[("a", 90), ("b", 10)])).is(&meant));
    }
}
