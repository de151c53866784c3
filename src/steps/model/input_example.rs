//! The request that a model brings along: its input example, as a body that an endpoint takes.
//!
//! MLflow keeps it beside the model, since 2.17 ready to be sent, before that as a table whose orientation stands in the
//! `MLmodel` file. It goes from the model's files to the endpoint and nowhere else.

use serde_json::{Value, json};

use crate::domain::{Failure, ModelName, ModelVersion};
use crate::ports::{Request, World};
use crate::steps::bundle::workspace_files::escape;

const MLMODEL: &str = "MLmodel";
const READY_TO_SEND: &str = "serving_input_example.json";

/// None where the model brings no example, or none that can be sent.
pub async fn request(world: &World, model: &ModelName, version: ModelVersion) -> Result<Option<Value>, Failure> {
    if let Some(bytes) = file(world, model, version, READY_TO_SEND).await? {
        return Ok(serde_json::from_slice(&bytes).ok());
    }
    let Some(about) = file(world, model, version, MLMODEL).await? else { return Ok(None) };
    let Ok(about) = serde_yaml::from_slice::<Value>(&about) else { return Ok(None) };
    let example = &about["saved_input_example_info"];
    let Some(path) = example["artifact_path"].as_str().filter(|p| !p.contains("..")) else { return Ok(None) };
    let Some(bytes) = file(world, model, version, path).await? else { return Ok(None) };
    let Ok(rows) = serde_json::from_slice::<Value>(&bytes) else { return Ok(None) };
    let orientation = example["pandas_orient"].as_str().unwrap_or("split");
    Ok(match (example["type"].as_str(), orientation) {
        (Some("dataframe"), "split") => Some(json!({"dataframe_split": rows})),
        (Some("dataframe"), "records") => Some(json!({"dataframe_records": rows})),
        (Some("ndarray" | "json_object"), _) => Some(json!({"inputs": rows.get("inputs").cloned().unwrap_or(rows)})),
        _ => None,
    })
}

/// How many rows a request asks about; none where that does not show.
pub fn rows(request: &Value) -> Option<usize> {
    let list = |value: &Value| value.as_array().map(Vec::len);
    let columns = |value: &Value| {
        let mut lengths = value.as_object()?.values().map(list);
        let first = lengths.next()?;
        lengths.all(|length| length == first).then_some(first)?
    };
    [&request["dataframe_split"]["data"], &request["dataframe_records"], &request["instances"], &request["inputs"]]
        .into_iter()
        .find_map(|rows| list(rows).or_else(|| columns(rows)))
}

async fn file(world: &World, model: &ModelName, version: ModelVersion, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let names = [&model.catalog, &model.schema, &model.name].map(|part| escape(part));
    let relative: Vec<String> = name.split('/').map(escape).collect();
    let path = format!("/api/2.0/fs/files/Models/{}/{version}/{}", names.join("/"), relative.join("/"));
    match world.workspace.call(Request::get(path)).await {
        Ok(reply) => Ok(Some(reply.body.to_vec())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into_failure(format!("read `{name}` of version {version} of {model}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_in_every_form() {
        for (request, count) in [
            (json!({"dataframe_split": {"columns": ["a"], "data": [[1], [2], [3]]}}), Some(3)),
            (json!({"dataframe_records": [{"a": 1}]}), Some(1)),
            (json!({"instances": [1, 2]}), Some(2)),
            (json!({"inputs": {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}}), Some(4)),
            (json!({"inputs": {"text": "?", "tags": ["a", "b"]}}), None),
            (json!({"inputs": "?"}), None),
            (json!({"messages": [{"role": "user", "content": "?"}]}), None),
        ] {
            assert_eq!(rows(&request), count, "{request}");
        }
    }
}
