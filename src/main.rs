//! Reads the environment once, runs, exits with the documented code.

fn main() {}
