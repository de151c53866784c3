//! Pages of a list, with the `Link` header.
//!
//! The links name the repository by its number, as GitHub's do: a client that builds its own next page from the path
//! it first asked for works here, and one that follows the link must be able to.

use axum::http::header::LINK;
use serde_json::Value;

use super::call::{Answer, Call, Reply};

const DEFAULT: usize = 30;
const MOST: usize = 100;

/// Answers one page of `items`, bare or under `key` beside `total_count`.
pub(super) fn reply(call: &Call<'_>, items: Vec<Value>, key: Option<&str>) -> Answer {
    let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").filter(|size| *size > 0).unwrap_or(DEFAULT).min(MOST);
    let page = number("page").filter(|page| *page > 0).unwrap_or(1);
    let total = items.len();
    let last = total.div_ceil(size).max(1);
    let shown: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
    let body = match key {
        None => Value::Array(shown),
        Some(key) => serde_json::json!({"total_count": total, key: shown}),
    };
    let mut reply = Reply::ok(body)?;
    let links = links(call, page, last);
    if !links.is_empty() {
        reply.headers.push((LINK, links.join(", ")));
    }
    Ok(reply)
}

fn links(call: &Call<'_>, page: usize, last: usize) -> Vec<String> {
    let wanted = [
        ("prev", page > 1, page - 1),
        ("next", page < last, page + 1),
        ("last", page < last, last),
        ("first", page > 1, 1),
    ];
    wanted
        .iter()
        .filter(|(_, there, _)| *there)
        .map(|(rel, _, page)| format!("<{}>; rel=\"{rel}\"", address(call, *page)))
        .collect()
}

fn address(call: &Call<'_>, page: usize) -> String {
    let repository = &call.state.repository;
    let named = format!("/repos/{}/{}", call.param("owner"), call.param("repo"));
    let path = call.path.replacen(&named, &format!("/repositories/{}", repository.id), 1);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in call.query.iter().filter(|(name, _)| name.as_str() != "page") {
        query.append_pair(name, value);
    }
    query.append_pair("page", &page.to_string());
    format!("{}{path}?{}", call.state.urls.api, query.finish())
}
