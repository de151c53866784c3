//! The step's outputs: small values that a workflow branches on.

use super::run::RunView;

/// An output as `action.yml` and the README describe it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    pub name: &'static str,
    pub description: &'static str,
}

/// Every output, in the order of `action.yml`.
pub const OUTPUTS: &[Described] = &[
    Described {
        name: "outcome",
        description: "how the run ended: `succeeded`, `unchanged`, `refused`, `failed`, `cancelled`, `resumable` (the next run goes on) or `incomplete` (something could not be taken back)",
    },
    Described {
        name: "failure-reason",
        description: "one of the stable reasons in the README; empty when the run ended well",
    },
    Described { name: "changes-created", description: "how many resources are new in the plan" },
    Described { name: "changes-updated", description: "how many resources the plan changes in place" },
    Described { name: "changes-deleted", description: "how many resources the plan deletes" },
    Described { name: "changes-recreated", description: "how many resources the plan deletes and makes again" },
    Described { name: "plan-digest", description: "SHA-256 of the normalised plan: equal when the same would be done" },
    Described { name: "plan-file", description: "path of the plan as JSON, without values that may be secret" },
    Described { name: "summary-file", description: "path of the job summary as Markdown" },
    Described {
        name: "journal-file",
        description: "path of the journal, one JSON object a line, without values that may be secret",
    },
    Described {
        name: "release",
        description: "id of the release that was packed or deployed, for the stages behind: `sha256:` and 64 hexadecimal digits",
    },
    Described {
        name: "release-file",
        description: "path of the release's archive on this runner; its digest lies beside it under the same name with `.sha256`",
    },
    Described {
        name: "model-version",
        description: "the model version that was promoted, or the versions that passed their gates: `<catalog>.<schema>.<model>/<version>`, separated by commas",
    },
    Described { name: "run-url", description: "page of this attempt of the run" },
    Described { name: "deployment-id", description: "id of the GitHub deployment whose status was kept" },
];

/// Where the run left its files.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub plan: Option<String>,
    pub summary: Option<String>,
    pub journal: Option<String>,
}

/// Every output in order; what does not apply is empty.
pub fn outputs(view: &RunView, written: &Written) -> Vec<(&'static str, String)> {
    let counts = view.plan.as_ref().map(|plan| plan.counts());
    let count = |pick: fn(&crate::domain::plan::Counts) -> usize| {
        counts.as_ref().map_or(String::new(), |c| pick(c).to_string())
    };
    let value = |name: &str| match name {
        "outcome" => view.outcome.map_or(String::new(), |o| o.name().to_owned()),
        "failure-reason" => view.reason.clone().filter(|_| !view.is_good()).unwrap_or_default(),
        "changes-created" => count(|c| c.created),
        "changes-updated" => count(|c| c.updated),
        "changes-deleted" => count(|c| c.deleted),
        "changes-recreated" => count(|c| c.recreated),
        "plan-digest" => view.plan_digest.clone().unwrap_or_default(),
        "plan-file" => written.plan.clone().unwrap_or_default(),
        "summary-file" => written.summary.clone().unwrap_or_default(),
        "journal-file" => written.journal.clone().unwrap_or_default(),
        "release" => view.release.as_ref().map_or(String::new(), |r| r.id.to_string()),
        "release-file" => view.release.as_ref().map_or(String::new(), |r| r.file.clone()),
        "model-version" => model_versions(view),
        "run-url" => view.about.run_url.clone(),
        "deployment-id" => view.deployment.as_ref().map_or(String::new(), |d| d.id.to_string()),
        _ => String::new(),
    };
    OUTPUTS.iter().map(|output| (output.name, value(output.name))).collect()
}

fn model_versions(view: &RunView) -> String {
    if !view.is_good() {
        return String::new();
    }
    let copied = view.copied.iter().map(|copied| format!("{}/{}", copied.model, copied.version));
    let tested = view.tested.iter().map(|tested| format!("{}/{}", tested.model, tested.version));
    copied.chain(tested).collect::<Vec<_>>().join(",")
}

/// The plan as a file that may be uploaded: no value of a field that is not printable.
pub fn plan_file(view: &RunView) -> Option<String> {
    let plan = view.plan.as_ref()?;
    let counts = plan.counts();
    let document = serde_json::json!({
        "version": 1,
        "bundle": view.about.bundle,
        "target": view.about.target,
        "commit": view.about.commit,
        "digest": view.plan_digest,
        "counts": counts,
        "changes": plan.changes,
        "files": view.files,
    });
    Some(format!("{document:#}\n"))
}
