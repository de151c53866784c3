//! Both ways to put a file into the workspace: `workspace/import` (JSON or multipart) and the older
//! `workspace-files/import-file`.
//!
//! The four ways in which the service says "exists" are kept apart on purpose; a client that knows only one of them takes
//! a held lock for a broken workspace.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use super::workspace_files::Place;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::config::Uploads;
use crate::rehearsal::workspace::tree::{Language, What, parent};

const JSON_LIMIT: usize = 10 * 1024 * 1024;
const UPLOAD_LIMIT: usize = 500 * 1024 * 1024;

/// One import, from whichever request.
struct Import {
    path: String,
    content: Bytes,
    format: String,
    language: Option<String>,
    overwrite: bool,
}

/// `POST /api/2.0/workspace/import`.
pub(crate) fn import(call: &mut Call) -> Answer {
    let import = if call.parts.is_empty() { from_json(call)? } else { from_parts(call)? };
    put(call, &import)?;
    Reply::done()
}

fn from_json(call: &Call) -> Result<Import, Refusal> {
    let content = call.value("content").unwrap_or_default();
    let content = BASE64.decode(content).map_err(|_| Refusal::malformed("content is not valid base64"))?;
    if content.len() > JSON_LIMIT {
        return Err(too_large(JSON_LIMIT));
    }
    Ok(Import {
        path: call.required("path")?,
        content: content.into(),
        format: call.value("format").unwrap_or_else(|| "SOURCE".into()),
        language: call.value("language"),
        overwrite: call.flag("overwrite"),
    })
}

fn from_parts(call: &Call) -> Result<Import, Refusal> {
    if call.uploads == Uploads::ImportFileOnly {
        return Err(Refusal::malformed("Could not parse request object: the body is not a JSON object"));
    }
    let part = |name: &str| call.parts.iter().find(|(n, _)| n == name).map(|(_, b)| b.clone());
    let text = |name: &str| part(name).map(|b| String::from_utf8_lossy(&b).trim().to_owned());
    const KNOWN: [&str; 5] = ["path", "content", "format", "language", "overwrite"];
    if let Some((unknown, _)) = call.parts.iter().find(|(n, _)| !KNOWN.contains(&n.as_str())) {
        return Err(Refusal::invalid(format!("Unknown field: {unknown}")));
    }
    let content = part("content").ok_or_else(|| Refusal::invalid("Missing required field: content"))?;
    if content.len() > UPLOAD_LIMIT {
        return Err(too_large(UPLOAD_LIMIT));
    }
    Ok(Import {
        path: text("path").ok_or_else(|| Refusal::invalid("Missing required field: path"))?,
        content,
        format: text("format").unwrap_or_else(|| "SOURCE".into()),
        language: text("language"),
        overwrite: text("overwrite").is_some_and(|v| v.eq_ignore_ascii_case("true")),
    })
}

/// `POST /api/2.0/workspace-files/import-file/{path}`.
pub(crate) fn import_file(call: &mut Call) -> Answer {
    if call.body.len() > UPLOAD_LIMIT {
        return Err(too_large(UPLOAD_LIMIT));
    }
    let import = Import {
        path: call.rest(),
        content: call.body.clone(),
        format: "AUTO".into(),
        language: None,
        overwrite: call.query_flag("overwrite"),
    };
    put(call, &import).map_err(|refusal| match refusal.code {
        // This route says "exists" with a conflict.
        "RESOURCE_ALREADY_EXISTS" | "" => Refusal::new(409, "ALREADY_EXISTS", refusal.message),
        _ => refusal,
    })?;
    Reply::done()
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", format!("File size exceeded the limit of {limit} bytes"))
}

fn put(call: &mut Call, import: &Import) -> Result<(), Refusal> {
    let asked = Place::of(&import.path)?;
    let (path, what) = kind_of(&asked.path, import)?;
    let shown = asked.write(&path);
    let files = &call.store.files;
    if !files.is_folder(parent(&path)) {
        return Err(Refusal::missing(format!("The parent folder ({}) does not exist.", asked.write(parent(&path)))));
    }
    match (files.get(&path).map(|n| &n.what), &what) {
        (None, _) => {}
        (Some(What::File(_)), What::File(_)) if import.overwrite => {}
        (Some(What::Notebook(..)), What::Notebook(..)) if import.overwrite => {}
        (Some(_), _) if import.overwrite => {
            let message = format!(
                "Cannot overwrite the asset at {shown} due to type mismatch: the requested node type is different from the existing node type"
            );
            return Err(Refusal::invalid(message).because("WORKSPACE_OBJECT_TYPE_MISMATCH"));
        }
        // No error code: that is how the service answers for a notebook.
        (Some(_), What::Notebook(..)) => return Err(Refusal::new(400, "", format!("{shown} already exists."))),
        (Some(_), _) => return Err(Refusal::exists(format!("Path ({shown}) already exists."))),
    }
    let id = call.store.ids.number();
    call.store.files.put(&path, what, id, call.now);
    Ok(())
}

/// Where it will lie, and as what.
fn kind_of(path: &str, import: &Import) -> Result<(String, What), Refusal> {
    let content = import.content.clone();
    match import.format.as_str() {
        "RAW" => Ok((path.to_owned(), What::File(content.into()))),
        "AUTO" => Ok(match source_language(path).filter(|l| is_notebook(path, &content, *l)) {
            None => (path.to_owned(), What::File(content.into())),
            Some(language) => (without_extension(path), What::Notebook(content, language)),
        }),
        "SOURCE" | "JUPYTER" => {
            let named = import.language.as_deref().and_then(Language::by_name);
            let language = named.or_else(|| source_language(path));
            let language = language.ok_or_else(|| Refusal::invalid("Language must be set for SOURCE format"))?;
            Ok((path.to_owned(), What::Notebook(content, language)))
        }
        other => Err(Refusal::invalid(format!("Import format {other} is not supported by the stand-in"))),
    }
}

fn source_language(path: &str) -> Option<Language> {
    match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "py" | "ipynb" => Some(Language::Python),
        "sql" => Some(Language::Sql),
        "scala" => Some(Language::Scala),
        "r" => Some(Language::R),
        _ => None,
    }
}

fn without_extension(path: &str) -> String {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem).to_owned()
}

/// A notebook says so in its first line; a Jupyter file is one by its extension.
fn is_notebook(path: &str, content: &[u8], language: Language) -> bool {
    if path.to_ascii_lowercase().ends_with(".ipynb") {
        return serde_json::from_slice::<serde_json::Value>(content).is_ok_and(|doc| doc.get("cells").is_some());
    }
    let comment = match language {
        Language::Python | Language::R => "#",
        Language::Sql => "--",
        Language::Scala => "//",
    };
    let first = content.split(|b| *b == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(first).trim_end() == format!("{comment} Databricks notebook source")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(path: &str, content: &str) -> (String, bool) {
        let import = Import {
            path: path.into(),
            content: content.to_owned().into(),
            format: "AUTO".into(),
            language: None,
            overwrite: false,
        };
        let (path, what) = kind_of(path, &import).unwrap();
        (path, matches!(what, What::Notebook(..)))
    }

    #[test]
    fn a_notebook_loses_its_extension_and_a_script_keeps_it() {
        assert_eq!(auto("/a/train.py", "# Databricks notebook source\nprint(1)"), ("/a/train".into(), true));
        assert_eq!(auto("/a/q.SQL", "-- Databricks notebook source\r\nselect 1"), ("/a/q".into(), true));
        assert_eq!(auto("/a/train.py", "print(1)"), ("/a/train.py".into(), false));
        assert_eq!(auto("/a/board.lvdash.json", "{}"), ("/a/board.lvdash.json".into(), false));
    }
}
