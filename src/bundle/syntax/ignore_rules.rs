//! Patterns of a .gitignore, as the official command reads them.
//!
//! That is not how Git reads them, and which files lie in the workspace depends on it: a
//! pattern with a slash in its middle matches at any depth unless it ends in `*.something`, `?`
//! is a question mark, `folder/**` takes the folder itself, and regular expressions shine
//! through where nobody expects them. So each line becomes the regular expression that it is
//! there, and the last one that matches decides.

use regex::{RegexSet, RegexSetBuilder};

use crate::domain::{Failure, Reason};

/// Patterns become one automaton: a longer file is an attack on our memory.
pub const LONGEST: usize = 64 << 10;

/// What the automaton may take; the patterns of any real file take a hundredth of it.
const LARGEST: usize = 64 << 20;

/// The rules of one file, or of one list of patterns.
#[derive(Debug, Default)]
pub struct Rules {
    set: RegexSet,
    /// Whether a pattern brings back what one before it took.
    negated: Vec<bool>,
}

impl Rules {
    pub fn of<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Self, Failure> {
        let (expressions, negated): (Vec<String>, Vec<bool>) = lines.into_iter().filter_map(pattern).unzip();
        let set = RegexSetBuilder::new(expressions).size_limit(LARGEST).build();
        let set = set.map_err(|e| Failure::new(Reason::InvalidBundle, "read patterns of files").because(e))?;
        Ok(Self { set, negated })
    }

    /// Whether a path is matched. Patterns tell a folder's with a slash at its end from one without.
    pub fn matches(&self, path: &str) -> bool {
        self.set.matches(path).into_iter().next_back().is_some_and(|last| !self.negated[last])
    }

    pub fn is_empty(&self) -> bool {
        self.negated.is_empty()
    }
}

/// What stands in a pattern, and the expression it means, the strongest first. All else is an expression already.
const MEANINGS: &[(&str, &str)] = &[
    (".", "\\."),
    ("/**/", "(/|/.+/)"),
    ("**/", "(|.*/)"),
    ("/**", "(|/.*)"),
    ("\\*", "\\*"),
    ("*", "([^/]*)"),
    ("?", "\\?"),
];

fn meaning(text: &str, meanings: &[(&str, &str)]) -> String {
    match meanings {
        [] => text.to_owned(),
        [(stands, means), weaker @ ..] => {
            text.split(stands).map(|between| meaning(between, weaker)).collect::<Vec<_>>().join(means)
        }
    }
}

/// The regular expression of a line, and whether it is negated; none for what says nothing, or
/// cannot be read.
fn pattern(line: &str) -> Option<(String, bool)> {
    let line = line.trim_end_matches('\r');
    let (comment, line) = (line.starts_with('#'), line.trim_matches(' '));
    if comment || line.is_empty() {
        return None;
    }
    let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let line = line.strip_prefix(['#', '!']).unwrap_or(line);
    let at_the_top = line.starts_with('/') || names_a_suffix_in_a_folder(line);
    let line = line.strip_prefix('/').unwrap_or(line);
    // Stars that stand for folders bind nothing; others take the slash before them along.
    let slash = if at_the_top && !line.starts_with("**/") { "/" } else { "" };
    let meant = meaning(&format!("{slash}{line}"), MEANINGS);
    let above = if meant.starts_with('/') { "^(|/)" } else { "^(|.*/)" };
    let below = if meant.ends_with('/') { "(|.*)$" } else { "(|/.*)$" };
    let meant = meant.strip_prefix('/').unwrap_or(&meant);
    let expression = with_plain_braces(&format!("{above}{meant}{below}"));
    let readable = !expression.contains("++") && regex::Regex::new(&expression).is_ok();
    readable.then_some((expression, negated))
}

/// Such as `data/*.csv`: of all patterns with a slash these alone begin at the top.
fn names_a_suffix_in_a_folder(line: &str) -> bool {
    let Some(suffix) = line.rfind("*.") else { return false };
    let before = &line[..suffix];
    before.match_indices('/').any(|(at, _)| before[..at].chars().last().is_some_and(|c| c != '/' && c != '+'))
}

/// A brace that counts nothing is a brace.
fn with_plain_braces(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let escaped = rest[..at].ends_with('\\');
        let inner = rest[at + 1..].split('}').next().unwrap_or_default();
        let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let counts = rest[at..].contains('}') && !least.is_empty() && digits(least) && digits(most);
        out.push_str(if counts || escaped { "{" } else { "\\{" });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::Rules;

    fn ignored(lines: &[&str], paths: &[&str]) -> Vec<String> {
        let rules = Rules::of(lines.iter().copied()).unwrap();
        paths.iter().filter(|path| rules.matches(path)).map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert_eq!(ignored(&["*.py", "!a.py"], &["a.py", "b.py", "x/a.py", "x/b.py"]), ["b.py", "x/b.py"]);
        assert_eq!(ignored(&["# no", "", "  x  ", "\\#y"], &["x", "#y", "no"]), ["x", "#y"]);
    }

    #[test]
    fn two_stars_take_the_folder_itself() {
        assert_eq!(ignored(&["data/*", "!data/keep"], &["data", "data/", "data/keep", "data/x"]), ["data/", "data/x"]);
        let paths = ["scratch", "scratch/README.md", "src/scratch", "src/scratchy"];
        assert_eq!(ignored(&["scratch/**", "!scratch/README.md"], &paths), ["scratch", "src/scratch"]);
    }

    #[test]
    fn a_slash_in_the_middle_binds_only_a_suffix() {
        assert_eq!(
            ignored(&["foo/bar"], &["foo/bar", "x/foo/bar", "foo/bar/y"]),
            ["foo/bar", "x/foo/bar", "foo/bar/y"]
        );
        assert_eq!(ignored(&["data/*.csv"], &["data/x.csv", "x/data/x.csv"]), ["data/x.csv"]);
        assert_eq!(ignored(&["/data"], &["data", "x/data"]), ["data"]);
        assert_eq!(ignored(&["build/"], &["build", "build/x", "x/build/y"]), ["build/x", "x/build/y"]);
    }

    #[test]
    fn braces_and_question_marks_are_plain_and_nonsense_says_nothing() {
        assert_eq!(
            ignored(&["*.{py,txt}", "b?r", "a{2}"], &["x.py", "x.{py,txt}", "bar", "b?r", "aa"]),
            ["x.{py,txt}", "b?r", "aa"]
        );
        assert_eq!(ignored(&["[a", "(", "c++"], &["[a", "(", "c++"]), [] as [&str; 0]);
    }
}
