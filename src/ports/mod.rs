//! What we need from the world: traits and their types.
