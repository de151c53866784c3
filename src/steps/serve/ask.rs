//! Asks a served entity by its own address, which traffic does not concern, and counts how an endpoint has answered.
//!
//! Rows and predictions go no further than the comparison: neither is ever printed.

use std::time::Duration;

use serde_json::Value;

use super::endpoint::path;
use crate::domain::Failure;
use crate::ports::{Request, RestError, World};
use crate::steps::bundle::workspace_files::escape;

/// What came back, or why nothing did.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub result: Result<Value, String>,
    pub elapsed: Duration,
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
        Ok(answer) => answer.get("predictions").cloned().ok_or_else(|| "the answer has no `predictions`".to_owned()),
        // A model's own message may repeat the row it was asked about.
        Err(RestError::Status { status, error_code, .. }) => {
            Err(format!("{status} {error_code}").trim_end().to_owned())
        }
        Err(error) => Err(error.to_string()),
    };
    Answer { result, elapsed }
}

/// How often an entity was asked, and how often it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub requests: u64,
    pub client_errors: u64,
    pub server_errors: u64,
}

impl Counted {
    /// What came since. A counter that went back was reset by a new server: it begins again.
    pub fn since(self, before: Counted) -> Self {
        let grown = |now: u64, before: u64| if now >= before { now - before } else { now };
        Self {
            requests: grown(self.requests, before.requests),
            client_errors: grown(self.client_errors, before.client_errors),
            server_errors: grown(self.server_errors, before.server_errors),
        }
    }
}

/// From the endpoint's metrics: of one entity where they tell entities apart, else of the whole endpoint.
pub async fn counted(world: &World, endpoint: &str, entity: &str) -> Result<Counted, Failure> {
    let reply = world.workspace.call(Request::get(format!("{}/metrics", path(endpoint)))).await;
    let reply = reply.map_err(|e| e.into_failure(format!("read the metrics of endpoint `{endpoint}`")))?;
    Ok(parse(&String::from_utf8_lossy(&reply.body), entity))
}

fn parse(text: &str, entity: &str) -> Counted {
    let samples: Vec<(&str, &str, f64)> = text.lines().filter_map(sample).collect();
    let label = format!("\"{entity}\"");
    let apart = samples.iter().any(|(_, labels, _)| labels.contains(&label));
    let sum = |metric: &str| -> u64 {
        let ours = samples.iter().filter(|(name, labels, _)| *name == metric && (!apart || labels.contains(&label)));
        ours.map(|(_, _, value)| *value).filter(|v| v.is_finite() && *v > 0.0).sum::<f64>() as u64
    };
    Counted {
        requests: sum("request_count_total"),
        client_errors: sum("request_4xx_count_total"),
        server_errors: sum("request_5xx_count_total"),
    }
}

/// `name{labels} value [timestamp]`, of the Prometheus text format.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (name, labels, rest) = match line.split_once('{') {
        Some((name, rest)) => {
            let (labels, rest) = rest.rsplit_once('}')?;
            (name, labels, rest)
        }
        None => line.split_once(' ').map(|(name, rest)| (name, "", rest))?,
    };
    Some((name.trim(), labels, rest.split_whitespace().next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE request_count_total counter\n\
        request_count_total{endpoint_name=\"churn\",served_entity_name=\"churn-3\"} 90 1700000000000\n\
        request_count_total{endpoint_name=\"churn\",served_entity_name=\"churn-4\"} 10\n\
        request_5xx_count_total{endpoint_name=\"churn\",served_entity_name=\"churn-4\"} 2.0\n\
        cpu_usage_percentage{endpoint_name=\"churn\"} NaN\n";

    #[test]
    fn an_entity_is_counted_alone_where_metrics_tell_it_apart() {
        let counted = parse(TEXT, "churn-4");
        assert_eq!(counted, Counted { requests: 10, client_errors: 0, server_errors: 2 });
        let whole = parse(&TEXT.replace("served_entity_name", "replica").replace("churn-4\"", "r2\""), "churn-4");
        assert_eq!(whole.requests, 100);
    }

    #[test]
    fn a_counter_that_was_reset_begins_again() {
        let (before, now) =
            (Counted { requests: 50, ..Counted::default() }, Counted { requests: 7, ..Counted::default() });
        assert_eq!(now.since(before).requests, 7);
    }
}
