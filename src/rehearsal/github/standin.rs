//! The running stand-in: started, asked where it is, stopped by dropping it.

use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::Value;

use super::access::{Grant, Permissions};
use super::config::{Config, Flavour};
use super::dump::dump;
use super::gate;
use super::history::History;
use super::identity;
use super::keys;
use super::state::{Counters, Repository, State, Urls};
use super::story;
use crate::rehearsal::front::{Faults, Log, Rule, Serving};

/// The state behind its lock, and what people do to it.
pub struct World {
    state: Mutex<State>,
}

impl World {
    // A handler that panicked has failed its test already; the state is still worth reading.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything as it is, to come back to.
    pub fn remember(&self) -> Memory {
        Memory(self.lock().clone())
    }

    /// As it was. Time that has passed since is not given back.
    pub fn rewind(&self, to: &Memory) {
        self.lock().clone_from(&to.0);
    }

    /// Lets time pass, for tokens that expire and limits that reset.
    pub fn advance(&self, by: Duration) {
        self.lock().clock.advance(by);
    }

    /// A person's own token.
    pub fn personal_token(&self, login: &str, permissions: Permissions) -> String {
        let token = format!("github_pat_{}", uuid::Uuid::new_v4().simple());
        let mut state = self.lock();
        state.user(login);
        state.tokens.insert(token.clone(), Grant { login: login.to_owned(), permissions, job: None, live: true });
        token
    }
}

/// The world at one moment.
pub struct Memory(State);

/// A stand-in GitHub on a loopback port.
pub struct GitHub {
    world: Arc<World>,
    serving: Serving,
}

impl GitHub {
    pub fn start(config: Config) -> io::Result<Self> {
        let Some((owner, name)) = config.repository.split_once('/') else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a repository is named owner/name"));
        };
        let repository = Repository {
            owner: owner.to_owned(),
            name: name.to_owned(),
            id: 812_345_678,
            owner_id: 4_242,
            private: config.private,
            default_branch: config.default_branch.clone(),
            subjects: config.subjects,
            subject_claims: config.subject_claims.clone(),
            rate_limit: config.rate_limit,
        };
        let world = Arc::new(World { state: Mutex::new(empty(repository)) });
        let (routed, dumped) = (world.clone(), world.clone());
        let routes = |address: SocketAddr| {
            let server = config.advertised.clone().unwrap_or_else(|| format!("http://{address}"));
            let prefix = if config.flavour == Flavour::EnterpriseServer { "/api/v3" } else { "" };
            routed.lock().urls = Urls {
                api: format!("{server}{prefix}"),
                issuer: config.issuer.clone().unwrap_or_else(|| format!("{server}{}", identity::ISSUER)),
                server,
            };
            Router::new().merge(gate::routes(routed.clone(), prefix)).merge(identity::routes(routed))
        };
        let told = story::routes(world.clone());
        let serving = Serving::start_with(config.bind, routes, told, move || dump(&dumped.lock()))?;
        Ok(GitHub { world, serving })
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// `GITHUB_SERVER_URL`
    pub fn server_url(&self) -> String {
        self.world.lock().urls.server.clone()
    }

    /// `GITHUB_API_URL`
    pub fn api_url(&self) -> String {
        self.world.lock().urls.api.clone()
    }

    /// `iss` of its ID tokens; the keys are below `/.well-known`.
    pub fn issuer(&self) -> String {
        self.world.lock().urls.issuer.clone()
    }

    /// Where the issuer publishes its keys: here, whatever the issuer is called.
    pub fn jwks_url(&self) -> String {
        format!("{}{}/.well-known/jwks", self.server_url(), identity::ISSUER)
    }

    /// The keys that its ID tokens are signed with, for a verifier that does not fetch them.
    pub fn jwks(&self) -> Value {
        keys::jwks()
    }

    pub fn faults(&self) -> &Faults {
        self.serving.faults()
    }

    pub fn fail(&self, rule: Rule) {
        self.serving.faults().add(rule);
    }

    pub fn log(&self) -> &Log {
        self.serving.log()
    }

    /// The state as a canonical document: no times, no tokens.
    pub fn dump(&self) -> Value {
        dump(&self.world.lock())
    }
}

/// A story is told to the world that the server shows: `github.push(…)`, `github.start_job(…)`.
impl Deref for GitHub {
    type Target = Arc<World>;

    fn deref(&self) -> &Arc<World> {
        &self.world
    }
}

fn empty(repository: Repository) -> State {
    State {
        urls: Urls { server: String::new(), api: String::new(), issuer: String::new() },
        clock: Arc::default(),
        requests_left: repository.rate_limit,
        window: 0,
        repository,
        history: History::default(),
        users: Default::default(),
        pulls: Default::default(),
        comments: Default::default(),
        deployments: Default::default(),
        environments: Default::default(),
        runs: Default::default(),
        jobs: Default::default(),
        check_runs: Default::default(),
        commit_statuses: Default::default(),
        artifacts: Default::default(),
        tokens: Default::default(),
        request_tokens: Default::default(),
        counters: Counters::default(),
    }
}
