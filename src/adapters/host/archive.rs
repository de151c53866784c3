//! Packs a release and unpacks it, a piece at a time: memory does not grow with the tree.
//!
//! The manifest comes first in the archive. So everything that follows is known before it is
//! read: its name, its place, its size, its digest. What the manifest does not name, or names
//! otherwise, is refused where it stands; nothing outside of an empty folder of our own is
//! ever written, and no link, device or folder is ever made from an entry.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

use crate::domain::digest::Digester;
use crate::domain::ledger::Archive;
use crate::domain::release::{Entry, Manifest, Mode, ReleaseId};
use crate::domain::{Digest, Failure, Reason};

const MANIFEST: &str = "manifest.json";
/// Where the files lie in the archive, and where they are unpacked to.
pub const FILES: &str = "files";

/// A manifest of hundreds of thousands of files is smaller.
const MANIFEST_AT_MOST: u64 = 256 * 1024 * 1024;
/// A name of this length has no place in a tar header of its own.
const NAME_AT_MOST: u64 = 8 * 1024;
const PIECE: usize = 256 * 1024;

/// Looks at the files that will be packed: each by its name in the release and where it lies.
pub fn measure(files: &BTreeMap<String, PathBuf>) -> Result<Vec<Entry>, Failure> {
    files.iter().map(|(path, place)| measure_one(path, place).map_err(|e| unreadable(place, e))).collect()
}

fn measure_one(path: &str, place: &Path) -> io::Result<Entry> {
    let mut file = File::open(place)?;
    let executable = file.metadata()?.mode() & 0o100 != 0;
    let (mut digester, mut size) = (Digester::default(), 0);
    each_piece(&mut file, |piece| {
        digester.update(piece);
        size += piece.len() as u64;
        Ok(())
    })?;
    let mode = if executable { Mode::Executable } else { Mode::Plain };
    Ok(Entry { path: path.to_owned(), mode, size, sha256: digester.finish() })
}

/// Writes the archive to `to`. The same files make the same bytes.
pub fn pack(manifest: &Manifest, files: &BTreeMap<String, PathBuf>, to: &Path) -> Result<Archive, Failure> {
    let unwritable = |e: io::Error| disk_error(format!("write {}", to.display()), e);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(unwritable)?;
    }
    // Not for us alone: a later step of the job, as another user, may take it along.
    let file = File::create(to).map_err(unwritable)?;
    let digested = Digested { inner: file, digester: Digester::default(), size: 0 };
    // No time, and no system: those would be this machine's.
    let zip = GzBuilder::new().mtime(0).operating_system(255).write(digested, Compression::fast());
    let mut tar = tar::Builder::new(zip);
    let bytes = manifest.to_bytes();
    let mut head = header(bytes.len() as u64, Mode::Plain);
    tar.append_data(&mut head, MANIFEST, bytes.as_slice()).map_err(unwritable)?;
    for entry in &manifest.files {
        let place = files.get(&entry.path).ok_or_else(|| {
            Failure::new(Reason::Internal, format!("pack {}: nobody knows where it lies", entry.path))
        })?;
        let file = File::open(place).map_err(|e| unreadable(place, e))?;
        let mut checked = Checked::new(file, entry);
        let mut head = header(entry.size, entry.mode);
        let appended = tar.append_data(&mut head, format!("{FILES}/{}", entry.path), &mut checked);
        if !checked.holds() {
            let message = format!("pack {}: it changed while it was packed", entry.path);
            return Err(Failure::new(Reason::BuildFailed, message)
                .hint("nothing may write into the checkout while the stage runs; run again"));
        }
        appended.map_err(unwritable)?;
    }
    let digested = tar.into_inner().and_then(|zip| zip.finish()).map_err(unwritable)?;
    digested.inner.sync_all().map_err(unwritable)?;
    Ok(Archive { sha256: digested.digester.finish(), size: digested.size })
}

fn header(size: u64, mode: Mode) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(mode.bits());
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The digest and size of an archive.
pub fn digest(archive: &Path) -> Result<Archive, Failure> {
    let entry = measure_one("archive", archive).map_err(|e| unreadable(archive, e))?;
    Ok(Archive { sha256: entry.sha256, size: entry.size })
}

/// Unpacks a release into `into`, which must not exist, and says what it is. What is left of
/// an archive that is refused is deleted.
pub fn unpack(archive: &Path, id: ReleaseId, into: &Path) -> Result<Manifest, Failure> {
    let unwritable = |e: io::Error| disk_error(format!("unpack the release into {}", into.display()), e);
    if let Some(folder) = into.parent() {
        fs::create_dir_all(folder).map_err(unwritable)?;
    }
    fs::DirBuilder::new().mode(0o700).create(into).map_err(unwritable)?;
    let file = File::open(archive).map_err(|e| unreadable(archive, e))?;
    let unpacked = Unpacking { id, into, left: BTreeMap::new() }.all(BufReader::with_capacity(PIECE, file));
    if unpacked.is_err() {
        // The refusal is what matters; a folder of ours that stays harms nobody.
        let _ = fs::remove_dir_all(into);
    }
    unpacked
}

struct Unpacking<'a> {
    id: ReleaseId,
    into: &'a Path,
    /// Entries of the manifest that the archive has not shown yet.
    left: BTreeMap<String, Entry>,
}

impl Unpacking<'_> {
    fn all(mut self, file: BufReader<File>) -> Result<Manifest, Failure> {
        let mut zip = GzDecoder::new(file);
        let manifest = {
            let mut tar = tar::Archive::new(&mut zip);
            let entries = tar.entries().map_err(|e| self.torn(&e))?.raw(true);
            let mut manifest = None;
            let mut long_name = None;
            for entry in entries {
                let mut entry = entry.map_err(|e| self.torn(&e))?;
                if entry.header().entry_type() == EntryType::GNULongName && long_name.is_none() {
                    long_name = Some(self.long_name(&mut entry)?);
                    continue;
                }
                let name = match long_name.take() {
                    Some(name) => name,
                    None => entry.path_bytes().into_owned(),
                };
                let name = String::from_utf8(name).map_err(|_| self.unsafe_archive("a name that is no text"))?;
                self.only_a_file(&name, &entry)?;
                match &manifest {
                    None => manifest = Some(self.manifest(&name, &mut entry)?),
                    Some(_) => self.file(&name, &mut entry)?,
                }
            }
            manifest.ok_or_else(|| self.changed("it is empty".to_owned()))?
        };
        self.nothing_follows(zip)?;
        if let Some(missing) = self.left.keys().next() {
            return Err(self.changed(format!("`{missing}` is missing")));
        }
        Ok(manifest)
    }

    fn only_a_file<R: Read>(&self, name: &str, entry: &tar::Entry<'_, R>) -> Result<(), Failure> {
        match entry.header().entry_type() {
            EntryType::Regular => Ok(()),
            EntryType::Symlink | EntryType::Link => Err(self.unsafe_archive(&format!("the link `{}`", shown(name)))),
            EntryType::Directory => Err(self.unsafe_archive(&format!("the folder `{}`", shown(name)))),
            _ => Err(self.unsafe_archive(&format!("`{}`, which is no file", shown(name)))),
        }
    }

    fn long_name<R: Read>(&self, entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, Failure> {
        let mut name = Vec::new();
        entry.take(NAME_AT_MOST + 1).read_to_end(&mut name).map_err(|e| self.torn(&e))?;
        if name.len() as u64 > NAME_AT_MOST {
            return Err(self.unsafe_archive("a name of more than 8 KiB"));
        }
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn manifest<R: Read>(&mut self, name: &str, entry: &mut tar::Entry<'_, R>) -> Result<Manifest, Failure> {
        if name != MANIFEST {
            return Err(self.changed(format!("it begins with `{}` and not with its manifest", shown(name))));
        }
        let mut bytes = Vec::new();
        entry.take(MANIFEST_AT_MOST + 1).read_to_end(&mut bytes).map_err(|e| self.torn(&e))?;
        if bytes.len() as u64 > MANIFEST_AT_MOST {
            return Err(self.unsafe_archive("a manifest of more than 256 MiB"));
        }
        let found = ReleaseId(Digest::of(&bytes));
        if found != self.id {
            return Err(self.changed(format!("its manifest is that of {found}")));
        }
        let manifest = Manifest::parse(&bytes).map_err(|unfit| self.unsafe_archive(&unfit.to_string()))?;
        self.left = manifest.files.iter().map(|file| (format!("{FILES}/{}", file.path), file.clone())).collect();
        Ok(manifest)
    }

    fn file<R: Read>(&mut self, name: &str, entry: &mut tar::Entry<'_, R>) -> Result<(), Failure> {
        let Some(wanted) = self.left.remove(name) else {
            return Err(
                self.unsafe_archive(&format!("`{}`, which its manifest does not name, or a second one", shown(name)))
            );
        };
        if entry.header().size().ok() != Some(wanted.size) || entry.header().mode().ok() != Some(wanted.mode.bits()) {
            return Err(self.changed(format!("`{}` has another size or mode than in the manifest", wanted.path)));
        }
        let place = self.into.join(name);
        let unwritable = |e: io::Error| disk_error(format!("write {}", place.display()), e);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let mode = wanted.mode.bits();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&place).map_err(unwritable)?;
        let mut checked = Checked::new(entry, &wanted);
        let mut unwritten = None;
        let read = each_piece(&mut checked, |piece| file.write_all(piece).inspect_err(|e| unwritten = Some(e.kind())));
        match (read, unwritten) {
            (Ok(()), _) if checked.holds() => Ok(()),
            (Ok(()), _) => Err(self.changed(format!("`{}` has other bytes than its digest says", wanted.path))),
            (Err(error), Some(_)) => Err(unwritable(error)),
            (Err(error), None) => Err(self.torn(&error)),
        }
    }

    /// Behind the last entry there are only the zeros that end a tar, and then nothing.
    fn nothing_follows(&self, mut zip: GzDecoder<BufReader<File>>) -> Result<(), Failure> {
        let mut clean = true;
        each_piece(&mut zip, |piece| {
            clean &= piece.iter().all(|byte| *byte == 0);
            Ok(())
        })
        .map_err(|e| self.torn(&e))?;
        let mut rest = zip.into_inner();
        clean &= rest.read(&mut [0]).map_err(|e| self.torn(&e))? == 0;
        if clean { Ok(()) } else { Err(self.unsafe_archive("something behind its end")) }
    }

    fn changed(&self, why: String) -> Failure {
        changed(self.id, why)
    }

    fn torn(&self, error: &io::Error) -> Failure {
        self.changed(format!("its archive is damaged: {error}"))
    }

    fn unsafe_archive(&self, what: &str) -> Failure {
        let message = format!("unpack release {}: its archive holds {what}", self.id.short());
        Failure::new(Reason::UnsafeArchive, message)
            .hint("nobody but `deploy-dev` may write releases; find out who wrote this one, and pack the commit again")
    }
}

/// A release that is not what its id says.
pub fn changed(id: ReleaseId, why: String) -> Failure {
    Failure::new(Reason::ReleaseChanged, format!("verify release {}: {why}", id.short())).hint(
        "somebody or something changed it after it was packed; find out who, and run `deploy-dev` on the commit again",
    )
}

fn shown(name: &str) -> String {
    name.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn unreadable(place: &Path, error: io::Error) -> Failure {
    disk_error(format!("read {}", place.display()), error)
}

fn disk_error(doing: String, error: io::Error) -> Failure {
    Failure::new(Reason::DiskError, doing).because(error)
}

fn each_piece(from: &mut impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&piece[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Counts and digests what goes through it.
struct Digested {
    inner: File,
    digester: Digester,
    size: u64,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.digester.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads what an entry of the manifest says, no byte more, and knows whether that was it.
struct Checked<'e, R> {
    inner: R,
    entry: &'e Entry,
    digester: Digester,
    read: u64,
    more: bool,
}

impl<'e, R: Read> Checked<'e, R> {
    fn new(inner: R, entry: &'e Entry) -> Self {
        Self { inner, entry, digester: Digester::default(), read: 0, more: false }
    }

    fn holds(&self) -> bool {
        !self.more && self.read == self.entry.size && self.digester.clone().finish() == self.entry.sha256
    }
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.entry.size - self.read;
        if left == 0 {
            self.more |= self.inner.read(&mut [0])? > 0;
            return Ok(0);
        }
        let most = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.inner.read(&mut into[..most])?;
        self.digester.update(&into[..n]);
        self.read += n as u64;
        Ok(n)
    }
}
