//! The REST API as a table: method, path inside the repository, what the token must be permitted, what is done.

mod checks;
mod comments;
mod commits;
mod deployments;
mod environments;
mod pulls;
mod repository;
mod runs;

pub(super) use deployments::add_status;

use axum::http::Method;

use super::access::Scope::{Actions, Checks, Contents, Deployments, Issues, Metadata, PullRequests, Statuses};
use super::access::{Needs, Scope};
use super::call::{Answer, Call};

pub(super) struct Endpoint {
    pub method: Method,
    pub path: &'static str,
    pub needs: Needs,
    pub run: fn(&mut Call<'_>) -> Answer,
}

const fn get(path: &'static str, any_of: &'static [Scope], run: fn(&mut Call<'_>) -> Answer) -> Endpoint {
    Endpoint { method: Method::GET, path, needs: Needs::read(any_of), run }
}

const fn write(
    method: Method,
    path: &'static str,
    any_of: &'static [Scope],
    run: fn(&mut Call<'_>) -> Answer,
) -> Endpoint {
    Endpoint { method, path, needs: Needs::write(any_of), run }
}

/// A comment on a pull request is both an issue's and a pull request's.
const TALK: &[Scope] = &[Issues, PullRequests];

pub(super) const ENDPOINTS: &[Endpoint] = &[
    get("", &[Metadata], repository::get),
    get("/actions/oidc/customization/sub", &[Actions], repository::subject),
    get("/pulls", &[PullRequests], pulls::list),
    get("/pulls/{number}", &[PullRequests], pulls::get),
    get("/pulls/{number}/reviews", &[PullRequests], pulls::reviews),
    get("/pulls/{number}/commits", &[PullRequests], pulls::commits),
    get("/commits/{ref}", &[Contents], commits::get),
    get("/commits/{ref}/pulls", &[PullRequests], commits::pulls),
    get("/commits/{ref}/check-runs", &[Checks], checks::of_commit),
    get("/commits/{ref}/status", &[Statuses], commits::status),
    get("/compare/{*basehead}", &[Contents], commits::compare),
    get("/issues/{issue_number}/comments", TALK, comments::list),
    write(Method::POST, "/issues/{issue_number}/comments", TALK, comments::create),
    get("/issues/comments/{comment_id}", TALK, comments::get),
    write(Method::PATCH, "/issues/comments/{comment_id}", TALK, comments::update),
    write(Method::DELETE, "/issues/comments/{comment_id}", TALK, comments::delete),
    get("/deployments", &[Deployments], deployments::list),
    write(Method::POST, "/deployments", &[Deployments], deployments::create),
    get("/deployments/{deployment_id}", &[Deployments], deployments::get),
    write(Method::DELETE, "/deployments/{deployment_id}", &[Deployments], deployments::delete),
    get("/deployments/{deployment_id}/statuses", &[Deployments], deployments::statuses),
    write(Method::POST, "/deployments/{deployment_id}/statuses", &[Deployments], deployments::create_status),
    get("/deployments/{deployment_id}/statuses/{status_id}", &[Deployments], deployments::status),
    get("/environments", &[Actions], environments::list),
    get("/environments/{environment_name}", &[Actions], environments::get),
    get("/actions/runs/{run_id}", &[Actions], runs::get),
    get("/actions/runs/{run_id}/jobs", &[Actions], runs::jobs),
    get("/actions/runs/{run_id}/attempts/{attempt_number}/jobs", &[Actions], runs::jobs_of_attempt),
    get("/actions/runs/{run_id}/approvals", &[Actions], runs::approvals),
    get("/actions/runs/{run_id}/pending_deployments", &[Actions], runs::pending),
    get("/actions/runs/{run_id}/artifacts", &[Actions], runs::artifacts_of_run),
    get("/actions/artifacts", &[Actions], runs::artifacts),
    get("/actions/jobs/{job_id}", &[Actions], runs::job),
    write(Method::POST, "/check-runs", &[Checks], checks::create),
    get("/check-runs/{check_run_id}", &[Checks], checks::get),
    write(Method::PATCH, "/check-runs/{check_run_id}", &[Checks], checks::update),
    get("/check-runs/{check_run_id}/annotations", &[Checks], checks::annotations),
];
