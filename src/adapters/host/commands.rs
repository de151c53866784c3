//! The runner's commands in the log: `::name key=value,key=value::data`.
//!
//! The escaping tables are the runner's: `%`, CR and LF everywhere, `:` and `,` in
//! properties too. `%` is first, or the others would be escaped twice.

use std::fmt;

pub struct Command<'a> {
    name: &'a str,
    properties: Vec<(&'a str, String)>,
    data: String,
}

impl<'a> Command<'a> {
    pub fn new(name: &'a str) -> Self {
        Self { name, properties: Vec::new(), data: String::new() }
    }

    pub fn property(mut self, name: &'a str, value: impl fmt::Display) -> Self {
        self.properties.push((name, value.to_string()));
        self
    }

    pub fn data(mut self, data: &str) -> Self {
        data.clone_into(&mut self.data);
        self
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "::{}", self.name)?;
        for (i, (name, value)) in self.properties.iter().enumerate() {
            let before = if i == 0 { ' ' } else { ',' };
            write!(f, "{before}{name}={}", escape_property(value))?;
        }
        write!(f, "::{}", escape_data(&self.data))
    }
}

pub fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Makes a line that is no command of ours unable to be one: `::` counts at its start (after
/// spaces), the older `##[` anywhere in it.
pub fn neutralise(line: &str) -> String {
    let line = line.replace(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'], " ").replace("##[", "## [");
    if line.trim_start().starts_with("::") { format!("| {line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_data_and_properties_as_the_runner_reads_them() {
        let command =
            Command::new("error").property("file", "a,b:c%0A.yml").property("line", 3).data("50 %\nof a:b,c\r");
        assert_eq!(command.to_string(), "::error file=a%2Cb%3Ac%250A.yml,line=3::50 %25%0Aof a:b,c%0D");
    }

    #[test]
    fn foreign_text_cannot_become_a_command() {
        assert_eq!(neutralise("::set-output name=a::b"), "| ::set-output name=a::b");
        assert_eq!(neutralise("   ::add-mask::x"), "|    ::add-mask::x");
        assert_eq!(neutralise("say ##[error]boo"), "say ## [error]boo");
        assert_eq!(neutralise("a\r::error::x"), "a ::error::x");
        assert_eq!(neutralise("plain :: text"), "plain :: text");
    }
}
