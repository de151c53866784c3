//! JSON as the official command writes it, byte for byte.
//!
//! State, metadata and plan are read and compared by other programs, and a state that was
//! only written differently would look changed: so `<`, `>`, `&` are escaped, numbers lose a
//! needless `.0`, and an exponent has two digits. Keys keep the order they are given in.

use serde_json::Value;

/// Pretty-printed with `indent` spaces for each level, no newline at the end.
pub fn pretty(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    write(value, Some((indent, 0)), true, &mut out);
    out
}

/// Pretty-printed, `<`, `>` and `&` left as they are.
pub fn pretty_plain(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    write(value, Some((indent, 0)), false, &mut out);
    out
}

/// On one line, without blanks.
pub fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(value, None, true, &mut out);
    out
}

fn write(value: &Value, layout: Option<(usize, usize)>, html: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => out.push_str(&float(f)),
            _ => out.push_str(&n.to_string()),
        },
        Value::String(s) => string(s, html, out),
        Value::Array(items) => {
            let inner = layout.map(|(indent, level)| (indent, level + 1));
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(inner, out);
                write(item, inner, html, out);
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
                string(key, html, out);
                out.push_str(if layout.is_some() { ": " } else { ":" });
                write(item, inner, html, out);
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

fn string(text: &str, html: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", c as u32)),
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The shortest digits that read back as the same number; an exponent below 1e-6 and from 1e21.
pub fn float(f: f64) -> String {
    let size = f.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{f:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent:0>2}"),
            _ => text,
        };
    }
    format!("{f}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_look_as_the_official_command_writes_them() {
        assert_eq!(compact(&json!([1.0, -1.0, 1e30, 1e-7, 0.5, 1e20, 0.0])), "[1,-1,1e+30,1e-7,0.5,100000000000000000000,0]");
        assert_eq!(compact(&json!("<&>\u{2028}é\u{1}\u{8}")), r#""\u003c\u0026\u003e\u2028é\u0001\b""#);
        assert_eq!(pretty(&json!({"a": [], "b": {}, "c": [1]}), 1), "{\n \"a\": [],\n \"b\": {},\n \"c\": [\n  1\n ]\n}");
        assert_eq!(pretty_plain(&json!("<"), 1), "\"<\"");
    }
}
