//! What is wrong with one input, in words that may be repeated.

use std::fmt;

/// One mistake: the input's name and what is wrong, with what was given and an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub input: String,
    pub message: String,
}

impl Mistake {
    pub fn of(input: String, message: impl Into<String>) -> Self {
        Self { input, message: message.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.input), self.message)
    }
}

/// A given text as it may be repeated: one line, not too long.
pub(super) fn shown(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match clean.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &clean[..at]),
        None => clean,
    }
}
