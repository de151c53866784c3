//! Text for a terminal or a log. The runner reads both streams of the job for commands, and a
//! terminal obeys control characters: foreign text can do neither.

/// Keeps line breaks; every other control or direction-changing character becomes visible, and
/// no line begins a workflow command.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        out.push_str(&one_line(line));
    }
    out
}

/// The same for text that stays on one line: line breaks become visible as well.
pub fn one_line(text: &str) -> String {
    let clean: String = text.trim_end_matches('\r').chars().map(visible).collect();
    // The older form of a command is obeyed anywhere in a line, the newer only at its start.
    let clean = clean.replace("##[", "## [");
    let start = clean.len() - clean.trim_start().len();
    match clean[start..].strip_prefix("::") {
        Some(rest) => format!("{}: :{rest}", &clean[..start]),
        None => clean,
    }
}

/// The character itself, or the replacement character where it would do something unseen.
pub(super) fn visible(c: char) -> char {
    if c == '\t' {
        ' '
    } else if is_hidden(c) {
        '\u{fffd}'
    } else {
        c
    }
}

/// Controls, directions, blanks without width, and tags: nothing that a reader can see.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
