//! Instance pools: `/api/2.0/instance-pools`.
//!
//! The request that changes one does not know the cloud's attributes and elastic disks: what differs of these is saved and
//! not sent, here as in the official command. Disks, images and runtimes that a pool keeps ready make it anew.

use super::review::Fact;
use super::rules::{backend_default, ignore_remote, recreate};
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, permissions,
};

pub static KIND: Kind = Kind {
    name: "instance_pools",
    title: "instance pool",
    message: "bundle.InstancePool",
    state: "compute.CreateInstancePool",
    remote: "compute.GetInstancePool",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/instance-pools/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_ATTACH_TO"), run: None, owner: false },
    }),
    prefix: Prefix::Verbatim,
    name_field: "instance_pool_name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/instance-pools/create",
            query: &[],
            body: &[Part::State],
        },
        find: Find::Again,
        id: Id::Reply("instance_pool_id"),
        read: Route {
            method: Method::Get,
            path: "/api/2.0/instance-pools/get",
            query: &[("instance_pool_id", "{id}")],
            body: &[],
        },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Post,
                path: "/api/2.0/instance-pools/edit",
                query: &[],
                body: &[
                    Part::Id("instance_pool_id"),
                    Part::Field("custom_tags"),
                    Part::Field("idle_instance_autotermination_minutes"),
                    Part::Field("instance_pool_name"),
                    Part::Field("max_capacity"),
                    Part::Field("min_idle_instances"),
                    Part::Field("node_type_id"),
                    Part::Field("remote_disk_throughput"),
                    Part::Field("total_initial_remote_disk_size"),
                ],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Post,
            path: "/api/2.0/instance-pools/delete",
            query: &[],
            body: &[Part::Id("instance_pool_id")],
        }),
        ..Api::PLAIN
    },
    rules: &[
        ignore_remote("aws_attributes", "managed"),
        ignore_remote("azure_attributes", "managed"),
        ignore_remote("gcp_attributes", "managed"),
        backend_default("enable_elastic_disk"),
        backend_default("idle_instance_autotermination_minutes"),
        backend_default("max_capacity"),
        recreate("disk_spec", ""),
        recreate("node_type_flexibility", ""),
        recreate("preloaded_docker_images", ""),
        recreate("preloaded_spark_versions", ""),
    ],
    loses: Loses { identity: true, data: "its idle instances; clusters that are to start in it cannot" },
    facts: &[Fact::Fields(
        "",
        &[
            "instance_pool_name",
            "node_type_id",
            "min_idle_instances",
            "max_capacity",
            "idle_instance_autotermination_minutes",
            "enable_elastic_disk",
        ],
    )],
    page: Some("compute/instance-pools/{id}"),
    ..Kind::PLAIN
};
