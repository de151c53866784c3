//! What a job's token may do: the keys and levels of `permissions:` in a workflow.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A key of `permissions:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Actions,
    Attestations,
    Checks,
    Contents,
    Deployments,
    IdToken,
    Issues,
    /// Always readable; a workflow cannot name it.
    Metadata,
    PullRequests,
    Statuses,
}

impl Scope {
    const NAMED: [(&'static str, Scope); 9] = [
        ("actions", Scope::Actions),
        ("attestations", Scope::Attestations),
        ("checks", Scope::Checks),
        ("contents", Scope::Contents),
        ("deployments", Scope::Deployments),
        ("id-token", Scope::IdToken),
        ("issues", Scope::Issues),
        ("pull-requests", Scope::PullRequests),
        ("statuses", Scope::Statuses),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, scope)| *scope == self).map_or("metadata", |(name, _)| name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    None,
    Read,
    Write,
}

/// Everything a job was permitted; what is not named is `none`, as in a workflow that names anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeMap<Scope, Level>);

impl Permissions {
    pub fn new(levels: impl IntoIterator<Item = (Scope, Level)>) -> Self {
        Permissions(levels.into_iter().collect())
    }

    pub fn level(&self, scope: Scope) -> Level {
        match scope {
            Scope::Metadata => Level::Read,
            named => self.0.get(&named).copied().unwrap_or(Level::None),
        }
    }

    /// What is left for a fork's or Dependabot's pull request: no write, and so no ID token.
    pub(super) fn for_strangers(&self) -> Self {
        Permissions(
            self.0
                .iter()
                .filter(|(scope, _)| **scope != Scope::IdToken)
                .map(|(scope, level)| (*scope, (*level).min(Level::Read)))
                .collect(),
        )
    }
}

/// `contents: read, id-token: write`
impl FromStr for Permissions {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let entry = |part: &str| {
            let (name, level) = part.split_once(':')?;
            let scope = Scope::NAMED.iter().find(|(known, _)| *known == name.trim())?.1;
            let level = match level.trim() {
                "none" => Level::None,
                "read" => Level::Read,
                "write" => Level::Write,
                _ => return None,
            };
            Some((scope, level))
        };
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| entry(part).ok_or_else(|| UnknownPermission(part.to_owned())))
            .collect::<Result<_, _>>()
            .map(Permissions)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct UnknownPermission(pub String);

impl fmt::Display for UnknownPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no permission of a workflow", self.0)
    }
}

impl std::error::Error for UnknownPermission {}

/// What an endpoint asks of a token: the level in one of these scopes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub any_of: &'static [Scope],
    pub level: Level,
}

impl Needs {
    pub const fn read(any_of: &'static [Scope]) -> Self {
        Needs { any_of, level: Level::Read }
    }

    pub const fn write(any_of: &'static [Scope]) -> Self {
        Needs { any_of, level: Level::Write }
    }

    pub fn met_by(&self, permissions: &Permissions) -> bool {
        self.any_of.iter().any(|scope| permissions.level(*scope) >= self.level)
    }

    /// `issues=write; pull_requests=write`, the header that tells a refused client what it lacks.
    pub fn header(&self) -> String {
        let level = if self.level == Level::Write { "write" } else { "read" };
        let one = |scope: &Scope| format!("{}={level}", scope.name().replace('-', "_"));
        self.any_of.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// Whose token it is.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub login: String,
    pub permissions: Permissions,
    pub job: Option<u64>,
    pub live: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_in_a_workflow() {
        let given: Permissions = "contents: read, id-token: write".parse().unwrap();
        assert_eq!(given, Permissions::new([(Scope::Contents, Level::Read), (Scope::IdToken, Level::Write)]));
        assert_eq!(given.level(Scope::Deployments), Level::None);
        assert_eq!("contents: admin".parse::<Permissions>(), Err(UnknownPermission("contents: admin".to_owned())));
    }

    #[test]
    fn strangers_keep_reads_and_lose_the_id_token() {
        let lowered = "pull-requests: write, id-token: write".parse::<Permissions>().unwrap().for_strangers();
        assert_eq!(lowered, Permissions::new([(Scope::PullRequests, Level::Read)]));
    }
}
