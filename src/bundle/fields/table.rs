//! Reads the field tables. See `tools/field_tables.py` for the format.

use std::collections::HashMap;
use std::sync::LazyLock;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    String,
    Int,
    Float,
    Bool,
    Any,
    Enum(&'static str),
    Message(&'static str),
    List(Box<Type>),
    Map(Box<Type>),
}

impl Type {
    fn parse(text: &'static str) -> Type {
        match text {
            "s" => Type::String,
            "i" => Type::Int,
            "f" => Type::Float,
            "b" => Type::Bool,
            "a" => Type::Any,
            _ => match text.split_at(1) {
                ("[", item) => Type::List(Box::new(Type::parse(item))),
                ("{", item) => Type::Map(Box::new(Type::parse(item))),
                ("=", name) => Type::Enum(name),
                _ => Type::Message(text),
            },
        }
    }

    /// The word messages use.
    pub fn word(&self) -> &'static str {
        match self {
            Type::String | Type::Enum(_) => "string",
            Type::Int => "int",
            Type::Float => "float64",
            Type::Bool => "bool",
            Type::Any => "any",
            Type::Message(_) => "struct",
            Type::List(_) => "slice",
            Type::Map(_) => "map",
        }
    }

    /// The type of what lies in a list or mapping.
    pub fn item(&self) -> Option<&Type> {
        match self {
            Type::List(item) | Type::Map(item) => Some(item),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub kind: Type,
    pub required: bool,
    /// May stand in a comment that everybody can read.
    pub printable: bool,
    /// An empty text is a value like any other.
    pub may_be_empty: bool,
    /// A zero or a `false` says the same as nothing.
    pub zero_is_unset: bool,
    /// Must never be shown, not even to who may read the rest.
    pub secret: bool,
}

#[derive(Debug)]
pub struct Message {
    pub name: &'static str,
    /// The bundle's own, without the fields of a message of the SDK.
    pub own: bool,
    fields: Vec<Field>,
    by_name: HashMap<&'static str, usize>,
}

impl Message {
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|at| &self.fields[*at])
    }
}

#[derive(Default)]
struct Tables {
    messages: HashMap<&'static str, Message>,
    enums: HashMap<&'static str, Vec<&'static str>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    tables.read(include_str!("sdk.txt"));
    tables.read(include_str!("bundle.txt"));
    tables
});

/// The fields of a message; every name in the tables leads to one (a test holds it).
pub fn message(name: &str) -> Option<&'static Message> {
    TABLES.messages.get(name)
}

/// The values of an enum, in their order.
pub fn enum_values(name: &str) -> &'static [&'static str] {
    TABLES.enums.get(name).map_or(&[], Vec::as_slice)
}

impl Tables {
    fn read(&mut self, text: &'static str) {
        let mut open: Option<Message> = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(field) = line.strip_prefix(' ') {
                if let Some(message) = &mut open {
                    match field.strip_prefix('-') {
                        Some(gone) => message.fields.retain(|f| f.name != gone),
                        None => message.fields.push(parse_field(field)),
                    }
                }
                continue;
            }
            self.close(open.take());
            if let Some(values) = line.strip_prefix('=') {
                let mut words = values.split(' ');
                let name = words.next().unwrap_or_default();
                self.enums.insert(name, words.collect());
            } else if let Some((name, base)) = line.split_once(" : ") {
                let fields = self.messages.get(base).map(|m| m.fields.clone()).unwrap_or_default();
                open = Some(Message { name, own: false, fields, by_name: HashMap::new() });
            } else {
                let own = line.starts_with("bundle.");
                open = Some(Message { name: line, own, fields: Vec::new(), by_name: HashMap::new() });
            }
        }
        self.close(open);
    }

    fn close(&mut self, open: Option<Message>) {
        let Some(Message { name, own, mut fields, .. }) = open else { return };
        // What is saved has its fields in the order of the table: by name, but for two lists.
        if !fields.iter().any(|field| field.name == "__embed__") && !name.ends_with("Permission") {
            fields.sort_by_key(|field| field.name);
            fields.dedup_by_key(|field| field.name);
        }
        let by_name = fields.iter().enumerate().map(|(at, field)| (field.name, at)).collect();
        self.messages.insert(name, Message { name, own, fields, by_name });
    }
}

fn parse_field(line: &'static str) -> Field {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let kind = Type::parse(words.next().unwrap_or("a"));
    let flags = words.next().unwrap_or_default();
    let has = |flag| flags.contains(flag);
    Field {
        name,
        kind,
        required: has('r'),
        printable: has('p'),
        secret: has('x'),
        may_be_empty: has('e'),
        zero_is_unset: has('z'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads_somewhere(kind: &Type) -> bool {
        match kind {
            Type::Message(name) => message(name).is_some(),
            Type::Enum(name) => !enum_values(name).is_empty(),
            Type::List(item) | Type::Map(item) => leads_somewhere(item),
            _ => true,
        }
    }

    #[test]
    fn every_name_in_the_tables_leads_to_a_message_or_an_enum() {
        for message in TABLES.messages.values() {
            for field in &message.fields {
                assert!(leads_somewhere(&field.kind), "{}.{}", message.name, field.name);
            }
        }
    }

    #[test]
    fn a_message_has_the_fields_of_the_one_it_builds_on() {
        let job = message("bundle.Job").unwrap();
        assert_eq!(job.field("tasks").unwrap().kind, Type::List(Box::new(Type::Message("jobs.Task"))));
        assert!(job.field("permissions").is_some() && job.field("nonsense").is_none());
        assert!(message("jobs.CronSchedule").unwrap().field("timezone_id").unwrap().required);
    }
}
