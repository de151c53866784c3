//! What `mlops-deploy.yml` demands of a trained version, as the gate's rule takes it.

use std::collections::BTreeMap;

use crate::inputs::config::{Dataset, Model};
use crate::policy::gate::{Comparison, Demand};

/// By metric; each slice is a metric of its own, `<metric>/<slice>`.
pub fn demands(model: &Model) -> BTreeMap<String, Demand> {
    let mut demands = BTreeMap::new();
    for (metric, rule) in &model.gate {
        let demand = Demand {
            at_least: rule.at_least,
            at_most: rule.at_most,
            higher_is_better: rule.higher_is_better(),
            champion: Comparison {
                not_worse_by: rule.not_worse_than_champion_by,
                not_worse_by_relative: rule.not_worse_than_champion_by_relative,
                better_by: rule.better_than_champion_by,
                better_by_relative: rule.better_than_champion_by_relative,
            },
            same_dataset: rule.dataset != Some(Dataset::Any),
        };
        let slices = rule.slices.iter().map(|slice| format!("{metric}/{slice}"));
        demands.extend(std::iter::once(metric.clone()).chain(slices).map(|metric| (metric, demand)));
    }
    demands
}
