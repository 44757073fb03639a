//! Decisions: facts and a time in, a [`change::Change`] out. No async, no I/O, no clock, no logging.
//!
//! Read in this order: what is spoken of (`address`, `message`, `subject`, `verdict`, `ticket`, `customer`, `directory`), the time in which clocks run
//! (`calendar`, `sla`), what the configuration says (`policy`), what the store is asked and told (`change`). Then the decision
//! itself, from `decide` down: where a message belongs (`threading`), what an agent forwards (`forward`), who answers (`route` by `rule`,
//! `assign`), what
//! becomes of status and clocks (`lifecycle`), how two tickets become one and one two (`merge`), what an agent orders (`command`,
//! `arrange`) and must not tell (`leak`), what is said to whom (`notice`), and what those who run it hear (`ops`). `model` answers for the
//! store where the past is replayed.

pub mod address;
pub mod message;
pub mod subject;
pub mod verdict;
pub mod ticket;
pub mod customer;
pub mod directory;
pub mod calendar;
pub mod sla;
pub mod policy;
pub mod rule;
mod rule_index;
mod rule_text;
mod literals;
pub mod cues;
pub mod change;
pub mod tally;
pub mod assign;
pub mod away;
pub mod decide;
pub mod threading;
pub mod forward;
pub mod route;
pub mod look_alike;
pub mod lifecycle;
pub mod merge;
pub mod arrange;
pub mod command;
pub mod leak;
pub mod notice;
pub mod ops;
pub mod outbound;
pub mod bounce;
pub mod template;
pub mod dates;
pub mod words;
pub mod overlap;
pub mod model;

#[cfg(test)]
mod scenarios;
#[cfg(test)]
pub(crate) mod testing;
