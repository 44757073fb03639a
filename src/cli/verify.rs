//! `guichet verify`.

use super::ask::Place;
use super::{Ended, ask, say};
use crate::view::{self, ReportView};
use std::path::Path;

pub(super) fn verify(config: &Path, json: bool) -> Result<(), Ended> {
    let place = Place::of(config)?;
    let report: Option<ReportView> = ask::ask(&place, "/api/v1/verify", |desk, _| Ok(Some(view::of_report(&desk.store().verify(true)?))))?;
    let Some(report) = report else { return Ok(()) };
    if json {
        say(&serde_json::to_string(&report)?);
    } else {
        for (what, count) in &report.counts {
            say(&format!("{what:<24} {count}"));
        }
        for fault in &report.faults {
            say(&format!("broken: {fault}"));
        }
        say(if report.ok {
            "every promise that the store can prove holds"
        } else {
            "the store breaks its promises: keep a copy of it before anything else"
        });
    }
    if report.ok { Ok(()) } else { Err(Ended::Said) }
}
