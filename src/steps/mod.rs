//! The verbs, one a file: observe, write the receipt, act; and how to take it back.
