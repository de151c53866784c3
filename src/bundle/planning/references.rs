//! References to resources inside texts: `${resources.jobs.train.id}`.
//!
//! What is left of references when a plan is made: variables and everything else that the
//! bundle itself knows are resolved long before. A text that only resembles a reference
//! stays text, as in the official command.

use crate::bundle::syntax::reference;
pub use crate::domain::path::Step;

/// One reference in a text, and where in the text it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub start: usize,
    pub end: usize,
    pub steps: Vec<Step>,
}

impl Reference {
    pub fn text<'t>(&self, whole: &'t str) -> &'t str {
        &whole[self.start..self.end]
    }

    /// Whether the text is this reference and nothing else.
    pub fn is_all_of(&self, whole: &str) -> bool {
        self.start == 0 && self.end == whole.len()
    }

    /// The node that is referred to and the path below it; an empty name when it is none.
    pub fn target(&self) -> (String, &[Step]) {
        let [Step::Key(root), Step::Key(kind), Step::Key(key), rest @ ..] = self.steps.as_slice() else {
            return (String::new(), &[]);
        };
        if &**root != "resources" {
            return (String::new(), &[]);
        }
        match rest {
            [Step::Key(child), below @ ..] if matches!(&**child, "permissions" | "grants") => {
                (format!("resources.{kind}.{key}.{child}"), below)
            }
            _ => (format!("resources.{kind}.{key}"), rest),
        }
    }
}

/// The references in a text, in order.
pub fn scan(text: &str) -> Vec<Reference> {
    let found = reference::all(text).into_iter();
    found.map(|r| Reference { start: r.range.start, end: r.range.end, steps: r.path().steps().to_vec() }).collect()
}

/// The path as messages write it.
pub fn path(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => {
                out.push('.');
                out.push_str(key);
            }
            Step::Index(at) => out.push_str(&format!("[{at}]")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_lookalikes_are_not() {
        let text = "a-${resources.jobs.a.tasks[0].task_key}-${resources.jobs.b-c.id}";
        let found = scan(text);
        assert_eq!(found[0].target().0, "resources.jobs.a");
        assert_eq!(path(found[0].target().1), "tasks[0].task_key");
        assert_eq!(found[1].text(text), "${resources.jobs.b-c.id}");
        for text in
            ["${}", "${a.}", "${ a.b }", "${a.b", "{{a.b}}", "$a.b", "${a_.b}", "${a[x].b}", "${1.b}", "${a..b}"]
        {
            assert_eq!(scan(text), vec![], "{text}");
        }
        assert_eq!(scan("${a.b${c.d}").len(), 1);
    }

    #[test]
    fn a_reference_may_lead_to_permissions_or_to_no_node() {
        let of = |text: &str| scan(text)[0].target().0;
        assert_eq!(of("${resources.jobs.a.permissions[0].level}"), "resources.jobs.a.permissions");
        assert_eq!(of("${env.HOME}"), "");
        assert_eq!(of("${resources.jobs}"), "");
    }
}
