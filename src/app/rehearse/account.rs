//! The account of a rehearsal for the person who watches it.
//!
//! The stages speak to a runner; here their commands are turned back into what a person
//! reads: groups into headings, annotations into lines, masks into nothing.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use super::scene::Scene;

pub struct Account {
    colour: bool,
}

const BOLD: &str = "\u{1b}[1m";
const FAINT: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

impl Account {
    pub fn to_terminal() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour }
    }

    pub fn opening(&self, scene: &Scene) {
        self.print(&format!("stand-in GitHub on {}", scene.github.server_url()));
        for (name, workspace) in &scene.workspaces {
            self.print(&format!("stand-in workspace `{name}` on {}", workspace.url()));
        }
    }

    pub fn stage(&self, name: &str) {
        self.print("");
        self.styled(BOLD, &format!("== {name}"));
    }

    /// A line of a stage, which was written for the runner.
    pub fn said(&self, line: &str) {
        match Said::of(line) {
            Said::Text(text) => self.print(&format!("  {text}")),
            Said::Heading(text) => self.styled(BOLD, &format!("  {text}")),
            Said::Nothing => {}
        }
    }

    pub fn stage_ended(&self, name: &str, code: u8, took: Duration, folder: &Path) {
        let how = if code == 0 { "ended well".to_owned() } else { format!("ended with exit code {code}") };
        self.styled(
            FAINT,
            &format!("  {name} {how} after {:.1} s; its files: {}", took.as_secs_f64(), folder.display()),
        );
    }

    pub fn closing(&self, scene: &Scene, took: Duration) {
        self.print("");
        self.styled(BOLD, "== the pull request's comments");
        let comments = scene.comments();
        for (author, body) in &comments {
            self.styled(FAINT, &format!("  {author}:"));
            body.lines().for_each(|line| self.print(&format!("  {line}")));
        }
        let page: Vec<&str> = comments.iter().map(|(_, body)| body.as_str()).collect();
        let path = scene.out.join("comment.md");
        if let Err(error) = std::fs::write(&path, page.join("\n---\n\n")) {
            self.print(&format!("  {} could not be written: {error}", path.display()));
        }
        self.print("");
        self.styled(BOLD, "== deployments");
        scene.deployments().iter().for_each(|line| self.print(&format!("  {line}")));
        self.print("");
        self.styled(BOLD, "== in the workspace now");
        scene.resources().iter().for_each(|line| self.print(&format!("  {line}")));
        self.print("");
        let out = scene.out.display();
        self.print(&format!("rehearsed in {:.1} s; everything it left is below {out}", took.as_secs_f64()));
    }

    fn styled(&self, style: &str, text: &str) {
        if self.colour { self.print(&format!("{style}{text}{PLAIN}")) } else { self.print(text) }
    }

    fn print(&self, text: &str) {
        // Nobody reads any more: that is no reason to stop the rehearsal.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

enum Said {
    Text(String),
    Heading(String),
    Nothing,
}

impl Said {
    fn of(line: &str) -> Self {
        let Some((head, data)) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")) else {
            return Said::Text(line.to_owned());
        };
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let data = data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
        match name {
            "group" => Said::Heading(data),
            "error" | "warning" | "notice" => Said::Text(format!("{}{name}: {data}", place(properties))),
            // `endgroup`, `add-mask`, `debug`, and the words that stop and resume commands.
            _ => Said::Nothing,
        }
    }
}

fn place(properties: &str) -> String {
    let value = |name: &str| properties.split(',').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    match (value("file"), value("line")) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        (Some(file), None) => format!("{file}: "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_the_runner_become_what_a_person_reads() {
        let said = |line: &str| match Said::of(line) {
            Said::Text(text) | Said::Heading(text) => text,
            Said::Nothing => String::new(),
        };
        assert_eq!(said("created job `train`"), "created job `train`");
        assert_eq!(said("::error file=a.yml,line=3::no 50%25"), "a.yml:3: error: no 50%");
        assert_eq!(said("::group::deploy"), "deploy");
        assert_eq!(said("::add-mask::secret"), "");
    }
}
