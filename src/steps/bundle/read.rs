//! Reads what is deployed: few requests, many at a time.
//!
//! Where a kind has a list that answers the same as a read each, and more than a few of the
//! kind are deployed, the list is asked. What it does not show is read one by one, and so is
//! what it shows changed: a list that says less than it promises must change nothing.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use serde_json::Value;

use super::ask;
use crate::bundle::kinds::{self, Kind, List};
use crate::bundle::planning::answers;
use crate::bundle::planning::planner::{self, Answers};
use crate::bundle::planning::requests::{self, Read};
use crate::bundle::state::State;
use crate::domain::{Failure, Reason};
use crate::ports::{Rest, RestError};

/// The adapter paces itself; this only bounds what waits there.
const AT_ONCE: usize = 32;
/// A list costs a request for each page of it: for fewer than this it does not pay.
const WORTH_A_LIST: usize = 20;

/// Nodes that the workspace does not show, and what it says instead.
pub type Hidden = BTreeMap<String, Failure>;

/// What the workspace says about every node of the state.
pub async fn all(rest: &dyn Rest, state: &State, reads: &[Read]) -> Result<Answers, Failure> {
    Ok(all_but(rest, state, reads, |_| false).await?.0)
}

/// The same where a node that `goes` may be hidden: whoever cannot read it may still delete it.
pub async fn all_but(
    rest: &dyn Rest,
    state: &State,
    reads: &[Read],
    goes: impl Fn(&str) -> bool,
) -> Result<(Answers, Hidden), Failure> {
    let stays: Vec<Read> = reads.iter().filter(|read| !goes(&read.node)).cloned().collect();
    let mut answers = listed(rest, state, &stays).await?;
    let left: Vec<Read> = reads.iter().filter(|read| !answers.contains_key(&read.node)).cloned().collect();
    let mut found =
        stream::iter(left).map(|read| async move { (whole(rest, &read).await, read.node) }).buffer_unordered(AT_ONCE);
    let mut hidden = Hidden::new();
    while let Some((answer, node)) = found.next().await {
        match answer {
            Ok(answer) => drop(answers.insert(node, answer)),
            Err(error) => {
                let answered = error.status().is_some();
                let failure = unread(error, &node);
                if !answered || !goes(&node) {
                    return Err(failure);
                }
                hidden.insert(node, failure);
            }
        }
    }
    Ok((answers, hidden))
}

/// One node; none where it is gone.
pub async fn one(rest: &dyn Rest, read: &Read) -> Result<Option<Value>, Failure> {
    whole(rest, read).await.map_err(|error| unread(error, &read.node))
}

fn unread(error: RestError, node: &str) -> Failure {
    error.into_failure(format!("read {node}"))
}

async fn whole(rest: &dyn Rest, read: &Read) -> Result<Option<Value>, RestError> {
    let Some(mut answer) = ask::maybe(rest, &read.request).await? else { return Ok(None) };
    if answers::is_absent(read.kind, &read.id, &answer) {
        return Ok(None);
    }
    if let Some((name, also)) = requests::read_also(read.kind, &read.id, &answer)
        && let Some(more) = ask::maybe(rest, &also).await?
        && let Value::Object(fields) = &mut answer
    {
        fields.insert(name.to_owned(), more);
    }
    while let Some(next) = requests::next_page(read, &answer) {
        let Some(page) = ask::maybe(rest, &next).await? else { break };
        requests::add_page(&mut answer, &page);
    }
    Ok(Some(answer))
}

/// Nodes that one list may answer for.
struct Listable<'a> {
    kind: &'static Kind,
    list: &'static List,
    /// The first page: it names what the list is about, a catalog for one.
    first: requests::Request,
    /// Node and id.
    nodes: Vec<(&'a str, &'a str)>,
}

async fn listed(rest: &dyn Rest, state: &State, reads: &[Read]) -> Result<Answers, Failure> {
    let mut groups: Vec<Listable<'_>> = Vec::new();
    for read in reads {
        let (Some(kind), Some(entry)) = (kinds::of_node(&read.node), state.resources.get(&read.node)) else { continue };
        let Some(list) = &kind.api.list else { continue };
        let first = requests::list_page(list, &entry.state, None);
        let node = (read.node.as_str(), entry.id.as_str());
        match groups.iter_mut().find(|group| group.first == first) {
            Some(group) => group.nodes.push(node),
            None => groups.push(Listable { kind, list, first, nodes: vec![node] }),
        }
    }
    let worth = groups.into_iter().filter(|group| group.nodes.len() >= WORTH_A_LIST);
    let lists = worth.map(|group| async move {
        let mut found = pages(rest, &group).await?;
        let known = group.nodes.iter().filter_map(|(node, id)| {
            let deployed = &state.resources.get(*node)?.state;
            let item = found.remove(*id)?;
            let changed = planner::differs(group.kind, deployed, &answers::remote(group.kind, id, &item));
            (!changed).then(|| ((*node).to_owned(), Some(item)))
        });
        Ok::<_, Failure>(known.collect::<Vec<_>>())
    });
    Ok(futures::future::try_join_all(lists).await?.into_iter().flatten().collect())
}

async fn pages(rest: &dyn Rest, group: &Listable<'_>) -> Result<HashMap<String, Value>, Failure> {
    let doing = || format!("list the {}", group.kind.name);
    let mut found = HashMap::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = group.first.clone();
        if let Some(token) = &token {
            request.query.push((group.list.page.0.to_owned(), token.clone()));
        }
        let answer = ask::maybe(rest, &request).await.map_err(|e| e.into_failure(doing()))?.unwrap_or(Value::Null);
        let (items, next) = requests::list_items(group.list, &answer);
        found.extend(items);
        match next {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            Some(_) => {
                let message = format!("{}: a page names itself as the next", doing());
                return Err(Failure::new(Reason::MalformedReply, message));
            }
            None => return Ok(found),
        }
    }
}
