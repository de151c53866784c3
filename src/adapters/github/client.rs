//! `GitHub` through octocrab.
//!
//! Its generic calls throughout: the typed ones send a comment's update as POST, close the
//! set of deployment states and know no `required_contexts: []`. Its own retries are not
//! built in: they repeat a POST that may have been applied, and two comments are the result.
//! Here a read is repeated, and a write that sets what it sets; any other write only when
//! GitHub says that it turned it away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::errors::meaning;
use super::wire::{Comparison, GraphQl, WireComment, WireDeployment, WirePull, WireRun, WireStatus};
use crate::adapters::retry::{Backoff, Pace, random};
use crate::domain::{Failure, Reason, Secret};
use crate::ports::Clock;
use crate::ports::github::{
    Ancestry, Comment, Deployment, DeploymentStatus, GitHub, GitHubError, NewDeployment, PullRequest, SeenStatus,
};

/// Whom a job's own token writes as.
pub const ACTIONS_BOT: &str = "github-actions[bot]";

/// A hundred things each; more is a mistake somewhere, and the hour's budget is finite.
const MOST_PAGES: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(30);
/// What the API takes as a status's or deployment's description, in characters.
const LONGEST_DESCRIPTION: usize = 140;

pub struct GitHubSettings {
    /// `GITHUB_API_URL`, with its path on a server of one's own.
    pub api_url: String,
    /// `GITHUB_GRAPHQL_URL`.
    pub graphql_url: Option<String>,
    /// `owner/name`.
    pub repository: String,
    pub token: Secret,
    pub user_agent: String,
    pub pace: Pace,
}

pub struct GitHubApi {
    octocrab: Octocrab,
    http: reqwest::Client,
    settings: GitHubSettings,
    clock: Arc<dyn Clock>,
    login: String,
    calls: AtomicU32,
}

/// What we are about to ask: for the error, in words.
struct Ask<'a> {
    method: Verb,
    route: &'a str,
    body: Option<&'a Value>,
    doing: &'a str,
    needs: &'static str,
    /// Sending it twice does no more than sending it once.
    repeatable: bool,
}

/// A write's verb and route, and whether it may be repeated.
struct Write<'a>(Verb, &'a str, bool);

#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Get,
    Post,
    Patch,
}

struct Answer {
    next: Option<String>,
    text: String,
}

impl GitHubApi {
    pub fn new(settings: GitHubSettings, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let failed = |why: String| Failure::new(Reason::GitHubError, format!("set up the way to GitHub: {why}"));
        let http = crate::adapters::http::builder(&settings.user_agent).timeout(TIMEOUT).build();
        let http = http.map_err(|error| failed(crate::adapters::http::cause(&error)))?;
        let octocrab = Octocrab::builder()
            .base_uri(settings.api_url.as_str())
            .map_err(|_| failed(format!("`{}` is not an address", settings.api_url)))?
            .personal_token(settings.token.expose().to_owned())
            .build_with_reqwest(http.clone())
            .map_err(|error| failed(crate::adapters::http::cause(&error)))?;
        Ok(Self { octocrab, http, settings, clock, login: ACTIONS_BOT.to_owned(), calls: AtomicU32::new(0) })
    }

    /// How many requests have been sent.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Asks whom the token writes as. A job's own token cannot ask the REST interface; the
    /// other one answers it. Where nobody answers it stays the job's own robot.
    pub async fn learn_login(&mut self) {
        let Some(url) = &self.settings.graphql_url else { return };
        self.calls.fetch_add(1, Ordering::Relaxed);
        let query = json!({"query": "query { viewer { login } }"});
        let sent = self.http.post(url).bearer_auth(self.settings.token.expose()).json(&query).send().await;
        let Ok(response) = sent else { return };
        if let Ok(GraphQl { data: Some(data) }) = response.json::<GraphQl>().await
            && !data.viewer.login.is_empty()
        {
            self.login = data.viewer.login;
        }
    }

    fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.settings.repository)
    }

    async fn read<T: DeserializeOwned>(&self, route: &str, doing: &str, needs: &'static str) -> Result<T, GitHubError> {
        let answer = self.send(&Ask { method: Verb::Get, route, body: None, doing, needs, repeatable: true }).await?;
        parse(&answer.text, doing)
    }

    async fn write<T: DeserializeOwned>(
        &self,
        Write(method, route, repeatable): Write<'_>,
        body: &Value,
        doing: &str,
        needs: &'static str,
    ) -> Result<T, GitHubError> {
        let answer = self.send(&Ask { method, route, body: Some(body), doing, needs, repeatable }).await?;
        parse(&answer.text, doing)
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        route: &str,
        doing: &str,
        needs: &'static str,
    ) -> Result<Vec<T>, GitHubError> {
        let mut all = Vec::new();
        let mut route = route.to_owned();
        for _ in 0..MOST_PAGES {
            let ask = Ask { method: Verb::Get, route: &route, body: None, doing, needs, repeatable: true };
            let answer = self.send(&ask).await?;
            all.extend(parse::<Vec<T>>(&answer.text, doing)?);
            match answer.next {
                Some(next) => route = self.same_authority(&next, doing)?,
                None => return Ok(all),
            }
        }
        tracing::warn!("{doing}: only the first {} are read", all.len());
        Ok(all)
    }

    /// A next page lies where the first did: our token is not carried anywhere else.
    fn same_authority(&self, next: &str, doing: &str) -> Result<String, GitHubError> {
        let elsewhere = || GitHubError::Refused {
            doing: doing.to_owned(),
            status: 200,
            message: "the next page is said to lie at another host".to_owned(),
        };
        let next = url::Url::parse(next).map_err(|_| elsewhere())?;
        let base = url::Url::parse(&self.settings.api_url).map_err(|_| elsewhere())?;
        if next.origin() != base.origin() {
            return Err(elsewhere());
        }
        Ok(match next.query() {
            Some(query) => format!("{}?{query}", next.path()),
            None => next.path().to_owned(),
        })
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Answer, GitHubError> {
        let mut backoff = Backoff::new(self.settings.pace, self.clock.now(), None, random);
        for last in [false, false, true] {
            let error = match self.attempt(ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let asked = match &error {
                // Turned away: nothing was written.
                GitHubError::RateLimited { retry_after, .. } => retry_after.map(Duration::from_secs),
                GitHubError::Unreachable { .. } | GitHubError::Refused { status: 500..=504, .. } if ask.repeatable => {
                    None
                }
                _ => return Err(error),
            };
            match backoff.next(self.clock.now(), asked) {
                Some(wait) if !last => self.clock.sleep(wait).await,
                _ => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn attempt(&self, ask: &Ask<'_>) -> Result<Answer, GitHubError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now().as_second();
        let failed = |error: octocrab::Error| meaning(error, ask.doing, ask.needs, now);
        let response = match ask.method {
            Verb::Get => self.octocrab._get(ask.route).await,
            Verb::Post => self.octocrab._post(ask.route, ask.body).await,
            Verb::Patch => self.octocrab._patch(ask.route, ask.body).await,
        };
        let response = octocrab::map_github_error(response.map_err(failed)?).await.map_err(failed)?;
        let next = response.headers().get("link").and_then(|link| next_page(link.to_str().ok()?));
        let text = self.octocrab.body_to_string(response).await.map_err(failed)?;
        Ok(Answer { next, text })
    }
}

fn parse<T: DeserializeOwned>(text: &str, doing: &str) -> Result<T, GitHubError> {
    serde_json::from_str(text).map_err(|error| GitHubError::Unreachable {
        doing: doing.to_owned(),
        message: format!("its answer cannot be read (line {}, column {})", error.line(), error.column()),
    })
}

/// `Link: <https://…?page=2>; rel="next", …`
fn next_page(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (url, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next")).then(|| url.to_owned())
    })
}

/// For a place in a path: branches keep their slashes.
fn escape_path(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn query(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn described(text: &str) -> String {
    text.chars().take(LONGEST_DESCRIPTION).collect()
}

#[async_trait]
impl GitHub for GitHubApi {
    fn login(&self) -> &str {
        &self.login
    }

    async fn comments(&self, pull: u64) -> Result<Vec<Comment>, GitHubError> {
        let route = self.route(&format!("issues/{pull}/comments?per_page=100"));
        let doing = format!("read the comments of pull request {pull}");
        let all = self.pages::<WireComment>(&route, &doing, "pull-requests: write").await?;
        Ok(all.into_iter().map(Comment::from).collect())
    }

    async fn create_comment(&self, pull: u64, body: &str) -> Result<Comment, GitHubError> {
        let route = self.route(&format!("issues/{pull}/comments"));
        let doing = format!("comment on pull request {pull}");
        let call = Write(Verb::Post, &route, false);
        Ok(self.write::<WireComment>(call, &json!({"body": body}), &doing, "pull-requests: write").await?.into())
    }

    async fn update_comment(&self, id: u64, body: &str) -> Result<Comment, GitHubError> {
        let route = self.route(&format!("issues/comments/{id}"));
        let call = Write(Verb::Patch, &route, true);
        let doing = "update our comment";
        Ok(self.write::<WireComment>(call, &json!({"body": body}), doing, "pull-requests: write").await?.into())
    }

    async fn pulls_of_commit(&self, sha: &str) -> Result<Vec<PullRequest>, GitHubError> {
        let route = self.route(&format!("commits/{}/pulls?per_page=100", escape_path(sha)));
        let doing = format!("find the pull request of commit {sha}");
        let all = self.pages::<WirePull>(&route, &doing, "pull-requests: read").await?;
        Ok(all.into_iter().map(PullRequest::from).collect())
    }

    async fn deployments(&self, sha: &str, environment: &str) -> Result<Vec<Deployment>, GitHubError> {
        let query = query(&[("sha", sha), ("environment", environment), ("per_page", "100")]);
        let route = self.route(&format!("deployments?{query}"));
        let doing = format!("read the deployments to `{environment}`");
        let all = self.pages::<WireDeployment>(&route, &doing, "deployments: write").await?;
        Ok(all.into_iter().map(Deployment::from).collect())
    }

    async fn statuses(&self, deployment: u64) -> Result<Vec<SeenStatus>, GitHubError> {
        let route = self.route(&format!("deployments/{deployment}/statuses?per_page=100"));
        let doing = format!("read the statuses of deployment {deployment}");
        let all = self.pages::<WireStatus>(&route, &doing, "deployments: write").await?;
        Ok(all.into_iter().map(SeenStatus::from).collect())
    }

    async fn create_deployment(&self, new: &NewDeployment) -> Result<Deployment, GitHubError> {
        // Without the first two GitHub merges the default branch into ours, and waits for
        // checks of which this job is one.
        let body = json!({
            "ref": new.git_ref,
            "auto_merge": false,
            "required_contexts": [],
            "environment": new.environment,
            "description": described(&new.description),
            "production_environment": new.production,
            "transient_environment": false,
            "payload": new.payload,
        });
        let route = self.route("deployments");
        let doing = format!("announce the deployment to `{}`", new.environment);
        let call = Write(Verb::Post, &route, false);
        Ok(self.write::<WireDeployment>(call, &body, &doing, "deployments: write").await?.into())
    }

    async fn create_status(&self, deployment: u64, status: &DeploymentStatus) -> Result<(), GitHubError> {
        let mut body = json!({"state": status.state.name(), "description": described(&status.description)});
        for (name, url) in [("log_url", &status.log_url), ("environment_url", &status.environment_url)] {
            if let Some(url) = url {
                body[name] = json!(url);
            }
        }
        // The same status a second time says nothing else.
        let route = self.route(&format!("deployments/{deployment}/statuses"));
        let doing = format!("set deployment {deployment} to {}", status.state.name());
        let call = Write(Verb::Post, &route, true);
        self.write::<Value>(call, &body, &doing, "deployments: write").await.map(drop)
    }

    async fn compare(&self, base: &str, head: &str) -> Result<Ancestry, GitHubError> {
        let pair = format!("compare/{}...{}?per_page=1", escape_path(base), escape_path(head));
        let doing = format!("compare {base} with {head}");
        match self.read::<Comparison>(&self.route(&pair), &doing, "contents: read").await {
            Ok(comparison) => Ok(match comparison.status.as_str() {
                "identical" => Ancestry::Identical,
                "ahead" => Ancestry::Ahead,
                "behind" => Ancestry::Behind,
                "diverged" => Ancestry::Diverged,
                _ => Ancestry::Unknown,
            }),
            Err(GitHubError::NotFound { .. }) => Ok(Ancestry::Unknown),
            Err(error) => Err(error),
        }
    }

    async fn is_over(&self, run: &str, attempt: u32) -> Result<bool, GitHubError> {
        let route = self.route(&format!("actions/runs/{}", escape_path(run)));
        let run: WireRun = self.read(&route, &format!("ask whether run {run} is over"), "actions: read").await?;
        Ok(run.is_over(attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let link = r#"<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?page=3>; rel="next""#;
        assert_eq!(next_page(link).as_deref(), Some("https://api.github.com/x?page=3"));
        assert_eq!(next_page(r#"<https://api.github.com/x?page=9>; rel="last""#), None);
    }

    #[test]
    fn names_are_escaped_and_descriptions_cut_between_characters() {
        assert_eq!(escape_path("feature/ä b#c"), "feature/%C3%A4%20b%23c");
        assert_eq!(query(&[("environment", "prod/eu & more")]), "environment=prod%2Feu+%26+more");
        assert_eq!(described(&"ä".repeat(200)).chars().count(), 140);
    }
}
