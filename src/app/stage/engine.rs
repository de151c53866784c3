//! Which engine reads the bundle, decided once over all targets and said with its reason.
//!
//! Everything here is known without a token: every target loaded, merged and resolved, with
//! what only the workspace knows left unknown; the hosts that targets name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::unpacked::Unpacked;
use super::{Run, prepare, surroundings};
use crate::app::disk::Disk;
use crate::app::git;
use crate::bundle::Options;
use crate::bundle::load::TargetInfo;
use crate::bundle::planning::planner;
use crate::domain::fact::{self, Engine as Chosen, Target};
use crate::domain::{Diagnostic, Failure, Host, Purpose, Reason, Severity, Stage};
use crate::engines::contents;
use crate::engines::embedded::Embedded;
use crate::engines::official_cli::{OfficialCli, Settings};
use crate::inputs::Config;
use crate::inputs::config::Train;
use crate::inputs::parse::EngineChoice;
use crate::policy::as_packed;
use crate::policy::host_allowed::NamedHost;
use crate::policy::{one_catalog, one_clock, one_owner, tests_its_version};
use crate::ports::Identity;
use crate::ports::engine::{Engine, ResolvedTarget, Unsupported};

/// What reads the bundle.
pub struct Engines {
    pub embedded: Arc<Embedded>,
    /// The program of the official command, where it is the engine.
    pub official: Option<String>,
    /// The same, where it plans beside our own.
    pub beside: Option<String>,
    /// The target that was asked for, and all there are.
    pub asked: String,
    pub targets: Vec<String>,
}

impl Engines {
    /// The targets that an environment has: they are what a release is for. A developer's own
    /// target may name what only that person's machine has.
    pub fn targets_of(&self, config: &Config) -> Vec<String> {
        let has_environment = |target: &&String| **target == self.asked || config.of_target(target).is_some();
        self.targets.iter().filter(has_environment).cloned().collect()
    }
}

/// Loads the bundle, checks all of it that can be checked offline, and chooses the engine.
pub async fn load(run: &Run<'_>, config: &Config, asked: &str) -> Result<Engines, Failure> {
    let embedded = embedded(run)?;
    let (targets, said) = embedded.targets(asked)?;
    let names: Vec<String> = targets.iter().map(|target| format!("`{}`", target.name)).collect();
    if !names.is_empty() && targets.iter().all(|target| target.name != asked) {
        let message = format!("find target `{asked}`: the bundle has no such target");
        return Err(Failure::new(Reason::UnknownTarget, message).hint(format!("the bundle has {}", names.join(", "))));
    }
    run.ask(prepare::hosts(config, named_hosts(config, &targets)?)).await?;
    let mut resolved = Vec::new();
    for target in &targets {
        resolved.push(embedded.resolve(&target.name, None).await?);
    }
    let summary: Vec<Target> = targets.iter().zip(&resolved).map(|(t, r)| shown(config, t, r)).collect();
    run.fact(fact::TARGETS, &summary).await?;
    let mut found = said;
    for diagnostic in resolved.iter().flat_map(|r| &r.diagnostics) {
        // A mistake in a value repeats the value.
        let summary = embedded.hushed(&diagnostic.summary);
        let detail = diagnostic.detail.as_ref().map(|detail| embedded.hushed(detail));
        let diagnostic = Diagnostic { summary, detail, ..diagnostic.clone() };
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }
    found.extend(resolved.iter().flat_map(|target| out_of_place(config, target)));
    for diagnostic in resolved.iter().filter_map(|target| target.tree.as_ref()).flat_map(planner::to_nothing) {
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }
    run.fact(fact::DIAGNOSTICS, &found).await?;
    refuse_errors(&found)?;
    named_jobs_exist(config, asked, &resolved)?;
    let unknown: Vec<&Unsupported> = resolved.iter().flat_map(|r| &r.unsupported).collect();
    let official = official(run);
    let (ours, because) = choose(run.inputs.engine, &unknown, official.is_some())?;
    let name = if ours { "embedded" } else { "cli" };
    run.fact(fact::ENGINE, &Chosen { name: name.to_owned(), because }).await?;
    let targets = targets.into_iter().map(|target| target.name).collect();
    let beside = match (run.inputs.cross_check && ours, &official) {
        (true, None) => {
            return Err(no_command("compare our own plan with the official command's", "leave `cross-check` out"));
        }
        (checked, program) => program.clone().filter(|_| checked),
    };
    let official = official.filter(|_| !ours);
    Ok(Engines { embedded: Arc::new(embedded), official, beside, asked: asked.to_owned(), targets })
}

/// Our own engine on a release, once its hosts are allowed ones and its target resolves to
/// what was packed. What there was to warn of was said when it was packed.
pub async fn load_release(
    run: &Run<'_>,
    config: &Config,
    unpacked: &Unpacked,
    asked: &str,
) -> Result<Arc<dyn Engine>, Failure> {
    let engine = &unpacked.manifest.engine;
    if engine.name != "embedded" {
        let message = format!("deploy release {}: it was packed for `{}`", unpacked.release.id.short(), engine.name);
        return Err(Failure::new(Reason::Unsupported, message)
            .hint("the official command builds again whatever it deploys; take out of the bundle what our own engine does not know"));
    }
    let embedded = of_release(run, unpacked)?;
    let (targets, _) = embedded.targets(asked)?;
    run.ask(prepare::hosts(config, named_hosts(config, &targets)?)).await?;
    let resolved = resolves_as_packed(run, unpacked, asked).await?;
    refuse_errors(&tested_blindly(config, &resolved))?;
    named_jobs_exist(config, asked, &[resolved])?;
    let because = format!("release {} was packed with version {}", unpacked.release.id.short(), engine.version);
    run.fact(fact::ENGINE, &Chosen { name: engine.name.clone(), because }).await?;
    Ok(Arc::new(embedded))
}

/// Resolves a target of a release, and refuses one that has become something else.
pub async fn resolves_as_packed(run: &Run<'_>, unpacked: &Unpacked, target: &str) -> Result<ResolvedTarget, Failure> {
    let embedded = of_release(run, unpacked)?;
    let Some(packed) = unpacked.manifest.targets.get(target) else {
        let names: Vec<String> = unpacked.manifest.targets.keys().map(|name| format!("`{name}`")).collect();
        let message = format!("find target `{target}`: release {} has no such target", unpacked.release.id.short());
        return Err(Failure::new(Reason::UnknownTarget, message)
            .hint(format!("it has {}; a release holds the targets that `environments` has", names.join(", "))));
    };
    let resolved = embedded.resolve(target, None).await?;
    refuse_errors(&resolved.diagnostics)?;
    let here = embedded.portable(resolved.config.clone());
    run.ask(as_packed::verdict(target, packed, &here)).await?;
    Ok(resolved)
}

/// Our own engine on the files of a release; the repository is what its manifest says.
pub fn of_release(run: &Run<'_>, unpacked: &Unpacked) -> Result<Embedded, Failure> {
    let git = contents::git_of(unpacked.manifest.source.as_ref(), &unpacked.manifest.bundle_path);
    let disk = Disk::within(&unpacked.bundle, &unpacked.root)?;
    Ok(Embedded::new(unpacked.bundle.clone(), Arc::new(disk), options(run, &unpacked.bundle), git))
}

/// For the post step, which only takes back: nothing is loaded.
pub fn for_settling(run: &Run<'_>) -> Result<Arc<dyn Engine>, Failure> {
    Ok(Arc::new(embedded(run)?))
}

/// The official command on PATH.
fn official(run: &Run<'_>) -> Option<String> {
    let folders = run.desk.var("PATH").unwrap_or_default().split(':').map(Path::new);
    let program = folders.map(|folder| folder.join("databricks")).find(|program| program.is_file())?;
    Some(program.display().to_string())
}

/// The official command as an engine, signed in as we are.
pub fn official_engine(run: &Run<'_>, program: &str, identity: Arc<dyn Identity>) -> OfficialCli {
    let kept = |name: &str| name == "PATH" || name == "HOME" || name.starts_with("BUNDLE_VAR_");
    let env = run.desk.env.iter().filter(|(name, _)| kept(name));
    OfficialCli::new(Settings {
        program: program.to_owned(),
        root: run.inputs.bundle_path.clone(),
        variables: Vec::new(),
        env: env.map(|(name, value)| (name.clone(), value.clone())).collect(),
        identity,
        timeout: Duration::from_secs(60 * 60),
    })
}

fn embedded(run: &Run<'_>) -> Result<Embedded, Failure> {
    let root = run.inputs.bundle_path.clone();
    let has_root_file = crate::bundle::load::ROOT_NAMES.iter().any(|name| root.join(name).is_file());
    if !has_root_file {
        let message = format!("find a bundle: there is no databricks.yml in {}", root.display());
        return Err(Failure::new(Reason::BundleNotFound, message)
            .hint("point the input `bundle-path` to the folder of the databricks.yml"));
    }
    let git = git::around(&root)?;
    let options = options(run, &root);
    // In a job the checkout is all there is; on a laptop a link may lead where its owner likes.
    let disk = match surroundings(run.desk).confined {
        true => Disk::within(&root, &run.inputs.root)?,
        false => Disk::at(&root),
    };
    Ok(Embedded::new(root, Arc::new(disk), options, git))
}

fn options(run: &Run<'_>, root: &Path) -> Options {
    let read = |name: &str| name.starts_with("BUNDLE_VAR_") || name == "SOURCE_DATE_EPOCH";
    let environment = run.desk.env.iter().filter(|(name, _)| read(name));
    Options {
        root: root.display().to_string(),
        environment: environment.map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..Options::default()
    }
}

/// A target names its host, or a profile that an environment has; one that names neither
/// goes where its environment is.
fn named_hosts(config: &Config, targets: &[TargetInfo]) -> Result<Vec<NamedHost>, Failure> {
    let mut named = Vec::new();
    for target in targets {
        let Some(text) = &target.host else {
            if let Some(profile) = target.profile.as_deref().filter(|p| config.of_profile(p).is_none()) {
                let message =
                    format!("find the workspace of target `{}`: no environment has `profile: {profile}`", target.name);
                return Err(Failure::new(Reason::HostNotAllowed, message)
                    .hint("add `profile` to the environment in mlops-deploy.yml; no token was minted"));
            }
            continue;
        };
        let host = Host::parse(text).map(|h| h.to_string()).unwrap_or_else(|_| text.clone());
        named.push(NamedHost {
            target: target.name.clone(),
            expected: config.of_target(&target.name).map(|e| e.host.to_string()),
            host,
            origin: target.origin.clone(),
        });
    }
    Ok(named)
}

fn shown(config: &Config, info: &TargetInfo, resolved: &ResolvedTarget) -> Target {
    let of = |severity: Severity| resolved.diagnostics.iter().filter(|d| d.severity == severity).count();
    let environment = config.of_target(&info.name).or_else(|| config.of_profile(info.profile.as_deref()?));
    let kinds = resolved.config["resources"].as_object().into_iter().flatten();
    Target {
        name: info.name.clone(),
        host: info.host.clone().or(environment.map(|e| e.host.to_string())).unwrap_or_default(),
        mode: info.mode.clone().unwrap_or_default(),
        resources: kinds.filter_map(|(_, of)| Some(of.as_object()?.len())).sum(),
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        unknown: resolved.config.to_string().matches("${workspace.current_user").count(),
    }
}

fn refuse_errors(found: &[Diagnostic]) -> Result<(), Failure> {
    let errors: Vec<&Diagnostic> = found.iter().filter(|d| d.is_error()).collect();
    let Some(first) = errors.first() else { return Ok(()) };
    let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
    let errors = errors.iter().map(|d| (*d).clone()).collect();
    Err(Failure::new(Reason::InvalidBundle, format!("resolve the bundle: {}{more}", first.summary)).about(errors))
}

/// What no target of its environment may have: things of another catalog; before prod clocks that run; in prod endpoints
/// that a promotion moves, and the bundle pins; where models are tested a job that does not learn which version.
fn out_of_place(config: &Config, resolved: &ResolvedTarget) -> Vec<Diagnostic> {
    let Some((environment, tree)) = config.of_target(&resolved.target).zip(resolved.tree.as_ref()) else {
        return Vec::new();
    };
    let models = || config.models.iter().map(|(key, model)| (key.as_str(), model));
    let mut found = Vec::new();
    if let Some(catalog) = &environment.catalog {
        let shared: Vec<&str> = models().filter(|(_, model)| model.name.is_some()).map(|(key, _)| key).collect();
        found.extend(one_catalog::findings(tree, &environment.name, catalog, &shared));
    }
    if [Stage::DeployDev, Stage::DeployStaging].iter().any(|stage| stage.environment() == environment.name) {
        found.extend(one_clock::findings(tree, &resolved.target));
    }
    if environment.name == Stage::PromoteProd.environment() {
        let promoted: Vec<(&str, &str)> =
            models().filter_map(|(key, model)| Some((key, model.serve.as_ref()?.endpoint.as_str()))).collect();
        found.extend(one_owner::findings(tree, &promoted));
    }
    found.extend(tested_blindly(config, resolved));
    found
}

/// Validation jobs of this target that do not learn which version they are to test.
fn tested_blindly(config: &Config, resolved: &ResolvedTarget) -> Vec<Diagnostic> {
    let environment = config.of_target(&resolved.target).map(|e| e.name.as_str());
    let Some(tree) = &resolved.tree else { return Vec::new() };
    let tested = config.models.iter().filter(|(_, model)| model.is_tested_in(environment));
    let jobs = tested.flat_map(|(key, model)| {
        // One that is told a version by name is meant to test that.
        let asked = model.validate.iter().filter(|v| !v.parameters.contains_key(tests_its_version::PARAMETER));
        asked.map(|v| (key.as_str(), v.job.as_str()))
    });
    tests_its_version::findings(tree, &jobs.collect::<Vec<_>>())
}

/// Every job that the configuration names for this target.
fn named_jobs_exist(config: &Config, asked: &str, resolved: &[ResolvedTarget]) -> Result<(), Failure> {
    let Some(target) = resolved.iter().find(|r| r.target == asked) else { return Ok(()) };
    let environment = config.of_target(asked).map(|e| e.name.as_str());
    let smoke = config.smoke.iter().enumerate();
    let mut named: Vec<_> = smoke.map(|(i, s)| (Purpose::Smoke, &s.job, format!("smoke[{i}].job"))).collect();
    for (key, model) in &config.models {
        if !model.is_tested_in(environment) {
            continue;
        }
        let trains = |train: &&Train| Some(train.environment()) == environment;
        if let Some(train) = model.train.as_ref().filter(trains) {
            named.push((Purpose::Training, &train.job, format!("models.{key}.train.job")));
        }
        let validate = model.validate.iter().enumerate();
        named.extend(validate.map(|(i, v)| (Purpose::Validation, &v.job, format!("models.{key}.validate[{i}].job"))));
    }
    for (purpose, job, at) in named {
        if target.config["resources"]["jobs"].get(job).is_none() {
            let message = format!("find the {} `{job}`: target `{asked}` has no such job", purpose.noun());
            let at = Diagnostic::error(format!("`{job}` is no job of the bundle")).at(config.origin(&at).cloned());
            return Err(Failure::new(Reason::MissingJob, message)
                .hint(format!("`{}` names keys under `resources.jobs`", purpose.key()))
                .about(vec![at]));
        }
    }
    Ok(())
}

fn no_command(doing: &str, instead: &str) -> Failure {
    Failure::new(Reason::ToolMissing, format!("{doing}: there is no `databricks` on PATH"))
        .hint(format!("{instead}, or use an image that has the official command"))
}

/// Whether our own engine reads the bundle, and why; or why nobody can.
fn choose(choice: EngineChoice, unknown: &[&Unsupported], official: bool) -> Result<(bool, String), Failure> {
    if choice == EngineChoice::Cli {
        let chosen = (false, "`engine: cli` is set".to_owned());
        return if official {
            Ok(chosen)
        } else {
            Err(no_command("read the bundle with the official command", "use `engine: auto` or `embedded`"))
        };
    }
    if unknown.is_empty() {
        return Ok((true, "it knows every construct of every target".to_owned()));
    }
    let place = |u: &Unsupported| u.origin.as_ref().map(|o| format!(" ({}:{})", o.file, o.line)).unwrap_or_default();
    let mut lines: Vec<String> = unknown.iter().map(|u| format!("\n  unsupported: {}{}", u.path, place(u))).collect();
    lines.dedup();
    if choice == EngineChoice::Auto && official {
        return Ok((false, format!("our own does not know:{}", lines.concat())));
    }
    Err(Failure::new(Reason::Unsupported, format!("read the bundle with our own engine:{}", lines.concat()))
        .hint("take these constructs out, or use an image that has the official command"))
}
