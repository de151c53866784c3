//! The path of a value inside a configuration: `resources.jobs.train.tasks[0].task_key`.
//!
//! Keys are shared texts: a path is extended and shortened for every value of a big bundle,
//! and copied only into what is reported.

use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    Key(Arc<str>),
    Index(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

impl Path {
    pub fn root() -> Self {
        Self::default()
    }

    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|k| Step::Key((*k).into())).collect())
    }

    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push_key(&mut self, key: &str) {
        self.0.push(Step::Key(key.into()));
    }

    pub fn push_index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub fn pop(&mut self) {
        self.0.pop();
    }

    pub fn key(mut self, key: &str) -> Self {
        self.push_key(key);
        self
    }

    pub fn index(mut self, index: usize) -> Self {
        self.push_index(index);
        self
    }

    /// The first key, such as `resources`.
    pub fn head(&self) -> Option<&str> {
        self.nth(0)
    }

    /// The key at a position, unless there is an index or nothing.
    pub fn nth(&self, at: usize) -> Option<&str> {
        match self.0.get(at)? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }

    /// The path without its last `steps`.
    pub fn up(&self, steps: usize) -> Self {
        Self(self.0[..self.0.len().saturating_sub(steps)].to_vec())
    }

    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Reads `a.b[0].c`; none when the text is not such a path.
    pub fn parse(text: &str) -> Option<Self> {
        let mut path = Self::root();
        for part in text.split('.') {
            let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() {
                return None;
            }
            path.push_key(key);
            let mut rest = indices;
            while !rest.is_empty() {
                let close = rest.find(']')?;
                path.push_index(rest.strip_prefix('[')?.get(..close - 1)?.parse().ok()?);
                rest = &rest[close + 1..];
            }
        }
        Some(path)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_is_written() {
        for text in ["a", "a.b", "a[0]", "a.b[12][3].c"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        for text in ["", ".", "a.", "a[", "a[]", "a[x]", "a[0", "[0]", "a]"] {
            if let Some(path) = Path::parse(text) {
                assert_eq!(path.to_string(), text);
            }
        }
    }
}
