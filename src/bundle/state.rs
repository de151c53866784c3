//! The deployment state: `resources.json` in the workspace, and the log beside it.
//!
//! The file is shared with the official command: same names, same bytes, same rules for
//! lineage and serial, so that either can take over from the other. The version that was
//! found is kept; a new state is version 2, which every release of the command reads. Any
//! feature is refused: with `deployment_history` the file is an empty marker, and reading
//! it as "nothing deployed" would create everything twice.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::bundle::compatibility::{NEW_STATE_VERSION as NEW_VERSION, NEWEST_STATE_VERSION as NEWEST_VERSION};
use crate::bundle::planning::node::Dependency;
use crate::bundle::syntax::document;
use crate::domain::{Failure, Reason};

/// What was deployed, as of the last deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// 0 while nothing was ever deployed.
    pub version: u64,
    pub cli_version: String,
    pub lineage: Option<String>,
    pub serial: u64,
    pub resources: BTreeMap<String, Deployed>,
}

/// One node as it was deployed.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    pub id: String,
    pub state: Value,
    pub depends_on: Vec<Dependency>,
}

impl State {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a state was ever written.
    pub fn exists(&self) -> bool {
        self.lineage.is_some()
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let document: Value = serde_json::from_slice(bytes).map_err(|e| unreadable("is not JSON").because(e))?;
        Self::from_document(&document)
    }

    fn from_document(document: &Value) -> Result<Self, Failure> {
        let top = document.as_object().ok_or_else(|| unreadable("is not a mapping"))?;
        let version = top.get("state_version").and_then(Value::as_u64).unwrap_or(0);
        if let Some(features) = top.get("features").and_then(Value::as_object).filter(|f| !f.is_empty()) {
            let names: Vec<&str> = features.keys().map(String::as_str).collect();
            return Err(Failure::new(
                Reason::StateFeature,
                format!("read the deployment state: it uses features that are not known here: {}", names.join(", ")),
            )
            .hint("deploy this target with the official command, or destroy and deploy it without these features"));
        }
        if version > NEWEST_VERSION {
            return Err(Failure::new(
                Reason::StateFeature,
                format!("read the deployment state: its version {version} is newer than {NEWEST_VERSION}"),
            )
            .hint("a newer release of the official command has written it; upgrade this action"));
        }
        let mut resources = BTreeMap::new();
        for (node, entry) in top.get("state").and_then(Value::as_object).into_iter().flatten() {
            let entry = Deployed::from_value(entry)
                .ok_or_else(|| unreadable(&format!("has an entry `{node}` without an id")))?;
            resources.insert(node.clone(), if version < 2 { entry.upgraded(node) } else { entry });
        }
        Ok(Self {
            version: version.max(NEW_VERSION),
            cli_version: text(top, "cli_version"),
            lineage: Some(text(top, "lineage")).filter(|l| !l.is_empty()),
            serial: top.get("serial").and_then(Value::as_u64).unwrap_or(0),
            resources,
        })
    }

    /// The bytes of `resources.json`.
    pub fn render(&self) -> String {
        let mut top = Map::new();
        top.insert("state_version".into(), self.version.max(NEW_VERSION).into());
        top.insert("cli_version".into(), self.cli_version.clone().into());
        top.insert("lineage".into(), self.lineage.clone().unwrap_or_default().into());
        top.insert("serial".into(), self.serial.into());
        let nodes = self.resources.iter().map(|(node, entry)| (node.clone(), entry.to_value())).collect();
        top.insert("state".into(), Value::Object(nodes));
        document::pretty(&Value::Object(top), 1)
    }

    /// The state to write entries into: a new lineage where there is none, the next serial.
    ///
    /// The serial grows once for a deployment that changes something, not for one that only
    /// uploads files; the caller asks for this when the plan has a change.
    pub fn next(&self, new_lineage: impl FnOnce() -> String, cli_version: &str) -> Self {
        let mut next = self.clone();
        next.version = self.version.max(NEW_VERSION);
        next.cli_version = cli_version.to_owned();
        next.lineage = Some(self.lineage.clone().unwrap_or_else(new_lineage));
        next.serial = self.serial + 1;
        next
    }

    pub fn put(&mut self, node: &str, entry: Deployed) {
        self.resources.insert(node.to_owned(), entry);
    }

    pub fn remove(&mut self, node: &str) {
        self.resources.remove(node);
    }

    pub fn id(&self, node: &str) -> Option<&str> {
        self.resources.get(node).map(|entry| entry.id.as_str())
    }

    /// The first line of the write-ahead log of a deployment that makes this state.
    pub fn log_header(&self) -> String {
        let mut header = Map::new();
        header.insert("state_version".into(), self.version.into());
        header.insert("cli_version".into(), self.cli_version.clone().into());
        header.insert("lineage".into(), self.lineage.clone().unwrap_or_default().into());
        header.insert("serial".into(), self.serial.into());
        document::compact(&Value::Object(header)) + "\n"
    }

    /// Replays a write-ahead log over the state it was started from. A log of an older or
    /// newer serial, or of another lineage, is not ours: the older is dropped, the newer is
    /// an error. Lines that do not read are skipped and returned.
    pub fn replay(&self, log: &str) -> Result<(Self, Vec<String>), Failure> {
        let mut lines = log.lines();
        let Some(header) = lines.next().and_then(|line| serde_json::from_str::<Map<String, Value>>(line).ok()) else {
            return Ok((self.clone(), Vec::new()));
        };
        let serial = header.get("serial").and_then(Value::as_u64).unwrap_or(0);
        if serial <= self.serial {
            return Ok((self.clone(), Vec::new()));
        }
        let lineage = text(&header, "lineage");
        if serial > self.serial + 1 || self.lineage.as_ref().is_some_and(|own| *own != lineage) {
            return Err(unreadable(&format!(
                "has serial {} and the log of an interrupted deployment {serial}: they do not belong together",
                self.serial
            )));
        }
        let mut state = self.next(|| lineage, &text(&header, "cli_version"));
        let (mut bad, mut replayed) = (Vec::new(), 0);
        for line in lines.filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<LogLine>(line) {
                Ok(LogLine { k, v: None }) => state.remove(&k),
                Ok(LogLine { k, v: Some(value) }) => match Deployed::from_value(&value) {
                    Some(entry) => state.put(&k, entry),
                    None => bad.push(line.to_owned()),
                },
                Err(_) => bad.push(line.to_owned()),
            }
            replayed += 1;
        }
        // A header alone moves nothing.
        Ok((if replayed > bad.len() { state } else { self.clone() }, bad))
    }
}

#[derive(serde::Deserialize)]
struct LogLine {
    k: String,
    #[serde(default)]
    v: Option<Value>,
}

/// One line of the write-ahead log: what a node became, or that it is gone.
pub fn log_line(node: &str, entry: Option<&Deployed>) -> String {
    let mut line = Map::new();
    line.insert("k".into(), node.into());
    if let Some(entry) = entry {
        line.insert("v".into(), entry.to_value());
    }
    document::compact(&Value::Object(line)) + "\n"
}

impl Deployed {
    fn from_value(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        let depends_on = match map.get("depends_on") {
            Some(list) => serde_json::from_value(list.clone()).ok()?,
            None => Vec::new(),
        };
        Some(Self {
            id: map.get("__id__")?.as_str()?.to_owned(),
            state: map.get("state").cloned().unwrap_or(Value::Null),
            depends_on,
        })
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("__id__".into(), self.id.clone().into());
        map.insert("state".into(), self.state.clone());
        if !self.depends_on.is_empty() {
            map.insert("depends_on".into(), serde_json::to_value(&self.depends_on).expect("strings are JSON"));
        }
        Value::Object(map)
    }

    /// Version 1 kept the lists of permissions and grants under their own names, and a level
    /// as `permission_level`.
    fn upgraded(mut self, node: &str) -> Self {
        let list = match node.rsplit('.').next() {
            Some("permissions") => "permissions",
            Some("grants") => "grants",
            _ => return self,
        };
        let Some(map) = self.state.as_object_mut() else { return self };
        if let Some(mut entries) = map.shift_remove(list) {
            for entry in entries.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                if let Some(level) = entry.shift_remove("permission_level") {
                    entry.shift_insert(0, "level".into(), level);
                }
            }
            map.insert("__embed__".into(), entries);
        }
        self
    }
}

fn text(map: &Map<String, Value>, key: &str) -> String {
    map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn unreadable(what: &str) -> Failure {
    Failure::new(Reason::StateUnreadable, format!("read the deployment state: `resources.json` {what}"))
        .hint("nothing was written; compare the file with its history in the workspace")
}
