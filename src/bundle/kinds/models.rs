//! Models of the workspace's own registry, from before Unity Catalog: the container.
//!
//! The id is the name, while permissions belong to a number that only the workspace knows.

use super::review::Fact;
use super::rules::{ignore, named};
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, permissions,
};

pub static KIND: Kind = Kind {
    name: "models",
    title: "workspace model",
    message: "bundle.Model",
    state: "ml.CreateModel",
    remote: "bundle.ModelRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/registered-models/{model_id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_READ"), run: None, owner: false },
    }),
    prefix: Prefix::Verbatim,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/mlflow/registered-models/create",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{name}"),
        id: Id::Reply("registered_model.name"),
        read: Route {
            method: Method::Get,
            path: "/api/2.0/mlflow/databricks/registered-models/get",
            query: &[("name", "{id}")],
            body: &[],
        },
        lift: &[
            Lift::Object("registered_model_databricks"),
            Lift::FieldAs("registered_model_databricks.id", "model_id"),
        ],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.0/mlflow/registered-models/update",
                query: &[],
                body: &[Part::Field("description"), Part::Field("name")],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/mlflow/registered-models/delete",
            query: &[("name", "{id}")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[ignore("tags", "terraform_compat"), named("name", "terraform_compat")],
    loses: Loses { identity: true, data: "every version and stage of the model" },
    facts: &[Fact::Value("name")],
    page: Some("ml/models/{id}"),
    ..Kind::PLAIN
};
