//! Whether a job was started since a moment, by whomever.

use jiff::Timestamp;

use crate::domain::Failure;
use crate::ports::{Request, World};

/// The pages of the runs that were, newest first; one page is enough to know.
pub async fn runs_since(world: &World, job_id: i64, since: Timestamp) -> Result<Vec<String>, Failure> {
    let request = Request::get("/api/2.2/jobs/runs/list")
        .query("job_id", job_id.to_string())
        .query("start_time_from", since.as_millisecond().to_string())
        .query("limit", "25");
    let answer = world.workspace.call(request).await.and_then(|r| r.json());
    let answer = answer.map_err(|e| e.into_failure(format!("list the runs of job {job_id}")))?;
    let runs = answer["runs"].as_array().into_iter().flatten();
    Ok(runs.map(|run| run["run_page_url"].as_str().unwrap_or("a run without a page").to_owned()).collect())
}
