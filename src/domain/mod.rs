//! Decisions: facts and a time in, a [`change::Change`] out. No async, no I/O, no clock, no logging.
//!
//! Read in this order: what is spoken of (`address`, `message`, `ticket`, `customer`), the time in which clocks run
//! (`calendar`, `sla`), what the configuration says (`policy`), then the decision itself.

pub mod address;
pub mod calendar;
pub mod change;
pub mod customer;
pub mod dates;
pub mod message;
pub mod notice;
pub mod outbound;
pub mod policy;
pub mod sla;
pub mod template;
pub mod ticket;
pub mod words;
