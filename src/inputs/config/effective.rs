//! The effective configuration as YAML, each value with where it comes from: what a run would
//! obey, so that nobody has to know the defaults by heart.

use serde_yaml::Value;

use super::models::Serve;
use super::{Config, PlanPrincipal};

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
        page.open(1, key);
        let at = format!("models.{key}");
        page.value(2, &at, "alias", Some(model.alias()));
        if let Some(serve) = &model.serve {
            page.open(2, "serve");
            page.serve(&format!("{at}.serve"), serve);
        }
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
        self.scalar(depth, above, key, &value.map_or(Value::Null, |text| Value::String(text.to_owned())));
    }

    fn scalar(&mut self, depth: usize, above: &str, key: &str, value: &Value) {
        let value = match value {
            Value::String(text) => scalar(text),
            other => serde_yaml::to_string(other).expect("a scalar is always YAML").trim_end().to_owned(),
        };
        let origin = self.came_from(above, key);
        self.text.push_str(&format!("{}{}: {value}  # {origin}\n", "  ".repeat(depth), scalar(key)));
    }

    fn serve(&mut self, at: &str, serve: &Serve) {
        let mut value = |key: &str, value: Value| self.scalar(3, at, key, &value);
        let text = |text: String| Value::String(text);
        let number = |number: Option<f64>| number.map_or(Value::Null, Value::from);
        for (key, setting) in serve.settings() {
            let spelt = match key.as_str() {
                "workload_size" => "size",
                "workload_type" => "compute",
                _ => "scale_to_zero",
            };
            value(
                spelt,
                setting.as_bool().map_or_else(|| text(setting.as_str().unwrap_or_default().into()), Value::Bool),
            );
        }
        value("endpoint", text(serve.endpoint.clone()));
        value("bake", text(serve.bake().to_string()));
        value("build", text(serve.build().to_string()));
        value("requests_at_least", Value::from(serve.requests_at_least()));
        value("on_few_requests", text(if serve.goes_on_unproven() { "go-on" } else { "stop" }.into()));
        value("errors_at_most", number(Some(serve.errors_at_most())));
        value("tolerance", number(serve.tolerance));
        value("latency", serve.latency.map_or(Value::Null, |latency| text(latency.to_string())));
        let steps: Vec<String> = serve.traffic().iter().map(u64::to_string).collect();
        let origin = self.came_from(at, "traffic");
        self.text.push_str(&format!("      traffic: [{}]  # {origin}\n", steps.join(", ")));
    }

    fn item(&mut self, above: &str, key: &str, value: &str) {
        let origin = self.came_from(above, key);
        self.text.push_str(&format!("  - {key}: {}  # {origin}\n", scalar(value)));
    }

    fn came_from(&self, above: &str, key: &str) -> String {
        let above = if above.is_empty() { Some(Default::default()) } else { crate::domain::Path::parse(above) };
        let tree = above.and_then(|path| self.config.tree.at(&path.key(key)));
        match tree.filter(|tree| !tree.is_null()).and_then(|tree| tree.origin()) {
            Some(origin) => format!("line {}", origin.line),
            None => "default".to_owned(),
        }
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
