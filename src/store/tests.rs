//! The store against the real engine, in directories of their own.

mod conformance;
mod crash;
mod damage;
mod durability;
mod measure;
mod model;
mod own;
mod packs;
pub(crate) mod support;
mod workload;
