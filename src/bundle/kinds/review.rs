//! What a reviewer decides on when something new is made: which fields of a kind are worth a line.
//!
//! A difference names itself; a new resource is all difference, and a page with all of it is
//! read by nobody. Whether a field that is named here may be printed is still the field tables' word.

/// One line about a new resource. Fields are dotted paths; `*` stands for each element of a list.
#[derive(Debug)]
pub enum Fact {
    /// What lies there.
    Value(&'static str),
    /// Of what lies there, these fields; of the resource itself where the path is empty.
    Fields(&'static str, &'static [&'static str]),
    /// Those of several that are there. That none is, is a fact too.
    OneOf(&'static [&'static str]),
    /// How many elements a list has.
    Count(&'static str),
    /// The same, and how many of them have one of some fields and none of others, with what that means.
    CountWithout {
        list: &'static str,
        have: &'static [&'static str],
        lack: &'static [&'static str],
        means: &'static str,
    },
}

/// What a cluster costs and whose rights it has, wherever one is written.
pub(super) const CLUSTER: &[&str] = &[
    "node_type_id",
    "driver_node_type_id",
    "instance_pool_id",
    "driver_instance_pool_id",
    "num_workers",
    "autoscale",
    "is_single_node",
    "policy_id",
    "spark_version",
    "runtime_engine",
    "data_security_mode",
    "single_user_name",
    "autotermination_minutes",
];
