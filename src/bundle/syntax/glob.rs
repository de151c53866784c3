//! Patterns of file names, part by part: `*`, `?`, `[a-z]`, `\x`.
//!
//! Not the patterns of .gitignore: a `**` is two stars within one name, braces mean
//! themselves, and a name that begins with a dot is no exception. So do the patterns of
//! `include` and of libraries behave, and users' bundles rely on it.

use crate::bundle::source::{EntryKind, Source, clean, join};
use crate::domain::Failure;

/// What is wrong with a pattern: an open bracket, a trailing backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPattern;

/// The paths a pattern finds, in the order of names.
pub fn expand(source: &dyn Source, pattern: &str) -> Result<Result<Vec<String>, BadPattern>, Failure> {
    if matches(pattern, "").is_err() {
        return Ok(Err(BadPattern));
    }
    if !pattern.contains(['*', '?', '[', '\\']) {
        let path = clean(pattern);
        return Ok(Ok(source.stat(&path)?.map(|_| path).into_iter().collect()));
    }
    let pattern = clean(pattern);
    let (mut found, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (vec!["/".to_owned()], rest),
        None => (vec![".".to_owned()], pattern.as_str()),
    };
    let parts: Vec<&str> = rest.split('/').collect();
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        let mut next = Vec::new();
        for folder in found {
            if !part.contains(['*', '?', '[', '\\']) {
                let path = join(&folder, part);
                if source.stat(&path)?.is_some_and(|kind| last || kind == EntryKind::Folder) {
                    next.push(path);
                }
                continue;
            }
            for entry in source.list(&folder)?.unwrap_or_default() {
                if matches(part, &entry.name) == Ok(true) && (last || entry.kind != EntryKind::File) {
                    next.push(join(&folder, &entry.name));
                }
            }
        }
        found = next;
    }
    Ok(Ok(found))
}

/// Whether a name fits a pattern; `*` and `?` do not cross a `/`.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let tokens = tokens(&pattern)?;
    Ok(fits(&tokens, &name))
}

enum Token {
    Any,
    One,
    Set { not: bool, ranges: Vec<(char, char)> },
    Char(char),
}

fn tokens(pattern: &[char]) -> Result<Vec<Token>, BadPattern> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = pattern.get(at) {
        at += 1;
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => {
                at += 1;
                Token::Char(*pattern.get(at - 1).ok_or(BadPattern)?)
            }
            '[' => set(pattern, &mut at)?,
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn set(pattern: &[char], at: &mut usize) -> Result<Token, BadPattern> {
    let not = pattern.get(*at) == Some(&'^');
    *at += usize::from(not);
    let mut ranges = Vec::new();
    loop {
        if pattern.get(*at) == Some(&']') && !ranges.is_empty() {
            *at += 1;
            return Ok(Token::Set { not, ranges });
        }
        let low = set_char(pattern, at)?;
        let mut high = low;
        if pattern.get(*at) == Some(&'-') {
            *at += 1;
            high = set_char(pattern, at)?;
        }
        ranges.push((low, high));
    }
}

fn set_char(pattern: &[char], at: &mut usize) -> Result<char, BadPattern> {
    let mut c = *pattern.get(*at).ok_or(BadPattern)?;
    if matches!(c, '-' | ']') {
        return Err(BadPattern);
    }
    *at += 1;
    if c == '\\' {
        c = *pattern.get(*at).ok_or(BadPattern)?;
        *at += 1;
    }
    // A set that ends with the pattern was never closed.
    if *at >= pattern.len() { Err(BadPattern) } else { Ok(c) }
}

/// Goes back to the last star only: linear in pattern times name, whatever the stars.
fn fits(tokens: &[Token], name: &[char]) -> bool {
    let (mut t, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let one = match tokens.get(t) {
            Some(Token::Any) => {
                star = Some((t, n));
                t += 1;
                continue;
            }
            Some(Token::One) => name[n] != '/',
            Some(Token::Char(c)) => name[n] == *c,
            Some(Token::Set { not, ranges }) => {
                name[n] != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&name[n])) != *not
            }
            None => false,
        };
        if one {
            t += 1;
            n += 1;
            continue;
        }
        match star {
            Some((at, from)) if name[from] != '/' => {
                star = Some((at, from + 1));
                t = at + 1;
                n = from + 1;
            }
            _ => return false,
        }
    }
    tokens[t..].iter().all(|token| matches!(token, Token::Any))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::InMemory;

    #[test]
    fn stars_stay_within_a_name() {
        for (pattern, name, fit) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a/b.yml", false),
            ("a*c*e", "abcde", true),
            ("a*c*f", "abcde", false),
            ("[ab].yml", "b.yml", true),
            ("[^ab].yml", "b.yml", false),
            ("{a,b}.yml", "a.yml", false),
            ("{a,b}.yml", "{a,b}.yml", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("?", "/", false),
            ("**", "ab", true),
        ] {
            assert_eq!(matches(pattern, name), Ok(fit), "{pattern} {name}");
        }
        for bad in ["[a", "a\\", "[]a]", "[-]", "[a-]"] {
            assert_eq!(matches(bad, "a"), Err(BadPattern), "{bad}");
        }
    }

    #[test]
    fn a_double_star_is_one_level() {
        let source = InMemory::new().with("r/a.yml", "").with("r/b/a.yml", "").with("r/b/c/a.yml", "");
        assert_eq!(expand(&source, "r/**/*.yml").unwrap(), Ok(vec!["r/b/a.yml".to_owned()]));
        assert_eq!(expand(&source, "./r/../r/a.yml").unwrap(), Ok(vec!["r/a.yml".to_owned()]));
    }
}
