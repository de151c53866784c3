//! A registered model of Unity Catalog, its versions and aliases, by name.
//!
//! A version is a number that is never used twice, so it alone says which bytes are meant; an
//! alias says which version a name stood for when somebody looked. Whoever acts on an alias
//! resolves it once and goes on with the version.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// `catalog.schema.model`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ModelName {
    pub catalog: String,
    pub schema: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    Parts,
    Part,
    Version,
    AliasLetters,
    AliasReserved,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Parts => "has three parts: `catalog.schema.model`",
            NameError::Part => "has a part that is empty, too long, or holds a space, a slash or a control character",
            NameError::Version => "is a whole number from 1",
            NameError::AliasLetters => "holds letters, digits, `_` and `-`, at most 255",
            NameError::AliasReserved => "is reserved: `latest`, and `v` with a number, mean versions",
        })
    }
}

impl std::error::Error for NameError {}

impl ModelName {
    pub fn new(
        catalog: impl Into<String>,
        schema: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<Self, NameError> {
        let (catalog, schema, name) = (catalog.into(), schema.into(), name.into());
        let fits = |part: &str| {
            let odd = |c: char| c == '.' || c == ' ' || c == '/' || c.is_control();
            !part.is_empty() && part.chars().count() <= 255 && !part.contains(odd)
        };
        if !fits(&catalog) || !fits(&schema) || !fits(&name) {
            return Err(NameError::Part);
        }
        Ok(Self { catalog, schema, name })
    }

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(catalog), Some(schema), Some(name), None) => Self::new(catalog, schema, name),
            _ => Err(NameError::Parts),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.name)
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for ModelName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

/// The number of a version; they begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelVersion(NonZeroU64);

impl ModelVersion {
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    pub fn parse(text: &str) -> Result<Self, NameError> {
        // A sign is no part of a version, though a number may have one.
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits).and_then(Self::new).ok_or(NameError::Version)
    }

    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for ModelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A name that stands for a version until somebody moves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Alias(String);

impl Alias {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let letters = text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if text.is_empty() || text.chars().count() > 255 || !letters {
            return Err(NameError::AliasLetters);
        }
        let version = text.strip_prefix(['v', 'V']).is_some_and(|n| !n.is_empty() && n.chars().all(char::is_numeric));
        if version || text.eq_ignore_ascii_case("latest") {
            return Err(NameError::AliasReserved);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> Self {
        alias.0
    }
}

impl TryFrom<String> for Alias {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

/// How far a version has come. Only a ready one may be loaded, tested or served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionStatus {
    Pending,
    Ready,
    Failed,
    /// Not one that this program knows; it is no success.
    Other(String),
}

impl VersionStatus {
    pub fn parse(text: &str) -> Self {
        match text {
            "PENDING_REGISTRATION" => VersionStatus::Pending,
            "READY" => VersionStatus::Ready,
            "FAILED_REGISTRATION" => VersionStatus::Failed,
            other => VersionStatus::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for VersionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VersionStatus::Pending => "PENDING_REGISTRATION",
            VersionStatus::Ready => "READY",
            VersionStatus::Failed => "FAILED_REGISTRATION",
            VersionStatus::Other(name) if name.is_empty() => "of no status",
            VersionStatus::Other(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_plain_parts() {
        let name = ModelName::parse("staging.models.churn").unwrap();
        assert_eq!((name.catalog.as_str(), name.schema.as_str(), name.name.as_str()), ("staging", "models", "churn"));
        assert_eq!(name.to_string(), "staging.models.churn");
        for two in ["churn", "models.churn", "a.b.c.d", ""] {
            assert_eq!(ModelName::parse(two), Err(NameError::Parts), "{two}");
        }
        for odd in ["a..c", "a.b.", "a.b c.d", "a.b/c.d", "a.b.c\n"] {
            assert_eq!(ModelName::parse(odd), Err(NameError::Part), "{odd:?}");
        }
    }

    #[test]
    fn a_version_is_a_number_from_one() {
        assert_eq!(ModelVersion::parse("17").unwrap().number(), 17);
        for wrong in ["0", "-1", "+3", "1.0", "", " 1", "v1"] {
            assert_eq!(ModelVersion::parse(wrong), Err(NameError::Version), "{wrong:?}");
        }
    }

    #[test]
    fn an_alias_cannot_be_taken_for_a_version() {
        for right in ["champion", "Champion_2", "v", "vnext", "a-b"] {
            assert_eq!(Alias::parse(right).unwrap().as_str(), right);
        }
        for reserved in ["latest", "LATEST", "v9", "V12"] {
            assert_eq!(Alias::parse(reserved), Err(NameError::AliasReserved), "{reserved}");
        }
        for odd in ["", "a b", "a/b", "a.b", "a@b"] {
            assert_eq!(Alias::parse(odd), Err(NameError::AliasLetters), "{odd}");
        }
    }

    #[test]
    fn names_read_from_a_journal_are_checked_again() {
        assert!(serde_json::from_str::<ModelName>("\"a.b\"").is_err());
        assert!(serde_json::from_str::<ModelVersion>("0").is_err());
        assert!(serde_json::from_str::<Alias>("\"latest\"").is_err());
    }
}
