//! The release of the official command that a bundle asks for.
//!
//! The form is strict, one comparison or a lower and an upper bound, so that one that cannot be
//! read is a mistake and not a refusal. A bundle that asks for a release other than the one
//! spoken here relies on what is not known here, and is refused.

use crate::bundle::compatibility::RELEASE as SPOKEN;
use crate::bundle::passes::bundle::Bundle;
use crate::domain::{Diagnostic, Tree};

/// The mistake in a constraint that cannot be read.
pub fn unreadable(config: &Tree) -> Option<Diagnostic> {
    let (tree, text) = written(config)?;
    if read(text).is_some() {
        return None;
    }
    let what = format!(
        "invalid version constraint \"{text}\" specified. \
         Please specify the version constraint in the format (>=) 0.0.0(, <= 1.0.0)"
    );
    Some(Diagnostic { place: tree.origin().cloned(), ..Diagnostic::error(what) })
}

/// The pass: is the release spoken here the one that is asked for?
pub fn is_spoken(bundle: &mut Bundle<'_>) {
    let asked = written(&bundle.config).map(|(tree, text)| (tree.clone(), text.to_owned()));
    let Some((tree, text)) = asked else { return };
    if read(&text).is_some_and(|bounds| !bounds.iter().all(Bound::holds)) {
        bundle.refuse(format!("bundle.databricks_cli_version: {text}"), &tree);
    }
}

fn written(config: &Tree) -> Option<(&Tree, &str)> {
    let tree = config.find(&["bundle", "databricks_cli_version"])?;
    tree.as_str().filter(|text| !text.is_empty()).map(|text| (tree, text))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Same,
    Other,
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// One comparison with a release; its last number may be left open.
#[derive(Debug)]
struct Bound {
    comparison: Comparison,
    major: u64,
    minor: u64,
    patch: Option<u64>,
    before_release: bool,
}

impl Bound {
    /// A release that is not out yet is not the one spoken here.
    fn holds(&self) -> bool {
        let lowest = (self.major, self.minor, self.patch.unwrap_or(0));
        let highest = (self.major, self.minor, self.patch.unwrap_or(u64::MAX));
        let inside = lowest <= SPOKEN && SPOKEN <= highest;
        !self.before_release
            && match self.comparison {
                Comparison::Same => inside,
                Comparison::Other => !inside,
                Comparison::AtLeast => SPOKEN >= lowest,
                Comparison::Above => SPOKEN > highest,
                Comparison::AtMost => SPOKEN <= highest,
                Comparison::Below => SPOKEN < lowest,
            }
    }
}

/// One bound of any sort, or a lower and an upper one; none where it is neither.
fn read(text: &str) -> Option<Vec<Bound>> {
    use Comparison::{Above, AtLeast, AtMost, Below};
    let Some((low, high)) = text.split_once(", ") else { return Some(vec![bound(text)?]) };
    let (low, high) = (bound(low)?, bound(high)?);
    let is_range = matches!(low.comparison, Above | AtLeast) && matches!(high.comparison, Below | AtMost);
    (is_range && !high.before_release).then(|| vec![low, high])
}

fn bound(text: &str) -> Option<Bound> {
    use Comparison::{Above, AtLeast, AtMost, Below, Other, Same};
    let signs = [(">=", AtLeast), ("<=", AtMost), ("!=", Other), (">", Above), ("<", Below)];
    let signed = signs.into_iter().find_map(|(sign, comparison)| Some((text.strip_prefix(sign)?, comparison)));
    let (rest, comparison) = signed.map_or((text, Same), |(rest, c)| (rest.strip_prefix(' ').unwrap_or(rest), c));
    let (numbers, pre) = rest.split_once('-').map_or((rest, None), |(numbers, pre)| (numbers, Some(pre)));
    let mut parts = numbers.split('.');
    let (major, minor) = (number(parts.next()?)?, number(parts.next()?)?);
    let last = parts.next()?;
    let patch = if last == "*" { None } else { Some(number(last)?) };
    let pre_is_word = pre.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    let well_formed = parts.next().is_none() && pre_is_word && (pre.is_none() || patch.is_some());
    well_formed.then_some(Bound { comparison, major, minor, patch, before_release: pre.is_some() })
}

/// Digits and nothing else: no sign as Rust would take.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> &'static str {
        match read(text) {
            None => "unreadable",
            Some(bounds) if bounds.iter().all(Bound::holds) => "spoken",
            Some(_) => "not spoken",
        }
    }

    #[test]
    fn a_constraint_is_met_or_not_or_cannot_be_read() {
        let want = [
            (
                "spoken",
                &[
                    "1.14.0",
                    "1.14.*",
                    ">= 0.218.0",
                    ">=1.14.*",
                    "<= 1.14.*",
                    "!=1.0.0",
                    "> 1.13.9",
                    ">=1.0.0, <= 1.14.*",
                ][..],
            ),
            ("not spoken", &["1.13.*", "> 1.14.*", "<1.14.0", "!= 1.14.*", ">= 0.218.0, < 1.0.0", ">=1.14.0-rc1"]),
            (
                "unreadable",
                &[
                    "1.14",
                    "=1.14.0",
                    "^1.0.0",
                    "~> 1.14",
                    "v1.14.0",
                    ">=  1.0.0",
                    " >=1.0.0",
                    "1.*.0",
                    "1.14.*-x",
                    ">=1.0.0,<=2.0.0",
                    ">=1.0.0 , <=2.0.0",
                    "1.0.0, 1.14.0",
                    "<=2.0.0, >=1.0.0",
                    ">=1.0.0, <2.0.0-x",
                    "1.0.0-",
                    ">=1.0.0,",
                    "+1.0.0",
                    "*",
                ],
            ),
        ];
        for (verdict_wanted, texts) in want {
            for text in texts {
                assert_eq!(verdict(text), verdict_wanted, "{text}");
            }
        }
    }
}
