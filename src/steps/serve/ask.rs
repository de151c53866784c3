//! Asks a served entity by its own address, which traffic does not concern.
//!
//! Rows and predictions go no further than the comparison: neither is ever printed.

use std::time::Duration;

use serde_json::Value;

use crate::domain::endpoint::SPOKEN;
use crate::ports::{Request, RestError, World};
use crate::steps::bundle::workspace_files::escape;

/// What came back, or why nothing did.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub result: Result<Value, String>,
    pub elapsed: Duration,
}

/// What of an answer can be compared with another's: not its id, its time or what it cost.
fn said(body: &Value, mut answer: Value) -> Result<Value, String> {
    let mut take = |field: &str| answer.get_mut(field).map(Value::take);
    if SPOKEN.iter().any(|form| body.get(form).is_some()) {
        return Ok(["choices", "output", "data"].into_iter().find_map(take).unwrap_or(answer));
    }
    take("predictions").ok_or_else(|| "the answer has no `predictions`".to_owned())
}

const TIMEOUT: Duration = Duration::from_secs(120);

pub async fn entity(world: &World, endpoint: &str, entity: &str, body: &Value) -> Answer {
    let path = format!("/serving-endpoints/{}/served-models/{}/invocations", escape(endpoint), escape(entity));
    // A prediction changes nothing: asking again is harmless.
    let request = Request { timeout: Some(TIMEOUT), ..Request::post(path, body.clone()).repeatable() };
    let started = world.clock.now();
    let answer = world.workspace.call(request).await.and_then(|r| r.json());
    let elapsed = world.clock.now().duration_since(started).unsigned_abs();
    let result = match answer {
        Ok(answer) => said(body, answer),
        // A model's own message may repeat the row it was asked about.
        Err(RestError::Status { status, error_code, .. }) => {
            Err(format!("{status} {error_code}").trim_end().to_owned())
        }
        Err(error) => Err(error.to_string()),
    };
    Answer { result, elapsed }
}
