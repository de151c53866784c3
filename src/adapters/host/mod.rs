//! The machine we run on: files, processes, clock, the runner's file commands, `.git`.
