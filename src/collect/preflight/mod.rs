//! Asks every evidence source, and the target, before any load is sent: what it gives, what is switched
//! off, and the line that switches it on.
