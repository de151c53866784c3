//! What a serving endpoint does that its document does not say: how long its updates take and how they end, how its
//! models answer, and how often they were asked.
//!
//! A model that nobody scripted answers with numbers made from its name, its version's bytes and the row: the same bytes
//! predict the same, other bytes predict something else, and no answer depends on when it was asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// In milliseconds.
pub(crate) const MINUTE: i64 = 60_000;

/// How the next update of an endpoint goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Build {
    /// Seen going on this many times, then it has ended well.
    Ready { looks: u32 },
    /// Seen going on once, then it has failed; the build log says this.
    Fails { log: String },
    /// Goes on as long as anybody looks.
    Hangs,
}

/// How a served entity answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Always these predictions, whatever the rows.
    Predictions { predictions: Value },
    /// Always this body, as a model for chats or completions has one of its own.
    Body { body: Value },
    /// One of these statuses in turn; 200 predicts as if nobody had scripted it.
    Statuses { statuses: Vec<u16> },
    /// As if nobody had scripted it, and the metrics say that it took so long; nobody waits.
    Late { milliseconds: u64 },
}

/// How often an entity was asked in one minute, as its metrics tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub requests: u64,
    pub client_errors: u64,
    pub server_errors: u64,
    /// How long each request took, in milliseconds.
    pub took: Vec<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct Served {
    /// By endpoint; the last entry goes on for good.
    builds: BTreeMap<String, Vec<Build>>,
    /// By `<model>/<version>`.
    answers: BTreeMap<String, Answer>,
    /// The update that goes on, by endpoint.
    pub going: BTreeMap<String, Build>,
    /// What the build of an entity said, by `<endpoint>/<entity>`.
    pub build_logs: BTreeMap<String, String>,
    /// By `<endpoint>/<entity>`, then by the minute: metrics show the last whole one and forget those before.
    asked: BTreeMap<String, BTreeMap<i64, Asked>>,
    /// Requests to an endpoint's own address, which traffic shares out.
    pub shared_out: BTreeMap<String, u64>,
}

impl Served {
    pub fn script_builds(&mut self, endpoint: &str, builds: Vec<Build>) {
        self.builds.insert(endpoint.to_owned(), builds);
    }

    pub fn script_answer(&mut self, model_version: &str, answer: Answer) {
        self.answers.insert(model_version.to_owned(), answer);
    }

    pub fn answer(&self, model_version: &str) -> Option<&Answer> {
        self.answers.get(model_version)
    }

    /// What an entity was asked in the minute of `now`, to be written on.
    pub fn asked_now(&mut self, entity: &str, now: i64) -> &mut Asked {
        let minutes = self.asked.entry(entity.to_owned()).or_default();
        minutes.retain(|minute, _| *minute + 1 >= now / MINUTE);
        minutes.entry(now / MINUTE).or_default()
    }

    /// What an entity was asked in the last minute that has ended; none where nobody ever asked it.
    pub fn asked_last(&self, entity: &str, now: i64) -> Option<Asked> {
        let minutes = self.asked.get(entity)?;
        Some(minutes.get(&(now / MINUTE - 1)).cloned().unwrap_or_default())
    }

    /// An update of the endpoint begins.
    pub fn begin(&mut self, endpoint: &str) {
        let script = self.builds.entry(endpoint.to_owned()).or_default();
        let next = if script.len() > 1 { script.remove(0) } else { script.first().cloned().unwrap_or(Build::READY) };
        self.going.insert(endpoint.to_owned(), next);
    }

    /// Somebody looks at an endpoint that is being updated: how the update has ended, if it has.
    pub fn look(&mut self, endpoint: &str) -> Option<Result<(), String>> {
        let ended = match self.going.get_mut(endpoint)? {
            Build::Ready { looks: 0 } => Ok(()),
            Build::Ready { looks } => {
                *looks -= 1;
                return None;
            }
            Build::Fails { log } => Err(log.clone()),
            Build::Hangs => return None,
        };
        self.going.remove(endpoint);
        Some(ended)
    }
}

impl Build {
    const READY: Build = Build::Ready { looks: 0 };
}
