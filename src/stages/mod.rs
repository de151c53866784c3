//! The sentences: phases, the facts they want, the gates they ask, the changes in order.

pub mod phase;
pub mod promises;
