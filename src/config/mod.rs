//! Configuration: what was written, checked, becomes what may be used.

pub mod settings;
