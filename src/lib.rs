//! guichet: the ticket window.

pub mod channel;
pub mod clock;
pub mod config;
pub mod domain;
pub mod mail;
