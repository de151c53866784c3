//! Jobs: `/api/2.2/jobs`.
//!
//! An update is a `reset` with the whole settings: what is not in the configuration goes.
//!
//! Each job is read by itself. `jobs/list` looks like fewer requests for the same facts, but
//! leaves out job parameters even with `expand_tasks` (the service does, see issue 1803 of
//! databricks/cli): a plan made from it would change every job that has some, and would not
//! see one that was added by hand.

use super::review::{CLUSTER, Fact};
use super::rules::{backend_default, backend_default_is, ignore_remote};
use super::{
    Active, Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, List, Loses, Method, Part, Prefix, Route,
    Rule, Seen, Sent, permissions,
};

pub static KIND: Kind = Kind {
    name: "jobs",
    title: "job",
    message: "bundle.Job",
    state: "jobs.JobSettings",
    remote: "bundle.JobRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/jobs/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_VIEW"), run: Some("CAN_MANAGE_RUN"), owner: true },
    }),
    prefix: Prefix::Verbatim,
    name_field: "name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.2/jobs/create", query: &[], body: &[Part::State] },
        find: Find::ByList {
            list: List {
                path: "/api/2.2/jobs/list",
                query: &[("name", "{name}")],
                items: "jobs",
                id: "job_id",
                page: ("page_token", "next_page_token"),
            },
            matches: ("settings.deployment.metadata_file_path", "deployment.metadata_file_path"),
        },
        id: Id::Reply("job_id"),
        read: Route { method: Method::Get, path: "/api/2.2/jobs/get", query: &[("job_id", "{id}")], body: &[] },
        lift: &[
            Lift::Object("settings"),
            Lift::Field("created_time"),
            Lift::Field("creator_user_name"),
            Lift::Field("job_id"),
            Lift::Field("run_as_user_name"),
        ],
        update: &[Call {
            route: Route {
                method: Method::Post,
                path: "/api/2.2/jobs/reset",
                query: &[],
                body: &[Part::IdNumber("job_id"), Part::StateAs("new_settings")],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Post,
            path: "/api/2.2/jobs/delete",
            query: &[],
            body: &[Part::IdNumber("job_id")],
        }),
        ..Api::PLAIN
    },
    rules: RULES,
    keyed: &[
        ("tasks", "task_key"),
        ("tasks.*.depends_on", "task_key"),
        ("job_clusters", "job_cluster_key"),
        ("environments", "environment_key"),
        ("parameters", "name"),
        ("webhook_notifications.on_start", "id"),
        ("webhook_notifications.on_success", "id"),
        ("webhook_notifications.on_failure", "id"),
        ("webhook_notifications.on_duration_warning_threshold_exceeded", "id"),
        ("webhook_notifications.on_streaming_backlog_exceeded", "id"),
        ("tasks.*.webhook_notifications.on_start", "id"),
        ("tasks.*.webhook_notifications.on_success", "id"),
        ("tasks.*.webhook_notifications.on_failure", "id"),
        ("tasks.*.webhook_notifications.on_duration_warning_threshold_exceeded", "id"),
        ("tasks.*.webhook_notifications.on_streaming_backlog_exceeded", "id"),
    ],
    active: Some(Active {
        route: Route {
            method: Method::Get,
            path: "/api/2.2/jobs/runs/list",
            query: &[("active_only", "true"), ("job_id", "{id}")],
            body: &[],
        },
        seen: Seen::Items("runs"),
    }),
    holds: Holds::Listed(
        Route {
            method: Method::Get,
            path: "/api/2.2/jobs/runs/list",
            query: &[("active_only", "true"), ("job_id", "{id}")],
            body: &[],
        },
        "runs",
    ),
    loses: Loses { identity: true, data: "run history" },
    facts: &[
        Fact::OneOf(&["schedule", "trigger", "continuous", "triggers"]),
        Fact::Value("run_as"),
        Fact::CountWithout {
            list: "tasks",
            have: &["notebook_task", "python_wheel_task", "spark_python_task", "dbt_task"],
            lack: &["new_cluster", "existing_cluster_id", "job_cluster_key"],
            means: "on serverless compute",
        },
        Fact::Fields("job_clusters.*.new_cluster", CLUSTER),
        Fact::Fields("tasks.*.new_cluster", CLUSTER),
        Fact::Fields("tasks.*.for_each_task.task.new_cluster", CLUSTER),
        Fact::Value("tasks.*.existing_cluster_id"),
        Fact::Value("git_source"),
    ],
    page: Some("jobs/{id}"),
    ..Kind::PLAIN
};

/// A cluster is written in two places; the rules are the same in both.
macro_rules! rules {
    ([$($rule:expr,)*], [$($make:ident $field:literal $($rest:literal)?,)*]) => {
        &[
            $($rule,)*
            $($make(concat!("job_clusters.*.new_cluster.", $field) $(, $rest)?),)*
            $($make(concat!("tasks.*.new_cluster.", $field) $(, $rest)?),)*
        ]
    };
}

static RULES: &[Rule] = rules!(
    [
        backend_default("run_as"),
        backend_default_is("tasks.*.run_if", "ALL_SUCCESS"),
        backend_default("tasks.*.notebook_task.source"),
        backend_default("tasks.*.spark_python_task.source"),
        backend_default("tasks.*.dbt_task.source"),
        backend_default("tasks.*.sql_task.file.source"),
    ],
    [
        ignore_remote "aws_attributes" "managed",
        ignore_remote "azure_attributes" "managed",
        ignore_remote "gcp_attributes" "managed",
        ignore_remote "apply_policy_default_values" "not_returned_by_api",
        backend_default "data_security_mode",
        backend_default "driver_instance_pool_id",
        backend_default "driver_node_type_id",
        backend_default "enable_elastic_disk",
        backend_default "enable_local_disk_encryption",
        backend_default "node_type_id",
    ]
);
