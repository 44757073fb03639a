//! The engine: sled 0.34.7, one tree. Nothing of it leaves `store/`.
//!
//! Read in this order: what keys and values look like, how a store is opened, the engine with its overlay and
//! its one sync, what is read, what a change becomes, and who writes when.

pub(super) mod keys;
pub(super) mod record;

pub(super) mod open;
mod refresh;

mod overlay;
pub(super) mod engine;
pub(super) mod read;
mod recall;

pub(super) mod apply;
pub(super) mod writer;
