//! Journal to text: comment, summary, annotations, outputs. Pure functions.
