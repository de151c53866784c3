//! By hand: which workspace is meant, and the token for it.

use std::collections::BTreeMap;

use crate::adapters::databricks::Profiles;
use crate::domain::{Failure, Host, Reason, Secret};

/// `profile` is what was named, before the environment names one; `host` is that of a bundle. A profile comes before a
/// token of the environment, and is of one workspace. Where there is no file of profiles, and host and token stand in
/// the environment, they count instead, as they do for the official command; that is said.
pub fn find(
    env: &BTreeMap<String, String>,
    profile: Option<&str>,
    host: Option<&str>,
) -> Result<(String, Secret), Failure> {
    let var = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let profiles = || match Profiles::path(env) {
        Some(file) => Profiles::load(&file),
        None => Ok(Profiles::default()),
    };
    if let Some(name) = profile.or(var("DATABRICKS_CONFIG_PROFILE")) {
        let profiles = profiles()?;
        if let (None, Some(there), Some(token), Some(file)) =
            (host, var("DATABRICKS_HOST"), var("DATABRICKS_TOKEN"), profiles.missing())
        {
            eprintln!("Warn: profile `{name}` is not used: there is no {}; signing in to {there}", file.display());
            return Ok((there.to_owned(), Secret::new(token)));
        }
        let profile = profiles.get(name)?;
        return match host {
            Some(host) if plain(host) != plain(&profile.host) => Err(two_hosts(name, &profile.host, host)),
            _ => Ok((profile.host, profile.token)),
        };
    }
    let host = host.or(var("DATABRICKS_HOST")).ok_or_else(none)?;
    if let Some(token) = var("DATABRICKS_TOKEN") {
        return Ok((host.to_owned(), Secret::new(token)));
    }
    let profile = profiles()?.of_host(host)?.ok_or_else(none)?;
    Ok((profile.host, profile.token))
}

fn plain(host: &str) -> String {
    Host::parse(host).map_or_else(|_| host.to_owned(), |host| host.to_string())
}

fn two_hosts(name: &str, profile: &str, bundle: &str) -> Failure {
    let message = format!("sign in to the workspace: profile `{name}` is of {profile}, and the bundle names {bundle}");
    Failure::new(Reason::InvalidInput, message).hint("take one of the two out, or name a profile of the bundle's host")
}

fn none() -> Failure {
    Failure::new(Reason::InvalidInput, "sign in to the workspace: neither a host with a token nor a profile is given")
        .hint("set DATABRICKS_HOST and DATABRICKS_TOKEN, or name a profile of ~/.databrickscfg with --profile")
}
