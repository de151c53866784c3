//! How change happens: observe, write the receipt, act; and how to take it back.
