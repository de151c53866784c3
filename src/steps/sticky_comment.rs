//! One comment for each bundle and target, updated and never repeated.
//!
//! Ours is known by its hidden marker and its author: anybody can write the marker, so a
//! comment of somebody else with it is left alone.

use crate::ports::GitHub;
use crate::ports::github::{Comment, GitHubError};

/// What became of the comment.
#[derive(Clone, Debug, PartialEq)]
pub enum Posted {
    Created(Comment),
    Updated(Comment),
    /// It says the same already.
    Unchanged(Comment),
}

impl Posted {
    pub fn comment(&self) -> &Comment {
        match self {
            Posted::Created(c) | Posted::Updated(c) | Posted::Unchanged(c) => c,
        }
    }
}

/// `body` begins with `marker`.
pub async fn post(github: &dyn GitHub, pull: u64, marker: &str, body: &str) -> Result<Posted, GitHubError> {
    match ours(github, pull, marker).await? {
        None => match github.create_comment(pull, body).await {
            // It is looked for before it is written again: there is one comment.
            Err(error) if error.may_have_been_applied() => match ours(github, pull, marker).await? {
                Some(comment) => Ok(Posted::Created(comment)),
                None => github.create_comment(pull, body).await.map(Posted::Created),
            },
            created => created.map(Posted::Created),
        },
        // GitHub gives line ends back as it likes.
        Some(comment) if comment.body.replace("\r\n", "\n") == body => Ok(Posted::Unchanged(comment)),
        Some(comment) => github.update_comment(comment.id, body).await.map(Posted::Updated),
    }
}

async fn ours(github: &dyn GitHub, pull: u64, marker: &str) -> Result<Option<Comment>, GitHubError> {
    let all = github.comments(pull).await?;
    Ok(all.into_iter().find(|c| c.author == github.login() && c.body.starts_with(marker)))
}
