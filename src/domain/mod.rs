//! Decisions: facts and a time in, a [`change::Change`] out. No async, no I/O, no clock, no logging.
//!
//! Read in this order: what is spoken of (`address`, `message`, `subject`, `verdict`, `ticket`, `customer`), the time in which clocks run
//! (`calendar`, `sla`), what the configuration says (`policy`), what the store is asked and told (`change`). Then the decision
//! itself, from `decide` down: where a message belongs (`threading`), who answers (`route`), what becomes of status and clocks
//! (`lifecycle`), what an agent orders (`command`), what is said to whom (`notice`), and what those who run it hear (`ops`).

pub mod address;
pub mod message;
pub mod subject;
pub mod verdict;
pub mod ticket;
pub mod customer;
pub mod calendar;
pub mod sla;
pub mod policy;
pub mod change;
pub mod tally;
pub mod decide;
pub mod threading;
pub mod route;
pub mod look_alike;
pub mod lifecycle;
pub mod command;
pub mod notice;
pub mod ops;
pub mod outbound;
pub mod template;
pub mod dates;
pub mod words;

#[cfg(test)]
mod scenarios;
#[cfg(test)]
pub(crate) mod testing;
