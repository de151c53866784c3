//! Markdown in which foreign text stays text.
//!
//! Names, messages and values come from the repository under review and from the workspace.
//! They go into code, where GitHub makes no mention, link, image or HTML of them; the few
//! words around them are escaped character by character. Backslashes would not do: a mention
//! is looked for after they are gone.

use super::plain::visible;

/// Foreign text on one line, as code.
pub fn code(text: &str) -> String {
    let clean = one_line(text);
    if clean.is_empty() {
        return "` `".to_owned();
    }
    let ticks = "`".repeat(longest_run(&clean, '`') + 1);
    // A code span drops one blank at each end, and cannot begin or end with its own mark.
    let pad = if clean.starts_with('`') || clean.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{clean}{pad}{ticks}")
}

/// The same inside a table, where a bar would end the cell.
pub fn cell(text: &str) -> String {
    code(&text.replace('|', "\u{2223}"))
}

/// Foreign text on many lines, as a block whose fence is longer than any inside it.
pub fn block(text: &str) -> String {
    let clean: Vec<String> =
        text.trim_end().split('\n').map(|line| one_line_kept(line.trim_end_matches('\r'))).collect();
    let clean = clean.join("\n");
    let fence = "`".repeat(longest_run(&clean, '`').max(2) + 1);
    format!("{fence}text\n{clean}\n{fence}\n")
}

/// A sentence of ours with foreign names between backticks: the names become code, the rest
/// is escaped, and a stray backtick does no harm.
pub fn prose(text: &str) -> String {
    let text = one_line(text);
    let parts: Vec<&str> = text.split('`').collect();
    let closed = parts.len() % 2 == 1;
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        let unclosed = !closed && i + 1 == parts.len();
        if i % 2 == 1 && !unclosed && !part.is_empty() {
            out.push_str(&code(part));
        } else {
            out.push_str(if unclosed { "\\`" } else { "" });
            escape_onto(&mut out, part);
        }
    }
    out
}

/// Plain text: nothing in it means anything.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape_onto(&mut out, &one_line(text));
    out
}

/// A part of a sentence: its blanks stay, and what it may mean depends on what stands before.
fn escape_onto(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '<' => out.push_str("&lt;"),
            '>' if out.trim().is_empty() => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A blank without width keeps GitHub from seeing a name, a number or an address.
            '@' | '#' => {
                out.push(c);
                out.push_str("&#8203;");
            }
            '/' if out.ends_with(':') && (after.is_empty() || after.starts_with('/')) => out.push_str("&#8203;/"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("&#8203;."),
            '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '|' | '~' | '$' | '^' => {
                out.push('\\');
                out.push(c);
            }
            // They mean something only where a line begins.
            '+' | '-' | '=' if out.trim().is_empty() => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if !out.is_empty() && out.chars().all(|c| c.is_ascii_digit() || c == ' ') => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        rest = after;
    }
}

/// A link of ours; an address that is not plainly one is shown as code.
pub fn link(text: &str, url: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=%+@".contains(c);
    let known = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    if known && url.chars().all(fine) {
        format!("[{}]({url})", prose(text))
    } else if url.is_empty() {
        prose(text)
    } else {
        format!("{} ({})", prose(text), code(url))
    }
}

/// Folded away behind one line. Never empty inside.
pub fn details(summary: &str, body: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{}\n\n</details>\n", body.trim_end())
}

fn one_line(text: &str) -> String {
    one_line_kept(text.replace(['\n', '\r'], " ").trim())
}

fn one_line_kept(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn longest_run(text: &str, mark: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == mark { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
