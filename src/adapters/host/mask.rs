//! Secrets that must not be seen: told to the runner before first use, and replaced in every
//! byte that we emit ourselves.
//!
//! The runner masks only the log. Comments, summaries, outputs and the journal are ours to
//! watch, so whoever writes one of them asks `redact` first. Longest secrets are replaced
//! first: a secret that contains another must not leave its tail behind.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, RwLock};

use super::commands::Command;
use super::stream::Stream;
use crate::domain::Secret;

/// Shorter texts are not masked: replacing every `a` would destroy the log and hide nothing.
const SHORTEST: usize = 4;

#[derive(Default)]
pub struct Masker {
    /// Longest first.
    secrets: RwLock<Vec<Secret>>,
    stream: Option<Arc<Stream>>,
}

impl Masker {
    /// Without a runner that would listen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the runner too.
    pub fn announcing(stream: Arc<Stream>) -> Self {
        Self { secrets: RwLock::default(), stream: Some(stream) }
    }

    /// Call this before the first use. Each line of a secret is masked by itself as well,
    /// because logs are written line by line.
    pub fn mask(&self, secret: &Secret) {
        let whole = secret.expose();
        let lines = whole.lines().map(str::trim).filter(|line| *line != whole);
        for text in std::iter::once(whole).chain(lines) {
            if text.trim().len() >= SHORTEST {
                self.add(text);
            }
        }
    }

    /// The credential that an address carries, such as that of a package index or a proxy.
    pub fn mask_address(&self, text: &str) {
        let Some((_, rest)) = text.split_once("://") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { return };
        // Without a password the user is one: a token is written so.
        let (_, password) = user.split_once(':').filter(|(_, p)| !p.is_empty()).unwrap_or(("", user));
        self.mask(&Secret::new(password));
    }

    fn add(&self, text: &str) {
        let mut secrets = self.secrets.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if secrets.iter().any(|known| known.expose() == text) {
            return;
        }
        if let Some(stream) = &self.stream {
            stream.command(&Command::new("add-mask").data(text));
        }
        let at = secrets.partition_point(|known| known.expose().len() >= text.len());
        secrets.insert(at, Secret::new(text));
    }

    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let secrets = self.secrets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for secret in secrets.iter() {
            if text.contains(secret.expose()) {
                text = Cow::Owned(text.replace(secret.expose(), "***"));
            }
        }
        text
    }

    pub fn redact_bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let secrets = self.secrets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut bytes = Cow::Borrowed(bytes);
        for secret in secrets.iter() {
            if let Some(replaced) = replace(&bytes, secret.expose().as_bytes()) {
                bytes = Cow::Owned(replaced);
            }
        }
        bytes
    }
}

fn replace(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let find = |from: usize| bytes[from..].windows(secret.len()).position(|w| w == secret).map(|at| from + at);
    let mut at = find(0)?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    loop {
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(b"***");
        copied = at + secret.len();
        match find(copied) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    Some(out)
}

/// Redacts what is written, line by line: a line is held back until it is whole, so that a
/// secret cut in two by two writes is found too. The rest leaves on `finish` or drop.
pub struct Redacting<W: Write> {
    out: W,
    masker: Arc<Masker>,
    held: Vec<u8>,
}

impl<W: Write> Redacting<W> {
    pub fn new(out: W, masker: Arc<Masker>) -> Self {
        Self { out, masker, held: Vec::new() }
    }

    pub fn finish(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.out.write_all(&self.masker.redact_bytes(&held))?;
        self.out.flush()
    }
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if let Some(end) = self.held.iter().rposition(|b| *b == b'\n') {
            let lines: Vec<u8> = self.held.drain(..=end).collect();
            self.out.write_all(&self.masker.redact_bytes(&lines))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Drop for Redacting<W> {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_two_secrets_leaves_no_tail() {
        let masker = Masker::new();
        masker.mask(&Secret::new("abcd"));
        masker.mask(&Secret::new("abcdefgh"));
        assert_eq!(masker.redact("x abcdefgh y abcd z"), "x *** y *** z");
        assert_eq!(masker.redact_bytes(b"abcdabcd\xff"), b"******\xff".as_slice());
    }

    #[test]
    fn the_credential_of_an_address_is_a_secret() {
        let masker = Masker::new();
        for address in ["https://ana:first-word@index.example/simple", "http://second-word@proxy.example:8080", "a@b"] {
            masker.mask_address(address);
        }
        assert_eq!(masker.redact("ana first-word second-word proxy.example a@b"), "ana *** *** proxy.example a@b");
    }

    #[test]
    fn each_line_of_a_secret_is_masked_by_itself() {
        let masker = Masker::new();
        masker.mask(&Secret::new("first-line\n  second-line\n"));
        assert_eq!(masker.redact("got second-line"), "got ***");
    }

    #[test]
    fn a_secret_cut_in_two_by_two_writes_is_found() {
        let masker = Arc::new(Masker::new());
        masker.mask(&Secret::new("s3cr3t-token"));
        let mut out = Vec::new();
        let mut writer = Redacting::new(&mut out, masker);
        writer.write_all(b"token s3cr3").unwrap();
        writer.write_all(b"t-token here\nand s3cr3t-").unwrap();
        writer.write_all(b"token").unwrap();
        drop(writer);
        assert_eq!(String::from_utf8(out).unwrap(), "token *** here\nand ***");
    }
}
