//! From the bytes of a YAML file to a tree whose values know where they stand.
//!
//! Written over the events of a parser instead of a deserializer: anchors keep the place of
//! what they stand for, keys keep theirs, and the scalar rules are those of bundles
//! (`scalars`), which are nobody else's. Only the first document counts. The input is
//! somebody's pull request, so what aliases may multiply to and how deep things may nest is bounded.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag, options};

use crate::bundle::syntax::scalars::{self, Kind};
use crate::domain::{Diagnostic, Map, Node, Origin, Tree};

/// More values than this in one file, aliases written out and long texts counted for many, is an
/// attack and not a bundle: two thousand jobs have fewer.
const MOST_VALUES: usize = 250_000;
/// No file that somebody wrote is longer.
const MOST_BYTES: usize = 8 << 20;
const DEEPEST: usize = 200;

/// A file's name in origins, and the full one that errors about its syntax show.
#[derive(Clone, Debug)]
pub struct File {
    pub name: Arc<str>,
    pub full: String,
}

/// Reads the first document; null for an empty file.
pub fn parse(file: &File, bytes: &[u8]) -> Result<Tree, Diagnostic> {
    if bytes.len() > MOST_BYTES {
        return Err(failed(file, &format!("yaml: longer than {} MiB", MOST_BYTES >> 20), None));
    }
    let text = decode(bytes).map_err(|what| failed(file, &format!("yaml: {what}"), None))?;
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut reader = Reader { file, stack: Vec::new(), anchors: HashMap::new(), values: 0, done: None };
    let mut parser = Parser::new_from_str_with_options(&text, options);
    // An anchor's place comes right after its node: one event is kept back until then.
    let mut next = parser.next_event();
    while let Some(event) = next {
        let (event, span) = event.map_err(|error| syntax_error(file, &error))?;
        next = parser.next_event();
        let anchored_at = match &next {
            Some(Ok((Event::Anchor(_, _), anchor))) => Some(anchor.start),
            _ => None,
        };
        if anchored_at.is_some() {
            next = parser.next_event();
        }
        let tagged_at = span.tag_start();
        let start = [anchored_at, tagged_at]
            .into_iter()
            .flatten()
            .fold(span.start, |first, mark| if mark.index() < first.index() { mark } else { first });
        reader.event(event, origin(file, start.line(), start.col()), span.is_empty())?;
        if let Some(tree) = reader.done.take() {
            return Ok(tree);
        }
    }
    Ok(Tree::null())
}

fn origin(file: &File, line: usize, column: usize) -> Origin {
    let cut = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Origin { file: file.name.clone(), line: cut(line), column: cut(column + 1) }
}

fn failed(file: &File, what: &str, place: Option<Origin>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("failed to load {}: {what}", file.full));
    diagnostic.place = place;
    diagnostic
}

/// A mapping or sequence that is still open.
struct Frame {
    node: Open,
    origin: Origin,
    anchor: usize,
}

enum Open {
    List(Vec<Tree>),
    Map { map: Map, key: Option<Key>, merged: Merged },
}

enum Key {
    Name(String, Origin),
    /// `<<`: what follows is merged into the mapping.
    Merge,
}

/// What `<<` brought in: it gives way to what the mapping says itself, wherever that stands.
#[derive(Default)]
struct Merged {
    seen: bool,
    names: HashSet<String>,
}

struct Reader<'f> {
    file: &'f File,
    stack: Vec<Frame>,
    /// Complete values by anchor; none while the value is still open.
    anchors: HashMap<usize, Option<(Tree, usize)>>,
    values: usize,
    done: Option<Tree>,
}

impl Reader<'_> {
    fn error(&self, at: &Origin, what: &str) -> Diagnostic {
        let place = format!("yaml ({}:{}:{}): {what}", self.file.full, at.line, at.column);
        failed(self.file, &place, Some(at.clone()))
    }

    fn event(&mut self, event: Event<'_>, at: Origin, nothing: bool) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // The parser writes a tilde where nothing stands.
                let text = if nothing && style == ScalarStyle::Plain { "" } else { &*text };
                self.scalar(text, style, anchor, tag.as_deref(), at)
            }
            Event::MappingStart(_, anchor, _) => {
                let map = Open::Map { map: Map::new(), key: None, merged: Merged::default() };
                self.open(map, anchor, at)
            }
            Event::SequenceStart(_, anchor, _) => self.open(Open::List(Vec::new()), anchor, at),
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::UnresolvedAlias(name) => {
                Err(failed(self.file, &format!("yaml: unknown anchor '{name}' referenced"), Some(at)))
            }
            Event::DocumentEnd => {
                self.done.get_or_insert_with(Tree::null);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Open, anchor: usize, at: Origin) -> Result<(), Diagnostic> {
        if let Some(Frame { node: Open::Map { key: None, .. }, .. }) = self.stack.last() {
            let parent = self.stack.last().map_or(at.clone(), |frame| frame.origin.clone());
            return Err(self.error(&parent, "key is not a scalar"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.stack.push(Frame { node, origin: at, anchor });
        if self.stack.len() > DEEPEST {
            let at = self.stack[DEEPEST].origin.clone();
            return Err(self.error(&at, "nested too deeply"));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        let frame = self.stack.pop().expect("the parser pairs starts and ends");
        let node = match frame.node {
            Open::List(list) => Node::List(list),
            Open::Map { map, .. } => Node::Map(map),
        };
        let anchored = frame.anchor != 0;
        self.add(Tree { node, origins: vec![frame.origin], key: None, anchored }, frame.anchor, false)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Origin,
    ) -> Result<(), Diagnostic> {
        let wants_key = matches!(self.stack.last(), Some(Frame { node: Open::Map { key: None, .. }, .. }));
        let plain = style == ScalarStyle::Plain;
        if wants_key {
            return self.key(text, plain, tag, at);
        }
        let kind = self.kind(text, plain, tag, &at)?;
        let Some(node) = scalars::value(kind, text) else {
            let name = kind.tag().trim_start_matches('!');
            return Err(self.error(&at, &format!("invalid {name} value: {text}")));
        };
        self.add(Tree { node, origins: vec![at], key: None, anchored: anchor != 0 }, anchor, false)
    }

    fn kind(&self, text: &str, plain: bool, tag: Option<&Tag>, at: &Origin) -> Result<Kind, Diagnostic> {
        let Some(tag) = tag else {
            return Ok(if plain { scalars::looks_like(text) } else { Kind::String });
        };
        match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
            Some("str") => Ok(Kind::String),
            Some("int") => Ok(Kind::Int),
            Some("float") => Ok(Kind::Float),
            Some("bool") => Ok(Kind::Bool),
            Some("null") => Ok(Kind::Null),
            Some("timestamp") => Ok(Kind::Timestamp),
            Some(other) => Err(self.error(at, &format!("unknown tag: !!{other}"))),
            None if tag.original() == "!" => Ok(if plain { scalars::looks_like(text) } else { Kind::String }),
            None => Err(self.error(at, &format!("unknown tag: {}", tag.original()))),
        }
    }

    fn key(&mut self, text: &str, plain: bool, tag: Option<&Tag>, at: Origin) -> Result<(), Diagnostic> {
        let merge = plain && text == "<<";
        if !merge {
            let kind = self.kind(text, plain, tag, &at)?;
            if !matches!(kind, Kind::String | Kind::Null) {
                let parent = self.stack.last().map_or(at, |frame| frame.origin.clone());
                return Err(self.error(&parent, &format!("invalid key tag: {}", kind.tag())));
            }
        }
        let Some(Frame { node: Open::Map { key, merged, .. }, .. }) = self.stack.last_mut() else {
            return Ok(());
        };
        if merge && std::mem::replace(&mut merged.seen, true) {
            let what = "duplicate YAML merge key ('<<') is not allowed; \
                        to merge multiple maps, use a sequence: '<<: [*anchor1, *anchor2]'";
            return Err(Diagnostic::error(what).at([at]));
        }
        *key = Some(if merge { Key::Merge } else { Key::Name(text.to_owned(), at) });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Origin) -> Result<(), Diagnostic> {
        if matches!(self.stack.last(), Some(Frame { node: Open::Map { key: None, .. }, .. })) {
            let parent = self.stack.last().map_or(at.clone(), |frame| frame.origin.clone());
            return Err(self.error(&parent, "key is not a scalar"));
        }
        match self.anchors.get(&anchor) {
            Some(Some((tree, values))) => {
                self.values += values;
                if self.values > MOST_VALUES {
                    return Err(failed(self.file, "yaml: document contains excessive aliasing", Some(at)));
                }
                let tree = tree.clone();
                self.add(tree, 0, true)
            }
            _ => Err(self.error(&at, "cyclic reference to an anchor that is still open")),
        }
    }

    fn count(&mut self, values: usize, at: &Origin) -> Result<(), Diagnostic> {
        self.values += values;
        if self.values > MOST_VALUES {
            let what = format!("yaml: more than {MOST_VALUES} values in one file");
            return Err(failed(self.file, &what, Some(at.clone())));
        }
        Ok(())
    }

    /// Puts a complete value into what is open around it.
    fn add(&mut self, tree: Tree, anchor: usize, aliased: bool) -> Result<(), Diagnostic> {
        if anchor != 0 {
            let size = tree.weight();
            self.count(size, &tree.origins[0])?;
            self.anchors.insert(anchor, Some((tree.clone(), size)));
        } else if !aliased {
            let own = match &tree.node {
                Node::String(_) => tree.weight(),
                _ => 1,
            };
            self.count(own, &tree.origins[0])?;
        }
        let file = self.file;
        match self.stack.last_mut().map(|frame| &mut frame.node) {
            None => self.done = Some(tree),
            Some(Open::List(list)) => list.push(Tree { key: None, ..tree }),
            Some(Open::Map { map, key, merged }) => match key.take() {
                Some(Key::Merge) => merge(map, merged, tree, aliased).map_err(|at| {
                    let what = "map merge requires map or sequence of maps as the value";
                    let place = format!("yaml ({}:{}:{}): {what}", file.full, at.line, at.column);
                    failed(file, &place, Some(at))
                })?,
                Some(Key::Name(name, at)) => {
                    merged.names.remove(&name);
                    map.insert(name, Tree { key: Some(at), ..tree });
                }
                None => {}
            },
        }
        Ok(())
    }
}

/// Takes over what `<<` names; later mappings of a sequence win over earlier ones, and what
/// the mapping says itself wins over both.
fn merge(map: &mut Map, merged: &mut Merged, value: Tree, aliased: bool) -> Result<(), Origin> {
    let at = value.origins.first().cloned().unwrap_or_else(|| Origin::new("", 0, 0));
    let sources = match value.node {
        Node::Map(source) if aliased => vec![source],
        Node::List(list) if !aliased => list
            .into_iter()
            .map(|item| match item.node {
                Node::Map(source) => Ok(source),
                _ => Err(at.clone()),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(at),
    };
    for (name, value) in sources.into_iter().flatten() {
        if !map.contains_key(&name) || merged.names.contains(&name) {
            merged.names.insert(name.clone());
            map.insert(name, value);
        }
    }
    Ok(())
}

/// UTF-8, with or without a byte order mark, or UTF-16 with one.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).map_err(|_| "invalid UTF-16 surrogate pair".to_owned())?;
        Ok(Cow::Owned(text))
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => {
            let rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            match std::str::from_utf8(rest) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(format!("offset {}: invalid UTF-8", error.valid_up_to())),
            }
        }
    }
}

/// The words of the official command where it has them for the same mistake.
fn syntax_error(file: &File, error: &ScanError) -> Diagnostic {
    use ErrorKind as E;
    let (what, offset) = match error.kind() {
        E::ExpectedNodeContent => ("did not find expected node content".to_owned(), 1),
        E::ExpectedBlockMappingKey => ("did not find expected key".to_owned(), 1),
        E::ExpectedFlowMappingSeparator | E::UnexpectedEofFlowMapping => {
            ("did not find expected ',' or '}'".to_owned(), 1)
        }
        E::ExpectedFlowSequenceSeparator | E::UnexpectedEofFlowSequence => {
            ("did not find expected ',' or ']'".to_owned(), 1)
        }
        E::UnclosedFlowCollection { open: '[' } => ("did not find expected ',' or ']'".to_owned(), 1),
        E::UnclosedFlowCollection { .. } => ("did not find expected ',' or '}'".to_owned(), 1),
        E::ExpectedBlockSequenceEntry => ("did not find expected '-' indicator".to_owned(), 1),
        E::ExpectedDocumentStart => ("did not find expected <document start>".to_owned(), 1),
        E::TabNotAllowed | E::TabInBlockIndentation | E::TabInIndentation | E::UnexpectedCharacter { .. } => {
            ("found character that cannot start any token".to_owned(), 0)
        }
        E::UnknownQuotedScalarEscape => ("found unknown escape character".to_owned(), 0),
        E::SimpleKeyExpected | E::InvalidSimpleKey => ("could not find expected ':'".to_owned(), 0),
        E::UnclosedQuotedScalar => ("found unexpected end of stream".to_owned(), 0),
        _ => (error.info(), 0),
    };
    let line = error.marker().line();
    let place = origin(file, line, error.marker().col());
    failed(file, &format!("yaml: line {}: {what}", line.saturating_sub(offset).max(1)), Some(place))
}
