//! What the file `MLmodel` says about whether a version can be promoted by copying its files.
//!
//! A copy has the same bytes or it is none, so what MLflow's own copy would add on the way is
//! refused here: weights that a hub would have to be asked for, and packages that only
//! Databricks' feature store can register.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

pub const NAME: &str = "MLmodel";
/// Of the text; a longer one is none that a person's training code wrote.
pub const LONGEST: u64 = 4 << 20;

const FEATURE_STORE: &str = "databricks.feature_store.mlflow_model";

#[derive(Deserialize)]
struct MlModel {
    #[serde(default)]
    flavors: BTreeMap<String, Flavor>,
    signature: Option<Signature>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Flavor {
    loader_module: Option<String>,
    model_binary: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Signature {
    inputs: Option<IgnoredAny>,
    outputs: Option<IgnoredAny>,
}

/// Why it cannot be copied, and what to do; nothing where it can.
pub fn obstacle(text: &[u8]) -> Option<(String, &'static str)> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Some(("its file MLmodel is not text".to_owned(), "log the model again"));
    };
    let model: MlModel = match serde_saphyr::from_str(text) {
        Ok(model) => model,
        Err(error) => {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            return Some((format!("its file MLmodel cannot be read: {first}"), "log the model again"));
        }
    };
    if model.flavors.values().any(|f| f.loader_module.as_deref() == Some(FEATURE_STORE)) {
        return Some((
            "it was packaged by the feature store, which registers its models on a Databricks cluster alone".to_owned(),
            "train it in the target's catalog (`train: {in: ...}`), or log it without the feature store's packaging",
        ));
    }
    if model.flavors.get("transformers").is_some_and(|f| f.model_binary.is_none()) {
        return Some((
            "its weights are not saved with it: they would be fetched from a hub".to_owned(),
            "save them with `mlflow.transformers.persist_pretrained_model`, or log with `save_pretrained=True`",
        ));
    }
    if model.signature.is_none_or(|s| s.inputs.is_none() || s.outputs.is_none()) {
        return Some((
            "it has no signature of inputs and outputs, which Unity Catalog demands".to_owned(),
            "log it with `signature=infer_signature(inputs, outputs)`",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        obstacle(text.as_bytes()).map_or("fine".to_owned(), |(why, _)| why)
    }

    #[test]
    fn what_a_copy_would_not_preserve_is_refused_with_the_reason() {
        let signature = "signature:\n  inputs: '[{\"type\": \"double\"}]'\n  outputs: '[]'\n  params: null\n";
        let plain = format!(
            "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    env: {{conda: c}}\n{signature}"
        );
        assert_eq!(said(&plain), "fine");
        let hub = format!("flavors:\n  transformers:\n    source_model_name: big/llm\n{signature}");
        assert!(said(&hub).contains("weights"));
        let saved = format!("flavors:\n  transformers:\n    model_binary: model\n{signature}");
        assert_eq!(said(&saved), "fine");
        let store = format!("flavors:\n  python_function:\n    loader_module: {FEATURE_STORE}\n{signature}");
        assert!(said(&store).contains("feature store"));
        assert!(said("flavors: {}\n").contains("signature"));
        assert!(said("flavors: {}\nsignature: {inputs: '[]', outputs: null}\n").contains("signature"));
        assert!(said("flavors: [").contains("cannot be read"));
    }
}
