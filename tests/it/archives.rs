//! The archive of a release: the same from the same tree, and refused when it is anything else.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use mlops_deploy::adapters::host::archive::{self, FILES};
use mlops_deploy::app::disk::Disk;
use mlops_deploy::bundle::{Git, Options};
use mlops_deploy::domain::ledger::Archive;
use mlops_deploy::domain::release::{Manifest, Reader};
use mlops_deploy::domain::{Digest, Failure, Reason, ReleaseId};
use mlops_deploy::engines::embedded::Embedded;
use tar::{EntryType, Header};
use tempfile::TempDir;

const TREE: [(&str, &str); 4] = [
    ("databricks.yml", "bundle: {name: b}\n"),
    ("src/a.py", "print(1)\n"),
    ("src/run.sh", "#!/bin/sh\n"),
    ("empty", ""),
];

/// A tree of files below a folder of its own.
struct Tree {
    folder: TempDir,
    files: BTreeMap<String, PathBuf>,
}

impl Tree {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut places = BTreeMap::new();
        for (name, text) in files {
            let place = folder.path().join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, text).unwrap();
            let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            places.insert((*name).to_owned(), place);
        }
        Self { folder, files: places }
    }

    fn manifest(&self) -> Manifest {
        let engine = Reader { name: "embedded".into(), version: "0.1.0".into() };
        let entries = archive::measure(&self.files).unwrap();
        Manifest::new("b".into(), ".".into(), None, engine, BTreeMap::new(), entries).unwrap()
    }

    fn pack(&self) -> (ReleaseId, PathBuf, Archive) {
        let manifest = self.manifest();
        let to = self.folder.path().join("release.tar.gz");
        let packed = archive::pack(&manifest, &self.files, &to).unwrap();
        (manifest.id(), to, packed)
    }
}

fn unpack(archive: &Path, id: ReleaseId) -> (Result<Manifest, Failure>, PathBuf, TempDir) {
    let folder = TempDir::new().unwrap();
    let into = folder.path().join("in");
    (archive::unpack(archive, id, &into), into, folder)
}

fn refusal(archive: &Path, id: ReleaseId) -> (Reason, String) {
    let (unpacked, into, _folder) = unpack(archive, id);
    let failure = unpacked.unwrap_err();
    assert!(!into.exists(), "what is left of a refused archive is deleted");
    (failure.reason, failure.message)
}

#[test]
fn packed_twice_it_is_the_same() {
    let (one, other) = (Tree::of(&TREE), Tree::of(&TREE));
    for place in other.files.values() {
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::File::open(place).unwrap().set_modified(long_ago).unwrap();
        // As under another umask; who may execute it is all that counts.
        let mode = fs::metadata(place).unwrap().permissions().mode() & 0o700;
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
    }
    let (a, b) = (one.pack(), other.pack());
    assert_eq!(a.0, b.0);
    assert_eq!(a.2, b.2);
    assert_eq!(fs::read(&a.1).unwrap(), fs::read(&b.1).unwrap());
    assert_eq!(archive::digest(&a.1).unwrap(), a.2);
}

/// Held, because a library that packs otherwise would give old releases new digests.
#[test]
fn the_bytes_of_an_archive_are_held() {
    let (id, _, packed) = Tree::of(&TREE).pack();
    insta::assert_snapshot!(format!("{id}\n{} {}", packed.sha256, packed.size));
}

#[test]
fn what_was_packed_is_unpacked() {
    let long = format!("deep/{}x.py", "folder-with-a-long-name/".repeat(20));
    let mut files = TREE.to_vec();
    files.push((&long, "far down"));
    let tree = Tree::of(&files);
    let (id, file, _) = tree.pack();
    let (unpacked, into, _folder) = unpack(&file, id);
    assert_eq!(unpacked.unwrap(), tree.manifest());
    for (name, text) in files {
        let place = into.join(FILES).join(name);
        assert_eq!(fs::read_to_string(&place).unwrap(), text, "{name}");
        let executable = fs::metadata(&place).unwrap().permissions().mode() & 0o100 != 0;
        assert_eq!(executable, name.ends_with(".sh"), "{name}");
    }
}

#[test]
fn files_above_the_bundle_keep_their_place() {
    let bundle = "bundle: {name: b}\nsync: {paths: [., ../shared]}\ntargets: {dev: {}}\n";
    let tree = Tree::of(&[("ml/churn/databricks.yml", bundle), ("ml/churn/a.py", "a"), ("ml/shared/b.py", "b")]);
    let root = tree.folder.path().join("ml/churn");
    let options = Options { root: root.display().to_string(), ..Options::default() };
    for (git, prefix) in [(None, ""), (Some("ml/churn"), "ml/")] {
        let git = git.map(|path: &str| Git { bundle_path: path.to_owned(), ..Git::default() });
        let embedded = Embedded::new(root.clone(), Arc::new(Disk::at(&root)), options.clone(), git);
        let contents = embedded.contents(&["dev".to_owned()], None).unwrap();
        let names: Vec<&str> = contents.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["churn/a.py", "churn/databricks.yml", "shared/b.py"].map(|name| format!("{prefix}{name}")));
        assert_eq!(contents.bundle_path, format!("{prefix}churn"));
    }
}

#[test]
fn one_changed_byte_anywhere_is_found() {
    let tree = Tree::of(&TREE);
    let (id, file, packed) = tree.pack();
    let bytes = fs::read(&file).unwrap();
    let changed = tree.folder.path().join("changed");
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x01;
        fs::write(&changed, &other).unwrap();
        assert_ne!(archive::digest(&changed).unwrap(), packed, "byte {at}");
        let (unpacked, into, _folder) = unpack(&changed, id);
        match unpacked {
            Err(failure) => {
                assert!(
                    matches!(failure.reason, Reason::ReleaseChanged | Reason::UnsafeArchive),
                    "byte {at}: {failure}"
                );
            }
            // A byte that says nothing, such as the time in the head of the zip: then every
            // file is what it was. The archive's own digest differs all the same.
            Ok(manifest) => {
                assert_eq!(manifest, tree.manifest());
                assert_eq!(fs::read_to_string(into.join(FILES).join("src/a.py")).unwrap(), "print(1)\n");
            }
        }
    }
    let other = ReleaseId(Digest::of(b"another"));
    let (reason, message) = refusal(&file, other);
    assert_eq!(reason, Reason::ReleaseChanged);
    assert!(message.contains(&format!("its manifest is that of {id}")), "{message}");
}

#[test]
fn a_cut_archive_is_refused() {
    let tree = Tree::of(&TREE);
    let (id, file, _) = tree.pack();
    let bytes = fs::read(&file).unwrap();
    let cut = tree.folder.path().join("cut");
    for length in [0, 1, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        assert_eq!(refusal(&cut, id).0, Reason::ReleaseChanged, "{length} bytes");
    }
    fs::write(&cut, [&bytes[..], b"more"].concat()).unwrap();
    assert_eq!(refusal(&cut, id).0, Reason::UnsafeArchive);
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_found() {
    let tree = Tree::of(&TREE);
    let manifest = tree.manifest();
    for (text, what) in [("print(2)\n", "bytes"), ("print(11)\n", "longer"), ("", "shorter")] {
        fs::write(&tree.files["src/a.py"], text).unwrap();
        let failure = archive::pack(&manifest, &tree.files, &tree.folder.path().join("x")).unwrap_err();
        assert!(failure.message.contains("src/a.py: it changed"), "{what}: {failure}");
    }
}

/// A tar as somebody else might write one: each entry by name, type, content.
struct Forged {
    tar: tar::Builder<GzEncoder<Vec<u8>>>,
}

impl Forged {
    fn beginning_with(manifest: &Manifest) -> Self {
        let mut forged = Self { tar: tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())) };
        forged.entry(b"manifest.json", EntryType::Regular, &manifest.to_bytes(), 0o644);
        forged
    }

    fn entry(&mut self, name: &[u8], kind: EntryType, content: &[u8], mode: u32) {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        self.tar.append(&header, content).unwrap();
    }

    fn with_link(mut self, name: &str, kind: EntryType, target: &str) -> Self {
        let mut header = Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_link_name_literal(target).unwrap();
        header.set_size(0);
        header.set_cksum();
        self.tar.append(&header, &[][..]).unwrap();
        self
    }

    fn with(mut self, name: &str, content: &[u8]) -> Self {
        self.entry(name.as_bytes(), EntryType::Regular, content, 0o644);
        self
    }

    fn into_file(self, tree: &Tree) -> PathBuf {
        let bytes = self.tar.into_inner().unwrap().finish().unwrap();
        let path = tree.folder.path().join("forged");
        fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        path
    }
}

#[test]
fn nothing_but_the_files_of_the_manifest_is_unpacked() {
    let tree = Tree::of(&[("a", "A"), ("b", "B")]);
    let manifest = tree.manifest();
    let id = manifest.id();
    let forged = || Forged::beginning_with(&manifest);
    let mut fifo = forged();
    fifo.entry(b"files/a", EntryType::Fifo, b"", 0o644);
    let mut device = forged();
    device.entry(b"files/a", EntryType::Char, b"", 0o644);
    let mut folder = forged();
    folder.entry(b"files/a", EntryType::Directory, b"", 0o755);
    let cases = [
        ("absolute", forged().with("/etc/cron.d/x", b"A")),
        ("up", forged().with("files/../../x", b"A")),
        ("symbolic link", forged().with_link("files/a", EntryType::Symlink, "/etc/passwd")),
        ("hard link", forged().with_link("files/a", EntryType::Link, "files/b")),
        ("pipe", fifo),
        ("device", device),
        ("folder", folder),
        ("unknown", forged().with("files/a", b"A").with("files/b", b"B").with("files/c", b"C")),
        ("twice", forged().with("files/a", b"A").with("files/a", b"A").with("files/b", b"B")),
        ("other case", forged().with("files/A", b"A").with("files/b", b"B")),
        ("second manifest", forged().with("manifest.json", b"{}")),
    ];
    for (what, forged) in cases {
        let (reason, message) = refusal(&forged.into_file(&tree), id);
        assert_eq!(reason, Reason::UnsafeArchive, "{what}: {message}");
        assert!(message.contains("its archive holds"), "{what}: {message}");
    }
}

#[test]
fn what_the_manifest_says_of_a_file_is_held_to_the_byte() {
    let tree = Tree::of(&[("a", "A"), ("b", "B")]);
    let manifest = tree.manifest();
    let id = manifest.id();
    let forged = || Forged::beginning_with(&manifest);
    let mut mode = forged();
    mode.entry(b"files/a", EntryType::Regular, b"A", 0o755);
    let bomb = vec![0; 50_000_000];
    let cases = [
        ("other bytes", forged().with("files/a", b"X").with("files/b", b"B")),
        ("longer", forged().with("files/a", b"AA").with("files/b", b"B")),
        ("a bomb", forged().with("files/a", &bomb)),
        ("mode", mode),
        ("missing", forged().with("files/a", b"A")),
        ("no manifest", {
            let tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
            Forged { tar }.with("files/a", b"A")
        }),
    ];
    for (what, forged) in cases {
        let (reason, message) = refusal(&forged.into_file(&tree), id);
        assert_eq!(reason, Reason::ReleaseChanged, "{what}: {message}");
    }
}

/// Whoever can write a manifest can name a release; it still may not lead anywhere.
#[test]
fn a_manifest_that_leads_elsewhere_is_refused_whatever_its_id() {
    let tree = Tree::of(&[("a", "A")]);
    let text = String::from_utf8(tree.manifest().to_bytes()).unwrap();
    for bad in ["../a", "/a", "x/../a"] {
        let text = text.replace("\"path\":\"a\"", &format!("\"path\":\"{bad}\""));
        let mut forged = Forged { tar: tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())) };
        forged.entry(b"manifest.json", EntryType::Regular, text.as_bytes(), 0o644);
        let forged = forged.with(&format!("files/{bad}"), b"A").into_file(&tree);
        let (reason, message) = refusal(&forged, ReleaseId(Digest::of(text.as_bytes())));
        assert_eq!(reason, Reason::UnsafeArchive, "{bad}: {message}");
    }
}
