//! What a serving endpoint serves and how its traffic is shared out, as far as we may say so.
//!
//! An endpoint shows more than it takes: who made an entity, when, in which state it is. Only what can be sent is kept, so
//! that a configuration that was read can be compared with one that was meant, and be sent back as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ModelName, ModelVersion};

/// Of an entity, what the workspace tells and does not take.
const SHOWN_ONLY: [&str; 5] = ["creator", "creation_timestamp", "state", "foundation_model", "model_display_name"];

/// A served entity as it can be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entity(Map<String, Value>);

impl Entity {
    /// What is new to an endpoint: `settings` are sizes and the like, as the API spells them.
    pub fn of_model(name: &str, model: &ModelName, version: ModelVersion, settings: Map<String, Value>) -> Self {
        let mut entity = settings;
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

/// Entities and traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        let most = self.traffic.values().max()?;
        self.entities.iter().find(|entity| self.traffic.get(entity.name()) == Some(most))
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
            let candidate = Entity::of_model(
                "c",
                &ModelName::parse("prod.models.churn").unwrap(),
                ModelVersion::new(4).unwrap(),
                Map::new(),
            );
            let with = was.clone().with(candidate);
            assert_eq!(with.traffic, was.traffic);
            for percent in 0..=100 {
                let step = with.clone().giving("c", percent, &was.traffic);
                assert_eq!(step.traffic.values().sum::<u64>(), 100, "{percent} of {before:?}");
                assert_eq!(step.traffic.get("c").copied().unwrap_or(0), percent);
            }
            assert_eq!(with.giving("c", 100, &was.traffic).trimmed().entities.len(), 1);
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
