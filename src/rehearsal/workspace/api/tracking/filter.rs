//! Search filters of MLflow: comparisons joined by AND. What is not understood is refused rather than ignored.

use serde_json::Value;

use crate::rehearsal::workspace::call::Refusal;

/// `tags.team = 'risk'`, in parts.
#[derive(Debug, PartialEq)]
pub(crate) struct Clause {
    /// `tags`, `params`, `metrics` or `attributes`.
    pub kind: String,
    pub key: String,
    op: String,
    wanted: Vec<String>,
}

pub(crate) fn read(filter: &str) -> Result<Vec<Clause>, Refusal> {
    let mut rest = filter.trim();
    let mut clauses = vec![];
    while !rest.is_empty() {
        let (clause, after) = clause(rest).ok_or_else(|| {
            Refusal::new(501, "NOT_IMPLEMENTED", format!("the stand-in does not understand the filter: {filter}"))
        })?;
        clauses.push(clause);
        rest = after.trim_start();
        match rest.get(..4).filter(|word| word.eq_ignore_ascii_case("and ")) {
            Some(_) => rest = rest[4..].trim_start(),
            None if rest.is_empty() => {}
            None => return Err(Refusal::invalid(format!("Invalid clause(s) in filter string: {rest}"))),
        }
    }
    Ok(clauses)
}

fn clause(text: &str) -> Option<(Clause, &str)> {
    let end = text.find(['=', '!', '<', '>', ' '])?;
    // A key in quotes may hold any of these.
    let end = match text.find(['`', '"']).filter(|at| *at < end) {
        Some(at) => {
            let quote = text[at..].chars().next()?;
            at + 1 + text[at + 1..].find(quote)? + 1
        }
        None => end,
    };
    let (name, rest) = (&text[..end], text[end..].trim_start());
    let (kind, key) = name.split_once('.').unwrap_or(("attributes", name));
    let kind = match kind.to_ascii_lowercase().as_str() {
        "tag" | "tags" => "tags",
        "param" | "params" | "parameter" | "parameters" => "params",
        "metric" | "metrics" => "metrics",
        "attribute" | "attributes" | "attr" | "run" => "attributes",
        _ => return None,
    };
    let (op, rest) = operator(rest)?;
    let (wanted, rest) = values(rest.trim_start(), op)?;
    let clause = Clause { kind: kind.into(), key: key.trim_matches(['`', '"']).into(), op: op.into(), wanted };
    Some((clause, rest))
}

fn operator(text: &str) -> Option<(&'static str, &str)> {
    for op in ["!=", ">=", "<=", "=", ">", "<"] {
        if let Some(rest) = text.strip_prefix(op) {
            return Some((op, rest));
        }
    }
    let word = |word: &str| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
    [("ilike", "ILIKE"), ("like", "LIKE"), ("in", "IN")]
        .into_iter()
        .find(|(name, _)| word(name))
        .map(|(name, op)| (op, &text[name.len()..]))
}

fn values<'t>(text: &'t str, op: &str) -> Option<(Vec<String>, &'t str)> {
    if op != "IN" {
        let (value, rest) = value(text)?;
        return Some((vec![value], rest));
    }
    let mut rest = text.strip_prefix('(')?;
    let mut found = vec![];
    loop {
        let (one, after) = value(rest.trim_start())?;
        found.push(one);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            return Some((found, after));
        }
        rest = rest.strip_prefix(',')?;
    }
}

fn value(text: &str) -> Option<(String, &str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (inside, rest) = text[1..].split_once(quote)?;
        return Some((inside.to_owned(), rest));
    }
    let end = text.find([' ', ',', ')']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

impl Clause {
    /// Whether a value fits; nothing fits a value that is not there.
    pub fn fits(&self, value: Option<&Value>) -> bool {
        let Some(value) = value.filter(|v| !v.is_null()) else { return false };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let wanted = self.wanted.first().map(String::as_str).unwrap_or_default();
        let numbers = text.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
        match (self.op.as_str(), numbers) {
            ("=", _) => text == wanted || numbers.is_some_and(|(a, b)| a == b),
            ("!=", _) => text != wanted && numbers.is_none_or(|(a, b)| a != b),
            (">", Some((a, b))) => a > b,
            (">=", Some((a, b))) => a >= b,
            ("<", Some((a, b))) => a < b,
            ("<=", Some((a, b))) => a <= b,
            ("IN", _) => self.wanted.contains(&text),
            ("LIKE", _) => like(&text, wanted),
            ("ILIKE", _) => like(&text.to_lowercase(), &wanted.to_lowercase()),
            _ => false,
        }
    }
}

/// `%` stands for any text.
fn like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('%') {
        None => text == pattern,
        Some((head, tail)) => {
            let Some(rest) = text.strip_prefix(head) else { return false };
            (0..=rest.len()).any(|i| rest.is_char_boundary(i) && like(&rest[i..], tail))
        }
    }
}

/// The value of a `{key, value}` entry.
pub(crate) fn entry<'v>(list: &'v Value, key: &str) -> Option<&'v Value> {
    list.as_array()?.iter().find(|e| e["key"] == key).map(|e| &e["value"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clauses_are_read_with_quoted_keys_and_lists() {
        let read =
            read("tags.`mlflow.databricks.jobRunID` = '12' AND metrics.auc>=0.8 and attributes.run_id IN ('a', 'b')");
        let clauses = read.unwrap();
        assert_eq!(clauses.len(), 3);
        assert!(clauses[0].kind == "tags" && clauses[0].key == "mlflow.databricks.jobRunID");
        assert!(clauses[0].fits(Some(&json!("12"))) && !clauses[0].fits(Some(&json!("13"))) && !clauses[0].fits(None));
        assert!(clauses[1].fits(Some(&json!(0.8))) && !clauses[1].fits(Some(&json!(0.79))));
        assert!(clauses[2].fits(Some(&json!("b"))) && !clauses[2].fits(Some(&json!("c"))));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(read("dataset.name = 'x'").is_err());
        assert!(read("tags.a = 'x' OR tags.b = 'y'").is_err());
        assert!(read("name").is_err());
    }

    #[test]
    fn percent_stands_for_any_text() {
        assert!(like("churn_dev", "churn%") && like("churn_dev", "%dev") && !like("churn", "%dev"));
    }
}
