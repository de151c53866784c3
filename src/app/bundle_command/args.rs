//! The command line of `mlops-deploy bundle`: the official command's, as far as we know it.
//!
//! A flag or subcommand of the official command that we do not know is refused by name with
//! exit code 64, like every other construct; anything else is a plain mistake.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Works with a Databricks bundle by hand.
#[derive(Parser, Debug)]
#[command(name = "bundle", disable_version_flag = true)]
pub struct BundleArgs {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Args, Debug, Clone, Default)]
pub struct Global {
    /// Target of the bundle.
    #[arg(short, long, global = true)]
    pub target: Option<String>,
    /// Profile in ~/.databrickscfg.
    #[arg(short, long, global = true)]
    pub profile: Option<String>,
    /// Form of the result on stdout.
    #[arg(short, long, global = true, value_enum, default_value_t, ignore_case = true)]
    pub output: Output,
    /// A variable's value, such as `name=value`; may be repeated.
    #[arg(long = "var", global = true, action = ArgAction::Append, value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// More on stderr.
    #[arg(long, global = true)]
    pub debug: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Checks the bundle and prints its resolved configuration.
    Validate(Validate),
    /// Shows what a deployment would change.
    Plan(Plan),
    /// Deploys the bundle.
    Deploy(Deploy),
    /// Shows the bundle's resources and where they are.
    Summary(Summary),
    /// Runs a job or a pipeline of the bundle.
    Run(Run),
    /// Deletes the bundle's resources and files.
    Destroy(Destroy),
}

#[derive(Args, Debug)]
pub struct Validate {
    /// A warning is an error.
    #[arg(long)]
    pub strict: bool,
}

#[derive(Args, Debug)]
pub struct Plan {
    /// Runs every task on this cluster.
    #[arg(short, long = "cluster-id", alias = "compute-id")]
    pub cluster_id: Option<String>,
    /// Does not check the Git branch.
    #[arg(long)]
    pub force: bool,
    /// Says less; twice: nothing on success.
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
    /// Only this resource and what it needs.
    #[arg(long, value_delimiter = ',')]
    pub select: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Deploy {
    /// Does not ask before something is deleted or recreated.
    #[arg(long)]
    pub auto_approve: bool,
    /// Runs every task on this cluster.
    #[arg(short, long = "cluster-id", alias = "compute-id")]
    pub cluster_id: Option<String>,
    /// Fails where a job or pipeline of the deployment is running.
    #[arg(long)]
    pub fail_on_active_runs: bool,
    /// Does not check the Git branch.
    #[arg(long)]
    pub force: bool,
    /// Takes the deployment lock from whoever holds it.
    #[arg(long)]
    pub force_lock: bool,
    /// A plan to apply, as `plan -o json` printed it.
    #[arg(long)]
    pub plan: Option<String>,
    /// Says less; twice: only warnings and errors.
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
    /// Only this resource and what it needs.
    #[arg(long, value_delimiter = ',')]
    pub select: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Summary {
    /// Reads the state from the workspace even where this checkout has one.
    #[arg(long)]
    pub force_pull: bool,
}

#[derive(Args, Debug)]
pub struct Run {
    /// Key of a job or pipeline, such as `train` or `jobs.train`.
    pub key: Option<String>,
    /// Starts the run and does not follow it.
    #[arg(long)]
    pub no_wait: bool,
    /// Cancels active runs first.
    #[arg(long)]
    pub restart: bool,
    /// A job parameter, such as `name=value`.
    #[arg(long, value_delimiter = ',')]
    pub params: Vec<String>,
    /// Only these tasks of a job.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only these tables of a pipeline.
    #[arg(long, value_delimiter = ',')]
    pub refresh: Vec<String>,
    /// All tables of a pipeline.
    #[arg(long)]
    pub refresh_all: bool,
    /// Only these tables of a pipeline, from the beginning.
    #[arg(long, value_delimiter = ',')]
    pub full_refresh: Vec<String>,
    /// All tables of a pipeline, from the beginning.
    #[arg(long)]
    pub full_refresh_all: bool,
    /// Checks a pipeline and updates nothing.
    #[arg(long)]
    pub validate_only: bool,
    #[arg(last = true, hide = true)]
    pub rest: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Destroy {
    /// Does not ask before resources and files are deleted.
    #[arg(long)]
    pub auto_approve: bool,
    /// Takes the deployment lock from whoever holds it.
    #[arg(long)]
    pub force_lock: bool,
    /// Says less; twice: only warnings and errors.
    #[arg(short, long, action = ArgAction::Count)]
    pub quiet: u8,
}

/// Subcommands of the official command that we do not have.
const OTHER_COMMANDS: &[&str] =
    &["config-remote-sync", "debug", "deployment", "generate", "init", "launch", "open", "schema", "sync", "test"];

/// Its flags that we do not have.
const OTHER_FLAGS: &[&str] = &[
    "--include-locations",
    "--verbose",
    "--dbt-commands",
    "--jar-params",
    "--notebook-params",
    "--pipeline-params",
    "--python-named-params",
    "--python-params",
    "--spark-submit-params",
    "--sql-params",
    "--log-format",
    "--log-level",
    "--log-file",
    "--progress-format",
    "--include-related",
];

/// What of an unreadable command line the official command would understand.
pub fn unsupported(args: &[String]) -> Option<String> {
    let name = |arg: &'_ str| arg.split('=').next().unwrap_or_default().to_owned();
    let flag = args.iter().take_while(|a| *a != "--").map(|a| name(a)).find(|a| OTHER_FLAGS.contains(&a.as_str()));
    let command = args.first().filter(|a| OTHER_COMMANDS.contains(&a.as_str()));
    command.map(|c| format!("bundle {c}")).or(flag)
}

/// `--var` splits at commas as CSV does: a quoted value may hold some.
pub fn variables(given: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for text in given {
        for field in split(text)? {
            match field.split_once('=') {
                Some((name, value)) => all.push((name.to_owned(), value.to_owned())),
                None => return Err(format!("unexpected flag value for variable assignment: {field}")),
            }
        }
    }
    Ok(all)
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted).ok_or_else(|| bad_value(text))?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let field = &rest[..end];
                if field.contains('"') {
                    return Err(bad_value(text));
                }
                (field.to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(bad_value(text)),
        }
    }
}

fn bad_value(text: &str) -> String {
    format!("invalid argument {text:?} for \"--var\" flag: a quote stands inside a value; quote the whole assignment")
}

/// The text up to the closing quote, and what follows it. Two quotes stand for one.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        BundleArgs::command().debug_assert();
    }

    #[test]
    fn variables_split_at_commas_outside_quotes() {
        let read = |text: &str| variables(&[text.to_owned()]).unwrap();
        assert_eq!(read("a=1,b=2"), [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(read(r#""a=1,2""#), [("a".into(), "1,2".into())]);
        assert_eq!(read("a=x=y"), [("a".into(), "x=y".into())]);
        assert_eq!(read(r#""a=""1""""#), [("a".into(), "\"1\"".into())]);
        for bad in ["a", r#"a="1""#, r#""a=1"x"#, r#""a=1"#] {
            assert!(variables(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_only_the_official_command_has_is_named() {
        let of = |line: &str| unsupported(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("run j --notebook-params a=b").as_deref(), Some("--notebook-params"));
        assert_eq!(of("generate job").as_deref(), Some("bundle generate"));
        assert_eq!(of("plan --nonsense"), None);
    }
}
