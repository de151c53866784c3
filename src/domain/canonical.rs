//! JSON with one spelling: keys sorted, no blanks. Two documents that say the same have the
//! same bytes, on every machine, and therefore the same digest.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The one spelling of a document.
pub fn bytes(document: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(document).expect("our documents are JSON");
    sorted(&value).to_string().into_bytes()
}

/// Reads a document, and refuses one that is spelt in another way: its digest would not be
/// the one of what it says.
pub fn read<T: Serialize + DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let document: T = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if bytes(&document) == text { Ok(document) } else { Err("it is not in its one spelling".to_owned()) }
}

pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_one_spelling() {
        let one = bytes(&json!({"b": [1, {"z": 1, "a": null}], "a": "ü\n"}));
        assert_eq!(String::from_utf8(one.clone()).unwrap(), r#"{"a":"ü\n","b":[1,{"a":null,"z":1}]}"#);
        assert!(read::<Value>(&one).is_ok());
        for other in [&br#"{"b":1,"a":2}"#[..], br#"{"a": 1}"#, br#"{"a":1}x"#, br#"{"a":"\u0041"}"#] {
            assert!(read::<Value>(other).is_err(), "{}", String::from_utf8_lossy(other));
        }
    }
}
