//! The effective configuration as YAML, each value with where it comes from: what a run would
//! obey, so that nobody has to know the defaults by heart.

use serde_yaml::Value;

use super::{Config, PlanPrincipal};
use crate::domain::Path;

pub(super) fn render(config: &Config) -> String {
    let mut page = Page { config, text: format!("# {} with its defaults.\n", config.file) };
    page.open(0, "environments");
    for (name, e) in &config.environments {
        page.open(1, name);
        let at = format!("environments.{name}");
        let mut value = |key: &str, value: Option<&str>| page.value(2, &at, key, value);
        value("host", Some(&e.host.to_string()));
        value("client_id", e.client_id.as_deref());
        if !matches!(e.plan, PlanPrincipal::ClientId(_)) {
            value("plan", matches!(e.plan, PlanPrincipal::Same).then_some("same"));
        }
        value("profile", e.profile.as_deref());
        value("target", Some(&e.target));
        value("audience", e.audience.as_deref());
        value("catalog", e.catalog.as_deref());
        value("records", e.records.as_deref());
        value("github_environment", Some(&e.github_environment));
        if let PlanPrincipal::ClientId(client_id) = &e.plan {
            page.open(2, "plan");
            page.value(3, &format!("{at}.plan"), "client_id", Some(client_id));
        }
        if let Some(principal) = &e.principal {
            page.open(2, "principal");
            let at = format!("{at}.principal");
            page.value(3, &at, "application_id", Some(&principal.application_id));
            page.value(3, &at, "display_name", principal.display_name.as_deref());
        }
    }
    page.value(0, "", "releases", config.releases.written());
    if config.smoke.is_empty() {
        page.text.push_str("smoke: []  # default\n");
    } else {
        page.open(0, "smoke");
    }
    for (i, smoke) in config.smoke.iter().enumerate() {
        let at = format!("smoke[{i}]");
        page.item(&at, "job", &smoke.job);
        page.value(2, &at, "timeout", Some(&smoke.timeout.to_string()));
        if !smoke.parameters.is_empty() {
            page.open(2, "parameters");
        }
        for (name, value) in &smoke.parameters {
            page.value(3, &format!("{at}.parameters"), name, Some(value));
        }
    }
    if !config.models.is_empty() {
        page.open(0, "models");
    }
    for (key, model) in &config.models {
        let model = serde_yaml::to_value(model.effective()).expect("a configuration is always YAML");
        page.tree(&Path::of(&["models", key]), &model);
    }
    page.open(0, "budgets");
    for (stage, budget) in &config.budgets {
        page.value(1, "budgets", stage, Some(&budget.to_string()));
    }
    page.text
}

struct Page<'c> {
    config: &'c Config,
    text: String,
}

impl Page<'_> {
    fn open(&mut self, depth: usize, key: &str) {
        self.text.push_str(&format!("{}{}:\n", "  ".repeat(depth), scalar(key)));
    }

    fn value(&mut self, depth: usize, above: &str, key: &str, value: Option<&str>) {
        let value = value.map_or_else(|| "null".to_owned(), scalar);
        let origin = self.came_from(above, key);
        self.text.push_str(&format!("{}{}: {value}  # {origin}\n", "  ".repeat(depth), scalar(key)));
    }

    /// A value with what is in it. A list stands on one line, or each of its mappings on one.
    fn tree(&mut self, at: &Path, value: &Value) {
        let indent = "  ".repeat(at.len() - 1);
        let key = scalar(at.nth(at.len() - 1).unwrap_or_default());
        match value {
            Value::Mapping(entries) if !entries.is_empty() => {
                self.text.push_str(&format!("{indent}{key}:\n"));
                for (inner, value) in entries {
                    self.tree(&at.clone().key(inner.as_str().unwrap_or_default()), value);
                }
            }
            Value::Sequence(items) if items.iter().any(Value::is_mapping) => {
                self.text.push_str(&format!("{indent}{key}:\n"));
                for (i, item) in items.iter().enumerate() {
                    let origin = self.origin(&at.clone().index(i));
                    self.text.push_str(&format!("{indent}  - {}  # {origin}\n", on_one_line(item)));
                }
            }
            value => self.text.push_str(&format!("{indent}{key}: {}  # {}\n", on_one_line(value), self.origin(at))),
        }
    }

    fn item(&mut self, above: &str, key: &str, value: &str) {
        let origin = self.came_from(above, key);
        self.text.push_str(&format!("  - {key}: {}  # {origin}\n", scalar(value)));
    }

    fn came_from(&self, above: &str, key: &str) -> String {
        let above = if above.is_empty() { Some(Path::root()) } else { Path::parse(above) };
        above.map_or_else(|| DEFAULT.to_owned(), |above| self.origin(&above.key(key)))
    }

    fn origin(&self, at: &Path) -> String {
        match self.config.tree.at(at).filter(|tree| !tree.is_null()).and_then(|tree| tree.origin()) {
            Some(origin) => format!("line {}", origin.line),
            None => DEFAULT.to_owned(),
        }
    }
}

const DEFAULT: &str = "default";

/// What is no text is written as JSON, which is YAML.
fn on_one_line(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Sequence(items) if !items.iter().any(Value::is_mapping) => {
            format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", "))
        }
        other => serde_json::to_string(other).expect("its keys are texts"),
    }
}

/// A text as a YAML scalar. What an older reader would take for a boolean is quoted as well.
fn scalar(text: &str) -> String {
    const OLD_BOOLEANS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];
    if OLD_BOOLEANS.contains(&text.to_lowercase().as_str()) {
        return format!("\"{text}\"");
    }
    let written = serde_yaml::to_string(&Value::String(text.to_owned())).expect("a text is always YAML");
    written.trim_end().to_owned()
}
