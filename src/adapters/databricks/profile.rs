//! A laptop's `.databrickscfg`: host and token of a profile.
//!
//! Only profiles with a token are used. The other ways to sign in are the official CLI's
//! own (a browser, a cloud's command-line tool); they are refused by name, with the command
//! that turns such a profile into a token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::client::checked_host;
use crate::domain::{Failure, Reason, Secret};

#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    /// `https://…`, without a trailing slash.
    pub host: String,
    pub token: Secret,
}

/// Keys and values by profile; a value may be a token, so there is no `Debug`.
#[derive(Clone, Default)]
pub struct Profiles {
    file: PathBuf,
    /// There is no such file.
    missing: bool,
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl Profiles {
    /// `DATABRICKS_CONFIG_FILE`, else `.databrickscfg` in the home folder.
    pub fn path(env: &BTreeMap<String, String>) -> Option<PathBuf> {
        let home = || env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        match env.get("DATABRICKS_CONFIG_FILE").filter(|path| !path.is_empty()) {
            Some(path) => match path.strip_prefix("~/") {
                Some(rest) => Some(home()?.join(rest)),
                None => Some(PathBuf::from(path)),
            },
            None => Some(home()?.join(".databrickscfg")),
        }
    }

    /// No file is no profile.
    pub fn load(file: &Path) -> Result<Self, Failure> {
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Self { file: file.to_owned(), missing: false, sections: parse(&text) }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { file: file.to_owned(), missing: true, sections: BTreeMap::new() })
            }
            Err(error) => {
                Err(Failure::new(Reason::InvalidInput, format!("read profiles in {}", file.display())).because(error))
            }
        }
    }

    /// The file that is not there.
    pub fn missing(&self) -> Option<&Path> {
        self.missing.then_some(&self.file)
    }

    pub fn get(&self, name: &str) -> Result<Profile, Failure> {
        let file = self.file.display();
        let Some(section) = self.sections.get(name) else {
            let known: Vec<String> = self.sections.keys().map(|name| format!("`{name}`")).collect();
            let hint = match known.is_empty() {
                true => format!("there is no profile in {file}"),
                false => format!("{file} has {}", known.join(", ")),
            };
            let message = format!("sign in by profile `{name}`: there is no such profile");
            return Err(Failure::new(Reason::InvalidInput, message).hint(hint));
        };
        let value = |key: &str| section.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let host = value("host").ok_or_else(|| {
            Failure::new(Reason::InvalidInput, format!("sign in by profile `{name}`: it has no `host`"))
                .hint(format!("add `host = https://…` to `[{name}]` in {file}"))
        })?;
        match (value("auth_type").unwrap_or("pat"), value("token")) {
            ("pat", Some(token)) => {
                Ok(Profile { name: name.to_owned(), host: checked_host(host)?, token: Secret::new(token) })
            }
            (kind, _) => Err(unsupported(name, if kind == "pat" { guess(section) } else { kind })),
        }
    }

    /// The profile of a host, where exactly one names it.
    pub fn of_host(&self, host: &str) -> Result<Option<Profile>, Failure> {
        let wanted = checked_host(host)?;
        let has = |section: &BTreeMap<String, String>| {
            section.get("host").is_some_and(|host| checked_host(host).is_ok_and(|host| host == wanted))
        };
        let names: Vec<&String> = self.sections.iter().filter(|(_, s)| has(s)).map(|(name, _)| name).collect();
        match names.as_slice() {
            [] => Ok(None),
            [name] => self.get(name).map(Some),
            [first, second, ..] => Err(Failure::new(
                Reason::InvalidInput,
                format!("sign in to {wanted}: profiles `{first}` and `{second}` both name it"),
            )
            .hint("name one of them as `profile`")),
        }
    }
}

fn unsupported(name: &str, kind: &str) -> Failure {
    Failure::new(
        Reason::InvalidInput,
        format!("sign in by profile `{name}`: it signs in by `{kind}`, and only profiles with a `token` are used here"),
    )
    .hint(format!("set `DATABRICKS_TOKEN` to what `databricks auth token --profile {name}` prints as `access_token`"))
}

/// How a profile without `auth_type` and token means to sign in.
fn guess(section: &BTreeMap<String, String>) -> &'static str {
    let has = |key: &str| section.contains_key(key);
    match () {
        () if has("client_secret") => "oauth-m2m",
        () if has("azure_client_id") || has("azure_tenant_id") => "azure-client-secret",
        () if has("azure_workspace_resource_id") => "azure-cli",
        () if has("google_service_account") || has("google_credentials") => "google-credentials",
        () if has("username") => "basic",
        () => "databricks-cli",
    }
}

/// INI as the official tools write it: sections, `key = value`, comments on lines of their own.
fn parse(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = "DEFAULT".to_owned();
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut current);
            sections.entry(current.clone()).or_default();
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim().to_ascii_lowercase();
            let value = value.trim().trim_matches(['"', '\'']).to_owned();
            sections.entry(current.clone()).or_default().insert(key, value);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        let text = "\u{feff}; mine\n[DEFAULT]\n[dev]\nHost = https://dbc-dev.cloud.databricks.com/\ntoken = dapi-dev\n\n\
                    [u2m]\nhost=https://dbc-stg.cloud.databricks.com\nauth_type = databricks-cli\n\
                    [m2m]\nhost=https://dbc-prod.cloud.databricks.com\nclient_id=a\nclient_secret=b\n\
                    [again]\nhost=https://dbc-prod.cloud.databricks.com?o=1\ntoken=x\n[bare]\ntoken=y\n";
        Profiles { file: "/home/me/.databrickscfg".into(), missing: false, sections: parse(text) }
    }

    #[test]
    fn a_profile_with_a_token_is_used() {
        let dev = profiles().get("dev").unwrap();
        assert_eq!((dev.host.as_str(), dev.token.expose()), ("https://dbc-dev.cloud.databricks.com", "dapi-dev"));
        let same = profiles().of_host("https://dbc-dev.cloud.databricks.com").unwrap().unwrap();
        assert_eq!(same.name, "dev");
        assert!(profiles().of_host("https://elsewhere.cloud.databricks.com").unwrap().is_none());
    }

    #[test]
    fn other_ways_to_sign_in_are_refused_by_name() {
        let said = |name: &str| {
            let failure = profiles().get(name).unwrap_err();
            format!("{}\nhint: {}\n\n", failure.message, failure.hint.unwrap())
        };
        let ambiguous = profiles().of_host("https://dbc-prod.cloud.databricks.com").unwrap_err();
        let all: String = ["u2m", "m2m", "bare", "nobody"].iter().map(|name| said(name)).collect();
        insta::assert_snapshot!(all + &ambiguous.message);
    }
}
