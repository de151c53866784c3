//! What an ID token says about itself, shown when a workspace refuses it.
//!
//! Nothing is verified here and nothing is decided by it: the type says so. Each of the
//! claims below is what a federation policy can match; the signature and the token itself
//! are never kept.

use std::fmt::Write;

use serde::Deserialize;

use crate::domain::Secret;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UnverifiedClaims {
    pub iss: Option<String>,
    pub sub: Option<String>,
    pub aud: Audience,
    pub environment: Option<String>,
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    pub event_name: Option<String>,
    pub repository: Option<String>,
    pub repository_id: Option<String>,
    pub repository_owner_id: Option<String>,
    pub job_workflow_ref: Option<String>,
    pub runner_environment: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

impl Audience {
    fn text(&self) -> Option<String> {
        match self {
            Audience::One(audience) => Some(audience.clone()),
            Audience::Many(audiences) => Some(audiences.join(", ")),
            Audience::None => None,
        }
    }
}

/// The two ways in which GitHub writes a subject. Which one a repository uses depends on its
/// age and settings; a policy made for the other never matches.
struct Subjects {
    names: String,
    ids: String,
}

impl UnverifiedClaims {
    pub fn of(token: &Secret) -> Option<Self> {
        jsonwebtoken::dangerous::insecure_decode_claims(token.expose()).ok()
    }

    fn subjects(&self) -> Option<Subjects> {
        let repository = self.repository.as_deref()?;
        let (owner, name) = repository.split_once('/')?;
        let owner_id = self.repository_owner_id.as_deref()?;
        let id = self.repository_id.as_deref()?;
        let names = format!("repo:{repository}:");
        let ids = format!("repo:{owner}@{owner_id}/{name}@{id}:");
        let sub = self.sub.as_deref()?;
        let rest = sub.strip_prefix(&names).or_else(|| sub.strip_prefix(&ids))?;
        Some(Subjects { names: format!("{names}{rest}"), ids: format!("{ids}{rest}") })
    }

    /// The claims, then what a policy must match, as indented lines.
    pub fn explain(&self, principal: Option<&str>) -> String {
        let mut text = String::from("  the token says");
        let aud = self.aud.text();
        let rows = [
            ("iss", &self.iss),
            ("sub", &self.sub),
            ("aud", &aud),
            ("environment", &self.environment),
            ("ref", &self.git_ref),
            ("event_name", &self.event_name),
            ("repository", &self.repository),
            ("repository_id", &self.repository_id),
            ("job_workflow_ref", &self.job_workflow_ref),
            ("runner_environment", &self.runner_environment),
        ];
        for (name, value) in rows {
            let value = value.as_deref().map_or_else(|| "(none)".to_owned(), one_line);
            let _ = write!(text, "\n    {name:<18} {value}");
        }
        let whose = principal.map_or_else(|| "of the account".to_owned(), |id| format!("of service principal `{id}`"));
        let _ = write!(text, "\n  the federation policy {whose} must match");
        let or_none = |value: Option<&str>| value.map_or_else(|| "(none)".to_owned(), one_line);
        let _ = write!(text, "\n    issuer             {}", or_none(self.iss.as_deref()));
        let _ = write!(text, "\n    audience           {}", or_none(aud.as_deref()));
        let _ = write!(text, "\n    subject            {}", or_none(self.sub.as_deref()));
        if let Some(Subjects { names, ids }) = self.subjects() {
            let (form, other, other_form) = match self.sub.as_deref() == Some(&names) {
                true => ("names", ids, "ids"),
                false => ("ids", names, "names"),
            };
            let _ = write!(text, " (with {form}, as this job has it)");
            let _ = write!(text, "\n    and not            {} (with {other_form})", one_line(&other));
        }
        text
    }

    /// The mistake that is most often behind a refusal, where the claims show it.
    pub fn hint(&self, principal: Option<&str>) -> String {
        let whose = principal.map_or_else(
            || "the account's federation policies".to_owned(),
            |id| format!("the federation policy of service principal `{id}`"),
        );
        let mut hint = format!("compare issuer, subject and audience above with {whose}");
        if self.environment.is_none() {
            hint.push_str(
                "; the job names no `environment:`, so its subject ends in the ref or in `pull_request`, \
                 and a policy for an environment cannot match",
            );
        }
        hint
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
