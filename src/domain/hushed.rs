//! Values of a bundle that are not printed, to be taken out of what others say.
//!
//! A workspace repeats in its errors what it was sent, and a job what it was given. Whole
//! words are taken out, and none that is also a name somebody needs to read: the rest of the
//! sentence is what a person acts on.

/// Shorter texts are left: taking every `a` out would destroy the sentence and hide nothing.
const SHORTEST: usize = 4;

#[derive(Clone, Debug, Default)]
pub struct Hushed {
    /// Longest first: a value that contains another must not leave its tail behind.
    values: Vec<String>,
}

impl Hushed {
    /// `values` without those that are among `spoken`.
    pub fn new(values: impl IntoIterator<Item = String>, spoken: &[String]) -> Self {
        let mut all: Vec<String> = values.into_iter().filter(|value| !spoken.contains(value)).collect();
        // Inside a quoted answer a line break is written as two characters.
        let quoted: Vec<String> = all.iter().map(|value| quoted(value)).collect();
        all.extend(quoted);
        all.retain(|value| value.trim().chars().count() >= SHORTEST);
        all.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        all.dedup();
        Self { values: all }
    }

    pub fn out_of(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| without(&text, value))
    }
}

fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string().trim_matches('"').to_owned()
}

fn without(text: &str, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(value) {
        let (head, tail) = (&rest[..at], &rest[at + value.len()..]);
        let left = head.chars().next_back().or(before);
        let inside = |c: Option<char>, edge: Option<char>| {
            c.is_some_and(char::is_alphanumeric) && edge.is_some_and(char::is_alphanumeric)
        };
        let in_a_word = inside(left, value.chars().next()) || inside(tail.chars().next(), value.chars().next_back());
        out.push_str(head);
        out.push_str(if in_a_word { value } else { "…" });
        before = value.chars().next_back();
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hushed(values: &[&str]) -> Hushed {
        Hushed::new(values.iter().map(|v| (*v).to_owned()), &["prod".to_owned()])
    }

    #[test]
    fn whole_values_are_taken_out_and_words_stay_words() {
        let hushed = hushed(&["s3cret", "s3cret and more", "prod", "ab", "mode"]);
        assert_eq!(hushed.out_of("bad value 's3cret' for x"), "bad value '…' for x");
        assert_eq!(hushed.out_of("got s3cret and more, s3cret"), "got …, …");
        assert_eq!(hushed.out_of("no catalog `prod`: the model ab"), "no catalog `prod`: the model ab");
        assert_eq!(hushed.out_of("mode, model, mode"), "…, model, …");
    }

    #[test]
    fn a_value_of_many_lines_is_found_in_a_quoted_answer() {
        assert_eq!(hushed(&["one\ntwo"]).out_of(r#"cannot take "one\ntwo""#), r#"cannot take "…""#);
    }
}
