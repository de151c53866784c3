//! The bundle engine: bytes and facts in, documents out. Pure; no async, no ports.
