//! Reads a request body field by field, and refuses what nobody asked for.
//!
//! GitHub ignores a key it does not know, so a misspelt one fails silently; here it is 422. A field is taken once by the
//! function that needs it, and `finish` refuses what is left over.

use serde_json::{Map, Value};

use super::call::{Call, Refusal};

pub(super) struct Fields {
    left: Map<String, Value>,
    // Where these fields lie in the body, for the wording: `properties/output`.
    place: String,
}

impl Fields {
    pub fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        Ok(Fields { left: call.json()?, place: "properties".to_owned() })
    }

    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    pub fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, &other, "a string")),
        }
    }

    /// Text where null means nothing was said.
    pub fn text_or_null(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.left.get(name) {
            Some(Value::Null) => {
                self.left.remove(name);
                Ok(None)
            }
            _ => self.text(name),
        }
    }

    pub fn required(&mut self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal::shape(format!("\"{name}\" wasn't supplied.")))
    }

    /// One of a closed set.
    pub fn one_of(&mut self, name: &str, known: &[&str]) -> Result<Option<String>, Refusal> {
        let given = self.text(name)?;
        match given {
            Some(text) if !known.contains(&text.as_str()) => {
                Err(Refusal::shape(format!("For '{}/{name}', {text} is not a member of {known:?}.", self.place)))
            }
            other => Ok(other),
        }
    }

    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, &other, "a boolean")),
        }
    }

    pub fn line(&mut self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, &value, "an integer")),
            },
        }
    }

    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Refusal> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(name, &other, "an array")),
        }
    }

    /// A nested object.
    pub fn object(&mut self, name: &str) -> Result<Option<Fields>, Refusal> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::Object(left)) => Ok(Some(Fields { left, place: format!("{}/{name}/properties", self.place) })),
            Some(other) => Err(self.wrong(name, &other, "an object")),
        }
    }

    /// A list of objects.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Fields>, Refusal> {
        let place = format!("{}/{name}/items/properties", self.place);
        self.list(name)?
            .unwrap_or_default()
            .into_iter()
            .map(|item| match item {
                Value::Object(left) => Ok(Fields { left, place: place.clone() }),
                other => Err(self.wrong(name, &other, "an object")),
            })
            .collect()
    }

    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    /// Refuses what is left.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::shape(format!("\"{name}\" is not a permitted key."))),
        }
    }

    fn wrong(&self, name: &str, given: &Value, wanted: &str) -> Refusal {
        let given = if given.is_null() { "nil".to_owned() } else { given.to_string() };
        Refusal::shape(format!("For '{}/{name}', {given} is not {wanted}.", self.place))
    }
}

/// Characters, as GitHub counts a comment: not bytes.
pub(super) fn longer_than(text: &str, limit: usize) -> bool {
    text.chars().nth(limit).is_some()
}
