//! Tests tell stories from outside: real HTTP, real subprocesses.
