//! Gives the built wheels of artifacts with `dynamic_version` a version of their own: that of the build, and the time
//! of the file. A wheel that cannot have one is uploaded as it is, with a warning.

use std::path::Path;

use crate::bundle::libraries::{Built, Stamped};
use crate::bundle::wheel::{self, Name};
use crate::domain::{Diagnostic, Failure, Reason};
use crate::ports::Files;

/// `folder` is the bundle's own for this target, as seen from `root`; what is in it of an earlier build goes.
pub async fn all(
    files: &dyn Files,
    root: &Path,
    folder: &str,
    built: Vec<Built>,
) -> Result<(Stamped, Vec<Diagnostic>), Failure> {
    let (mut stamped, mut found) = (Stamped::new(), Vec::new());
    let folder = format!("{folder}/patched_wheels");
    forget(files, &root.join(&folder)).await?;
    for Built { artifact, local } in built {
        let path = root.join(&local);
        let file = local.rsplit('/').next().unwrap_or(&local).to_owned();
        let doing = || format!("give {local} a version of its own");
        let disk = |e| Failure::new(Reason::DiskError, doing()).because(e);
        let entry = files.stat(&path).await.map_err(disk)?;
        let bytes = files.read(&path).await.map_err(disk)?;
        let (Some(entry), Some(bytes)) = (entry, bytes) else { continue };
        let stamp = entry.modified.as_nanosecond();
        match wheel::stamped(&file, &bytes, stamp) {
            Ok((name, bytes)) => {
                let distribution = Name::parse(&file).map_or("", |name| name.distribution);
                let now = format!("{folder}/{artifact}_{distribution}/{name}");
                files.write(&root.join(&now), &bytes).await.map_err(disk)?;
                stamped.insert(local, now);
            }
            Err(why) => found.push(Diagnostic::warning("a wheel keeps its version").detail(why)),
        }
    }
    Ok((stamped, found))
}

async fn forget(files: &dyn Files, folder: &Path) -> Result<(), Failure> {
    let disk = |e| Failure::new(Reason::DiskError, format!("empty {}", folder.display())).because(e);
    let old = match files.walk(folder).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        old => old.map_err(disk)?,
    };
    for entry in old {
        files.remove(&entry.path).await.map_err(disk)?;
    }
    Ok(())
}
