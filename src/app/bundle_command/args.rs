//! The command line of `mlops-deploy bundle`: the official command's, as far as we know it.
//!
//! A flag or subcommand of the official command that we do not know is refused by name with
//! exit code 64, like every other construct; anything else is a plain mistake.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Works with a Databricks bundle by hand.
#[derive(Parser, Debug)]
#[command(name = "bundle", disable_version_flag = true, args_override_self = true)]
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
    /// Says on stderr which requests are sent again, and why.
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
    Run(Box<Run>),
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

#[derive(Args, Debug, Default)]
pub struct Run {
    /// Key of a job or pipeline, such as `train` or `jobs.train`.
    pub key: Option<String>,
    /// Starts the run and does not follow it.
    #[arg(long)]
    pub no_wait: bool,
    /// Cancels active runs first.
    #[arg(long)]
    pub restart: bool,
    #[command(flatten)]
    pub parameters: Parameters,
    /// Only these tasks of a job; `+` before or after a key takes what it needs, or what needs it.
    #[arg(long)]
    pub only: Vec<String>,
    /// Only these tables of a pipeline.
    #[arg(long)]
    pub refresh: Vec<String>,
    /// All tables of a pipeline.
    #[arg(long)]
    pub refresh_all: bool,
    /// Only these tables of a pipeline, from the beginning.
    #[arg(long)]
    pub full_refresh: Vec<String>,
    /// All tables of a pipeline, from the beginning.
    #[arg(long)]
    pub full_refresh_all: bool,
    /// Checks a pipeline and updates nothing.
    #[arg(long)]
    pub validate_only: bool,
    #[arg(hide = true)]
    pub words: Vec<String>,
    /// Parameters of a job: `--name value` where it has named ones, plain values where its tasks are Python.
    #[arg(last = true, value_name = "VALUE")]
    pub rest: Vec<String>,
}

/// What a run of a job is given, as the flags were written. Values are lists with commas between.
#[derive(Args, Debug, Default)]
pub struct Parameters {
    /// A job parameter, such as `name=value`.
    #[arg(long)]
    pub params: Vec<String>,
    /// Commands of dbt tasks.
    #[arg(long)]
    pub dbt_commands: Vec<String>,
    /// Parameters of JAR tasks.
    #[arg(long)]
    pub jar_params: Vec<String>,
    /// A parameter of notebook tasks, such as `name=value`.
    #[arg(long)]
    pub notebook_params: Vec<String>,
    /// `full_refresh=true` or `false`, for pipeline tasks.
    #[arg(long)]
    pub pipeline_params: Vec<String>,
    /// A named parameter of Python wheel tasks, such as `name=value`.
    #[arg(long)]
    pub python_named_params: Vec<String>,
    /// Parameters of Python tasks.
    #[arg(long)]
    pub python_params: Vec<String>,
    /// Parameters of spark-submit tasks.
    #[arg(long)]
    pub spark_submit_params: Vec<String>,
    /// A parameter of SQL tasks, such as `name=value`.
    #[arg(long)]
    pub sql_params: Vec<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        BundleArgs::command().debug_assert();
    }

    #[test]
    fn what_only_the_official_command_has_is_named() {
        let of = |line: &str| unsupported(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("deploy --verbose").as_deref(), Some("--verbose"));
        assert_eq!(of("generate job").as_deref(), Some("bundle generate"));
        assert_eq!(of("plan --nonsense"), None);
    }
}
