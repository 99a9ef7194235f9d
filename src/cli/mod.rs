//! The command line: thin verbs on top of the library. Only this layer and `main` print.

pub mod live;
