//! What the project knows about mail. Pure: octets and values in, values out; no I/O, no clock, no logging.
//!
//! Read in this order: [`normalise`] makes a [`normalise::Parsed`] of whatever octets came; it asks [`html`] for the text of
//! a mail without plain text, [`visible`] for what is new in it, [`automatic`] whether a machine speaks and [`bounce`] what
//! a delivery report says. [`forwarded`] finds whose mail it is that an agent forwards. [`authenticity`] tells how far the sender is to be
//! believed. [`list`] finds the writer of what came through a group. [`token`] signs and checks the addresses and Message-IDs by which
//! answers find their ticket, and [`compose`] writes what goes out. No other file of the crate knows the crates that parse or build mail.

pub mod authenticity;
pub mod automatic;
pub mod bounce;
pub mod compose;
pub mod forwarded;
pub mod html;
pub mod list;
pub mod normalise;
pub mod token;
pub mod visible;
