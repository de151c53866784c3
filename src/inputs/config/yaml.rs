//! `mlops-deploy.yml` as a tree that knows where each key and each value stands.
//!
//! Read by `serde-saphyr`, which gives positions through aliases and merge keys. The tree only
//! tells shapes and places; the values themselves are read a second time into typed fields,
//! because an untyped reading would take `0777` for a number.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::domain::{Diagnostic, Map, Node, Origin, Tree};

pub(super) const NO_YAML: &str = "not valid YAML";

pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true, with_snippet: false }
}

/// Reads the text, or says where it is no YAML. An empty text is an empty mapping.
pub(super) fn read(text: &str, file: &Arc<str>) -> Result<Tree, Box<Diagnostic>> {
    match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options()) {
        Ok(Some(raw)) => Ok(tree(raw, file)),
        Ok(None) => Ok(Tree::map().with_origin(Origin::new(Arc::clone(file), 1, 1))),
        Err(error) => Err(Box::new(refusal(&error, file))),
    }
}

pub(super) fn refusal(error: &serde_saphyr::Error, file: &Arc<str>) -> Diagnostic {
    let text = error.without_snippet().to_string();
    // The place is told by the diagnostic; the library writes it into the sentence as well.
    let sentence = text.lines().next().unwrap_or_default();
    let sentence = sentence.split(" at line ").next().unwrap_or(sentence);
    let sentence = sentence.split(", set DuplicateKeyPolicy").next().unwrap_or(sentence);
    let place = error.location().map_or(Origin::new(Arc::clone(file), 1, 1), |l| origin(&l, file));
    Diagnostic::error(format!("{NO_YAML}: {sentence}")).at([place])
}

fn origin(location: &Location, file: &Arc<str>) -> Origin {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    Origin::new(Arc::clone(file), number(location.line()), number(location.column()))
}

fn tree(raw: Spanned<Raw>, file: &Arc<str>) -> Tree {
    let place = origin(&raw.referenced, file);
    let node = match raw.value {
        Raw::Scalar(node) => node,
        Raw::List(items) => Node::List(items.into_iter().map(|item| tree(item, file)).collect()),
        Raw::Map(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let mut value = tree(value, file);
                value.key = Some(origin(&key.referenced, file));
                map.insert(key.value, value);
            }
            Node::Map(map)
        }
    };
    Tree::from(node).with_origin(place)
}

enum Raw {
    Scalar(Node),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Node::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Node::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Node::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Node::Int(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(i64::try_from(value).map_or(Node::String(value.to_string()), Node::Int)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Node::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Node::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            map.push(pair);
        }
        Ok(Raw::Map(map))
    }
}
