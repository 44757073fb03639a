//! The harness: real servers and a real daemon for each test, on loopback, each with a directory of its own.
//!
//! Tests run side by side, so nothing here uses a fixed port or a shared path. Nothing sleeps for luck: a test waits for a
//! state ([`wait::wait_until`]) and fails with the name of that state. What was started is stopped when its value is dropped;
//! if the test panics, its directory stays and its path is printed.

pub mod authority;
pub mod browser;
pub mod daemon;
pub mod dns;
pub mod dovecot;
pub mod mail;
pub mod postfix;
pub mod scratch;
pub mod sink;
pub mod submit;
pub mod token_endpoint;
pub mod wait;
