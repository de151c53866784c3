//! Interactive clusters: `/api/2.1/clusters`.
//!
//! Another number of workers is a resize while the cluster runs, so that nobody's notebook
//! loses its state; everything else is an edit, which restarts it. A delete by the API only
//! stops a cluster: what a bundle takes away is deleted permanently.

use super::review::{CLUSTER, Fact};
use super::rules::{backend_default, ignore_remote, resize_running};
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, Wait,
    permissions,
};

const BODY: &[Part] = &[
    Part::Id("cluster_id"),
    Part::StateWithout(&["lifecycle"]),
    Part::ZeroWithout("num_workers", "autoscale"),
    Part::EmptyText("spark_version"),
];

pub static KIND: Kind = Kind {
    name: "clusters",
    title: "cluster",
    message: "bundle.Cluster",
    state: "bundle.ClusterState",
    remote: "bundle.ClusterRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/clusters/{id}")],
        entries: Entries::Written,
        levels: Levels::Of {
            manage: "CAN_MANAGE",
            view: Some("CAN_ATTACH_TO"),
            run: Some("CAN_RESTART"),
            owner: false,
        },
    }),
    prefix: Prefix::Verbatim,
    name_field: "cluster_name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.1/clusters/create", query: &[], body: BODY },
        after_create: &[Call { route: by_id("/api/2.1/clusters/delete"), when: Sent::Started(false) }],
        wait: Some(Wait {
            field: "state",
            during: &["PENDING", "RESIZING", "RESTARTING", "TERMINATING"],
            failed: &["ERROR"],
        }),
        find: Find::Again,
        id: Id::Reply("cluster_id"),
        read: Route { method: Method::Get, path: "/api/2.1/clusters/get", query: &[("cluster_id", "{id}")], body: &[] },
        lift: &[
            Lift::All,
            Lift::FieldAs("spec.apply_policy_default_values", "apply_policy_default_values"),
            Lift::Started("state", &["PENDING", "RUNNING", "RESTARTING", "RESIZING"]),
        ],
        update: &[
            Call {
                route: Route { method: Method::Post, path: "/api/2.1/clusters/edit", query: &[], body: BODY },
                when: Sent::Beside(&["lifecycle", "lifecycle.started"]),
            },
            Call { route: by_id("/api/2.1/clusters/start"), when: Sent::Started(true) },
            Call { route: by_id("/api/2.1/clusters/delete"), when: Sent::Started(false) },
        ],
        resize: Some(Route {
            method: Method::Post,
            path: "/api/2.1/clusters/resize",
            query: &[],
            body: &[Part::Id("cluster_id"), Part::Field("num_workers"), Part::Field("autoscale")],
        }),
        delete: Some(by_id("/api/2.1/clusters/permanent-delete")),
        ..Api::PLAIN
    },
    rules: &[
        ignore_remote("aws_attributes", "managed"),
        ignore_remote("azure_attributes", "managed"),
        ignore_remote("gcp_attributes", "managed"),
        backend_default("data_security_mode"),
        backend_default("driver_instance_pool_id"),
        backend_default("driver_node_type_id"),
        backend_default("enable_elastic_disk"),
        backend_default("enable_local_disk_encryption"),
        backend_default("node_type_id"),
        backend_default("single_user_name"),
        backend_default("lifecycle"),
        resize_running("num_workers"),
        resize_running("autoscale"),
    ],
    loses: Loses { identity: true, data: "" },
    facts: &[Fact::Fields("", CLUSTER)],
    page: Some("compute/clusters/{id}"),
    ..Kind::PLAIN
};

const fn by_id(path: &'static str) -> Route {
    Route { method: Method::Post, path, query: &[], body: &[Part::Id("cluster_id")] }
}
