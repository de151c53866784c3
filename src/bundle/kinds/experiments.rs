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
    renamed: &[],
    told: &[],
    prefix: Prefix::LastSegment,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/mlflow/experiments/create",
            query: &[],
            body: &[Part::State],
        },
        after_create: &[],
        folder: None,
        kept: &[],
        kept_of_read: &[],
        lingers: None,
        wait: None,
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
        read_also: None,
        lift: &[Lift::Object("experiment")],
        list: None,
        update: &[Call {
            route: Route {
                method: Method::Post,
                path: "/api/2.0/mlflow/experiments/update",
                query: &[],
                body: &[Part::Id("experiment_id"), Part::FieldAs("name", "new_name")],
            },
            when: Sent::Always,
        }],
        resize: None,
        rename: None,
        delete: Some(Route {
            method: Method::Post,
            path: "/api/2.0/mlflow/experiments/delete",
            query: &[],
            body: &[Part::Id("experiment_id")],
        }),
    },
    rules: &[
        place("name"),
        ignore("tags", "terraform_compat"),
        backend_default("artifact_location"),
        recreate("artifact_location", "immutable"),
        recreate("trace_location", "spec:immutable"),
    ],
    keyed: &[],
    hashed: &[],
    added: &[],
    active: None,
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
    destroys: None,
    facts: &[Fact::Fields("", &["name", "artifact_location"])],
    page: Some("ml/experiments/{id}"),
};
