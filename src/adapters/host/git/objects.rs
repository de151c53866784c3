//! Commits and trees out of `.git/objects`, loose and packed.
//!
//! Whoever could write there has written what he likes: sizes are bounded, chains are cut, and
//! what does not fit is an object that we do not have. Repositories with SHA-256 names are not read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;

/// A SHA-1.
pub type Id = [u8; 20];

pub fn id(text: &str) -> Option<Id> {
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let mut id = [0; 20];
    for (i, byte) in id.iter_mut().enumerate() {
        *byte = digit(2 * i)?;
    }
    (text.len() == 40).then_some(id)
}

fn hex(id: &Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Commit,
    Tree,
    Other,
}

/// A tree of a million files is about so large.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Git makes chains of 50, and of 250 when told to be thorough.
const LONGEST_CHAIN: usize = 4096;

/// The objects of one repository, and of those that it borrows from.
pub struct Objects {
    folders: Vec<PathBuf>,
    packs: Vec<Pack>,
}

impl Objects {
    pub fn open(git: &Path) -> io::Result<Self> {
        let own = git.join("objects");
        let mut folders = vec![own.clone()];
        let borrowed = super::read(&own.join("info/alternates"))?.unwrap_or_default();
        let borrowed = borrowed.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        folders.extend(borrowed.map(|line| own.join(line)));
        let mut packs = Vec::new();
        for folder in &folders {
            for entry in fs::read_dir(folder.join("pack")).into_iter().flatten() {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "idx") {
                    packs.extend(Pack::open(&path)?);
                }
            }
        }
        Ok(Self { folders, packs })
    }

    /// None where it is not there, or is nothing that we can read. Deltas are followed down to what they were made from,
    /// and then applied on the way back.
    pub fn read(&self, id: &Id) -> io::Result<Option<(Kind, Vec<u8>)>> {
        let mut deltas: Vec<Vec<u8>> = Vec::new();
        // Each delta alone may be small enough, and all of them together fill the memory.
        let mut held = 0;
        let mut at = self.place(id)?;
        let base = loop {
            let (pack, offset) = match at {
                Some(Place::Packed(pack, offset)) => (pack, offset),
                Some(Place::Loose(file)) => break loose(file),
                None => break None,
            };
            let (next, delta) = match pack.piece(offset)? {
                Some(Piece::Whole(kind, bytes)) => break Some((kind, bytes)),
                Some(Piece::Upon(before, delta)) => (Some(Place::Packed(pack, before)), delta),
                Some(Piece::UponId(id, delta)) => (self.place(&id)?, delta),
                None => break None,
            };
            held += delta.len() as u64;
            deltas.push(delta);
            if deltas.len() > LONGEST_CHAIN || held > LARGEST {
                return Ok(None);
            }
            at = next;
        };
        let Some((kind, mut bytes)) = base else { return Ok(None) };
        for delta in deltas.iter().rev() {
            let Some(next) = applied(&bytes, delta) else { return Ok(None) };
            bytes = next;
        }
        Ok(Some((kind, bytes)))
    }

    fn place(&self, id: &Id) -> io::Result<Option<Place<'_>>> {
        for pack in &self.packs {
            if let Some(offset) = pack.offset(id)? {
                return Ok(Some(Place::Packed(pack, offset)));
            }
        }
        let name = hex(id);
        for folder in &self.folders {
            match File::open(folder.join(&name[..2]).join(&name[2..])) {
                Ok(file) => return Ok(Some(Place::Loose(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

enum Place<'o> {
    Packed(&'o Pack, u64),
    Loose(File),
}

/// `commit 243`, a zero, and the content, all of it deflated.
fn loose(file: File) -> Option<(Kind, Vec<u8>)> {
    let bytes = inflated(file)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let kind = match bytes[..end].split(|byte| *byte == b' ').next()? {
        b"commit" => Kind::Commit,
        b"tree" => Kind::Tree,
        _ => Kind::Other,
    };
    Some((kind, bytes[end + 1..].to_vec()))
}

/// None where it is no zlib, or larger than anything that we read.
fn inflated(from: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(from).take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LARGEST).then_some(bytes)
}

/// A pack and its index, read where they lie: that of a large repository is as large as a film.
struct Pack {
    index: File,
    pack: File,
    /// For each first byte, how many ids begin with it or a smaller one.
    fanout: Vec<u32>,
}

enum Piece {
    Whole(Kind, Vec<u8>),
    /// A delta upon what lies at an earlier place of the pack.
    Upon(u64, Vec<u8>),
    UponId(Id, Vec<u8>),
}

const HEADER: u64 = 8;
const FANOUT: u64 = 256 * 4;

impl Pack {
    /// None for an index of another version than 2, which every git since 2008 writes.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let (index, pack) = match (File::open(path), File::open(path.with_extension("pack"))) {
            (Ok(index), Ok(pack)) => (index, pack),
            // Repacked meanwhile.
            _ => return Ok(None),
        };
        let mut head = vec![0; (HEADER + FANOUT) as usize];
        if index.read_exact_at(&mut head, 0).is_err() || head[..8] != [0xff, b't', b'O', b'c', 0, 0, 0, 2] {
            return Ok(None);
        }
        let fanout = head[8..].chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
        Ok(Some(Self { index, pack, fanout: fanout.collect() }))
    }

    fn count(&self) -> u64 {
        u64::from(self.fanout[255])
    }

    fn offset(&self, id: &Id) -> io::Result<Option<u64>> {
        let first = usize::from(id[0]);
        let mut low = if first == 0 { 0 } else { u64::from(self.fanout[first - 1]) };
        let mut high = u64::from(self.fanout[first]);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut found = [0; 20];
            self.index.read_exact_at(&mut found, HEADER + FANOUT + middle * 20)?;
            match found.cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.offset_of(middle).map(Some),
            }
        }
        Ok(None)
    }

    /// Four bytes, or where their first bit is set the place of eight.
    fn offset_of(&self, at: u64) -> io::Result<u64> {
        let small = HEADER + FANOUT + self.count() * 24;
        let mut four = [0; 4];
        self.index.read_exact_at(&mut four, small + at * 4)?;
        let offset = u32::from_be_bytes(four);
        if offset & 0x8000_0000 == 0 {
            return Ok(u64::from(offset));
        }
        let mut eight = [0; 8];
        let large = small + self.count() * 4 + u64::from(offset & 0x7fff_ffff) * 8;
        self.index.read_exact_at(&mut eight, large)?;
        Ok(u64::from_be_bytes(eight))
    }

    fn piece(&self, offset: u64) -> io::Result<Option<Piece>> {
        let mut reader = At { file: &self.pack, at: offset };
        let mut byte = reader.byte()?;
        let code = (byte >> 4) & 7;
        // The rest of the number is the size, which the content says as well.
        while byte & 0x80 != 0 {
            byte = reader.byte()?;
        }
        let whole = |kind, reader| inflated(reader).map(|bytes| Piece::Whole(kind, bytes));
        Ok(match code {
            1 => whole(Kind::Commit, reader),
            2 => whole(Kind::Tree, reader),
            3 | 4 => whole(Kind::Other, reader),
            6 => {
                let back = distance(&mut reader);
                let before = back.and_then(|back| offset.checked_sub(back)).filter(|before| *before < offset);
                before.and_then(|before| Some(Piece::Upon(before, inflated(reader)?)))
            }
            7 => {
                let mut id = [0; 20];
                reader.read_exact(&mut id)?;
                inflated(reader).map(|delta| Piece::UponId(id, delta))
            }
            _ => None,
        })
    }
}

struct At<'f> {
    file: &'f File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl At<'_> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut one = [0];
        self.read_exact(&mut one)?;
        Ok(one[0])
    }
}

/// How far back something lies: the number that git writes so that none can be written in two ways.
pub(super) fn distance(from: &mut impl Read) -> Option<u64> {
    let mut next = || {
        let mut one = [0];
        from.read_exact(&mut one).ok().map(|()| one[0])
    };
    let mut byte = next()?;
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = next()?;
        distance = distance.checked_add(1)?.checked_mul(128)? + u64::from(byte & 0x7f);
    }
    Some(distance)
}

/// A delta: two sizes, then pieces to take over from the base and pieces to insert.
fn applied(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    number(&mut rest)?;
    let size = usize::try_from(number(&mut rest)?).ok().filter(|size| *size as u64 <= LARGEST)?;
    let mut out = Vec::new();
    while let Some((order, tail)) = rest.split_first() {
        rest = tail;
        if order & 0x80 == 0 {
            let (inserted, tail) = rest.split_at_checked(usize::from(*order)).filter(|(piece, _)| !piece.is_empty())?;
            out.extend_from_slice(inserted);
            rest = tail;
            continue;
        }
        let mut field = |bits: std::ops::Range<u32>| {
            let mut value = 0usize;
            for (shift, bit) in bits.enumerate() {
                if order & (1 << bit) != 0 {
                    let (byte, tail) = rest.split_first()?;
                    rest = tail;
                    value |= usize::from(*byte) << (8 * shift);
                }
            }
            Some(value)
        };
        let (from, length) = (field(0..4)?, field(4..7)?);
        let length = if length == 0 { 0x10000 } else { length };
        out.extend_from_slice(base.get(from..from.checked_add(length)?)?);
        if out.len() > size {
            return None;
        }
    }
    (out.len() == size).then_some(out)
}

fn number(from: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
}

/// What a folder of a commit holds: mode and id by name.
pub type Folder = HashMap<Vec<u8>, (Vec<u8>, Id)>;

impl Objects {
    pub fn folder(&self, id: &Id) -> io::Result<Option<Folder>> {
        let Some((Kind::Tree, bytes)) = self.read(id)? else { return Ok(None) };
        let mut folder = Folder::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let Some(zero) = rest.iter().position(|byte| *byte == 0) else { return Ok(None) };
            let Some((id, tail)) = rest[zero + 1..].split_first_chunk::<20>() else { return Ok(None) };
            let mut words = rest[..zero].splitn(2, |byte| *byte == b' ');
            let (Some(mode), Some(name)) = (words.next(), words.next()) else { return Ok(None) };
            folder.insert(name.to_vec(), (mode.to_vec(), *id));
            rest = tail;
        }
        Ok(Some(folder))
    }

    /// The lines of a commit's head that begin with `word`, as ids: `tree` has one, `parent` none or several.
    pub fn of_commit(&self, commit: &Id, word: &str) -> io::Result<Option<Vec<Id>>> {
        let Some((Kind::Commit, bytes)) = self.read(commit)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let head = text.lines().take_while(|line| !line.is_empty());
        Ok(Some(head.filter_map(|line| id(line.strip_prefix(word)?.strip_prefix(' ')?)).collect()))
    }
}
