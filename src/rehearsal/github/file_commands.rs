//! Reads a command file the way the runner does, so that what the product writes is judged by the reader's rules.

use std::collections::BTreeMap;

/// `key=value` to the end of the line where `=` comes first, else `key<<delimiter` up to a line that equals it byte for
/// byte. Anything else fails the step; a later key wins.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    // Only a line feed ends a line: a delimiter with a carriage return never matches.
    let mut lines = text.split('\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        let wrong = || format!("line {}: `{line}` is neither key=value nor key<<delimiter", number + 1);
        let (key, value) = match (equals, heredoc) {
            (Some(at), heredoc) if heredoc.is_none_or(|other| at < other) => (&line[..at], line[at + 1..].to_owned()),
            (_, Some(at)) => {
                let delimiter = &line[at + 2..];
                if delimiter.is_empty() {
                    return Err(wrong());
                }
                let mut value: Vec<&str> = Vec::new();
                loop {
                    match lines.next() {
                        Some((_, line)) if line == delimiter => break,
                        Some((_, line)) => value.push(line),
                        None => return Err(format!("line {}: no line is `{delimiter}`", number + 1)),
                    }
                }
                (&line[..at], value.join("\n"))
            }
            _ => return Err(wrong()),
        };
        if key.is_empty() {
            return Err(wrong());
        }
        pairs.insert(key.to_owned(), value);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_heredoc_pairs() {
        let read = read("a=1<<2\nb<<END\none\n\ntwo=2\nEND\nc=\n").unwrap();
        assert_eq!(read["a"], "1<<2");
        assert_eq!(read["b"], "one\n\ntwo=2");
        assert_eq!(read["c"], "");
    }

    #[test]
    fn what_fails_a_step() {
        assert!(read("just words\n").is_err());
        assert!(read("=value\n").is_err());
        assert!(read("a<<\nx\n").is_err());
        assert!(read("a<<END\nx\nEND\r\n").is_err());
    }
}
