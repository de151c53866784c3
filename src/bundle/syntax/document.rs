//! JSON values as the official command writes them, byte for byte.
//!
//! `json` prints configuration, whose keys it sorts; state, metadata and plan have an order of
//! their own, which stays as given.

use serde_json::Value;

use crate::bundle::syntax::json;

/// Pretty-printed with `indent` spaces for each level, no newline at the end.
pub fn pretty(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    write(value, Some((indent, 0)), &mut out);
    out
}

/// On one line, without blanks.
pub fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(value, None, &mut out);
    out
}

fn write(value: &Value, layout: Option<(usize, usize)>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => out.push_str(&json::float(f).expect("JSON has no infinity")),
            _ => out.push_str(&n.to_string()),
        },
        Value::String(s) => json::text(out, s),
        Value::Array(items) => {
            let inner = layout.map(|(indent, level)| (indent, level + 1));
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(inner, out);
                write(item, inner, out);
            }
            if !items.is_empty() {
                newline(layout, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let inner = layout.map(|(indent, level)| (indent, level + 1));
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(inner, out);
                json::text(out, key);
                out.push_str(if layout.is_some() { ": " } else { ":" });
                write(item, inner, out);
            }
            if !map.is_empty() {
                newline(layout, out);
            }
            out.push('}');
        }
    }
}

fn newline(layout: Option<(usize, usize)>, out: &mut String) {
    if let Some((indent, level)) = layout {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * level));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_look_as_the_official_command_writes_them() {
        assert_eq!(
            compact(&json!([1.0, -1.0, 1e30, 1e-7, 0.5, 1e20, 0.0])),
            "[1,-1,1e+30,1e-7,0.5,100000000000000000000,0]"
        );
        assert_eq!(compact(&json!("<&>\u{2028}é\u{1}\u{8}")), r#""\u003c\u0026\u003e\u2028é\u0001\b""#);
        assert_eq!(
            pretty(&json!({"a": [], "b": {}, "c": [1]}), 1),
            "{\n \"a\": [],\n \"b\": {},\n \"c\": [\n  1\n ]\n}"
        );
    }
}
