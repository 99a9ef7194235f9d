//! Hand-made traces.
