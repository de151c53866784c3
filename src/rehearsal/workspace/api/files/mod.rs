//! The Files API: bytes under `/Volumes/<catalog>/<schema>/<volume>/` and `/Models/<catalog>/<schema>/<model>/<version>/`.

pub(crate) mod directories;
pub(crate) mod objects;
pub(crate) mod rules;
pub(crate) mod uploads;
pub(crate) mod urls;
