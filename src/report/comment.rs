//! The sticky comment: one for each bundle and target, found again by its first line.
//!
//! Verdict, dangers, changes, how to undo; everything else is folded. GitHub refuses a body of
//! more than 65536 characters and says so only after the deployment: we stop well before, at a
//! line's end, and point to the summary.

use serde_json::json;

use super::markdown::{block, code, details, link, prose};
use super::run::RunView;
use super::{changes, failure, headline, sections};
use crate::domain::Purpose;
use crate::domain::fact::About;

/// Bytes, not characters: no count of GitHub's can be larger.
pub const BUDGET: usize = 50_000;

/// The hidden first line by which a later run finds its comment.
pub fn marker(about: &About) -> String {
    let key = json!({"bundle": about.bundle, "target": about.target});
    // Two hyphens would end the comment, and a bracket could.
    let key = key.to_string().replace('-', "\\u002d").replace('<', "\\u003c").replace('>', "\\u003e");
    format!("<!-- mlops-deploy: {key} -->")
}

/// Begins with the marker.
pub fn render(view: &RunView) -> String {
    let mut page = Page::new(view);
    page.verdict();
    page.dangers();
    page.changes();
    page.gate();
    page.model();
    page.runs();
    page.undo();
    page.folded();
    page.finish()
}

struct Page<'v> {
    view: &'v RunView,
    text: String,
    /// Set once something did not fit.
    cut: bool,
}

/// The worst come first; whoever has more reads the summary.
const DANGERS: usize = 30;

/// Bytes for the list of changes.
const CHANGES: usize = 30_000;

/// Kept free for closing tags and the pointer to the summary.
const RESERVE: usize = 1_000;

impl<'v> Page<'v> {
    fn new(view: &'v RunView) -> Self {
        Self { view, text: format!("{}\n", marker(&view.about)), cut: false }
    }

    fn room(&self) -> usize {
        (BUDGET - RESERVE).saturating_sub(self.text.len())
    }

    /// A part that is taken whole or not at all.
    fn whole(&mut self, text: &str) -> bool {
        let fits = text.len() <= self.room();
        if fits {
            self.text.push_str(text);
        } else {
            self.cut = true;
        }
        fits
    }

    /// As many lines as fit; the rest are counted.
    fn lines(&mut self, lines: &[String]) {
        for (i, line) in lines.iter().enumerate() {
            if line.len() + 1 > self.room() {
                self.text.push_str(&format!("- and {} more lines in the job summary\n", lines.len() - i));
                self.cut = true;
                return;
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn verdict(&mut self) {
        let view = self.view;
        let name = sections::name(&view.about);
        let target =
            if view.about.target.is_empty() { String::new() } else { format!(" → {}", code(&view.about.target)) };
        self.whole(&format!("### {}{target}\n\n**{}.**\n", code(name), prose(&headline::headline(view))));
        if let (Some(message), false) = (&view.message, view.is_good()) {
            self.whole(&format!("\n{}", block(&failure::told(message, view.reason.as_deref().unwrap_or_default()))));
        }
        if let Some(hint) = view.hint.as_ref().filter(|_| !view.is_good()) {
            self.whole(&format!("\nWhat to do: {}\n", prose(hint)));
        }
    }

    fn dangers(&mut self) {
        let mut lines = sections::look_twice(self.view);
        if lines.is_empty() {
            return;
        }
        if lines.len() > DANGERS {
            let more = lines.len() - DANGERS;
            lines.truncate(DANGERS);
            lines.push(format!("- and {more} more in the job summary"));
            self.cut = true;
        }
        if self.whole("\n#### Look twice\n") {
            self.lines(&lines);
        }
    }

    fn changes(&mut self) {
        let Some(plan) = self.view.plan.as_ref() else { return };
        // What comes after it has to find room as well.
        let changes::Changes { lines, cut } = changes::list(plan, self.room().min(CHANGES));
        self.cut |= cut;
        if lines.is_empty() {
            return;
        }
        // A short list is read at once; a long one would push the rest out of sight.
        if lines.len() <= 40 {
            if self.whole(&format!("\n#### {}\n", sections::changes_title(self.view))) {
                self.lines(&lines);
            }
        } else {
            let counts = headline::plural(plan.changes.len(), "resource");
            let title = sections::changes_title(self.view);
            if self.whole(&format!("\n<details><summary>{title}: {counts}</summary>\n\n")) {
                self.lines(&lines);
                self.text.push_str("\n</details>\n");
            }
        }
    }

    fn gate(&mut self) {
        let lines = sections::gate(self.view);
        if !lines.is_empty() && self.whole("\n#### Gate\n\n") {
            self.lines(&lines);
        }
    }

    fn model(&mut self) {
        let lines = sections::models(self.view);
        if !lines.is_empty() && self.whole("\n#### Model\n") {
            self.lines(&lines);
        }
    }

    fn runs(&mut self) {
        for purpose in Purpose::ALL {
            let lines = sections::runs(self.view, purpose);
            if !lines.is_empty() && self.whole(&format!("\n#### {}\n", purpose.title())) {
                self.lines(&lines);
            }
        }
    }

    fn undo(&mut self) {
        let lines = sections::undo(self.view);
        if !lines.is_empty() && self.whole("\n#### How to undo\n") {
            self.lines(&lines);
        }
    }

    fn folded(&mut self) {
        let view = self.view;
        let findings: Vec<String> =
            view.diagnostics.iter().map(|d| format!("- {}", code(&failure::one_line(d)))).collect();
        self.fold(&format!("Findings ({})", findings.len()), &findings);
        self.fold("What was asked", &sections::verdicts(view));
        self.fold("Notices", &sections::notices(view));
        self.fold("Files", &sections::files(view, 50));
        self.fold("Targets", &sections::targets(view));
        self.fold("This run", &sections::about(view));
    }

    fn fold(&mut self, summary: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let mut body = String::new();
        for (i, line) in lines.iter().enumerate() {
            if body.len() + line.len() + 200 > self.room() {
                self.cut = true;
                body.push_str(&format!("- and {} more\n", lines.len() - i));
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        self.whole(&format!("\n{}", details(summary, &body)));
    }

    fn finish(mut self) -> String {
        let about = &self.view.about;
        let run = link("the run", &about.run_url);
        let commit = if about.head.is_empty() { &about.commit } else { &about.head };
        let mut foot = Vec::new();
        if self.cut {
            foot.push("cut to what a comment holds: the job summary has everything".to_owned());
        }
        if !commit.is_empty() {
            foot.push(format!("commit {}", code(commit.get(..10).unwrap_or(commit))));
        }
        if !about.run_url.is_empty() {
            foot.push(run);
        }
        if !foot.is_empty() {
            self.text.push_str(&format!("\n<sub>{}</sub>\n", foot.join(" · ")));
        }
        self.text
    }
}
