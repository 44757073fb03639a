//! The integration tests: one binary, real servers on a real wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and explains itself by printing"
)]
#![allow(dead_code, unreachable_pub, reason = "the harness offers more than each test of the day uses")]
#![allow(clippy::missing_panics_doc, reason = "a test panics where it fails")]

#[path = "../support/mod.rs"]
mod support;

mod assign;
mod attacks;
mod authenticity;
mod chat;
mod crash;
mod desk;
mod dns;
mod every_place;
mod explain;
mod harness;
mod import;
mod intake;
mod ops;
mod large;
mod page;
mod promises;
mod reload;
mod replay;
mod sign_in;
mod smtp;
mod spine;
mod threads;
mod verbs;
mod visible;
