//! MLflow experiments. Only the name can change; tags are sent once and never compared,
//! because MLflow adds its own.

use super::review::Fact;
use super::rules::{backend_default, ignore, place, recreate};
use super::{
    Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent,
    permissions,
};

pub static KIND: Kind = Kind {
    name: "experiments",
    title: "experiment",
    message: "bundle.Experiment",
    state: "ml.CreateExperiment",
    remote: "ml.Experiment",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/experiments/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_READ"), run: None, owner: false },
    }),
    prefix: Prefix::LastSegment,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/mlflow/experiments/create",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ByName {
            route: Route {
                method: Method::Get,
                path: "/api/2.0/mlflow/experiments/get-by-name",
                query: &[("experiment_name", "{name}")],
                body: &[],
            },
            id: "experiment.experiment_id",
        },
        id: Id::Reply("experiment_id"),
        read: Route {
            method: Method::Get,
            path: "/api/2.0/mlflow/experiments/get",
            query: &[("experiment_id", "{id}")],
            body: &[],
        },
        lift: &[Lift::Object("experiment")],
        update: &[Call {
            route: Route {
                method: Method::Post,
                path: "/api/2.0/mlflow/experiments/update",
                query: &[],
                body: &[Part::Id("experiment_id"), Part::FieldAs("name", "new_name")],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Post,
            path: "/api/2.0/mlflow/experiments/delete",
            query: &[],
            body: &[Part::Id("experiment_id")],
        }),
        ..Api::PLAIN
    },
    rules: &[
        place("name"),
        ignore("tags", "terraform_compat"),
        backend_default("artifact_location"),
        recreate("artifact_location", "immutable"),
        recreate("trace_location", "spec:immutable"),
    ],
    holds: Holds::Listed(
        Route {
            method: Method::Post,
            path: "/api/2.0/mlflow/runs/search",
            query: &[],
            body: &[Part::Ids("experiment_ids")],
        },
        "runs",
    ),
    loses: Loses { identity: true, data: "its runs, until MLflow's own restore" },
    facts: &[Fact::Fields("", &["name", "artifact_location"])],
    page: Some("ml/experiments/{id}"),
    ..Kind::PLAIN
};
