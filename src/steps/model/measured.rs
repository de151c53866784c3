//! What was measured of a version: the metrics of the run that made it, and over them those that were logged with the
//! model itself. Of a copy it is what was measured of its source.

use std::collections::BTreeMap;

use super::copy_version::tags;
use super::registry::{Details, LoggedMetric, Registry, Version};
use super::tracking::{self, TrackedMetric};
use crate::domain::{Failure, ModelName, ModelVersion};
use crate::ports::World;

pub async fn measured(world: &World, version: &Version) -> Result<BTreeMap<String, TrackedMetric>, Failure> {
    let registry = Registry(world.workspace.as_ref());
    let mut details = registry.details(&version.model, version.version).await?.unwrap_or_default();
    let mut run_id = version.run_id.clone();
    if let Some((model, number)) = source(&details)
        && let Some(original) = registry.version(&model, number).await?
    {
        details = registry.details(&model, number).await?.unwrap_or_default();
        run_id = original.run_id;
    }
    let run = match run_id.as_str() {
        "" => None,
        id => tracking::run(world.workspace.as_ref(), id).await?,
    };
    let mut metrics = run.unwrap_or_default().metrics;
    metrics.extend(newest(details.metrics));
    Ok(metrics)
}

fn source(details: &Details) -> Option<(ModelName, ModelVersion)> {
    let model = ModelName::parse(details.tags.get(tags::SOURCE_MODEL)?).ok()?;
    Some((model, ModelVersion::parse(details.tags.get(tags::SOURCE_VERSION)?).ok()?))
}

/// The last step of each metric. One that was taken on several data at that step names them all: it compares with none.
fn newest(logged: Vec<LoggedMetric>) -> BTreeMap<String, TrackedMetric> {
    let mut newest: BTreeMap<String, (i64, TrackedMetric)> = BTreeMap::new();
    for LoggedMetric { key, value, step, dataset_digest, .. } in logged {
        let dataset = Some(dataset_digest).filter(|digest| !digest.is_empty());
        match newest.get_mut(&key) {
            Some((known, _)) if *known > step => {}
            Some((known, metric)) if *known == step => {
                if metric.dataset != dataset {
                    let both = [metric.dataset.take(), dataset];
                    metric.dataset = Some(both.into_iter().flatten().collect::<Vec<_>>().join(" and "));
                }
            }
            _ => drop(newest.insert(key, (step, TrackedMetric { value, dataset }))),
        }
    }
    newest.into_iter().map(|(key, (_, metric))| (key, metric)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(points: &[(f64, i64, &str)]) -> TrackedMetric {
        let metric = |(value, step, digest): &(f64, i64, &str)| LoggedMetric {
            key: "auc".into(),
            value: *value,
            step: *step,
            dataset_name: String::new(),
            dataset_digest: (*digest).to_owned(),
            run_id: String::new(),
        };
        newest(points.iter().map(metric).collect())["auc"].clone()
    }

    #[test]
    fn the_last_step_counts_wherever_it_stands() {
        assert_eq!(logged(&[(0.7, 1, "d"), (0.9, 3, "d"), (0.8, 2, "d")]).value, 0.9);
    }

    #[test]
    fn of_several_data_none_is_the_metrics_own() {
        assert_eq!(logged(&[(0.9, 0, "d")]).dataset.as_deref(), Some("d"));
        assert_eq!(logged(&[(0.9, 0, "d"), (0.99, 0, "training")]).dataset.as_deref(), Some("d and training"));
    }
}
