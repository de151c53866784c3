//! `bundle validate`: the resolved configuration, and what is wrong with it.

use super::args::{Output, Validate};
use super::hand::{Done, Found, Hand, Quit, Unready, show};
use crate::bundle::syntax::json;
use crate::domain::{Diagnostic, Failure, Reason, Severity, Tree};
use crate::steps::bundle::checks;

pub async fn run(mut hand: Hand, args: &Validate) -> Done {
    hand.options.validate = true;
    let output = hand.global.output;
    let mut ready = match hand.ready().await {
        Err(Quit::Loading(unready)) => {
            let Unready { mut config, found } = *unready;
            if config.is_null() {
                config = Tree::map();
            }
            match output {
                Output::Json => print!("{}", document(&config)?),
                Output::Text => print!("{}", text(&config, found)),
            }
            return Err(Quit::Failed);
        }
        other => other?,
    };
    ready.refuse()?;
    if !ready.resolved.failed() {
        let mut found = std::mem::take(&mut ready.resolved.checks);
        found.append(&mut ready.resolved.validate_checks);
        found.extend(checks::workspace(&ready.files, &ready.resolved.config).await?);
        ready.resolved.diagnostics.extend(found);
    }
    if args.strict {
        strict(&mut ready.resolved.diagnostics);
    }
    show(&ready.resolved.diagnostics);
    match ready.hand.global.output {
        Output::Json => print!("{}", document(ready.config())?),
        Output::Text => print!("{}", text(ready.config(), Found::of(&ready.resolved.diagnostics))),
    }
    if ready.resolved.failed() { Err(Quit::Failed) } else { Ok(()) }
}

fn strict(diagnostics: &mut Vec<Diagnostic>) {
    let warnings = diagnostics.iter().filter(|d| d.severity == Severity::Warning).count();
    if warnings > 0 && !diagnostics.iter().any(Diagnostic::is_error) {
        let were = if warnings == 1 { "warning was" } else { "warnings were" };
        diagnostics
            .push(Diagnostic::error(format!("{warnings} {were} found. Warnings are not allowed in strict mode")));
    }
}

pub fn document(config: &Tree) -> Result<String, Failure> {
    json::write(config, 2)
        .map(|text| text + "\n")
        .map_err(|value| Failure::new(Reason::InvalidBundle, format!("json: unsupported value: {value}")))
}

pub fn heading(config: &Tree) -> String {
    let mut text = String::new();
    for (name, keys) in [("Name: ", ["bundle", "name"]), ("Target: ", ["bundle", "target"])] {
        if let Some(value) = config.text(&keys) {
            text.push_str(&format!("{name}{value}\n"));
        }
    }
    let user = config.text(&["workspace", "current_user", "userName"]);
    let path = config.text(&["workspace", "root_path"]);
    let host = config.text(&["workspace", "host"]);
    if user.is_some() || path.is_some() || host.is_some() {
        text.push_str("Workspace:\n");
        for (name, value) in [("Host", host), ("User", user), ("Path", path)] {
            if let Some(value) = value {
                text.push_str(&format!("  {name}: {value}\n"));
            }
        }
    }
    text
}

fn text(config: &Tree, found: Found) -> String {
    let counts = [(found.errors, "error"), (found.warnings, "warning"), (found.recommendations, "recommendation")];
    let found: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
        .collect();
    let verdict = match found.as_slice() {
        [] => "Validation OK!".to_owned(),
        [one] => format!("Found {one}"),
        [first, second] => format!("Found {first} and {second}"),
        [rest @ .., last] => format!("Found {}, and {last}", rest.join(", ")),
    };
    format!("{}\n{verdict}\n", heading(config))
}
