//! A built wheel under a version of its own, so that a cluster that has an older build of it installs it anew.
//!
//! The version gets a local part, `1.2.0+STAMP`: in the file's name, in the name of its `.dist-info`, in the metadata
//! and in the list of its files. What else is in it stays as it is.

use std::io::{Cursor, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// A wheel is small; what unpacks to more than this was not built by anybody.
const MOST_BYTES: u64 = 1 << 30;

/// The parts of a wheel's file name that matter here.
#[derive(Debug, PartialEq, Eq)]
pub struct Name<'n> {
    pub distribution: &'n str,
    pub version: &'n str,
    /// Build tag and compatibility, with the ending.
    rest: &'n str,
}

impl<'n> Name<'n> {
    pub fn parse(file: &'n str) -> Result<Self, String> {
        let wrong = || format!("`{file}` is no name of a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl");
        let stem = file.strip_suffix(".whl").ok_or_else(wrong)?;
        let (distribution, rest) = file.split_once('-').ok_or_else(wrong)?;
        let (version, rest) = rest.split_once('-').ok_or_else(wrong)?;
        if stem.split('-').count() < 5 {
            return Err(wrong());
        }
        Ok(Self { distribution, version, rest })
    }

    fn stamped(&self, stamp: i128) -> String {
        let public = self.version.split('+').next().unwrap_or(self.version);
        format!("{public}+{stamp}")
    }
}

/// The name and the bytes of the wheel with a stamp in its version.
pub fn stamped(file: &str, bytes: &[u8], stamp: i128) -> Result<(String, Vec<u8>), String> {
    let name = Name::parse(file)?;
    let version = name.stamped(stamp);
    let folder = format!("{}-{}.dist-info/", name.distribution, name.version);
    let new_folder = format!("{}-{version}.dist-info/", name.distribution);
    let said = |error: &dyn std::fmt::Display| format!("{file}: {error}");
    let mut from = ZipArchive::new(Cursor::new(bytes)).map_err(|e| said(&e))?;
    let metadata = text(&mut from, &format!("{folder}METADATA")).map_err(|e| said(&e))?;
    let metadata = with_version(&metadata, name.version, &version).map_err(|e| said(&e))?;
    let record = text(&mut from, &format!("{folder}RECORD")).map_err(|e| said(&e))?;
    let record = with_folder(&record, &folder, &new_folder, &metadata);

    let mut to = ZipWriter::new(Cursor::new(Vec::with_capacity(bytes.len())));
    let mut left = MOST_BYTES;
    for i in 0..from.len() {
        let mut entry = from.by_index(i).map_err(|e| said(&e))?;
        let was = entry.name().map_err(|e| said(&e))?.into_owned();
        let (when, mode) = (entry.last_modified(), entry.unix_mode());
        let now = was.strip_prefix(&folder).map_or_else(|| was.clone(), |rest| format!("{new_folder}{rest}"));
        let mut options = SimpleFileOptions::default().compression_method(entry.compression());
        options = options.last_modified_time(when.unwrap_or_default()).unix_permissions(mode.unwrap_or(0o644));
        if entry.is_dir() {
            to.add_directory(now, options).map_err(|e| said(&e))?;
            continue;
        }
        to.start_file(now, options).map_err(|e| said(&e))?;
        let written = match was.strip_prefix(&folder) {
            Some("METADATA") => to.write_all(metadata.as_bytes()),
            Some("RECORD") => to.write_all(record.as_bytes()),
            _ => match std::io::copy(&mut (&mut entry).take(left), &mut to) {
                Ok(copied) if copied == left => Err(std::io::Error::other("it unpacks to more than a wheel can be")),
                Ok(copied) => {
                    left -= copied;
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        written.map_err(|e| said(&e))?;
    }
    let bytes = to.finish().map_err(|e| said(&e))?.into_inner();
    Ok((format!("{}-{version}-{}", name.distribution, name.rest), bytes))
}

fn text(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, String> {
    let entry = archive.by_name(name).map_err(|_| format!("there is no {name} in it"))?;
    let mut text = String::new();
    entry.take(MOST_BYTES).read_to_string(&mut text).map_err(|e| format!("{name}: {e}"))?;
    Ok(text)
}

fn with_version(metadata: &str, old: &str, new: &str) -> Result<String, String> {
    let mut out = String::with_capacity(metadata.len() + new.len());
    for line in metadata.lines() {
        match line.strip_prefix("Version:").map(str::trim) {
            Some(version) if version == old => out.push_str(&format!("Version: {new}")),
            Some(other) => return Err(format!("its metadata says version {other}, and its name {old}")),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}

/// The list of the wheel's files, with the new names of the metadata and the digest of what changed.
fn with_folder(record: &str, old: &str, new: &str, metadata: &str) -> String {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(metadata.as_bytes()));
    let line = |line: &str| match line.strip_prefix(old) {
        Some(rest) if rest.starts_with("METADATA,") => {
            format!("{new}METADATA,sha256={digest},{}\n", metadata.len())
        }
        Some(rest) => format!("{new}{rest}\n"),
        None => format!("{line}\n"),
    };
    record.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            let options = SimpleFileOptions::default().unix_permissions(0o755);
            zip.start_file(*name, options).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut files = Vec::new();
        for i in 0..zip.len() {
            let mut file = zip.by_index(i).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
            files.push((file.name().unwrap().into_owned(), text));
        }
        files
    }

    const METADATA: &str = "Metadata-Version: 2.1\nName: p\nVersion: 1.0+dirty\n\nVersions: all\n";
    const RECORD: &str =
        "p/a.py,sha256=x,1\np-1.0+dirty.dist-info/METADATA,sha256=y,2\np-1.0+dirty.dist-info/RECORD,,\n";

    #[test]
    fn the_stamp_takes_the_place_of_a_local_version_everywhere() {
        let old =
            [("p/a.py", "x"), ("p-1.0+dirty.dist-info/METADATA", METADATA), ("p-1.0+dirty.dist-info/RECORD", RECORD)];
        let (name, bytes) = stamped("p-1.0+dirty-py3-none-any.whl", &wheel(&old), 17).unwrap();
        assert_eq!(name, "p-1.0+17-py3-none-any.whl");
        let files = read(&bytes);
        let metadata = "Metadata-Version: 2.1\nName: p\nVersion: 1.0+17\n\nVersions: all\n";
        // Of the 61 bytes above, by another program.
        let digest = "ZC3leWAFZnf1ZlN4dIJp0n3DgREkGT22XcYPe1WEvyM";
        let record = format!(
            "p/a.py,sha256=x,1\np-1.0+17.dist-info/METADATA,sha256={digest},{}\np-1.0+17.dist-info/RECORD,,\n",
            metadata.len()
        );
        let want = [("p/a.py", "x"), ("p-1.0+17.dist-info/METADATA", metadata), ("p-1.0+17.dist-info/RECORD", &record)];
        assert_eq!(files, want.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn what_is_no_wheel_says_why() {
        let named = |file: &str, files: &[(&str, &str)]| stamped(file, &wheel(files), 1).unwrap_err();
        assert!(named("p-1.whl", &[]).contains("is no name of a wheel"));
        assert!(named("p-1-a-b-c.zip", &[]).contains("is no name of a wheel"));
        assert!(named("p-1-a-b-c.whl", &[]).contains("there is no p-1.dist-info/METADATA in it"));
        let metadata = ("p-1.dist-info/METADATA", "Version: 1\n");
        assert!(named("p-1-a-b-c.whl", &[metadata]).contains("there is no p-1.dist-info/RECORD in it"));
        let other = [("p-1.dist-info/METADATA", "Version: 2\n"), ("p-1.dist-info/RECORD", "")];
        assert!(named("p-1-a-b-c.whl", &other).contains("its metadata says version 2, and its name 1"));
        assert!(stamped("p-1-a-b-c.whl", b"x", 1).is_err());
    }
}
