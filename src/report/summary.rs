//! The job summary: the same account as the comment, unfolded and without its limits.
//!
//! The runner drops a summary of more than 1 MiB whole and says so in an annotation; a cut one
//! is better than none.

use super::markdown::{block, code, details, prose};
use super::run::RunView;
use super::{changes, failure, headline, sections};
use crate::domain::Purpose;

/// Below the runner's 1 MiB, with room for what other tools of the step append.
pub const BUDGET: usize = 900_000;

/// Bytes for the list of changes: what comes after it has to find room as well.
const CHANGES: usize = 600_000;

pub fn render(view: &RunView) -> String {
    let mut page = format!(
        "## {}: {} → {}\n\n**{}.**\n",
        if view.about.stage.is_empty() { "mlops-deploy".to_owned() } else { prose(&view.about.stage) },
        code(sections::name(&view.about)),
        code(&view.about.target),
        prose(&headline::headline(view))
    );
    if let (Some(message), false) = (&view.message, view.is_good()) {
        page.push_str(&format!("\n{}", block(&failure::told(message, view.reason.as_deref().unwrap_or_default()))));
    }
    if let Some(hint) = view.hint.as_ref().filter(|_| !view.is_good()) {
        page.push_str(&format!("\nWhat to do: {}\n", prose(hint)));
    }
    let plan = view.plan.as_ref();
    let findings: Vec<String> = view.diagnostics.iter().map(|d| format!("- {}", code(&failure::one_line(d)))).collect();
    section(&mut page, "Look twice", &sections::look_twice(view));
    section(
        &mut page,
        sections::changes_title(view),
        &plan.map(|plan| changes::list(plan, CHANGES).lines).unwrap_or_default(),
    );
    section(&mut page, "How to undo", &sections::undo(view));
    section(&mut page, "Gate", &sections::gate(view));
    section(&mut page, "Model", &sections::models(view));
    for purpose in Purpose::ALL {
        section(&mut page, purpose.title(), &sections::runs(view, purpose));
    }
    section(&mut page, "Release", &sections::release(view));
    section(&mut page, "Now in the workspace", &sections::resources(view));
    section(&mut page, "Findings", &findings);
    section(&mut page, "What was asked", &sections::verdicts(view));
    section(&mut page, "Notices", &sections::notices(view));
    section(&mut page, "Targets", &sections::targets(view));
    for (title, lines) in [("What was done", sections::steps(view)), ("Files", sections::files(view, 1_000))] {
        if !lines.is_empty() {
            page.push_str(&format!("\n{}", details(&format!("{title} ({})", lines.len()), &lines.join("\n"))));
        }
    }
    section(&mut page, "This run", &sections::about(view));
    cut(page)
}

fn section(page: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        page.push_str(&format!("\n### {title}\n\n{}\n", lines.join("\n")));
    }
}

/// At a line's end.
fn cut(page: String) -> String {
    if page.len() <= BUDGET {
        return page;
    }
    let mut end = BUDGET;
    while !page.is_char_boundary(end) {
        end -= 1;
    }
    let end = page[..end].rfind('\n').unwrap_or(end);
    format!("{}\n\n</details>\n\nCut: the journal has everything.\n", &page[..end])
}
