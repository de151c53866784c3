//! References to resources inside texts: `${resources.jobs.train.id}`.
//!
//! What is left of references when a plan is made: variables and everything else that the
//! bundle itself knows are resolved long before. A text that only resembles a reference
//! stays text, as in the official command.

/// One step of a reference's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

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
        if root != "resources" {
            return (String::new(), &[]);
        }
        match rest {
            [Step::Key(child), below @ ..] if child == "permissions" || child == "grants" => {
                (format!("resources.{kind}.{key}.{child}"), below)
            }
            _ => (format!("resources.{kind}.{key}"), rest),
        }
    }
}

/// The references in a text, in order.
pub fn scan(text: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${") {
        let start = from + at;
        match parse(&text[start + 2..]) {
            Some((steps, length)) => {
                let end = start + 2 + length;
                found.push(Reference { start, end, steps });
                from = end;
            }
            None => from = start + 2,
        }
    }
    found
}

/// The steps up to the closing brace, and how many bytes they and the brace take.
fn parse(text: &str) -> Option<(Vec<Step>, usize)> {
    let bytes = text.as_bytes();
    let mut steps = Vec::new();
    let mut at = 0;
    loop {
        let start = at;
        while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'_' | b'-')) {
            at += 1;
        }
        let word = &text[start..at];
        if !word.starts_with(|c: char| c.is_ascii_alphabetic()) || word.ends_with(['_', '-']) {
            return None;
        }
        steps.push(Step::Key(word.to_owned()));
        while bytes.get(at) == Some(&b'[') {
            let close = at + text[at..].find(']')?;
            let digits = &text[at + 1..close];
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            steps.push(Step::Index(digits.parse().ok()?));
            at = close + 1;
        }
        match bytes.get(at) {
            Some(b'.') => at += 1,
            Some(b'}') => return Some((steps, at + 1)),
            _ => return None,
        }
    }
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
