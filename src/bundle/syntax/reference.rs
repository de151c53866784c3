//! The syntax of references: `${var.model}`, `${resources.jobs.train.tasks[0].task_key}`.
//!
//! What is not such a reference stays text without a word: `${var.}`, `${ var.x}`,
//! `${{job.id}}`. There is no escape; `$${var.x}` is a dollar sign and a value.

use std::ops::Range;

use crate::domain::Path;

/// A reference and the bytes it covers in its text, `${` and `}` included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'t> {
    pub range: Range<usize>,
    /// What stands between the braces.
    pub name: &'t str,
}

impl Reference<'_> {
    pub fn path(&self) -> Path {
        Path::parse(self.name).unwrap_or_default()
    }
}

/// All references of a text, from left to right.
pub fn all(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${") {
        let start = from + at;
        match length(&text[start + 2..]) {
            Some(length) => {
                let end = start + 2 + length + 1;
                found.push(Reference { range: start..end, name: &text[start + 2..end - 1] });
                from = end;
            }
            None => from = start + 2,
        }
    }
    found
}

/// The reference a text consists of and nothing else.
pub fn whole(text: &str) -> Option<Reference<'_>> {
    let length = length(text.strip_prefix("${")?)?;
    (length + 3 == text.len()).then(|| Reference { range: 0..text.len(), name: &text[2..2 + length] })
}

pub fn is_in(text: &str) -> bool {
    text.contains("${") && !all(text).is_empty()
}

/// How many bytes before the closing brace are a well-formed name.
fn length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += name(&text[at..])?;
        while bytes.get(at) == Some(&b'[') {
            let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 || bytes.get(at + 1 + digits) != Some(&b']') {
                return None;
            }
            at += digits + 2;
        }
        match bytes.get(at) {
            Some(b'}') => return Some(at),
            Some(b'.') => at += 1,
            _ => return None,
        }
    }
}

/// A letter of any script, then letters, digits, `-` and `_`, a letter or digit last.
fn name(text: &str) -> Option<usize> {
    text.chars().next().filter(|c| c.is_alphabetic() && !c.is_numeric() && !is_circled(*c))?;
    let is_part = |c: char| (c.is_alphanumeric() && !is_circled(c)) || matches!(c, '-' | '_');
    let name = &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())];
    (!name.ends_with(['-', '_'])).then_some(name.len())
}

/// Letters in circles are symbols.
fn is_circled(c: char) -> bool {
    ('\u{24b6}'..='\u{24e9}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_everything_else_is_text() {
        let names = |text: &'static str| all(text).into_iter().map(|r| r.name).collect::<Vec<_>>();
        assert_eq!(names("a ${var.x} b ${resources.jobs.a-b.tasks[0].k}"), ["var.x", "resources.jobs.a-b.tasks[0].k"]);
        assert_eq!(names("$${var.x}"), ["var.x"]);
        assert_eq!(names("${var.${var.y}}"), ["var.y"]);
        assert_eq!(names("${var.größe}-${var.日本1}"), ["var.größe", "var.日本1"]);
        assert_eq!(names("${var.a--b}${var.list[1][2]}"), ["var.a--b", "var.list[1][2]"]);
        for text in [
            "${var.}",
            "${.x}",
            "${}",
            "${ var.x}",
            "${var.x }",
            "${{var.x}}",
            "$ {var.x}",
            "${var..x}",
            "${var.1a}",
            "${var.ⓐ}",
            "${var.ⅷ}",
            "${var.x·y}",
            "${var.a-}",
            "${var.x[}",
            "${var.x[]}",
            "${var.x[a]}",
            "${var.x[-1]}",
            "${var.x",
            "${",
            "$",
            "",
        ] {
            assert!(all(text).is_empty(), "{text}");
        }
        assert_eq!(whole("${var.x}").unwrap().name, "var.x");
        assert!(whole("${var.x}y").is_none() && whole("${var.x}${var.x}").is_none());
    }
}
