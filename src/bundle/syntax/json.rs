//! JSON documents as the official command writes them, and JSON files as it reads them.
//!
//! Written by hand and not through a serializer: keys sorted, two spaces, `<`, `>`, `&` and
//! the two line separators escaped, numbers in the shortest form with an exponent only for
//! the very big and very small. Whoever compares our output with the official one compares bytes.

use std::fmt::Write;
use std::sync::Arc;

use crate::domain::{Map, Node, Origin, Tree};

/// The document with `indent` spaces per level and no line end after it. Infinity and NaN
/// have no JSON form; the name of the value is the error.
pub fn write(tree: &Tree, indent: usize) -> Result<String, String> {
    let mut writer = Writer { out: String::new(), indent };
    writer.value(tree, 0)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    indent: usize,
}

impl Writer {
    fn value(&mut self, tree: &Tree, depth: usize) -> Result<(), String> {
        match &tree.node {
            Node::Null => self.out.push_str("null"),
            Node::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Node::Int(i) => write!(self.out, "{i}").expect("writing to a text cannot fail"),
            Node::Float(f) => self.out.push_str(&float(*f)?),
            Node::String(s) => text(&mut self.out, s),
            Node::List(list) if list.is_empty() => self.out.push_str("[]"),
            Node::Map(map) if map.is_empty() => self.out.push_str("{}"),
            Node::List(list) => {
                self.out.push('[');
                for (i, item) in list.iter().enumerate() {
                    self.line(i, depth + 1);
                    self.value(item, depth + 1)?;
                }
                self.end(depth, ']');
            }
            Node::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.out.push('{');
                for (i, (key, value)) in entries.into_iter().enumerate() {
                    self.line(i, depth + 1);
                    text(&mut self.out, key);
                    self.out.push_str(if self.indent == 0 { ":" } else { ": " });
                    self.value(value, depth + 1)?;
                }
                self.end(depth, '}');
            }
        }
        Ok(())
    }

    fn line(&mut self, item: usize, depth: usize) {
        if item > 0 {
            self.out.push(',');
        }
        self.new_line(depth);
    }

    fn end(&mut self, depth: usize, bracket: char) {
        self.new_line(depth);
        self.out.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if self.indent > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', depth * self.indent));
        }
    }
}

pub(super) fn float(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Err(crate::bundle::syntax::scalars::float_as_text(value));
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let scientific = format!("{value:e}");
        return Ok(match scientific.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
            _ => scientific,
        });
    }
    Ok(format!("{value}"))
}

pub(super) fn text(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to a text cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// What is wrong with a JSON file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub what: String,
    pub line: u32,
    pub column: u32,
}

/// Reads a JSON file into a tree with origins.
pub fn read(file: &Arc<str>, bytes: &[u8]) -> Result<Tree, JsonError> {
    let mut reader = Reader { file, bytes, at: 0, line: 1, line_start: 0 };
    reader.space();
    let tree = reader.value(0)?;
    reader.space();
    if reader.at < bytes.len() {
        return Err(reader.error("invalid character after top-level value"));
    }
    Ok(tree)
}

struct Reader<'b> {
    file: &'b Arc<str>,
    bytes: &'b [u8],
    at: usize,
    line: u32,
    line_start: usize,
}

impl Reader<'_> {
    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX)
    }

    fn error(&self, what: &str) -> JsonError {
        if self.at < self.bytes.len() {
            return JsonError { what: what.to_owned(), line: self.line, column: self.column() };
        }
        // The end is where something stood last, not behind the empty lines.
        let text = self.bytes.trim_ascii_end();
        let line_start = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        JsonError {
            what: "unexpected end of JSON input".to_owned(),
            line: count(text.iter().filter(|b| **b == b'\n').count() + 1),
            column: count(text.len() - line_start + 1),
        }
    }

    fn origin(&self) -> Origin {
        Origin { file: self.file.clone(), line: self.line, column: self.column() }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.bytes.get(self.at) {
            if self.bytes[self.at] == b'\n' {
                self.line += 1;
                self.line_start = self.at + 1;
            }
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<Tree, JsonError> {
        if depth > 200 {
            return Err(self.error("nested too deeply"));
        }
        let origin = self.origin();
        let node = match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Node::String(self.string()?),
            Some(b't') => self.word("true", Node::Bool(true))?,
            Some(b'f') => self.word("false", Node::Bool(false))?,
            Some(b'n') => self.word("null", Node::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.error("invalid character looking for beginning of value")),
        };
        Ok(Tree { node, origins: vec![origin], ..Tree::default() })
    }

    fn word(&mut self, word: &str, node: Node) -> Result<Node, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("invalid character in literal"));
        }
        self.at += word.len();
        Ok(node)
    }

    fn object(&mut self, depth: usize) -> Result<Node, JsonError> {
        let mut map = Map::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Node::Map(map));
        }
        loop {
            self.space();
            let key_origin = self.origin();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.error("invalid character looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.error("invalid character after object key"));
            }
            self.space();
            let mut value = self.value(depth + 1)?;
            value.key = Some(key_origin);
            map.insert(key, value);
            self.space();
            if self.take(b'}') {
                return Ok(Node::Map(map));
            }
            if !self.take(b',') {
                return Err(self.error("invalid character after object key:value pair"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, JsonError> {
        let mut list = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Node::List(list));
        }
        loop {
            self.space();
            list.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Node::List(list));
            }
            if !self.take(b',') {
                return Err(self.error("invalid character after array element"));
            }
        }
    }

    /// A string's own rules are serde's; we only find its end.
    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        let mut end = start + 1;
        while let Some(byte) = self.bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        if end >= self.bytes.len() {
            self.at = self.bytes.len();
            return Err(self.error("unexpected end of JSON input"));
        }
        let text = serde_json::from_slice(&self.bytes[start..=end]);
        let text = text.map_err(|_| self.error("invalid character in string literal"))?;
        self.at = end + 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<Node, JsonError> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
        let number: serde_json::Number =
            serde_json::from_slice(&rest[..len]).map_err(|_| self.error("invalid character in numeric literal"))?;
        self.at += len;
        Ok(match number.as_i64() {
            Some(int) => Node::Int(int),
            None => Node::Float(number.as_f64().unwrap_or(f64::INFINITY)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_written_as_the_official_command_writes_it() {
        let mut tree = Tree::map();
        tree.set(&["z"], "a<b>&\u{2028}é\u{1}\t\"");
        tree.set(&["a", "f"], 1.5e300);
        tree.set(&["a", "g"], 1e20);
        tree.set(&["a", "k"], 0.000_001);
        tree.set(&["a", "l"], 1e-7);
        tree.set(&["e"], Tree::list());
        let expected = "{\n  \"a\": {\n    \"f\": 1.5e+300,\n    \"g\": 100000000000000000000,\n    \"k\": 0.000001,\n    \
                        \"l\": 1e-7\n  },\n  \"e\": [],\n  \"z\": \"a\\u003cb\\u003e\\u0026\\u2028é\\u0001\\t\\\"\"\n}";
        assert_eq!(write(&tree, 2).unwrap(), expected);
    }

    #[test]
    fn a_json_file_reads_back_with_its_places() {
        let tree = read(&"a.json".into(), b"{\n \"a\": [1, 2.5, {\"b\": null}],\n \"c\": \"\\u00e9\"\n}").unwrap();
        assert_eq!(write(&tree, 0).unwrap(), "{\"a\":[1,2.5,{\"b\":null}],\"c\":\"é\"}");
        assert_eq!(tree.get("c").unwrap().origin().unwrap().to_string(), "a.json:3:7");
        let error = read(&"a.json".into(), b"{\"a\": [1").unwrap_err();
        assert_eq!(error.what, "unexpected end of JSON input");
    }
}
