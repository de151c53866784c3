//! Flags whose value is a list: fields with commas between, or `name=value` pairs.
//!
//! Read as the official command reads them. A field may stand in quotes and then hold commas. A pair that is the only
//! one in its flag needs no quotes, so that `--params note=a,b` is one parameter and not a mistake.

/// Splits at commas as CSV does: a quoted field may hold some.
pub fn fields(flag: &str, text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bad = || {
        format!(
            "invalid argument {text:?} for \"--{flag}\" flag: a quote stands inside a value; quote the whole of what \
             stands between two commas"
        )
    };
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted).ok_or_else(bad)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let field = &rest[..end];
                if field.contains('"') {
                    return Err(bad());
                }
                (field.to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(bad()),
        }
    }
}

/// All fields of a flag that was given any number of times.
pub fn all_fields(flag: &str, given: &[String]) -> Result<Vec<String>, String> {
    let each: Result<Vec<_>, _> = given.iter().map(|text| fields(flag, text)).collect();
    Ok(each?.concat())
}

/// All pairs of a flag that was given any number of times, in order.
pub fn all_pairs(flag: &str, given: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for text in given {
        let fields = match text.matches('=').count() {
            0 => vec![text.clone()],
            1 => vec![text.trim_matches('"').to_owned()],
            _ => fields(flag, text)?,
        };
        for field in fields {
            let (name, value) = field.split_once('=').ok_or_else(|| {
                format!("invalid argument {text:?} for \"--{flag}\" flag: {field} must be formatted as key=value")
            })?;
            pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(pairs)
}

/// `--var name=value`, where even a lone pair is split at its commas.
pub fn variables(given: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for text in given {
        for field in fields("var", text)? {
            match field.split_once('=') {
                Some((name, value)) => all.push((name.to_owned(), value.to_owned())),
                None => return Err(format!("unexpected flag value for variable assignment: {field}")),
            }
        }
    }
    Ok(all)
}

/// The text up to the closing quote, and what follows it. Two quotes stand for one.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
        all_pairs("params", &[text.to_owned()])
    }

    #[test]
    fn variables_split_at_commas_outside_quotes() {
        let read = |text: &str| variables(&[text.to_owned()]).unwrap();
        assert_eq!(read("a=1,b=2"), [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(read(r#""a=1,2""#), [("a".into(), "1,2".into())]);
        assert_eq!(read("a=x=y"), [("a".into(), "x=y".into())]);
        assert_eq!(read(r#""a=""1""""#), [("a".into(), "\"1\"".into())]);
        assert_eq!(read(""), []);
        for bad in ["a", r#"a="1""#, r#""a=1"x"#, r#""a=1"#] {
            assert!(variables(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lone_pair_keeps_its_commas() {
        assert_eq!(pairs("a=x,y").unwrap(), [("a".into(), "x,y".into())]);
        assert_eq!(pairs("a=1,b=2").unwrap(), [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(pairs(r#""a=x,y",b=2"#).unwrap(), [("a".into(), "x,y".into()), ("b".into(), "2".into())]);
        assert_eq!(pairs("a=x=y").unwrap(), [("a".into(), "x=y".into())]);
        assert_eq!(pairs(r#"a=x"y"#).unwrap(), [("a".into(), "x\"y".into())]);
        assert!(pairs("a").unwrap_err().ends_with("a must be formatted as key=value"));
        assert!(pairs("").is_err());
    }

    #[test]
    fn an_empty_list_has_no_field() {
        assert_eq!(all_fields("only", &[String::new(), "a,b".to_owned()]).unwrap(), ["a", "b"]);
    }
}
