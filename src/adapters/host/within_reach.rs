//! `uv` within the reach of the user that commands of the repository run as.
//!
//! An installer puts it below a home, and root's home is closed to everybody else: the command would be told that there
//! is none. It is one file that needs nothing beside it, so it can be lent by a link; an interpreter would miss its
//! library.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PROGRAM: &str = "uv";
const TO_ALL: u32 = 0o755;

/// The `PATH` for another user, with the program in `folder` where that user could not reach it.
pub fn path(path: &str, folder: &Path) -> io::Result<String> {
    let places = path.split(':').map(Path::new).filter(|place| place.is_absolute()).map(|place| place.join(PROGRAM));
    let Some(program) = places.into_iter().find_map(|place| place.canonicalize().ok().filter(|file| file.is_file()))
    else {
        return Ok(path.to_owned());
    };
    if is_open(&program)? {
        return Ok(path.to_owned());
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(TO_ALL))?;
    let lent = folder.join(PROGRAM);
    let may_be_run = mode(&program)? & 0o005 == 0o005;
    if !may_be_run || fs::hard_link(&program, &lent).is_err() {
        fs::copy(&program, &lent)?;
        fs::set_permissions(&lent, Permissions::from_mode(TO_ALL))?;
    }
    Ok(format!("{}:{path}", folder.display()))
}

fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode())
}

/// Whether everybody can read and run a file, and go through every folder that leads to it.
fn is_open(program: &Path) -> io::Result<bool> {
    for folder in program.ancestors().skip(1) {
        if mode(folder)? & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(mode(program)? & 0o005 == 0o005)
}
