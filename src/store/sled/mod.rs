//! The engine: sled 0.34.7, one tree. Nothing of it leaves `store/`.
//!
//! Read in this order: what keys and values look like, how a store is opened, the engine and its one sync, what is read,
//! what a change becomes, and the one thread that writes.

pub(super) mod keys;
pub(super) mod record;

pub(super) mod open;

pub(super) mod engine;
pub(super) mod read;

pub(super) mod apply;
pub(super) mod writer;
