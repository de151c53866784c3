//! Which engine reads the bundle: ours, or the official command.
