//! What was measured of a version: of each metric the newest point, wherever it was logged. Of a copy it is what was
//! measured of its source.
//!
//! MLflow's client copies what a run has measured so far onto the model that it logs, and a validation job adds to the run:
//! neither place has the last word, the later moment has. Two values of one moment are both kept: which of them holds
//! nobody can say.

use std::collections::BTreeMap;

use super::copy_version::tags;
use super::registry::{Details, LoggedMetric, Registry, Version};
use super::tracking::{self, TrackedMetric};
use crate::domain::{Failure, ModelName, ModelVersion, Reason};
use crate::ports::World;

/// A metric as its newest point has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub value: f64,
    /// Another value of the same moment.
    pub contradicted_by: Option<f64>,
    pub dataset: Option<String>,
}

/// The metrics of these names that were logged.
pub async fn measured(
    world: &World,
    version: &Version,
    wanted: &[&str],
) -> Result<BTreeMap<String, Measured>, Failure> {
    let registry = Registry(world.workspace.as_ref());
    let mut details = registry.details(&version.model, version.version).await?.unwrap_or_default();
    let mut run_id = version.run_id.clone();
    if let Some((model, number)) = source(&details) {
        match registry.version(&model, number).await {
            Ok(Some(original)) => {
                details = registry.details(&model, number).await?.unwrap_or_default();
                run_id = original.run_id;
            }
            // Whoever may not see the original may see the run that made it.
            Err(failure) if failure.reason != Reason::PermissionDenied => return Err(failure),
            Ok(None) | Err(_) if run_id.is_empty() => {
                run_id = details.tags.get(tags::SOURCE_RUN).cloned().unwrap_or_default();
            }
            Ok(None) | Err(_) => {}
        }
    }
    let mut points: Vec<(String, TrackedMetric)> = details.metrics.into_iter().map(of_model).collect();
    points.extend(of_run(world, &run_id, wanted).await?);
    points.retain(|(key, _)| wanted.contains(&key.as_str()));
    Ok(newest(points))
}

fn source(details: &Details) -> Option<(ModelName, ModelVersion)> {
    let model = ModelName::parse(details.tags.get(tags::SOURCE_MODEL)?).ok()?;
    Some((model, ModelVersion::parse(details.tags.get(tags::SOURCE_VERSION)?).ok()?))
}

fn of_model(logged: LoggedMetric) -> (String, TrackedMetric) {
    let LoggedMetric { key, value, timestamp, step, dataset_digest, .. } = logged;
    let dataset = Some(dataset_digest).filter(|digest| !digest.is_empty());
    (key, TrackedMetric { value, timestamp, step, dataset })
}

/// The points that may be the newest: a run shows the last step of a metric, and behind one that has steps a later point
/// of an earlier step may hide.
async fn of_run(world: &World, run_id: &str, wanted: &[&str]) -> Result<Vec<(String, TrackedMetric)>, Failure> {
    let rest = world.workspace.as_ref();
    let run = match run_id {
        "" => None,
        id => tracking::run(rest, id).await?,
    };
    let run = run.unwrap_or_default();
    let mut points = Vec::new();
    for key in wanted {
        match run.metrics.get(*key) {
            Some(shown) if shown.step > 0 => {
                let all = tracking::history(rest, run_id, &run, key).await?;
                points.extend(all.into_iter().map(|point| ((*key).to_owned(), point)));
            }
            Some(shown) => points.push(((*key).to_owned(), shown.clone())),
            None => {}
        }
    }
    Ok(points)
}

/// The last moment of each metric; within one moment the last step.
fn newest(points: Vec<(String, TrackedMetric)>) -> BTreeMap<String, Measured> {
    let mut newest: BTreeMap<String, ((i64, i64), Measured)> = BTreeMap::new();
    for (key, TrackedMetric { value, timestamp, step, dataset }) in points {
        let at = (timestamp, step);
        match newest.get_mut(&key) {
            Some((known, _)) if *known > at => {}
            Some((known, measured)) if *known == at => measured.join(value, dataset),
            _ => drop(newest.insert(key, (at, Measured { value, contradicted_by: None, dataset }))),
        }
    }
    newest.into_iter().map(|(key, (_, measured))| (key, measured)).collect()
}

impl Measured {
    /// The same point once more, or another of the same moment. One that was taken on several data names them all: it
    /// compares with none.
    fn join(&mut self, value: f64, dataset: Option<String>) {
        let same = value == self.value || (value.is_nan() && self.value.is_nan());
        if !same {
            self.contradicted_by = Some(value);
        }
        match (&self.dataset, dataset) {
            (None, dataset) => self.dataset = dataset,
            (Some(known), Some(other)) if *known != other => self.dataset = Some(format!("{known} and {other}")),
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(points: &[(f64, i64, i64, &str)]) -> Measured {
        let metric = |(value, timestamp, step, digest): &(f64, i64, i64, &str)| {
            let dataset = Some((*digest).to_owned()).filter(|digest| !digest.is_empty());
            ("auc".to_owned(), TrackedMetric { value: *value, timestamp: *timestamp, step: *step, dataset })
        };
        newest(points.iter().map(metric).collect())["auc"].clone()
    }

    #[test]
    fn the_last_moment_counts_wherever_it_stands() {
        assert_eq!(logged(&[(0.7, 1, 1, "d"), (0.9, 3, 3, "d"), (0.8, 2, 2, "d")]).value, 0.9);
        assert_eq!(logged(&[(0.95, 1, 7, "d"), (0.79, 2, 0, "d")]).value, 0.79);
        assert_eq!(logged(&[(0.8, 1, 2, "d"), (0.7, 1, 1, "d")]).value, 0.8);
    }

    #[test]
    fn two_values_of_one_moment_are_both_kept() {
        assert_eq!(logged(&[(0.9, 5, 0, "d"), (0.9, 5, 0, "")]).contradicted_by, None);
        assert_eq!(logged(&[(f64::NAN, 5, 0, "d"), (f64::NAN, 5, 0, "d")]).contradicted_by, None);
        assert_eq!(logged(&[(0.9, 5, 0, "d"), (0.8, 5, 0, "d")]).contradicted_by, Some(0.8));
        assert_eq!(logged(&[(0.9, 5, 0, "d"), (0.8, 5, 0, "d"), (0.7, 6, 0, "d")]).contradicted_by, None);
    }

    #[test]
    fn of_several_data_none_is_the_metrics_own() {
        assert_eq!(logged(&[(0.9, 0, 0, ""), (0.9, 0, 0, "d")]).dataset.as_deref(), Some("d"));
        let both = logged(&[(0.9, 0, 0, "d"), (0.9, 0, 0, "training")]);
        assert_eq!(both.dataset.as_deref(), Some("d and training"));
    }
}
