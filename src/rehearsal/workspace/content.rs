//! The bytes of a stored file: few in memory, many on disk.
//!
//! Models are gigabytes. A file on disk has no name, so that it is gone with the process however that ends; pages of
//! zeros are left as holes, so that a test of ten gigabytes needs no ten gigabytes. An upload in parts fills one file,
//! and what is stored in the end says which pieces of it in which order: nothing is copied together.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use sha2::{Digest, Sha256};

/// A body is kept in memory up to here.
const SMALL: usize = 256 * 1024;
const PAGE: usize = 4096;
/// How much is read at a time for an answer.
const CHUNK: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory(Bytes),
    Disk(Arc<OnDisk>),
}

#[derive(Debug)]
pub(crate) struct OnDisk {
    pieces: Vec<Piece>,
    size: u64,
    digest: OnceLock<String>,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    file: Arc<File>,
    at: u64,
    length: u64,
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

/// Equal bytes in memory, the same stored file on disk: whoever compares bytes on disk asks for their digest.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(a), Self::Memory(b)) => a == b,
            (Self::Disk(a), Self::Disk(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for Content {}

impl Content {
    fn on_disk(pieces: Vec<Piece>) -> Self {
        let size = pieces.iter().map(|p| p.length).sum();
        Self::Disk(Arc::new(OnDisk { pieces, size, digest: OnceLock::new() }))
    }

    /// Parts of an upload, in their order.
    pub fn joined(parts: impl IntoIterator<Item = Piece>) -> Self {
        Self::on_disk(parts.into_iter().collect())
    }

    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(disk) => disk.size,
        }
    }

    /// At most `most` bytes from there; fewer where a piece ends, none at the end.
    fn read(&self, from: u64, most: usize) -> io::Result<Bytes> {
        let disk = match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                return Ok(bytes.slice(from..(from + most).min(bytes.len())));
            }
            Self::Disk(disk) => disk,
        };
        let mut left = from;
        for piece in &disk.pieces {
            if left < piece.length {
                let length = (piece.length - left).min(most as u64);
                let mut chunk = BytesMut::zeroed(usize::try_from(length).map_err(io::Error::other)?);
                piece.file.read_exact_at(&mut chunk, piece.at + left)?;
                return Ok(chunk.freeze());
            }
            left -= piece.length;
        }
        Ok(Bytes::new())
    }

    /// Everything. For what is known to be small, and for whoever cannot do otherwise.
    pub fn bytes(&self) -> io::Result<Bytes> {
        if let Self::Memory(bytes) = self {
            return Ok(bytes.clone());
        }
        let mut all = BytesMut::new();
        let mut chunk = self.read(0, CHUNK)?;
        while !chunk.is_empty() {
            all.extend_from_slice(&chunk);
            chunk = self.read(all.len() as u64, CHUNK)?;
        }
        Ok(all.freeze())
    }

    /// Hexadecimal SHA-256; computed once for what lies on disk.
    pub fn digest(&self) -> String {
        let hex = |digest: &[u8]| digest.iter().map(|b| format!("{b:02x}")).collect();
        let disk = match self {
            Self::Memory(bytes) => return hex(&Sha256::digest(bytes)),
            Self::Disk(disk) => disk,
        };
        let read = || -> io::Result<String> {
            let (mut sha, mut at) = (Sha256::new(), 0);
            loop {
                let chunk = self.read(at, CHUNK)?;
                if chunk.is_empty() {
                    return Ok(hex(&sha.finalize()));
                }
                sha.update(&chunk);
                at += chunk.len() as u64;
            }
        };
        disk.digest.get_or_init(|| read().unwrap_or_else(|e| format!("unreadable: {e}"))).clone()
    }

    /// A part of it, read as it is sent.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures::stream::unfold((self, range), |(content, range)| async move {
            let most = (range.end - range.start).min(CHUNK as u64);
            match content.read(range.start, usize::try_from(most).unwrap_or(CHUNK)) {
                Ok(chunk) if chunk.is_empty() => None,
                Ok(chunk) => {
                    let next = range.start + chunk.len() as u64;
                    Some((Ok(chunk), (content, next..range.end)))
                }
                Err(error) => Some((Err(error), (content, range.end..range.end))),
            }
        })
    }

    /// The same with one byte changed: what a bad disk makes of it.
    pub fn flipped(&self, at: u64) -> io::Result<Self> {
        let mut spool = Spool::default();
        let (mut from, end) = (0, self.len());
        while from < end {
            let mut chunk = BytesMut::from(&self.read(from, CHUNK)?[..]);
            if let Some(byte) = at.checked_sub(from).and_then(|i| chunk.get_mut(usize::try_from(i).ok()?)) {
                *byte ^= 1;
            }
            spool.write(&chunk)?;
            from += chunk.len() as u64;
        }
        Ok(spool.finish())
    }

    /// A file of that size for tests: zeros, with a page in each megabyte that only this file has at this place.
    pub fn sparse(size: u64, seed: &str) -> io::Result<Self> {
        let arena = Arena::new()?;
        const STEP: u64 = 1024 * 1024;
        let file = arena.reserve(size)?;
        for at in (0..size).step_by(STEP as usize) {
            let mut page = [0; PAGE];
            for (i, line) in page.chunks_mut(32).enumerate() {
                line.copy_from_slice(&Sha256::digest(format!("{seed}/{at}/{i}")));
            }
            let length = (size - at).min(PAGE as u64);
            file.file.write_all_at(&page[..usize::try_from(length).unwrap_or(PAGE)], at)?;
        }
        Ok(Self::joined([file]))
    }
}

/// Takes a body as it comes.
#[derive(Default)]
pub(crate) struct Spool {
    memory: BytesMut,
    disk: Option<(Arena, u64)>,
}

impl Spool {
    pub fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if self.disk.is_none() {
            self.memory.extend_from_slice(chunk);
            if self.memory.len() <= SMALL {
                return Ok(());
            }
            let arena = Arena::new()?;
            let begun = std::mem::take(&mut self.memory);
            write_sparse(&arena.file, &begun, 0)?;
            self.disk = Some((arena, begun.len() as u64));
            return Ok(());
        }
        if let Some((arena, size)) = &mut self.disk {
            write_sparse(&arena.file, chunk, *size)?;
            *size += chunk.len() as u64;
        }
        Ok(())
    }

    pub fn finish(self) -> Content {
        match self.disk {
            None => Content::Memory(self.memory.freeze()),
            Some((arena, size)) => {
                // A hole at the end is not yet part of the file.
                let _ = arena.file.set_len(size);
                Content::joined([Piece { file: arena.file, at: 0, length: size }])
            }
        }
    }
}

/// The file that the parts of one upload share.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    file: Arc<File>,
    next: Arc<AtomicU64>,
}

impl Arena {
    pub fn new() -> io::Result<Self> {
        Ok(Self { file: Arc::new(tempfile::tempfile()?), next: Arc::default() })
    }

    /// A piece that nobody else writes to.
    pub fn reserve(&self, length: u64) -> io::Result<Piece> {
        let at = self.next.fetch_add(length, Ordering::SeqCst);
        let end = at + length;
        if self.file.metadata()?.len() < end {
            self.file.set_len(end)?;
        }
        Ok(Piece { file: Arc::clone(&self.file), at, length })
    }
}

impl Piece {
    pub fn write(&self, chunk: &[u8], at: u64) -> io::Result<()> {
        if at + chunk.len() as u64 > self.length {
            return Err(io::Error::other("more bytes than were announced"));
        }
        write_sparse(&self.file, chunk, self.at + at)
    }

    pub fn len(&self) -> u64 {
        self.length
    }
}

/// Leaves out pages that are zero already.
fn write_sparse(file: &File, chunk: &[u8], at: u64) -> io::Result<()> {
    if !chunk.iter().step_by(PAGE).any(|b| *b == 0) {
        return file.write_all_at(chunk, at);
    }
    let mut done = 0;
    for page in chunk.chunks(PAGE) {
        if page.iter().any(|b| *b != 0) {
            file.write_all_at(page, at + done)?;
        }
        done += page.len() as u64;
    }
    Ok(())
}
